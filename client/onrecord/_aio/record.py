"""The methods on the record. The waiting client's are generated from these, by `make client`."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Mapping, Sequence

from onrecord import _answer, types
from onrecord._aio.driver import AnyIterable, AsyncDriver
from onrecord._plans import importing, record
from onrecord.errors import OnrecordError
from onrecord.types import DEFAULT_COLLECTION, Collection, Source, Speaker, Statement, StatementFilter


class AsyncRecord(AsyncDriver):
    """Methods of StatementService."""

    async def add_statement(
        self,
        statement: str | Statement,
        *,
        speaker: str | Speaker | None = None,
        collection: str = DEFAULT_COLLECTION,
        request_id: str = "",
        timeout: float | None = None,
    ) -> Statement:
        """Put one statement on the record and return it as stored. `speaker`: when `statement` is its text alone.

        request_id: sent again with the same one, a statement is not stored twice; default: a new one for each call.
        """
        return await self._run(record.add(statement, speaker, collection, request_id, self._limit(timeout)))

    async def add_statements(
        self,
        statements: AnyIterable[Statement | str],
        *,
        collection: str = DEFAULT_COLLECTION,
        timeout: float | None = None,
    ) -> list[Statement | OnrecordError]:
        """Put many statements on the record; each as stored, in their order. A bad one is an error in its place.

        Sent 500 or 3.5 MB at a time; when a message fails as a whole its error is raised, and the messages before it
        are on the record. For many thousands, use `import_statements`.
        """
        items = self._items("statements", statements)
        return await self._run(record.add_many(collection, self._batch_limit(timeout)), items)

    async def get_statement(self, name: str, *, timeout: float | None = None) -> Statement:
        """Read one statement by its resource name, "collections/default/statements/…"."""
        return await self._run(record.get(name, self._limit(timeout)))

    async def list_statements(
        self,
        collection: str = DEFAULT_COLLECTION,
        *,
        filter: StatementFilter | None = None,
        page_size: int = 500,
        timeout: float | None = None,
    ) -> AsyncIterator[Statement]:
        """A collection's statements that pass, in the order they were put there; pages are fetched as you go."""
        async for page in self.statement_pages(collection, filter=filter, page_size=page_size, timeout=timeout):
            for statement in page.statements:
                yield statement

    async def statement_pages(
        self,
        collection: str = DEFAULT_COLLECTION,
        *,
        filter: StatementFilter | None = None,
        page_size: int = 500,
        timeout: float | None = None,
    ) -> AsyncIterator[types.StatementPage]:
        """The same page by page, each with how many there are; at least one page, empty when nothing is there."""
        pages = record.statement_pages(collection, filter, page_size, self._limit(timeout))
        while (page := await self._run(pages.next())) is not None:
            yield page

    async def search(
        self,
        query: str,
        *,
        filter: StatementFilter | None = None,
        collection: str = DEFAULT_COLLECTION,
        min_similarity: float | None = None,
        page_size: int = 20,
        timeout: float | None = None,
    ) -> AsyncIterator[types.SearchResult]:
        """Statements by what they say, best first: by their words and by their meaning. Pages are fetched as you go.

        query: a sentence, or a few words. filter: search only among the statements that pass. min_similarity: leave
        out what is less similar, -1 to 1. At most 1,000 are found.
        """
        pages = record.search_pages(query, collection, filter, min_similarity, page_size, self._limit(timeout))
        while (page := await self._run(pages.next())) is not None:
            for found in page:
                yield found

    async def update_statement(
        self, statement: Statement, fields: str | Sequence[str], *, timeout: float | None = None
    ) -> Statement:
        """Correct fields of one statement, and return it as it stands now.

        statement: with its `name` and the new values, best made by `dataclasses.replace` from what was read. While it
            has an `etag`, the change is made only if the record's is the same, else Aborted is raised.
        fields: names of what to change ("text", "source.title"), or "*" for all that can be; an empty one is emptied.

        The record keeps no earlier version: where what was said is to stay, use `supersede_statement`.
        """
        return await self._run(record.update(statement, fields, self._limit(timeout)))

    async def delete_statement(self, name: str, *, etag: str = "", timeout: float | None = None) -> None:
        """Take one statement off the record. etag: only while it has this one, else Aborted is raised."""
        await self._run(record.delete(name, etag, self._limit(timeout)))

    async def retract_statement(
        self, name: str, *, etag: str = "", state_time: dt.date | None = None, timeout: float | None = None
    ) -> Statement:
        """Mark a statement as taken back by who said or published it, and return it. Checks do not hear it any more.

        etag: only while it has this one, else Aborted is raised. state_time: since when, an aware datetime or a date
        (its beginning, in UTC), default now; a check as of an earlier time still hears it.
        """
        return await self._run(record.retract(name, etag, state_time, self._limit(timeout)))

    async def supersede_statement(
        self,
        name: str,
        by: str | Statement,
        *,
        etag: str = "",
        state_time: dt.date | None = None,
        timeout: float | None = None,
    ) -> types.Superseded:
        """Mark a statement as replaced by another one: by the name of one on the record, or by a new Statement.

        etag, state_time: as in `retract_statement`.
        """
        return await self._run(record.supersede(name, by, etag, state_time, self._limit(timeout)))

    async def reinstate_statement(self, name: str, *, etag: str = "", timeout: float | None = None) -> Statement:
        """Let a retracted or superseded statement stand again, as if it had never been; return it."""
        return await self._run(record.reinstate(name, etag, self._limit(timeout)))

    async def import_statements(
        self,
        statements: AnyIterable[Statement | Mapping[str, object] | str],
        *,
        collection: str = DEFAULT_COLLECTION,
        defer_index: bool = False,
        timeout: float | None = None,
    ) -> types.ImportReport:
        """Put many statements on the record: Statement, its JSON form, or a text alone.

        A bad one is reported by its position and passed over. The iterable is read as it is sent, in messages of up to
        500 statements or 1 MB, twelve of which may wait for the server's acknowledgement. After a broken connection
        what was not acknowledged is sent again, and not stored twice. When a message fails as a whole, the error is
        raised and its `report` says what was acknowledged; of what was sent behind it, some may be on the record.

        defer_index: they are found by their words at once and embedded afterwards; faster.
        """
        items = self._items("statements", statements)
        return await self._run(importing.import_statements(collection, defer_index, self._batch_limit(timeout)), items)

    def export_statements(
        self, collection: str = DEFAULT_COLLECTION, *, timeout: float | None = None
    ) -> AsyncIterator[Statement]:
        """Every statement of a collection as they stand at one moment, whatever is written meanwhile.

        timeout: seconds for all of it; default: the client's batch_timeout. A caller who takes nothing for a minute is
        cut off.
        """
        call = record.export(collection, self._batch_limit(timeout))
        return self._answers(call, _answer.exported)

    async def ingest(
        self,
        text: str,
        *,
        publisher: str = "",
        date: dt.date | None = None,
        uri: str = "",
        title: str = "",
        dry_run: bool = False,
        collection: str = DEFAULT_COLLECTION,
        timeout: float | None = None,
    ) -> types.IngestReport:
        """Read a document (plain text, paragraphs parted by blank lines) into attributed statements on the record.

        publisher: the speaker of the narrator's own sentences. date: when it was published, an aware datetime or a
        date; default: read from the document's head. dry_run: return the statements and store nothing.
        """
        origin = Source(uri=uri, title=title, publisher=publisher)
        return await self._run(record.ingest(text, origin, date, dry_run, collection, self._batch_limit(timeout)))

    # collections

    async def create_collection(
        self,
        collection_id: str = "",
        *,
        display_name: str = "",
        description: str = "",
        request_id: str = "",
        timeout: float | None = None,
    ) -> Collection:
        """Create an empty collection. Not needed before statements are put into it, unless it is to have a name.

        collection_id: 1 to 63 of a-z, 0-9 and "-"; default: chosen by the server. request_id: as in `add_statement`.
        """
        return await self._run(
            record.create_collection(collection_id, display_name, description, request_id, self._limit(timeout))
        )

    async def get_collection(self, collection: str = DEFAULT_COLLECTION, *, timeout: float | None = None) -> Collection:
        """Read one collection by its id or resource name."""
        return await self._run(record.get_collection(collection, self._limit(timeout)))

    async def list_collections(
        self, *, page_size: int = 500, timeout: float | None = None
    ) -> AsyncIterator[Collection]:
        """Every collection in the order they began to exist; pages are fetched as you go."""
        pages = record.collection_pages(page_size, self._limit(timeout))
        while (page := await self._run(pages.next())) is not None:
            for collection in page:
                yield collection

    async def update_collection(
        self, collection: Collection, fields: str | Sequence[str], *, timeout: float | None = None
    ) -> Collection:
        """Change `display_name`, `description` or both ("*") of a collection; as `update_statement`."""
        return await self._run(record.update_collection(collection, fields, self._limit(timeout)))

    async def delete_collection(
        self, collection: str, *, etag: str = "", force: bool = False, timeout: float | None = None
    ) -> int:
        """Delete a collection; the number of statements deleted with it.

        force: with all its statements; without it, one that holds any raises FailedPrecondition. etag: only while it
        has this one.
        """
        return await self._run(record.delete_collection(collection, etag, force, self._limit(timeout)))

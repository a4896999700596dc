"""Keeping the record: validate, embed, store. Every store call runs in a thread, never on the event loop."""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np

from onrecord_server.checking.batching import Priority
from onrecord_server.checking.changes import Changes
from onrecord_server.checking.collections import Collections
from onrecord_server.checking.indexing import Embedder, fill
from onrecord_server.checking.puts import Puts
from onrecord_server.checking.turns import Turns
from onrecord_server.domain import limits, validation
from onrecord_server.domain.errors import AlreadyExists, InvalidInput, ModelError, ModelUnusable, OnrecordError
from onrecord_server.domain.types import RequestKey, Source, Statement, StatementDraft, StatementFilter
from onrecord_server.ingest import Tagger, document_id, ingest_document
from onrecord_server.store.base import FloatArray, Found, Page, Put, Snapshot, StatementStore, Stored

# Characters of a document's id that begin its statements' ids: 64 bits, so no two documents meet.
_DOCUMENT_PREFIX = 16
_READERS = 4  # documents read at once; in threads of their own, as a long one takes minutes
SEARCH_PAGE = 20
"""Statements a page of a search, unless it is told how many."""


@dataclass(frozen=True, slots=True)
class IngestResult:
    """What a document became.

    `statements`: in document order; drafts without a name on a dry run, Statements otherwise. `already_ingested`: the
    collection had this text before, and `statements` are those of then. `publish_time`: from the source, else read from
    the document, else None.
    """

    document: str
    statements: Sequence[StatementDraft]
    already_ingested: bool
    publish_time: datetime | None


class Record:
    """Writes to the record and reads from it, for the server and for in-process use. Use from one event loop."""

    def __init__(
        self,
        store: StatementStore,
        worker: Embedder,
        tagger: Tagger | None = None,
        deferred: Callable[[], None] = lambda: None,
    ) -> None:
        """tagger: helps to read documents; without it the rules read them alone.

        deferred: called after statements were stored without their embeddings (checking.indexing.Indexer.put).
        """
        self._store = store
        self._tagger = tagger
        self._worker = worker
        self._deferred = deferred
        self._puts = Puts(store)
        self._reading = Turns(_READERS, "ingest")
        self._storing_document = asyncio.Lock()
        self._storing: set[asyncio.Task[IngestResult]] = set()  # so that none is collected before it is done
        self.changes = Changes(store, worker)
        self.collections = Collections(store.collections)

    async def create(self, parent: str, draft: StatementDraft, request: RequestKey | None = None) -> Statement:
        """Put one statement on the record. Raises InvalidInput, AlreadyExists, StoreError, Overloaded, RequestIdReused.

        request: when it was answered before, nothing is changed, and the answer is that of then.
        """
        parent = validation.parse_parent(parent)
        validation.raise_if_any(validation.draft_violations(draft, parent=parent))
        stored = await self._replayed(parent, [draft], request)
        if stored is None:
            vectors = await self._worker.embed([draft.text])
            stored = await asyncio.to_thread(
                self._store.put, parent, [draft], vectors, all_or_none=True, request=request
            )
        (created,) = stored.outcomes
        if isinstance(created, OnrecordError):
            raise created
        return created

    async def put(
        self,
        parent: str,
        drafts: Sequence[StatementDraft],
        *,
        request: RequestKey | None = None,
        defer_index: bool = False,
        turn: AbstractAsyncContextManager[Any] | None = None,
        offset: int = 0,
    ) -> Stored:
        """Put many on the record in one transaction; a draft that is invalid, taken or poison to the model yields its
        error in its place.

        request: as in `create`. defer_index: store them without embeddings, which are made afterwards. turn: entered
        when all else is done, and left when they are in line for the store, which keeps to the order. offset: of the
        drafts' places in the errors' fields. Raises what stops everything: InvalidInput (parent), Overloaded,
        StoreFull, RequestIdReused, …
        """
        parent = validation.parse_parent(parent)
        wrong: dict[int, OnrecordError] = {}
        for position, draft in enumerate(drafts):
            if validation.draft_violations(draft, "", parent=parent):  # what is wrong is looked at again, to say where
                place = f"statements[{offset + position}]"
                wrong[position] = InvalidInput(validation.draft_violations(draft, place, parent=parent))
        sound = [draft for position, draft in enumerate(drafts) if position not in wrong] if wrong else drafts
        stored = None if defer_index else await self._replayed(parent, sound, request)
        if stored is None:
            failed: dict[int, OnrecordError] = {}
            vectors = None if defer_index else await self._embed_all([draft.text for draft in sound], failed)
            async with turn or nullcontext():
                storing = self._puts.add(Put(parent, sound, vectors, request, failed))
            stored = await storing
            if defer_index and not stored.replayed:
                self._deferred()
        return stored.among(drafts, wrong)

    async def import_statements(
        self, parent: str, drafts: Sequence[StatementDraft]
    ) -> builtins.list[Statement | OnrecordError]:
        """Put many on the record; a draft that is invalid, taken or poison to the model yields its error in its place.

        Each 500 are one transaction. What stops everything (Overloaded, StoreFull …) is raised when it meets the first
        of these; later, it stands in the place of each draft that was not stored, so that no success goes untold.
        """
        parent = validation.parse_parent(parent)
        results: builtins.list[Statement | OnrecordError] = []
        size = limits.IMPORT_CHUNK.value
        for start in range(0, len(drafts), size):
            chunk = drafts[start : start + size]
            try:
                results += (await self.put(parent, chunk, offset=start)).outcomes
            except OnrecordError as error:
                if start == 0:
                    raise
                results += [error] * (len(drafts) - start)
                break
        return results

    async def get(self, name: str) -> Statement:
        """Read one statement. Raises InvalidInput, NotFound."""
        return await asyncio.to_thread(self._store.get, validation.parse_name(name))

    async def list(
        self, parent: str, page_size: int = 0, page_token: str = "", chosen: StatementFilter | None = None
    ) -> Page:
        """Read a page, in the order of creation. page_size: 0 reads as 100. chosen: list only what passes.

        Raises InvalidInput (size, token, filter).
        """
        parent = validation.parse_parent(parent)
        validation.raise_if_any(validation.filter_violations(chosen) if chosen else ())
        return await asyncio.to_thread(self._store.list, parent, page_size, page_token, chosen)

    async def search(
        self,
        parent: str,
        query: str,
        page_size: int = 0,
        page_token: str = "",
        chosen: StatementFilter | None = None,
        least: float | None = None,
        *,
        deadline: float | None = None,
    ) -> Found:
        """Find statements by what they say, best first, page by page; at most 1,000 in all.

        page_size: 0 reads as 20, more than 1,000 as 1,000. chosen: among what passes. least: of the similarity, -1 to
        1. Raises InvalidInput (query, size, token, filter, min_similarity), and what InferenceWorker.embed raises.
        """
        validation.raise_if_any(validation.search_violations(query, page_size, chosen, least))
        parent, size = validation.parse_parent(parent), min(page_size or SEARCH_PAGE, limits.PAGE_SIZE.value)
        vector = (await self._worker.embed([query], deadline=deadline))[0]
        found = await asyncio.to_thread(
            self._store.find, parent, query, vector, size, page_token, chosen=chosen, least=least
        )
        hits = await fill(found.hits, vector, partial(self._worker.embed, deadline=deadline))
        return replace(found, hits=[hit for hit in hits if least is None or hit.similarity >= least])

    async def delete(self, name: str, etag: str = "") -> None:
        """Take a statement off the record, while it has this etag. Raises InvalidInput, NotFound, EtagMismatch."""
        validation.raise_if_any(validation.etag_violations(etag))
        await asyncio.to_thread(self._store.delete, validation.parse_name(name), etag=etag)

    async def export(self, parent: str, chosen: StatementFilter | None = None) -> Snapshot:
        """A view of a collection as it stands now, to be read in threads and closed. Raises InvalidInput."""
        return await asyncio.to_thread(self._store.export, validation.parse_parent(parent), chosen)

    async def ingest(self, parent: str, text: str, source: Source, *, dry_run: bool = False) -> IngestResult:
        """Read a document into statements and store them, all or none; the same text again changes nothing.

        Their names are made from the document, or chosen by the store when statements that are not of this document
        have one of these: an import of statements that were exported keeps their names, and not their document.

        Raises InvalidInput, StoreError, Overloaded, ModelError.
        """
        parent = validation.parse_parent(parent)
        violations = validation.text_violations("text", text, limits.DOCUMENT_CODE_POINTS, required=True)
        validation.raise_if_any(violations + validation.source_violations(source))
        stored = await self._stored(parent, document_id(text))
        if stored is not None:
            return stored
        read = await self._reading.run(Priority.BULK, ingest_document, text, source, self._tagger)
        if dry_run or not read.drafts:
            return IngestResult(read.document, read.drafts, False, read.publish_time)
        drafts = _named(parent, read.document, read.drafts)
        validation.raise_if_any(
            [v for i, d in enumerate(drafts) for v in validation.draft_violations(d, f"statements[{i}]")]
        )
        vectors = await self._worker.embed([draft.text for draft in drafts], priority=Priority.BULK)

        async def store() -> IngestResult:
            async with self._storing_document:  # names that the store chooses keep no second call from storing it, too
                stored = await self._stored(parent, read.document)
                if stored is not None:
                    return stored
                try:
                    statements = await self._create_all(parent, drafts, vectors)
                except AlreadyExists:
                    statements = await self._create_all(parent, read.drafts, vectors)
            return IngestResult(read.document, statements, False, read.publish_time)

        # a caller who leaves does not stop the thread that stores; the same document again has to wait for it
        storing = asyncio.create_task(store())
        self._storing.add(storing)
        storing.add_done_callback(self._storing.discard)
        return await asyncio.shield(storing)

    async def _create_all(
        self, parent: str, drafts: Sequence[StatementDraft], vectors: FloatArray
    ) -> builtins.list[Statement]:
        """Store all, or raise AlreadyExists and store none."""
        stored = await asyncio.to_thread(self._store.put, parent, drafts, vectors, all_or_none=True)
        return [item for item in stored.outcomes if isinstance(item, Statement)]

    async def _stored(self, parent: str, document: str) -> IngestResult | None:
        """What the document became when it was ingested, if it was."""
        statements = await asyncio.to_thread(self._store.document_statements, parent, document)
        if not statements:
            return None
        return IngestResult(document, statements, True, statements[0].source.publish_time)

    async def _replayed(
        self, parent: str, drafts: Sequence[StatementDraft], request: RequestKey | None
    ) -> Stored | None:
        """What the request was answered the first time, before anything is done for it."""
        if request is None:
            return None
        return await asyncio.to_thread(self._store.replay, parent, drafts, request)

    async def _embed_all(self, texts: Sequence[str], failed: dict[int, OnrecordError]) -> FloatArray | None:
        """A vector for each text; one that the model fails on gets zeros, its error into `failed`. None: all did."""
        try:
            return await self._worker.embed(texts, priority=Priority.BULK)
        except ModelUnusable:
            raise
        except ModelError as error:
            if len(texts) == 1:
                failed[0] = error
                return None
        vectors: dict[int, FloatArray] = {}
        for place, text in enumerate(texts):
            alone: dict[int, OnrecordError] = {}
            vector = await self._embed_all([text], alone)
            if vector is None:
                failed[place] = alone[0]
            else:
                vectors[place] = vector[0]
        if not vectors:
            return None
        nothing = np.zeros_like(next(iter(vectors.values())))
        return np.stack([vectors.get(place, nothing) for place in range(len(texts))])


def _named(parent: str, document: str, drafts: Sequence[StatementDraft]) -> list[StatementDraft]:
    """Names made from the document: the same wherever it is ingested, and none of them can be stored twice."""
    prefix = f"{parent}/statements/{document[:_DOCUMENT_PREFIX]}"
    return [replace(draft, name=f"{prefix}-{number:04d}") for number, draft in enumerate(drafts, start=1)]

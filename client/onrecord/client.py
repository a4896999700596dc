"""The client: one channel to one server, one method an RPC, typed results and errors."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Self

from onrecord import _answer, _request, types
from onrecord._batching import BATCH_ITEMS, Batch
from onrecord._importing import Importer
from onrecord._request import Fields
from onrecord._split import chunks
from onrecord._streaming import Stream
from onrecord._transport import MESSAGE_BUDGET, ChannelTransport, Transport
from onrecord.errors import OnrecordError
from onrecord.types import DEFAULT_COLLECTION, CheckOptions, Claim, Source, Speaker, Statement
from onrecord.v1 import check_service_pb2, server_info_service_pb2, statement_service_pb2

DEFAULT_TARGET = "127.0.0.1:50051"


class Client:
    """A connection to one onrecord server. Use it as a context manager, or close it; safe to share among threads.

        with Client("127.0.0.1:50051") as client:
            result = client.check("Putin said that Russia opposes interference.")

    target: "host:port", "[::1]:port", "dns:///host:port" or "unix:path". Making a client does not connect: the first
        call does, and says in one line when nothing is there.
    timeout: seconds a call may take, unless it names its own; None waits without end.
    batch_timeout: the same for calls that carry many items (check_batch, score_pairs, imports, ingest), for each
        message that they send.
    token: sent as `authorization: Bearer TOKEN`. The connection is not encrypted: only over a network you trust.

    A call that finds the server unavailable or overloaded is repeated up to three times within its timeout; writes
    that would then be done twice only when the server says that it has done nothing. All methods raise the errors of
    `onrecord.errors`.
    """

    def __init__(
        self,
        target: str = DEFAULT_TARGET,
        *,
        timeout: float | None = 30.0,
        batch_timeout: float | None = 300.0,
        token: str | None = None,
    ) -> None:
        self._timeout = None if timeout is None else _request.seconds("timeout", timeout)
        self._batch_timeout = None if batch_timeout is None else _request.seconds("batch_timeout", batch_timeout)
        self._transport: Transport = ChannelTransport(target, token)

    @classmethod
    def over(cls, transport: Transport) -> Self:
        """A client over another transport, without deadlines: the command line's in-process mode."""
        client = cls.__new__(cls)
        client._transport = transport
        client._timeout = client._batch_timeout = None
        return client

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self.target!r})"

    @property
    def target(self) -> str:
        """The address that it calls."""
        return self._transport.target

    def close(self) -> None:
        """Close the connection; calls in flight on other threads raise Cancelled. Idempotent."""
        self._transport.close()

    def wait_ready(self, timeout: float = 30.0) -> None:
        """Return as soon as the server is there and its models are loaded; Unavailable after `timeout` seconds."""
        self._transport.wait_ready(_request.seconds("timeout", timeout))

    def info(self, *, timeout: float | None = None) -> types.ServerInfo:
        """Version, models, default options and limits of the server."""
        request = server_info_service_pb2.GetServerInfoRequest()
        return _answer.server_info(
            self._transport.call(self._transport.info.GetServerInfo, request, _limit(timeout, self._timeout))
        )

    # checks

    def check(
        self,
        claim: str | Claim,
        *,
        speaker: str | None = None,
        as_of: dt.date | None = None,
        collection: str = DEFAULT_COLLECTION,
        options: CheckOptions | None = None,
        timeout: float | None = None,
    ) -> types.CheckResult:
        """Check one claim against a collection.

        speaker: who is claimed to have said it, when that does not stand in the claim itself.
        as_of: check against the record as it stood then, an aware datetime or a date (its end, in UTC).
        collection: its id ("default") or resource name ("collections/default").
        """
        fields = Fields()
        request = check_service_pb2.CheckClaimRequest(
            parent=_request.parent(fields, collection),
            claim=_request.claim(fields, claim, speaker, as_of=as_of),
            options=_request.options(fields, options),
        )
        fields.check()
        answer = self._transport.call(self._transport.checks.CheckClaim, request, _limit(timeout, self._timeout))
        return _answer.check_result(answer.result)

    def check_batch(
        self,
        claims: Iterable[str | Claim],
        *,
        collection: str = DEFAULT_COLLECTION,
        options: CheckOptions | None = None,
        timeout: float | None = None,
    ) -> list[types.CheckResult | OnrecordError]:
        """Check many claims; one outcome a claim, in their order. A bad claim is an error in its place.

        Sent in messages of at most 256 claims and 3.5 MB, each with `timeout` (default: the client's batch_timeout).
        When a message fails as a whole, its error is raised if nothing was checked yet; otherwise it stands in the
        place of each claim that was left unchecked, and no further message is sent.
        """
        fields = Fields()
        parent, wire_options = _request.parent(fields, collection), _request.options(fields, options)
        _request.many(fields, "claims", claims)
        fields.check()
        return Batch(self._transport, parent, wire_options, _limit(timeout, self._batch_timeout)).run(claims)

    def check_stream(
        self,
        claims: Iterable[str | Claim],
        *,
        collection: str = DEFAULT_COLLECTION,
        options: CheckOptions | None = None,
        timeout: float | None = None,
    ) -> Iterator[types.CheckResult | OnrecordError]:
        """Check any number of claims over one stream; one outcome a claim, in their order, as soon as it is there.

        Nothing is collected: the iterable is read as the server takes the claims, and the server waits for a caller who
        takes outcomes slowly. A bad claim is an error in its place. A busy server makes the stream wait, and answers
        single checks first. timeout: seconds for the whole stream, default none.

        When the stream itself fails its error is raised; the outcomes before it stand, so go on with the first claim
        that has none. The iterable is read in another thread.
        """
        fields = Fields()
        parent, wire_options = _request.parent(fields, collection), _request.options(fields, options)
        _request.many(fields, "claims", claims)
        fields.check()
        return Stream(self._transport, parent, wire_options, _limit(timeout, None)).run(claims)

    def score_pairs(self, pairs: Iterable[tuple[str, str]], *, timeout: float | None = None) -> list[types.PairScore]:
        """What the NLI model alone says of (premise, hypothesis) pairs, in their order. All or an error."""
        fields = Fields()
        _request.many(fields, "pairs", pairs)
        fields.check()
        messages = [_request.pair(fields, pair, f"pairs[{index}]") for index, pair in enumerate(pairs)]
        fields.check()
        scores: list[types.PairScore] = []
        for chunk in chunks(messages, most=BATCH_ITEMS, budget=MESSAGE_BUDGET):
            request = check_service_pb2.ScorePairsRequest(pairs=chunk)
            answer = self._transport.call(
                self._transport.checks.ScorePairs, request, _limit(timeout, self._batch_timeout)
            )
            scores += [_answer.pair_score(score) for score in answer.scores]
        return scores

    # the record

    def add_statement(
        self,
        statement: str | Statement,
        *,
        speaker: str | Speaker | None = None,
        collection: str = DEFAULT_COLLECTION,
        timeout: float | None = None,
    ) -> Statement:
        """Put one statement on the record and return it as stored. `speaker`: when `statement` is its text alone."""
        fields = Fields()
        draft = _request.draft(statement, speaker)
        request = statement_service_pb2.CreateStatementRequest(
            parent=_request.parent(fields, collection), statement=_request.statement(fields, draft)
        )
        fields.check()
        answer = self._transport.call(self._transport.record.CreateStatement, request, _limit(timeout, self._timeout))
        return _answer.statement(answer.statement)

    def get_statement(self, name: str, *, timeout: float | None = None) -> Statement:
        """Read one statement by its resource name, "collections/default/statements/…"."""
        fields = Fields()
        request = statement_service_pb2.GetStatementRequest(name=fields.text("name", name))
        fields.check()
        answer = self._transport.call(self._transport.record.GetStatement, request, _limit(timeout, self._timeout))
        return _answer.statement(answer.statement)

    def list_statements(
        self, collection: str = DEFAULT_COLLECTION, *, page_size: int = 500, timeout: float | None = None
    ) -> Iterator[Statement]:
        """Every statement of a collection in the order they were put there; pages are fetched as you go."""
        for page in self.statement_pages(collection, page_size=page_size, timeout=timeout):
            yield from page.statements

    def statement_pages(
        self, collection: str = DEFAULT_COLLECTION, *, page_size: int = 500, timeout: float | None = None
    ) -> Iterator[types.StatementPage]:
        """The same page by page, each with the collection's size; at least one page, empty when nothing is there."""
        fields = Fields()
        parent, size = _request.parent(fields, collection), fields.count("page_size", page_size) or 0
        fields.check()
        token = ""
        while True:
            request = statement_service_pb2.ListStatementsRequest(parent=parent, page_size=size, page_token=token)
            answer = self._transport.call(
                self._transport.record.ListStatements, request, _limit(timeout, self._timeout)
            )
            page = _answer.statement_page(answer)
            yield page
            token = page.next_page_token
            if not token:
                return

    def delete_statement(self, name: str, *, timeout: float | None = None) -> None:
        """Take one statement off the record."""
        fields = Fields()
        request = statement_service_pb2.DeleteStatementRequest(name=fields.text("name", name))
        fields.check()
        self._transport.call(self._transport.record.DeleteStatement, request, _limit(timeout, self._timeout))

    def import_statements(
        self,
        statements: Iterable[Statement | Mapping[str, object] | str],
        *,
        collection: str = DEFAULT_COLLECTION,
        timeout: float | None = None,
    ) -> types.ImportReport:
        """Put many statements on the record: Statement, its JSON form, or a text alone.

        A bad one is reported by its position and passed over. The iterable is read as it is sent, 500 statements or
        3.5 MB at a time, each acknowledged by the server before the next; when one of these fails as a whole, the
        error is raised and its `report` says what was acknowledged before.
        """
        fields = Fields()
        parent = _request.parent(fields, collection)
        _request.many(fields, "statements", statements)
        fields.check()
        importer = Importer(self._transport, parent, _limit(timeout, self._batch_timeout))
        return importer.run(statements)

    def ingest(
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
        fields = Fields()
        origin = Source(uri=uri, title=title, publisher=publisher, publish_time=_request.day(fields, "date", date))
        request = statement_service_pb2.IngestDocumentRequest(
            parent=_request.parent(fields, collection),
            text=fields.text("text", text),
            source=_request.source(fields, origin),
            dry_run=bool(dry_run),
        )
        fields.check()
        answer = self._transport.call(
            self._transport.record.IngestDocument, request, _limit(timeout, self._batch_timeout)
        )
        return _answer.ingest_report(answer)


def _limit(timeout: float | None, default: float | None) -> float | None:
    return default if timeout is None else _request.seconds("timeout", timeout)

"""Statements and collections: read, written, changed, taken off."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from onrecord import _answer, _request, types
from onrecord._channel import MESSAGE_BUDGET
from onrecord._places import at
from onrecord._request import Fields
from onrecord._split import Indexed, Packer
from onrecord._status import from_status
from onrecord._steps import END, PULL, Call, Plan
from onrecord.errors import InvalidArgument, OnrecordError, ServerError
from onrecord.types import Collection, Source, Speaker, Statement, StatementFilter
from onrecord.v1 import statement_pb2
from onrecord.v1 import statement_service_pb2 as pb

BATCH_ITEMS = 500

Stored = Statement | OnrecordError


def fresh_id() -> str:
    """A request_id that no other request has, so that a repetition is known for one."""
    return uuid.uuid4().hex


def add(
    statement: str | Statement, speaker: str | Speaker | None, collection: str, request_id: str, timeout: float | None
) -> Plan[Statement]:
    """See `Client.add_statement`."""
    fields = Fields()
    request = pb.CreateStatementRequest(
        parent=_request.parent(fields, collection),
        statement=_request.statement(fields, _request.draft(statement, speaker)),
        request_id=fields.text("request_id", request_id) or fresh_id(),
    )
    fields.check()
    answer = yield Call("record", "CreateStatement", request, timeout)
    return _answer.statement(answer.statement)


def add_many(collection: str, timeout: float | None) -> Plan[list[Stored]]:
    """See `Client.add_statements`; pulls the statements."""
    fields = Fields()
    parent = _request.parent(fields, collection)
    fields.check()
    outcomes: dict[int, Stored] = {}
    packer: Packer[Indexed[statement_pb2.Statement]] = Packer(most=BATCH_ITEMS, budget=MESSAGE_BUDGET)
    count = 0
    while (given := (yield PULL)) is not END:
        fields = Fields()
        message = _request.statement(fields, _request.draft(given, None), f"statements[{count}]")
        if fields.violations:
            outcomes[count] = InvalidArgument.of(fields.violations)
        elif full := packer.add(Indexed(count, message)):
            yield from _add_chunk(parent, full, outcomes, timeout)
        count += 1
    if last := packer.rest():
        yield from _add_chunk(parent, last, outcomes, timeout)
    return [outcomes[index] for index in range(count)]


def _add_chunk(
    parent: str, chunk: list[Indexed[statement_pb2.Statement]], outcomes: dict[int, Stored], timeout: float | None
) -> Plan[None]:
    request = pb.BatchCreateStatementsRequest(
        parent=parent, statements=[item.message for item in chunk], request_id=fresh_id()
    )
    answer = yield Call("record", "BatchCreateStatements", request, timeout)
    if len(answer.items) != len(chunk):
        raise ServerError(f"the server answered {len(answer.items)} of {len(chunk)} statements")
    for item, stored in zip(chunk, answer.items, strict=True):
        if stored.HasField("statement"):
            outcomes[item.index] = _answer.statement(stored.statement)
        else:
            outcomes[item.index] = at(from_status(stored.error), item.index)


def get(name: str, timeout: float | None) -> Plan[Statement]:
    """See `Client.get_statement`."""
    fields = Fields()
    request = pb.GetStatementRequest(name=fields.text("name", name))
    fields.check()
    answer = yield Call("record", "GetStatement", request, timeout)
    return _answer.statement(answer.statement)


class Pages:
    """Plans of one listing: each reads the next page, None after the last one."""

    def __init__(
        self, method: str, request: Any, page_size: object, convert: Callable[[Any], Any], timeout: float | None
    ) -> None:
        fields = Fields()
        request.page_size = fields.count("page_size", page_size) or 0
        fields.check()
        self._method = method
        self._request = request
        self._convert = convert
        self._timeout = timeout
        self._token: str | None = ""

    def next(self) -> Plan[Any]:
        """The next page, as `convert` makes it."""
        if self._token is None:
            return None
        self._request.page_token = self._token
        answer = yield Call("record", self._method, self._request, self._timeout)
        self._token = answer.next_page_token or None
        return self._convert(answer)


def statement_pages(collection: str, narrowed: StatementFilter | None, page_size: int, timeout: float | None) -> Pages:
    """See `Client.statement_pages`."""
    fields = Fields()
    request = pb.ListStatementsRequest(
        parent=_request.parent(fields, collection), filter=_request.statement_filter(fields, narrowed)
    )
    fields.check()
    return Pages("ListStatements", request, page_size, _answer.statement_page, timeout)


def search_pages(
    query: str,
    collection: str,
    narrowed: StatementFilter | None,
    min_similarity: float | None,
    page_size: int,
    timeout: float | None,
) -> Pages:
    """See `Client.search`."""
    fields = Fields()
    request = pb.SearchStatementsRequest(
        parent=_request.parent(fields, collection),
        query=fields.text("query", query),
        filter=_request.statement_filter(fields, narrowed),
        min_similarity=fields.number("min_similarity", min_similarity),
    )
    fields.check()
    return Pages("SearchStatements", request, page_size, _answer.search_results, timeout)


def collection_pages(page_size: int, timeout: float | None) -> Pages:
    """See `Client.list_collections`."""

    def convert(answer: pb.ListCollectionsResponse) -> list[Collection]:
        return [_answer.collection(item) for item in answer.collections]

    return Pages("ListCollections", pb.ListCollectionsRequest(), page_size, convert, timeout)


def update(statement: Statement, changed: str | Sequence[str], timeout: float | None) -> Plan[Statement]:
    """See `Client.update_statement`."""
    fields = Fields()
    message = statement_pb2.Statement()
    if isinstance(statement, Statement):
        message = _request.statement(fields, statement)
        message.etag = fields.text("statement.etag", statement.etag)
    else:
        fields.bad("statement", f"needs a Statement with its name, not {type(statement).__name__}")
    request = pb.UpdateStatementRequest(statement=message, update_mask=_request.mask(fields, changed))
    fields.check()
    answer = yield Call("record", "UpdateStatement", request, timeout)
    return _answer.statement(answer.statement)


def delete(name: str, etag: str, timeout: float | None) -> Plan[None]:
    """See `Client.delete_statement`."""
    fields = Fields()
    request = pb.DeleteStatementRequest(name=fields.text("name", name), etag=fields.text("etag", etag))
    fields.check()
    yield Call("record", "DeleteStatement", request, timeout)


def retract(name: str, etag: str, state_time: dt.date | None, timeout: float | None) -> Plan[Statement]:
    """See `Client.retract_statement`."""
    fields = Fields()
    request = pb.RetractStatementRequest(
        name=fields.text("name", name),
        etag=fields.text("etag", etag),
        state_time=fields.time("state_time", _request.day(fields, "state_time", state_time)),
    )
    fields.check()
    answer = yield Call("record", "RetractStatement", request, timeout)
    return _answer.statement(answer.statement)


def supersede(
    name: str, by: str | Statement, etag: str, state_time: dt.date | None, timeout: float | None
) -> Plan[types.Superseded]:
    """See `Client.supersede_statement`."""
    fields = Fields()
    request = pb.SupersedeStatementRequest(
        name=fields.text("name", name),
        etag=fields.text("etag", etag),
        state_time=fields.time("state_time", _request.day(fields, "state_time", state_time)),
    )
    if isinstance(by, Statement):
        request.statement.CopyFrom(_request.statement(fields, by, "by"))
    else:
        request.superseded_by = fields.text("by", by)
    fields.check()
    answer = yield Call("record", "SupersedeStatement", request, timeout)
    return types.Superseded(_answer.statement(answer.statement), _answer.statement(answer.successor))


def reinstate(name: str, etag: str, timeout: float | None) -> Plan[Statement]:
    """See `Client.reinstate_statement`."""
    fields = Fields()
    request = pb.ReinstateStatementRequest(name=fields.text("name", name), etag=fields.text("etag", etag))
    fields.check()
    answer = yield Call("record", "ReinstateStatement", request, timeout)
    return _answer.statement(answer.statement)


def ingest(
    text: str, origin: Source, date: dt.date | None, dry_run: bool, collection: str, timeout: float | None
) -> Plan[types.IngestReport]:
    """See `Client.ingest`."""
    fields = Fields()
    published = _request.day(fields, "date", date)
    source = _request.source(fields, origin)
    if (stamp := fields.time("date", published)) is not None:
        source.publish_time.CopyFrom(stamp)
    request = pb.IngestDocumentRequest(
        parent=_request.parent(fields, collection),
        text=fields.text("text", text),
        source=source,
        dry_run=bool(dry_run),
    )
    fields.check()
    answer = yield Call("record", "IngestDocument", request, timeout)
    return _answer.ingest_report(answer)


def export(collection: str, timeout: float | None) -> Call:
    """See `Client.export_statements`: the call whose answers are to be streamed."""
    fields = Fields()
    request = pb.ExportStatementsRequest(parent=_request.parent(fields, collection))
    fields.check()
    return Call("record", "ExportStatements", request, timeout)


def create_collection(
    collection_id: str, display_name: str, description: str, request_id: str, timeout: float | None
) -> Plan[Collection]:
    """See `Client.create_collection`."""
    fields = Fields()
    request = pb.CreateCollectionRequest(
        collection=statement_pb2.Collection(
            display_name=fields.text("display_name", display_name), description=fields.text("description", description)
        ),
        collection_id=fields.text("collection_id", collection_id),
        request_id=fields.text("request_id", request_id) or fresh_id(),
    )
    fields.check()
    answer = yield Call("record", "CreateCollection", request, timeout)
    return _answer.collection(answer.collection)


def get_collection(collection: str, timeout: float | None) -> Plan[Collection]:
    """See `Client.get_collection`."""
    fields = Fields()
    request = pb.GetCollectionRequest(name=_request.parent(fields, collection))
    fields.check()
    answer = yield Call("record", "GetCollection", request, timeout)
    return _answer.collection(answer.collection)


def update_collection(collection: Collection, changed: str | Sequence[str], timeout: float | None) -> Plan[Collection]:
    """See `Client.update_collection`."""
    fields = Fields()
    request = pb.UpdateCollectionRequest(
        collection=_request.collection(fields, collection), update_mask=_request.mask(fields, changed)
    )
    fields.check()
    answer = yield Call("record", "UpdateCollection", request, timeout)
    return _answer.collection(answer.collection)


def delete_collection(collection: str, etag: str, force: bool, timeout: float | None) -> Plan[int]:
    """See `Client.delete_collection`."""
    fields = Fields()
    request = pb.DeleteCollectionRequest(
        name=_request.parent(fields, collection), etag=fields.text("etag", etag), force=bool(force)
    )
    fields.check()
    answer = yield Call("record", "DeleteCollection", request, timeout)
    return int(answer.deleted_count)

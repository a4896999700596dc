"""StatementService: the record itself."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from grpc.aio import ServicerContext

from onrecord.v1 import statement_service_pb2 as pb
from onrecord_server.checking.streaming import in_order
from onrecord_server.domain import masks
from onrecord_server.domain.errors import (
    FieldViolation,
    InvalidInput,
    ModelUnusable,
    OnrecordError,
    Overloaded,
    ShuttingDown,
    StoreError,
)
from onrecord_server.domain.limits import IMPORT_AHEAD, IMPORT_CHUNK, MESSAGE_BYTES, PAGE_SIZE
from onrecord_server.domain.types import StatementDraft
from onrecord_server.domain.validation import filter_violations, raise_if_any, search_violations
from onrecord_server.rpc.backend import BackendSlot
from onrecord_server.rpc.convert import (
    ambiguous_name_to_proto,
    draft_from_proto,
    filter_from_proto,
    source_from_proto,
    statement_to_proto,
    timestamp_from_proto,
    timestamp_to_proto,
)
from onrecord_server.rpc.services import importing
from onrecord_server.rpc.services.checks import check_size, deadline_of, parent_violations
from onrecord_server.rpc.services.collections import CollectionMethods
from onrecord_server.rpc.services.exporting import Exports
from onrecord_server.rpc.services.importing import Piece, Tally, Turns
from onrecord_server.rpc.services.requests import convert, create_key, many_key, paths_of
from onrecord_server.store.base import Stored

DEFAULT_PAGE_SIZE = 100
# What ends an import, and not one of its messages alone.
_ENDS = (StoreError, ModelUnusable, ShuttingDown, Overloaded)


class StatementService(CollectionMethods):
    """onrecord.v1.StatementService."""

    def __init__(self, slot: BackendSlot) -> None:
        self._slot = slot
        self._exports = Exports()

    async def CreateStatement(
        self, request: pb.CreateStatementRequest, context: ServicerContext[Any, Any]
    ) -> pb.CreateStatementResponse:
        """Put one statement on the record."""
        draft = convert(request.statement)
        if isinstance(draft, InvalidInput):
            raise draft
        statement = await self._slot.get().record.create(request.parent, draft, create_key(request))
        return pb.CreateStatementResponse(statement=statement_to_proto(statement))

    async def GetStatement(
        self, request: pb.GetStatementRequest, context: ServicerContext[Any, Any]
    ) -> pb.GetStatementResponse:
        """Read one statement."""
        return pb.GetStatementResponse(statement=statement_to_proto(await self._slot.get().record.get(request.name)))

    async def ListStatements(
        self, request: pb.ListStatementsRequest, context: ServicerContext[Any, Any]
    ) -> pb.ListStatementsResponse:
        """Read a page. It holds fewer statements than asked for when more would not fit a message."""
        violations = [*parent_violations(request.parent)]
        chosen = filter_from_proto(request.filter, "filter", violations)
        violations += filter_violations(chosen) if chosen is not None else []
        if request.page_size < 0:
            message = f"{request.page_size} is negative; send 1 to {PAGE_SIZE.value:,}, or 0 for {DEFAULT_PAGE_SIZE}"
            violations.append(FieldViolation("page_size", "OUT_OF_RANGE", message))
        raise_if_any(violations)
        size = min(request.page_size or DEFAULT_PAGE_SIZE, PAGE_SIZE.value)
        record = self._slot.get().record
        while True:
            page = await record.list(request.parent, size, request.page_token, chosen)
            response = pb.ListStatementsResponse(
                statements=[statement_to_proto(statement) for statement in page.statements],
                next_page_token=page.next_page_token,
                total_size=page.total_size,
                ambiguous_names=[ambiguous_name_to_proto(found) for found in page.ambiguous],
            )
            if size == 1 or response.ByteSize() <= MESSAGE_BYTES.value:
                return response
            size = max(1, min(size, len(page.statements)) // 2)

    async def SearchStatements(
        self, request: pb.SearchStatementsRequest, context: ServicerContext[Any, Any]
    ) -> pb.SearchStatementsResponse:
        """Find statements by what they say. As with a listing, a page that would not fit a message is shorter."""
        violations = [*parent_violations(request.parent)]
        chosen = filter_from_proto(request.filter, "filter", violations)
        least = request.min_similarity if request.HasField("min_similarity") else None
        raise_if_any(violations + search_violations(request.query, request.page_size, chosen, least))
        record, size = self._slot.get().record, request.page_size
        while True:
            found = await record.search(
                request.parent, request.query, size, request.page_token, chosen, least, deadline=deadline_of(context)
            )
            response = pb.SearchStatementsResponse(
                results=[
                    pb.SearchResult(
                        statement=statement_to_proto(hit.statement), score=hit.score, similarity=hit.similarity
                    )
                    for hit in found.hits
                ],
                next_page_token=found.next_page_token,
                ambiguous_names=[ambiguous_name_to_proto(name) for name in found.ambiguous],
            )
            if len(found.hits) <= 1 or response.ByteSize() <= MESSAGE_BYTES.value:
                return response
            size = len(found.hits) // 2

    async def UpdateStatement(
        self, request: pb.UpdateStatementRequest, context: ServicerContext[Any, Any]
    ) -> pb.UpdateStatementResponse:
        """Correct fields of one statement; what the mask leaves out is not even looked at."""
        message, mask = request.statement, request.update_mask.paths
        paths = paths_of(message, mask, masks.STATEMENT_FIELDS, masks.STATEMENT_FIXED)
        violations: list[FieldViolation] = []
        given = draft_from_proto(message, "statement", violations)
        raise_if_any([v for v in violations if any(masks.concerns(f"statement.{path}", v.field) for path in paths)])
        made = await self._slot.get().record.changes.update(given, paths, message.etag)
        return pb.UpdateStatementResponse(statement=statement_to_proto(made))

    async def DeleteStatement(
        self, request: pb.DeleteStatementRequest, context: ServicerContext[Any, Any]
    ) -> pb.DeleteStatementResponse:
        """Take one statement off the record."""
        await self._slot.get().record.delete(request.name, request.etag)
        return pb.DeleteStatementResponse()

    async def RetractStatement(
        self, request: pb.RetractStatementRequest, context: ServicerContext[Any, Any]
    ) -> pb.RetractStatementResponse:
        """Mark one statement as taken back."""
        violations: list[FieldViolation] = []
        since = _since(request, violations)
        raise_if_any(violations)
        made = await self._slot.get().record.changes.retract(request.name, request.etag, since)
        return pb.RetractStatementResponse(statement=statement_to_proto(made))

    async def SupersedeStatement(
        self, request: pb.SupersedeStatementRequest, context: ServicerContext[Any, Any]
    ) -> pb.SupersedeStatementResponse:
        """Mark one statement as replaced by another."""
        violations: list[FieldViolation] = []
        since = _since(request, violations)
        successor: str | StatementDraft = request.superseded_by
        if request.WhichOneof("successor") == "statement":
            successor = draft_from_proto(request.statement, "statement", violations)
        elif not successor:
            message = "is empty; name the statement that takes its place, or send a new one"
            violations.append(FieldViolation("superseded_by", "REQUIRED", message))
        raise_if_any(violations)
        record = self._slot.get().record
        old, new = await record.changes.supersede(request.name, successor, request.etag, since)
        return pb.SupersedeStatementResponse(statement=statement_to_proto(old), successor=statement_to_proto(new))

    async def ReinstateStatement(
        self, request: pb.ReinstateStatementRequest, context: ServicerContext[Any, Any]
    ) -> pb.ReinstateStatementResponse:
        """Let one statement stand again."""
        made = await self._slot.get().record.changes.reinstate(request.name, request.etag)
        return pb.ReinstateStatementResponse(statement=statement_to_proto(made))

    async def BatchCreateStatements(
        self, request: pb.BatchCreateStatementsRequest, context: ServicerContext[Any, Any]
    ) -> pb.BatchCreateStatementsResponse:
        """Put many statements on the record; each is kept or fails alone."""
        check_size("statements", request.statements, IMPORT_CHUNK)
        record, key = self._slot.get().record, many_key(request)
        stored = await importing.put(record, request.parent, request.statements, key, request.defer_index)
        items = [importing.batch_item(index, outcome) for index, outcome in enumerate(stored.outcomes)]
        return pb.BatchCreateStatementsResponse(items=items)

    async def ImportStatements(
        self, request_iterator: AsyncIterator[pb.ImportStatementsRequest], context: ServicerContext[Any, Any]
    ) -> pb.ImportStatementsResponse:
        """Put many statements on the record, message by message; a bad one is reported and passed over."""
        record, turns, tally = self._slot.get().record, Turns(), Tally()
        parent: str | None = None
        ended = False

        async def sized() -> AsyncIterator[Piece]:
            """The messages that hold anything, all of one collection."""
            nonlocal ended
            async for piece in importing.pieces(message async for message in request_iterator if _counts(message)):
                yield piece
            ended = True

        def _counts(message: pb.ImportStatementsRequest) -> bool:
            nonlocal parent
            if parent is None:
                parent = message.parent
                raise_if_any(parent_violations(parent))  # though nothing may follow that would meet it
            elif message.parent not in ("", parent):
                text = f"{message.parent!r} after {parent!r}; one import has one collection, so start another"
                raise InvalidInput([FieldViolation("parent", "PARENT_CHANGED", text)])
            return bool(message.statements)

        async def one(piece: Piece) -> tuple[Piece, Stored]:
            return piece, await importing.store(record, parent or "", piece, turns)

        read = in_order(sized(), one, IMPORT_AHEAD.value, self._slot.draining)
        async with contextlib.aclosing(read) as done:
            async for piece, stored in done:
                tally.add(piece, stored)
        if not ended:  # what was read is stored, which its request_ids will tell
            raise ShuttingDown("the server is shutting down; import again elsewhere, under the same request_ids")
        return tally.answer()

    async def StreamImportStatements(
        self,
        request_iterator: AsyncIterator[pb.StreamImportStatementsRequest | OnrecordError],
        context: ServicerContext[Any, Any],
    ) -> AsyncIterator[pb.StreamImportStatementsResponse]:
        """Put many statements on the record, and acknowledge each message; one that is none comes as its error."""
        record, turns = self._slot.get().record, Turns()

        async def one(piece: Piece) -> tuple[Piece, Stored | Exception]:
            try:
                parent = "" if isinstance(piece.message, OnrecordError) else piece.message.parent
                return piece, await importing.store(record, parent, piece, turns)
            except _ENDS:
                raise
            except Exception as error:  # whatever it is, the other messages have nothing to do with it
                return piece, error

        read = in_order(importing.pieces(request_iterator), one, IMPORT_AHEAD.value, self._slot.draining)
        async with contextlib.aclosing(read) as answers:
            async for piece, outcome in answers:
                yield importing.acknowledged(piece, outcome)
        if self._slot.draining.is_set():
            raise ShuttingDown("the server is shutting down; what it had read is answered, send on elsewhere")

    async def ExportStatements(
        self, request: pb.ExportStatementsRequest, context: ServicerContext[Any, Any]
    ) -> AsyncIterator[pb.ExportStatementsResponse]:
        """All statements of a collection as they stand now."""
        violations = [*parent_violations(request.parent)]
        chosen = filter_from_proto(request.filter, "filter", violations)
        raise_if_any(violations + (filter_violations(chosen) if chosen is not None else []))
        export = self._exports.run(self._slot.get().record, request.parent, chosen)
        async with contextlib.aclosing(export) as messages:
            async for message in messages:
                yield message

    async def IngestDocument(
        self, request: pb.IngestDocumentRequest, context: ServicerContext[Any, Any]
    ) -> pb.IngestDocumentResponse:
        """Read a document into statements."""
        violations: list[FieldViolation] = []
        source = source_from_proto(request.source, "source", violations)
        if violations:
            raise InvalidInput(violations)
        outcome = await self._slot.get().record.ingest(request.parent, request.text, source, dry_run=request.dry_run)
        response = pb.IngestDocumentResponse(
            document=outcome.document,
            statements=[statement_to_proto(statement) for statement in outcome.statements],
            already_ingested=outcome.already_ingested,
        )
        if outcome.publish_time is not None:
            response.publish_time.CopyFrom(timestamp_to_proto(outcome.publish_time))
        return response


def _since(
    request: pb.RetractStatementRequest | pb.SupersedeStatementRequest, violations: list[FieldViolation]
) -> datetime | None:
    if not request.HasField("state_time"):
        return None
    return timestamp_from_proto(request.state_time, "state_time", violations)

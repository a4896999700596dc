"""StatementService: the record itself."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from grpc.aio import ServicerContext

from onrecord.v1 import statement_service_pb2 as pb
from onrecord.v1 import statement_service_pb2_grpc as pb_grpc
from onrecord.v1.statement_pb2 import Statement as WireStatement
from onrecord_server.domain.errors import FieldViolation, InvalidInput, OnrecordError, Overloaded
from onrecord_server.domain.limits import IMPORT_CHUNK, MESSAGE_BYTES, PAGE_SIZE
from onrecord_server.domain.types import Statement, StatementDraft
from onrecord_server.domain.validation import draft_violations, raise_if_any
from onrecord_server.rpc.backend import BackendSlot, RecordKeeper
from onrecord_server.rpc.calls import item_failed
from onrecord_server.rpc.convert import draft_from_proto, source_from_proto, statement_to_proto, timestamp_to_proto
from onrecord_server.rpc.errors import status_of
from onrecord_server.rpc.services.checks import check_size, parent_violations

DEFAULT_PAGE_SIZE = 100
MAX_FAILURES = 1_000  # listed in the answer of an import; the rest are counted
OVERLOAD_TRIES = 20  # waits for room in the queue before an import gives up


class StatementService(pb_grpc.StatementServiceServicer):
    """onrecord.v1.StatementService."""

    def __init__(self, slot: BackendSlot) -> None:
        self._slot = slot

    async def CreateStatement(
        self, request: pb.CreateStatementRequest, context: ServicerContext[Any, Any]
    ) -> pb.CreateStatementResponse:
        """Put one statement on the record."""
        draft = _convert(request.statement)
        if isinstance(draft, InvalidInput):
            raise draft
        statement = await self._slot.get().record.create(request.parent, draft)
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
        if request.page_size < 0:
            message = f"{request.page_size} is negative; send 1 to {PAGE_SIZE.value:,}, or 0 for {DEFAULT_PAGE_SIZE}"
            raise InvalidInput([FieldViolation("page_size", "OUT_OF_RANGE", message)])
        size = min(request.page_size or DEFAULT_PAGE_SIZE, PAGE_SIZE.value)
        record = self._slot.get().record
        while True:
            page = await record.list(request.parent, size, request.page_token)
            response = pb.ListStatementsResponse(
                statements=[statement_to_proto(statement) for statement in page.statements],
                next_page_token=page.next_page_token,
                total_size=page.total_size,
            )
            if size == 1 or response.ByteSize() <= MESSAGE_BYTES.value:
                return response
            size = max(1, min(size, len(page.statements)) // 2)

    async def DeleteStatement(
        self, request: pb.DeleteStatementRequest, context: ServicerContext[Any, Any]
    ) -> pb.DeleteStatementResponse:
        """Take one statement off the record."""
        await self._slot.get().record.delete(request.name)
        return pb.DeleteStatementResponse()

    async def ImportStatements(
        self, request_iterator: AsyncIterator[pb.ImportStatementsRequest], context: ServicerContext[Any, Any]
    ) -> pb.ImportStatementsResponse:
        """Put many statements on the record, message by message; a bad one is reported and passed over."""
        record = self._slot.get().record
        parent: str | None = None
        tally = _Tally()
        async for message in request_iterator:
            if parent is None:
                parent = message.parent
                raise_if_any(parent_violations(parent))  # though nothing may follow that would meet it
            elif message.parent not in ("", parent):
                text = f"{message.parent!r} after {parent!r}; one import has one collection, so start another"
                raise InvalidInput([FieldViolation("parent", "PARENT_CHANGED", text)])
            if message.statements:
                check_size("statements", message.statements, IMPORT_CHUNK)
                tally.add(await _import_message(record, parent, message.statements))
        return pb.ImportStatementsResponse(
            created_count=tally.created, failed_count=tally.failed, failures=tally.failures
        )

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


@dataclass(slots=True)
class _Tally:
    """What became of an import so far."""

    created: int = 0
    failed: int = 0
    failures: list[pb.ImportFailure] = field(default_factory=list)

    def add(self, outcomes: Sequence[Statement | OnrecordError]) -> None:
        """Count the outcomes of the next message."""
        for outcome in outcomes:
            if isinstance(outcome, OnrecordError):
                item_failed(outcome)
                if len(self.failures) < MAX_FAILURES:
                    index = self.created + self.failed
                    outcome = _placed(outcome, index)
                    self.failures.append(pb.ImportFailure(index=index, status=status_of(outcome)))
                self.failed += 1
            else:
                self.created += 1


_PLACE = re.compile(r"^statement(s\[\d+\])?(?=\.)")


def _placed(error: OnrecordError, index: int) -> OnrecordError:
    """The error with its fields at the statement's place in the stream, whatever part of it found them to be wrong."""
    if not isinstance(error, InvalidInput):
        return error
    place = f"statements[{index}]"
    return InvalidInput([replace(found, field=_PLACE.sub(place, found.field)) for found in error.violations])


def _convert(message: WireStatement) -> StatementDraft | InvalidInput:
    """The draft, or every violation of it when a field has no counterpart in the domain."""
    violations: list[FieldViolation] = []
    draft = draft_from_proto(message, "statement", violations)
    if violations:
        return InvalidInput([*violations, *draft_violations(draft)])
    return draft


async def _import_message(
    record: RecordKeeper, parent: str, messages: Sequence[WireStatement]
) -> list[Statement | OnrecordError]:
    """Outcomes in the messages' order; what does not convert never reaches the record."""
    converted = [_convert(message) for message in messages]
    drafts = [draft for draft in converted if isinstance(draft, StatementDraft)]
    stored = iter(await _import_patiently(record, parent, drafts) if drafts else ())
    return [draft if isinstance(draft, InvalidInput) else next(stored) for draft in converted]


async def _import_patiently(
    record: RecordKeeper, parent: str, drafts: Sequence[StatementDraft]
) -> Sequence[Statement | OnrecordError]:
    """Import, waiting for room in the queue: a stream is flow-controlled, so its sender simply waits too."""
    for _ in range(OVERLOAD_TRIES - 1):
        try:
            return await record.import_statements(parent, drafts)
        except Overloaded as busy:
            await asyncio.sleep(busy.retry_after)
    return await record.import_statements(parent, drafts)

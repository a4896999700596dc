"""Imports: messages of statements, stored one after the other, prepared side by side."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from onrecord.v1 import statement_service_pb2 as pb
from onrecord.v1.statement_pb2 import Statement as WireStatement
from onrecord_server.domain.errors import InvalidInput, OnrecordError, Overloaded
from onrecord_server.domain.limits import IMPORT_CHUNK
from onrecord_server.domain.types import RequestKey, Statement, StatementDraft
from onrecord_server.rpc.backend import RecordKeeper
from onrecord_server.rpc.calls import item_failed, status_of_item
from onrecord_server.rpc.convert import statement_to_proto
from onrecord_server.rpc.errors import status_of
from onrecord_server.rpc.services.checks import check_size
from onrecord_server.rpc.services.requests import Many, convert, many_key, placed
from onrecord_server.store.base import Stored

MAX_FAILURES = 1_000  # listed in the answer of an import; the rest are counted
EMBEDDING_AT_ONCE = 4  # messages of one import; they keep the model busy, and leave the queue to others
OVERLOAD_TRIES = 20  # waits for room in the queue before an import gives up


@dataclass(frozen=True, slots=True)
class Piece:
    """One message of an import. index: its place in the stream; first: that of its first statement; both from 0."""

    index: int
    first: int
    message: Many | OnrecordError


async def pieces(messages: AsyncIterator[Many | OnrecordError]) -> AsyncIterator[Piece]:
    """The messages of a stream with their places. One that could not be read has no statements."""
    index = first = 0
    async for message in messages:
        yield Piece(index, first, message)
        index += 1
        first += 0 if isinstance(message, OnrecordError) else len(message.statements)


class Turns:
    """Lets messages that are prepared side by side be put in line for the store in their order."""

    def __init__(self) -> None:
        self._next = 0
        self._over: set[int] = set()
        self._moved: dict[int, asyncio.Event] = {}
        self.embedding = asyncio.Semaphore(EMBEDDING_AT_ONCE)

    @asynccontextmanager
    async def of(self, index: int) -> AsyncIterator[None]:
        """Entered once all before this one are over, as this one is on leaving."""
        if self._next < index:
            await self._moved.setdefault(index, asyncio.Event()).wait()
        yield
        self.over(index)

    def over(self, index: int) -> None:
        """It is in line for the store, or never will be. Idempotent."""
        if index < self._next:
            return
        self._over.add(index)
        while self._next in self._over:
            self._over.discard(self._next)
            self._next += 1
        if (event := self._moved.pop(self._next, None)) is not None:
            event.set()


async def store(record: RecordKeeper, parent: str, piece: Piece, turns: Turns) -> Stored:
    """Store one message, in its turn, waiting for room in the queue; what does not convert never reaches the record."""
    message = piece.message
    try:
        if isinstance(message, OnrecordError):
            raise message
        check_size("statements", message.statements, IMPORT_CHUNK)
        return await put(record, parent, message.statements, many_key(message), message.defer_index, turns, piece.index)
    finally:
        turns.over(piece.index)


async def put(
    record: RecordKeeper,
    parent: str,
    messages: Sequence[WireStatement],
    request: RequestKey | None,
    defer_index: bool,
    turns: Turns | None = None,
    index: int = 0,
) -> Stored:
    """Outcomes in the messages' order. Without turns a full queue refuses the call; with turns it waits for room."""
    converted = [convert(message) for message in messages]
    drafts = [draft for draft in converted if isinstance(draft, StatementDraft)]
    if turns is None:
        stored = await record.put(parent, drafts, request=request, defer_index=defer_index)
    else:
        async with contextlib.nullcontext() if defer_index else turns.embedding:
            stored = await _patiently(record, parent, drafts, request, defer_index, turns, index)
    if len(drafts) == len(converted):
        return stored
    wrong = {place: draft for place, draft in enumerate(converted) if isinstance(draft, InvalidInput)}
    return stored.among([None if isinstance(draft, InvalidInput) else draft for draft in converted], wrong)


async def _patiently(
    record: RecordKeeper,
    parent: str,
    drafts: Sequence[StatementDraft],
    request: RequestKey | None,
    defer_index: bool,
    turns: Turns,
    index: int,
) -> Stored:
    tries = OVERLOAD_TRIES
    while True:
        try:
            return await record.put(parent, drafts, request=request, defer_index=defer_index, turn=turns.of(index))
        except Overloaded as busy:
            if (tries := tries - 1) <= 0:
                raise
            await asyncio.sleep(busy.retry_after)


@dataclass(slots=True)
class Tally:
    """What became of an import so far."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[pb.ImportFailure] = field(default_factory=list)
    pending: int = 0

    def add(self, piece: Piece, stored: Stored) -> None:
        """Count the outcomes of the next message."""
        self.pending = stored.pending
        created = len(stored.names) - len(stored.errors)
        self.counts["created"] += created
        self.counts["replayed"] += created * stored.replayed
        self.counts["failed"] += len(stored.errors)
        for place, error in sorted(stored.errors.items()):
            item_failed(error)
            if len(self.failures) < MAX_FAILURES:
                self.failures.append(_failure(error, piece.first + place))

    def answer(self) -> pb.ImportStatementsResponse:
        """The answer to the whole import."""
        return pb.ImportStatementsResponse(
            created_count=self.counts["created"],
            failed_count=self.counts["failed"],
            replayed_count=self.counts["replayed"],
            pending_count=self.pending,
            failures=self.failures,
        )


def acknowledged(piece: Piece, outcome: Stored | Exception) -> pb.StreamImportStatementsResponse:
    """The answer to one message."""
    request_id = "" if isinstance(piece.message, OnrecordError) else piece.message.request_id
    answer = pb.StreamImportStatementsResponse(
        message_index=piece.index, first_index=piece.first, request_id=request_id
    )
    if isinstance(outcome, Exception):
        answer.error.CopyFrom(status_of_item(outcome))
        return answer
    answer.replayed, answer.pending_count = outcome.replayed, outcome.pending
    answer.names.extend(outcome.names)
    for place, error in sorted(outcome.errors.items()):
        item_failed(error)
        answer.failures.append(_failure(error, piece.first + place))
    return answer


def batch_item(index: int, outcome: Statement | OnrecordError) -> pb.BatchCreateItem:
    """An item of a batch."""
    if isinstance(outcome, OnrecordError):
        return pb.BatchCreateItem(error=status_of_item(placed(outcome, index)))
    return pb.BatchCreateItem(statement=statement_to_proto(outcome))


def _failure(error: OnrecordError, index: int) -> pb.ImportFailure:
    return pb.ImportFailure(index=index, status=status_of(placed(error, index)))

"""An import over one stream: statements are read and sent while those before are stored, and acknowledged."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from dataclasses import dataclass, field

from onrecord import _request
from onrecord._fill import fill
from onrecord._places import at, for_caller, too_large
from onrecord._plans.record import fresh_id
from onrecord._request import Fields
from onrecord._split import ENVELOPE
from onrecord._status import STREAM_BROKE, from_status
from onrecord._steps import END, PULL, Close, Exchange, Open, Pause, Plan, Receive
from onrecord.errors import (
    DeadlineExceeded,
    InvalidArgument,
    OnrecordError,
    Overloaded,
    Unavailable,
)
from onrecord.types import ImportFailure, ImportReport
from onrecord.v1 import statement_pb2
from onrecord.v1 import statement_service_pb2 as pb

CHUNK_ITEMS = 500
CHUNK_BYTES = 1_000_000
"""Small messages are acknowledged soon, and twelve of them take little memory."""
IN_FLIGHT = 12
"""Messages that may be without an acknowledgement. The server reads eight of them ahead."""
MAX_FAILURES = 1_000
_TRIES = 4  # of one message, as gRPC makes of one call
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 5.0
_LATE_SHARE = 0.9  # of the timeout: clocks differ


def import_statements(collection: str, defer_index: bool, timeout: float | None) -> Plan[ImportReport]:
    """See `Client.import_statements`; pulls the statements."""
    importer = _Importer(collection, defer_index, timeout)
    try:
        yield from importer.run()
    except OnrecordError as error:
        error.report = importer.report()
        raise
    except BaseException as error:  # an interrupt, or what the caller's own iterable raised
        more = f", and maybe up to {importer.unknown:,} more" if importer.unknown else ""
        error.add_note(f"{importer.created:,} statements are on the record{more}")
        raise
    return importer.report()


@dataclass(slots=True)
class _Chunk:
    """One message, and the places of its statements among all that were given."""

    request: pb.StreamImportStatementsRequest
    places: list[int] = field(default_factory=list)
    size: int = 0  # bytes, at most


class _Importer:
    """One import of many statements.

    A stream that breaks is followed by another one, over which goes what was not acknowledged; the request_id of each
    message keeps it from being stored twice. The first message of a stream is waited for, so that a server that wants
    none is met before more is read.
    """

    def __init__(self, collection: str, defer_index: bool, timeout: float | None) -> None:
        fields = Fields()
        self._parent = _request.parent(fields, collection)
        fields.check()
        self._defer_index = bool(defer_index)
        self._timeout = timeout
        self._read = 0
        self._chunk = self._empty()
        self._open: deque[_Chunk] = deque()  # sent, and not acknowledged
        self._exchange: Exchange | None = None
        self._proven = False  # whether the present stream has acknowledged anything
        self._ended = False
        self._waited = 0.0  # seconds, for the head of `_open`
        self._refusals = 0  # of the head
        self._hesitates = False
        self.created = 0
        self._replayed = 0
        self._pending = 0
        self._failed = 0
        self._failures: list[ImportFailure] = []

    def run(self) -> Plan[None]:
        """Send everything."""
        try:
            yield from self._send_all()
            self._ended = True
            if self._exchange is not None:
                self._exchange.end()
                yield from self._acknowledged()
                with contextlib.suppress(OnrecordError):  # all is on the record
                    yield Receive(self._exchange)  # the stream's end
        finally:
            yield from self._hang_up()

    @property
    def unknown(self) -> int:
        """Statements on their way, which are on the record or not."""
        return sum(len(chunk.places) for chunk in self._open)

    def report(self) -> ImportReport:
        """What was done so far."""
        ordered = sorted(self._failures, key=lambda failure: failure.index)
        return ImportReport(self.created, self._failed, tuple(ordered[:MAX_FAILURES]), self._replayed, self._pending)

    def _send_all(self) -> Plan[None]:
        while True:
            try:
                given = yield PULL
            except Exception:  # the caller's own, who is told how much is on the record
                with contextlib.suppress(OnrecordError):
                    yield from self._acknowledged()
                raise
            if given is END:
                break
            if full := self._take(given):
                yield from self._send(full)
        if self._chunk.places:
            yield from self._send(self._chunk)

    def _take(self, given: object) -> _Chunk | None:
        """Write a statement into the chunk, or note what is wrong with it; the chunk before it when it has no room."""
        index = self._read
        self._read += 1
        message = self._chunk.request.statements.add()
        try:
            fill(message, given, f"statements[{index}]")
        except InvalidArgument as error:
            del self._chunk.request.statements[-1]
            self._fail(index, error)
            return None
        size, full = _size(message), None
        if self._chunk.places and (len(self._chunk.places) == CHUNK_ITEMS or self._chunk.size + size > CHUNK_BYTES):
            full, last = self._chunk, self._chunk.request.statements.pop()
            self._chunk = self._empty()
            self._chunk.request.statements.append(last)
        self._chunk.places.append(index)
        self._chunk.size += size
        return full

    def _empty(self) -> _Chunk:
        return _Chunk(
            pb.StreamImportStatementsRequest(parent=self._parent, defer_index=self._defer_index, request_id=fresh_id())
        )

    def _send(self, chunk: _Chunk) -> Plan[None]:
        """Send it; wait for acknowledgements where as many are missing as may be."""
        self._open.append(chunk)
        if self._exchange is None:
            yield from self._connect()
        else:
            self._exchange.send(chunk.request)
        yield from self._acknowledged(self._most() - 1)

    def _most(self) -> int:
        """Chunks that may be without an acknowledgement."""
        return IN_FLIGHT if self._proven and self._exchange is not None and self._exchange.pipelined else 1

    def _acknowledged(self, left: int = 0) -> Plan[None]:
        """Wait until no more than that are missing."""
        while len(self._open) > left:
            began = time.monotonic()
            refused = False
            try:
                answer = yield Receive(self._exchange)
                failure = _unfinished() if answer is None else self._take_in(answer)
                refused = answer is not None
            except OnrecordError as error:
                failure = error
            if failure is not None:
                self._waited += time.monotonic() - began
                yield from self._again(failure, refused=refused)

    def _take_in(self, answer: pb.StreamImportStatementsResponse) -> OnrecordError | None:
        """Note what became of the head; or why nothing of it was kept."""
        places = self._open[0].places
        if answer.HasField("error"):
            error = for_caller(from_status(answer.error))
            if not (isinstance(error, InvalidArgument) and too_large(error) and len(places) == 1):
                return error
            self._fail(places[0], error)  # one statement too large for any message
        created = sum(map(bool, answer.names))
        self.created += created
        self._replayed += created if answer.replayed else 0
        self._pending = answer.pending_count
        for failure in answer.failures:
            place = failure.index - answer.first_index
            if 0 <= place < len(places):
                self._fail(places[place], from_status(failure.status))
        self._open.popleft()
        self._proven, self._waited, self._refusals, self._hesitates = True, 0.0, 0, False
        return None

    def _again(self, error: OnrecordError, *, refused: bool) -> Plan[None]:
        """Go on over another stream, or raise the error. refused: it is the head's own, and not the stream's.

        A stream that has acknowledged nothing gRPC has tried several times itself; a refused message it has not.
        """
        pause = getattr(error, "retry_after", None) or 0.0
        if error.reason == STREAM_BROKE and not self._proven and not self._hesitates:
            self._hesitates = True
        elif isinstance(error, DeadlineExceeded) and not refused:
            # of the stream; the head is late only when it had all of it
            if self._timeout is None or self._waited >= _LATE_SHARE * self._timeout:
                raise error
        elif not isinstance(error, Unavailable | Overloaded):
            raise error
        elif refused:
            self._refusals += 1
            if self._refusals == _TRIES:
                raise error
            pause = pause or _FIRST_PAUSE * 3**self._refusals
        elif not self._proven:
            raise error
        yield from self._hang_up()
        if pause:
            yield Pause(min(pause, _LONGEST_PAUSE))
        yield from self._connect()

    def _connect(self) -> Plan[None]:
        """Begin a stream; what is not acknowledged goes over it."""
        self._exchange = yield Open("record", "StreamImportStatements", self._timeout, self._hesitates)
        self._proven = False
        for chunk in self._open:
            self._exchange.send(chunk.request)
        if self._ended:
            self._exchange.end()

    def _hang_up(self) -> Plan[None]:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            yield Close(exchange)

    def _fail(self, index: int, error: OnrecordError) -> None:
        self._failed += 1
        if len(self._failures) < MAX_FAILURES:
            self._failures.append(ImportFailure(index, at(error, index)))


def _unfinished() -> OnrecordError:
    return Unavailable("the server ended the import before it had acknowledged all of it")


def _size(message: statement_pb2.Statement) -> int:
    """Bytes of a statement in its chunk, at most."""
    return message.ByteSize() + ENVELOPE

"""An import: chunks sent one by one, positions kept across them, what was acknowledged known when one fails."""

from __future__ import annotations

from onrecord import _answer, _request
from onrecord._channel import MESSAGE_BUDGET
from onrecord._fill import fill
from onrecord._places import at, too_large
from onrecord._plans.record import fresh_id
from onrecord._request import Fields
from onrecord._split import ENVELOPE
from onrecord._steps import END, PULL, Plan, Streamed
from onrecord.errors import InvalidArgument, OnrecordError
from onrecord.types import ImportFailure, ImportReport
from onrecord.v1 import statement_pb2
from onrecord.v1 import statement_service_pb2 as pb

CHUNK_ITEMS = 500
MAX_FAILURES = 1_000


def import_statements(collection: str, defer_index: bool, timeout: float | None) -> Plan[ImportReport]:
    """See `Client.import_statements`; pulls the statements."""
    importer = _Importer(collection, defer_index, timeout)
    try:
        yield from importer.run()
    except OnrecordError as error:
        error.report = importer.report()
        raise
    except BaseException as error:  # an interrupt, or what the caller's own iterable raised
        error.add_note(f"{importer.created:,} statements are on the record")
        raise
    return importer.report()


class _Importer:
    """One import of many statements.

    Every chunk is a stream of its own. An answer then acknowledges exactly that chunk, and a chunk whose answer is lost
    can be sent again, which gRPC does not do with a long stream: its request_id keeps it from being stored twice.
    """

    def __init__(self, collection: str, defer_index: bool, timeout: float | None) -> None:
        fields = Fields()
        self._parent = _request.parent(fields, collection)
        fields.check()
        self._defer_index = bool(defer_index)
        self._timeout = timeout
        self._chunk = self._empty()
        self._places: list[int] = []  # of the chunk's statements among all that were given
        self._size = 0
        self._read = 0
        self.created = 0
        self._replayed = 0
        self._pending = 0
        self._failed = 0
        self._failures: list[ImportFailure] = []

    def run(self) -> Plan[None]:
        """Send everything."""
        while (given := (yield PULL)) is not END:
            if len(self._chunk.statements) == CHUNK_ITEMS:
                yield from self._send()
            if self._take(given) and self._size > MESSAGE_BUDGET and len(self._chunk.statements) > 1:
                last = self._chunk.statements.pop()
                index = self._places.pop()
                yield from self._send()
                self._chunk.statements.append(last)
                self._places.append(index)
                self._size = _size(last)
        if self._chunk.statements:
            yield from self._send()

    def report(self) -> ImportReport:
        """What was done so far."""
        ordered = sorted(self._failures, key=lambda failure: failure.index)
        return ImportReport(self.created, self._failed, tuple(ordered[:MAX_FAILURES]), self._replayed, self._pending)

    def _fail(self, index: int, error: OnrecordError) -> None:
        self._failed += 1
        if len(self._failures) < MAX_FAILURES:
            self._failures.append(ImportFailure(index, at(error, index)))

    def _take(self, given: object) -> bool:
        """Write a statement into the chunk, or note what is wrong with it."""
        index = self._read
        self._read += 1
        message = self._chunk.statements.add()
        try:
            fill(message, given, f"statements[{index}]")
        except InvalidArgument as error:
            del self._chunk.statements[-1]
            self._fail(index, error)
            return False
        self._places.append(index)
        self._size += _size(message)
        return True

    def _empty(self) -> pb.ImportStatementsRequest:
        return pb.ImportStatementsRequest(parent=self._parent, defer_index=self._defer_index)

    def _send(self) -> Plan[None]:
        request, places = self._chunk, self._places
        request.request_id = fresh_id()
        self._chunk, self._places, self._size = self._empty(), [], 0
        try:
            answer = yield Streamed("record", "ImportStatements", [request], self._timeout)
        except InvalidArgument as error:
            if not too_large(error):
                raise
            self._fail(places[0], error)  # one statement too large for any message
            return
        report = _answer.import_report(answer)
        self.created += report.created_count
        self._replayed += report.replayed_count
        self._pending = report.pending_count
        for failure in report.failures:
            if 0 <= failure.index < len(places):
                self._fail(places[failure.index], failure.error)


def _size(message: statement_pb2.Statement) -> int:
    """Bytes of a statement in its chunk, at most."""
    return message.ByteSize() + ENVELOPE

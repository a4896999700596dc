"""An import: chunks sent one by one, positions kept across them, what was acknowledged known when one fails."""

from __future__ import annotations

from collections.abc import Mapping

from onrecord import _answer, _request
from onrecord._channel import MESSAGE_BUDGET
from onrecord._places import at, too_large
from onrecord._plans.record import fresh_id
from onrecord._request import Fields
from onrecord._split import Indexed, Packer
from onrecord._steps import END, PULL, Plan, Streamed
from onrecord.errors import FieldViolation, InvalidArgument, OnrecordError
from onrecord.types import ImportFailure, ImportReport, Statement
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
        self._read = 0
        self.created = 0
        self._replayed = 0
        self._pending = 0
        self._failed = 0
        self._failures: list[ImportFailure] = []

    def run(self) -> Plan[None]:
        """Send everything."""
        packer: Packer[Indexed[statement_pb2.Statement]] = Packer(most=CHUNK_ITEMS, budget=MESSAGE_BUDGET)
        while (given := (yield PULL)) is not END:
            message = self._message(given)
            if message is not None and (full := packer.add(message)):
                yield from self._send(full)
        if last := packer.rest():
            yield from self._send(last)

    def report(self) -> ImportReport:
        """What was done so far."""
        ordered = sorted(self._failures, key=lambda failure: failure.index)
        return ImportReport(self.created, self._failed, tuple(ordered[:MAX_FAILURES]), self._replayed, self._pending)

    def _fail(self, index: int, error: OnrecordError) -> None:
        self._failed += 1
        if len(self._failures) < MAX_FAILURES:
            self._failures.append(ImportFailure(index, at(error, index)))

    def _message(self, given: Statement | Mapping[str, object] | str) -> Indexed[statement_pb2.Statement] | None:
        index = self._read
        self._read += 1
        fields = Fields()
        try:
            message = _request.statement(fields, as_statement(given), f"statements[{index}]")
            fields.check()
        except InvalidArgument as error:
            self._fail(index, error)
            return None
        return Indexed(index, message)

    def _send(self, chunk: list[Indexed[statement_pb2.Statement]]) -> Plan[None]:
        request = pb.ImportStatementsRequest(
            parent=self._parent,
            statements=[item.message for item in chunk],
            request_id=fresh_id(),
            defer_index=self._defer_index,
        )
        try:
            answer = yield Streamed("record", "ImportStatements", [request], self._timeout)
        except InvalidArgument as error:
            if not too_large(error):
                raise
            self._fail(chunk[0].index, error)  # one statement too large for any message
            return
        report = _answer.import_report(answer)
        self.created += report.created_count
        self._replayed += report.replayed_count
        self._pending = report.pending_count
        for failure in report.failures:
            if 0 <= failure.index < len(chunk):
                self._fail(chunk[failure.index].index, failure.error)


def as_statement(given: Statement | Mapping[str, object] | str) -> Statement:
    """A statement from any of the forms that an import takes; InvalidArgument for any other."""
    if isinstance(given, Statement):
        return given
    if isinstance(given, str):
        return Statement(given)
    if isinstance(given, Mapping):
        return Statement.from_dict(given)
    kind = type(given).__name__
    raise InvalidArgument.of(
        [FieldViolation("statement", f"needs a Statement, a dict or a str, not {kind}", "WRONG_TYPE")]
    )

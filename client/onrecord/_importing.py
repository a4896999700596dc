"""An import: chunks sent one by one, positions kept across them, what was acknowledged known when one fails."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from onrecord import _answer, _request
from onrecord._places import at, too_large
from onrecord._request import Fields
from onrecord._split import Indexed, chunks
from onrecord._transport import MESSAGE_BUDGET, Transport
from onrecord.errors import FieldViolation, InvalidArgument, OnrecordError
from onrecord.types import ImportFailure, ImportReport, Statement
from onrecord.v1 import statement_pb2, statement_service_pb2

CHUNK_ITEMS = 500
MAX_FAILURES = 1_000


class Importer:
    """One import of many statements.

    Every chunk is a stream of its own. An answer then acknowledges exactly that chunk, and a chunk that an overloaded
    server has turned away can be sent again, which gRPC does not do with a long stream.
    """

    def __init__(self, transport: Transport, parent: str, timeout: float | None) -> None:
        self._transport = transport
        self._parent = parent
        self._timeout = timeout
        self._created = 0
        self._failed = 0
        self._failures: list[ImportFailure] = []

    def run(self, statements: Iterable[Statement | Mapping[str, object] | str]) -> ImportReport:
        """Send everything; see `Client.import_statements`."""
        try:
            for chunk in chunks(self._messages(statements), most=CHUNK_ITEMS, budget=MESSAGE_BUDGET):
                self._send(chunk)
        except OnrecordError as error:
            error.report = self._report()
            raise
        except BaseException as error:  # an interrupt, or what the caller's own iterable raised
            error.add_note(f"{self._created:,} statements are on the record")
            raise
        return self._report()

    def _report(self) -> ImportReport:
        ordered = sorted(self._failures, key=lambda failure: failure.index)
        return ImportReport(self._created, self._failed, tuple(ordered[:MAX_FAILURES]))

    def _fail(self, index: int, error: OnrecordError) -> None:
        self._failed += 1
        if len(self._failures) < MAX_FAILURES:
            self._failures.append(ImportFailure(index, at(error, index)))

    def _messages(
        self, statements: Iterable[Statement | Mapping[str, object] | str]
    ) -> Iterator[Indexed[statement_pb2.Statement]]:
        for index, given in enumerate(statements):
            fields = Fields()
            try:
                message = _request.statement(fields, as_statement(given), f"statements[{index}]")
                fields.check()
            except InvalidArgument as error:
                self._fail(index, error)
            else:
                yield Indexed(index, message)

    def _send(self, chunk: list[Indexed[statement_pb2.Statement]]) -> None:
        request = statement_service_pb2.ImportStatementsRequest(
            parent=self._parent, statements=[item.message for item in chunk]
        )
        try:
            answer = self._transport.call(self._transport.record.ImportStatements, iter([request]), self._timeout)
        except InvalidArgument as error:
            if not too_large(error):
                raise
            self._fail(chunk[0].index, error)  # one statement too large for any message
            return
        report = _answer.import_report(answer)
        self._created += report.created_count
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

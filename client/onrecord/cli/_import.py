"""An import over one stream: lines are read and sent while those before are stored; each message is acknowledged."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from onrecord._fill import fill
from onrecord._places import too_large
from onrecord._status import from_status
from onrecord.cli._import_state import ImportState
from onrecord.cli._progress import Waiting
from onrecord.cli._statements_file import StatementFile
from onrecord.errors import InvalidArgument, OnrecordError, Overloaded, Unavailable
from onrecord.v1 import statement_service_pb2 as pb

if TYPE_CHECKING:
    from onrecord.client import Client

MESSAGE_ITEMS = 500
MESSAGE_BYTES = 1_000_000
"""Small messages are acknowledged soon; the server takes up to 4 MiB."""
_BY_DEFAULT = 64  # bytes
IN_FLIGHT = 12
PATIENCE = 60.0
"""Seconds that the server may be away or full, from the last acknowledgement."""


@dataclass(slots=True)
class _Message:
    """One message: the numbers of its lines, and those bad ones that stand among or before them."""

    number: int
    request: pb.StreamImportStatementsRequest
    lines: list[int]
    bad: list[tuple[int, OnrecordError]]

    @property
    def last(self) -> int:
        """Its last line."""
        return self.lines[-1]


class Import:
    """Imports one file and keeps `state` up to date; `saved` is called after each acknowledgement.

    client: of a server. done: called with the number of lines just dealt with.
    """

    def __init__(
        self,
        client: Client,
        file: StatementFile,
        state: ImportState,
        *,
        defer_index: bool,
        saved: Callable[[], None],
        done: Callable[[int], None],
    ) -> None:
        self.pending = 0
        self._client = client
        self._file = file
        self._state = state
        self._waiting = Waiting(client.target, PATIENCE)
        self._defer_index = defer_index
        self._saved = saved
        self._done = done
        self._next = state.messages
        self._messages = self._read()
        self._changed = threading.Condition()
        self._open: deque[_Message] = deque()  # sent, or to be sent again; not acknowledged
        self._unsent: deque[_Message] = deque()  # of these, to be sent again
        self._turn = 0
        self._ended = False
        self._raised: BaseException | None = None

    def run(self) -> None:
        """Send everything. What breaks on the way is tried again for a minute; then its error is raised."""
        with self._waiting:
            self._run()

    def _run(self) -> None:
        until = time.monotonic() + PATIENCE
        while True:
            before = self._state.messages
            try:
                self._over_one_stream()
                return
            except (Unavailable, Overloaded) as error:
                if self._state.messages > before:
                    until = time.monotonic() + PATIENCE
                if time.monotonic() > until or not (self._state.messages or before):
                    raise
                self._waiting.begin(error)
                time.sleep(min(error.retry_after or 0.5, 5.0))

    def _over_one_stream(self) -> None:
        with self._changed:
            self._turn += 1
            self._unsent = deque(self._open)
            turn = self._turn
        transport = self._client._transport
        answers = transport.stream(transport.record.StreamImportStatements, self._requests(turn), None)
        try:
            for answer in answers:
                self._acknowledged(answer)
        finally:
            with self._changed:
                self._turn += 1
                self._changed.notify_all()
            answers.close()
        if self._raised is not None:
            raise self._raised
        if self._open:
            raise Unavailable("the server ended the import before it had acknowledged all of it")
        for number, error in self._left:
            self._bad(number, error)

    def _requests(self, turn: int) -> Iterator[pb.StreamImportStatementsRequest]:
        """Runs in gRPC's thread, which would only log what is raised here."""
        while True:
            with self._changed:
                while turn == self._turn and not self._unsent and len(self._open) >= IN_FLIGHT:
                    self._changed.wait()
                if turn != self._turn:
                    return
                message = self._unsent.popleft() if self._unsent else None
                if message is None and self._ended:
                    return
            if message is None:
                try:
                    message = next(self._messages, None)
                except BaseException as error:
                    self._raised = error
                with self._changed:
                    if message is None:
                        self._ended = True
                        return
                    self._open.append(message)
                    if turn != self._turn:  # the next stream sends it
                        self._unsent.append(message)
                        return
            yield message.request

    def _read(self) -> Iterator[_Message]:
        """The file's lines behind those that are acknowledged, as messages, each written where it will be sent from."""
        self._left: list[tuple[int, OnrecordError]] = []
        message, size = self._begin(), 0
        for number, data, length in self._file.numbered(self._state.line):
            if isinstance(data, OnrecordError):
                self._left.append((number, data))
                continue
            # no statement is longer than its line, but for the collection in its name and what it has by default
            length += len(self._file.parent) + _BY_DEFAULT
            if message.lines and (len(message.lines) == MESSAGE_ITEMS or size + length > MESSAGE_BYTES):
                yield self._complete(message)
                message, size = self._begin(), 0
            statements = message.request.statements
            try:
                fill(statements.add(), data)
            except OnrecordError as error:
                del statements[-1]
                self._left.append((number, error))
                continue
            message.lines.append(number)
            size += length
        if message.lines:
            yield self._complete(message)

    def _begin(self) -> _Message:
        request = pb.StreamImportStatementsRequest(parent=self._file.parent, defer_index=self._defer_index)
        return _Message(0, request, [], [])

    def _complete(self, message: _Message) -> _Message:
        """Number it, and give it the bad lines up to its last."""
        message.number = self._next
        message.request.request_id = f"{self._state.key}.{message.number}"
        message.bad = [one for one in self._left if one[0] < message.last]
        self._left = [one for one in self._left if one[0] >= message.last]
        self._next += 1
        return message

    def _acknowledged(self, answer: pb.StreamImportStatementsResponse) -> None:
        with self._changed:
            if not self._open:
                raise Unavailable("the server acknowledged more than it was sent")
            message = self._open[0]
            failed: list[tuple[int, OnrecordError]] = list(message.bad)
            if answer.HasField("error"):
                error = from_status(answer.error)
                if not (isinstance(error, InvalidArgument) and too_large(error) and len(message.lines) == 1):
                    raise error
                failed.append((message.last, error))  # one statement that no message can hold
            for failure in answer.failures:
                place = failure.index - answer.first_index
                if 0 <= place < len(message.lines):
                    failed.append((message.lines[place], from_status(failure.status)))
            self._open.popleft()
            self._changed.notify_all()
        for number, error in sorted(failed, key=lambda one: one[0]):
            self._bad(number, error)
        state = self._state
        state.created += sum(map(bool, answer.names))
        self.pending = answer.pending_count
        state.messages, state.line = message.number + 1, message.last
        self._saved()
        self._waiting.over()
        self._done(len(message.lines) + len(message.bad))

    def _bad(self, number: int, error: OnrecordError) -> None:
        self._state.failed += 1
        self._file.refuse(number, error)

"""One call as it is seen from outside: what it was, how it ended, how much went in and out. Never what was said in it.

`CallGuard` makes a `Call` for each call of onrecord.v1 and tells every `CallObserver` of it: the access log, and
metrics and traces where they are on.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.rpc import status_pb2
from grpc.aio import ServicerContext

from onrecord_server.domain.errors import OnrecordError
from onrecord_server.logs import current_request_id
from onrecord_server.rpc.errors import reason_of, status_of

REQUEST_ID = "x-request-id"  # the metadata that carries it, both ways

# (request is a stream, response is a stream) -> as Prometheus' gRPC dashboards name it
KINDS = {
    (False, False): "unary",
    (True, False): "client_stream",
    (False, True): "server_stream",
    (True, True): "bidi_stream",
}

# What is safe in a log line, in a header and on a command line; long enough for UUIDs and for what proxies make.
_SANE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=@-]{0,127}")


class CallObserver:
    """Told of every call, on the event loop and in the call's own tasks; methods are cheap and raise nothing."""

    def started(self, call: Call) -> None:
        """It has arrived; nothing has been done for it."""

    def received(self, call: Call) -> None:
        """One more message came in."""

    def sent(self, call: Call) -> None:
        """One more message is ready to go out."""

    def item_failed(self, call: Call, reason: str) -> None:
        """One of its items failed alone, with this ErrorInfo.reason."""

    def ended(self, call: Call) -> None:
        """It is over; once for each that started."""


@dataclass(slots=True, eq=False)
class Call:
    """One call, which tells its observers. `code`, `reason`, `seconds` and the counts are final when it has ended.

    method: "onrecord.v1.CheckService/CheckClaim". kind: "unary", "client_stream", "server_stream" or "bidi_stream".
    metadata: the caller's, text only. peer: "ipv4", "ipv6" or "unix". reason: ErrorInfo.reason, "" when there is none.
    seconds: from its arrival on. received, sent: messages and their bytes. failed_items: of a batch, an import or a
    stream. trace_id: 32 hex digits, "" when not traced. cut: ends a stream of answers although its caller takes none;
    None of other calls, and when it is over.
    """

    method: str
    kind: str
    request_id: str
    metadata: Mapping[str, str] = field(repr=False)  # holds the caller's token
    peer: str
    observers: Sequence[CallObserver] = field(repr=False)
    code: grpc.StatusCode = grpc.StatusCode.OK
    reason: str = ""
    received: int = 0
    received_bytes: int = 0
    sent: int = 0
    sent_bytes: int = 0
    failed_items: int = 0
    trace_id: str = ""
    cut: Callable[[OnrecordError], None] | None = field(default=None, repr=False)
    _begun: float = field(default_factory=time.perf_counter)
    seconds: float = 0.0

    def start(self) -> None:
        """It has arrived."""
        for observer in self.observers:
            observer.started(self)

    def take(self, data: bytes) -> None:
        """A message came in."""
        self.received += 1
        self.received_bytes += len(data)
        for observer in self.observers:
            observer.received(self)

    def give(self, data: bytes) -> None:
        """A message is ready to go out."""
        self.sent += 1
        self.sent_bytes += len(data)
        for observer in self.observers:
            observer.sent(self)

    def item_failed(self, reason: str) -> None:
        """One of its items failed alone."""
        self.failed_items += 1
        for observer in self.observers:
            observer.item_failed(self, reason)

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return bool(self.seconds)

    def end(self) -> None:
        """It is over. What is said of it the second time is not heard."""
        if self.over:
            return
        self.seconds = time.perf_counter() - self._begun
        for observer in self.observers:
            observer.ended(self)


# The call that is being answered. Each has a task, and so a context, of its own.
current_call: ContextVar[Call | None] = ContextVar("current_call", default=None)


def item_failed(error: BaseException) -> None:
    """Tell the call's observers that an item fails without its call."""
    if call := current_call.get():
        call.item_failed(reason_of(error))


def status_of_item(error: BaseException) -> status_pb2.Status:
    """As errors.status_of, for an item that fails without its call."""
    item_failed(error)
    return status_of(error)


def call_of(method: str, kind: str, context: ServicerContext[Any, Any], observers: Sequence[CallObserver]) -> Call:
    """The call that a context belongs to; from now on, what is done and logged in this task belongs to it."""
    metadata = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
    peer = (context.peer() or "").partition(":")[0]
    call = Call(method, kind, request_id_of(metadata), metadata, peer, observers)
    current_call.set(call)
    current_request_id.set(call.request_id)
    return call


def request_id_of(metadata: Mapping[str, str]) -> str:
    """The caller's request id when it is 1 to 128 harmless characters; a new one otherwise."""
    sent = metadata.get(REQUEST_ID, "")
    return sent if _SANE_ID.fullmatch(sent) else secrets.token_hex(8)

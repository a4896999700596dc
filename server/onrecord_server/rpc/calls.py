"""One call as it is seen from outside: what it was, how it ended, how much went in and out. Never what was said in it.

`CallGuard` makes a `Call` for each call of onrecord.v1 and tells every `CallObserver` of it: the access log, and
metrics and traces where they are on.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import grpc
from grpc.aio import ServicerContext

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


@dataclass(slots=True, eq=False)
class Call:
    """One call. `code`, `reason`, `seconds` and the counts are final when it has ended.

    method: "onrecord.v1.CheckService/CheckClaim". kind: "unary", "client_stream", "server_stream" or "bidi_stream".
    metadata: the caller's, text only. peer: "ipv4", "ipv6" or "unix". reason: ErrorInfo.reason, "" when there is none.
    seconds: from its arrival on. received, sent: messages and their bytes. trace_id: 32 hex digits, "" when not traced.
    """

    method: str
    kind: str
    request_id: str
    metadata: Mapping[str, str] = field(repr=False)  # holds the caller's token
    peer: str
    code: grpc.StatusCode = grpc.StatusCode.OK
    reason: str = ""
    received: int = 0
    received_bytes: int = 0
    sent: int = 0
    sent_bytes: int = 0
    trace_id: str = ""
    _begun: float = field(default_factory=time.perf_counter)
    seconds: float = 0.0

    def end(self) -> bool:
        """Stop its clock. False when it had been stopped before."""
        if self.seconds:
            return False
        self.seconds = time.perf_counter() - self._begun
        return True


class CallObserver:
    """Told of every call, on the event loop and in the call's own task; methods are cheap and raise nothing."""

    def started(self, call: Call) -> None:
        """It has arrived; nothing has been done for it."""

    def received(self, call: Call) -> None:
        """One more message came in."""

    def sent(self, call: Call) -> None:
        """One more message is ready to go out."""

    def ended(self, call: Call) -> None:
        """It is over; once for each that started."""


def call_of(method: str, kind: str, context: ServicerContext[Any, Any]) -> Call:
    """The call that a context belongs to."""
    metadata = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
    return Call(method, kind, request_id_of(metadata), metadata, (context.peer() or "").partition(":")[0])


def request_id_of(metadata: Mapping[str, str]) -> str:
    """The caller's request id when it is 1 to 128 harmless characters; a new one otherwise."""
    sent = metadata.get(REQUEST_ID, "")
    return sent if _SANE_ID.fullmatch(sent) else secrets.token_hex(8)

"""One channel, its options, and one way to call: deadline, token, and exceptions of this package only."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from onrecord._places import for_caller
from onrecord._status import from_rpc_error
from onrecord.errors import ClientClosed, FieldViolation, InvalidArgument, OnrecordError, Unavailable
from onrecord.v1 import check_service_pb2_grpc, server_info_service_pb2_grpc, statement_service_pb2_grpc

Answer = TypeVar("Answer")

# A server refuses messages over 4 MiB, with a reason; anything twice as large would only be cut off by gRPC itself.
MAX_REQUEST_BYTES = 8 * 1024 * 1024
# The answer to a full batch, with 32 pieces of evidence a claim, is larger than gRPC's default of 4 MiB.
MAX_ANSWER_BYTES = 64 * 1024 * 1024
MESSAGE_BUDGET = 3_500_000
"""Bytes that the client fills a message to, when it is the one who splits."""

# Between two pings while a call is in flight. The server allows one in 20 s, and hangs up on more.
KEEPALIVE_MS = 60_000

_CLOSED = "this client was closed; make a new one"
_SCHEMES = ("dns", "ipv4", "ipv6", "unix", "unix-abstract", "vsock", "xds")  # what gRPC resolves
_HOST_PORT = re.compile(
    r"(dns:(///?)?)?(?!(ipv4|ipv6|unix|unix-abstract|vsock|xds):)(\[[^\]]*\]|[^:/\[\]]*):(?P<port>[^:/]*)"
)
_LOOPBACK = re.compile(r"(dns:///?)?(localhost|127\.[\d.]+|\[::1\]|::1)(:\d+)?$")


def _retry(codes: list[str]) -> dict[str, object]:
    return {
        "maxAttempts": 4,
        "initialBackoff": "0.05s",
        "maxBackoff": "2s",
        "backoffMultiplier": 3,
        "retryableStatusCodes": codes,
    }


# RESOURCE_EXHAUSTED is answered before any work, with a push-back that says when to come back (or never). UNAVAILABLE
# may come after the work was done, so a statement that the server is to name is not sent twice: CreateStatement and
# ImportStatements would store it twice, DeleteStatement would report as missing what it has just deleted.
SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {"name": [{}], "retryPolicy": _retry(["UNAVAILABLE", "RESOURCE_EXHAUSTED"])},
        {
            "name": [
                {"service": "onrecord.v1.StatementService", "method": method}
                for method in ("CreateStatement", "DeleteStatement", "ImportStatements")
            ],
            "retryPolicy": _retry(["RESOURCE_EXHAUSTED"]),
        },
    ],
}


def channel_options(target: str) -> list[tuple[str, str | int]]:
    """Options of the channel to `target`."""
    options: list[tuple[str, str | int]] = [
        ("grpc.service_config", json.dumps(SERVICE_CONFIG)),
        ("grpc.enable_retries", 1),
        # a call larger than this buffer is sent once only; the default of 256 KiB would except every large batch
        ("grpc.per_rpc_retry_buffer_size", MAX_REQUEST_BYTES),
        ("grpc.max_send_message_length", MAX_REQUEST_BYTES),
        ("grpc.max_receive_message_length", MAX_ANSWER_BYTES),
        ("grpc.max_metadata_size", 16 * 1024),
        # a server that comes back is found within seconds; the default waits up to two minutes between attempts
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.max_reconnect_backoff_ms", 2_000),
        ("grpc.keepalive_time_ms", KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.keepalive_permit_without_calls", 0),
    ]
    if _LOOPBACK.match(target):
        options.append(("grpc.enable_http_proxy", 0))  # a proxy meant for the web is not asked for this machine
    return options


class Transport(Protocol):
    """How a client reaches what answers: over a channel, or in this process (`onrecord.cli._local`)."""

    target: str
    checks: check_service_pb2_grpc.CheckServiceStub
    record: statement_service_pb2_grpc.StatementServiceStub
    info: server_info_service_pb2_grpc.ServerInfoServiceStub

    def call(self, method: Callable[..., Answer], request: object, timeout: float | None) -> Answer:
        """Call and wait. `request`: a message, or an iterator of messages for a client stream."""
        ...

    def stream(self, method: Callable[..., Any], requests: Iterator[Any], timeout: float | None) -> Iterator[Any]:
        """Call a method with streams both ways; the answers as they come. Left early, the call is cancelled."""
        ...

    def wait_ready(self, timeout: float) -> None:
        """Return when calls are answered; Unavailable when that takes more than `timeout` seconds."""
        ...

    def close(self) -> None:
        """Let go. Idempotent."""
        ...


class ChannelTransport:
    """A channel to one target. Safe to use from several threads."""

    def __init__(self, target: str, token: str | None) -> None:
        self.target = _checked_target(target)
        self._metadata = (("authorization", f"Bearer {_checked_token(token)}"),) if token else ()
        self._channel = grpc.insecure_channel(self.target, options=channel_options(self.target))
        self._closed = False
        self.checks = check_service_pb2_grpc.CheckServiceStub(self._channel)
        self.record = statement_service_pb2_grpc.StatementServiceStub(self._channel)
        self.info = server_info_service_pb2_grpc.ServerInfoServiceStub(self._channel)

    def call(self, method: Callable[..., Answer], request: object, timeout: float | None) -> Answer:
        """See `Transport.call`. Raises the errors of this package only."""
        self._open()
        try:
            return method(request, timeout=timeout, metadata=self._metadata)
        except grpc.RpcError as error:
            failure = for_caller(from_rpc_error(error, target=self.target, timeout=timeout))
        except ValueError:  # gRPC's word for a channel that another thread closed meanwhile
            if not self._closed:
                raise
            failure = ClientClosed(_CLOSED)
        raise failure

    def stream(self, method: Callable[..., Any], requests: Iterator[Any], timeout: float | None) -> Iterator[Any]:
        """See `Transport.stream`. Raises the errors of this package only."""
        self._open()
        try:
            call = method(requests, timeout=timeout, metadata=self._metadata)
        except ValueError:
            if not self._closed:
                raise
            raise ClientClosed(_CLOSED) from None
        try:
            yield from call
            return
        except grpc.RpcError as error:
            failure = for_caller(from_rpc_error(error, target=self.target, timeout=timeout))
        finally:
            call.cancel()
        raise failure

    def wait_ready(self, timeout: float) -> None:
        """Return when the server says SERVING; Unavailable when it does not within `timeout` seconds."""
        self._open()
        until = time.monotonic() + timeout
        said = ""
        while (left := until - time.monotonic()) > 0:
            try:
                for status in self._health(left):
                    if status == "SERVING":
                        return
                    said = status
            except OnrecordError as error:
                if not isinstance(error, Unavailable) and error.code != "DEADLINE_EXCEEDED":
                    raise
            time.sleep(min(0.1, max(0.0, until - time.monotonic())))  # a stream that ends at once is not spun on
        if said:
            raise Unavailable(f"{self.target} says {said} after {timeout:g} s; its log says what it is waiting for")
        raise Unavailable(f"no server at {self.target} after {timeout:g} s; start one with `onrecord serve`")

    def _health(self, timeout: float) -> Iterator[str]:
        stub: Any = health_pb2_grpc.HealthStub(self._channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest(), timeout=timeout, wait_for_ready=True)
        try:
            for answer in watch:
                yield health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
        except grpc.RpcError as error:
            failure = from_rpc_error(error, target=self.target, timeout=timeout)
        else:
            return
        finally:
            watch.cancel()
        raise failure

    def _open(self) -> None:
        if self._closed:
            raise ClientClosed(_CLOSED)

    def close(self) -> None:
        """Close the channel; calls in flight are cancelled. Idempotent."""
        self._closed = True
        self._channel.close()


def _checked_target(target: object) -> str:
    """The address, or InvalidArgument for what no resolver makes one of: better than a wait for "no such host"."""
    if not isinstance(target, str) or not target.strip() or not target.isprintable():
        raise InvalidArgument.of([FieldViolation("target", 'needs an address, as "127.0.0.1:50051"', "REQUIRED")])
    address = target.strip()
    scheme, parted, _ = address.partition("://")
    if parted and scheme not in _SCHEMES:
        message = f"{address} begins with {scheme}://, which is no kind of gRPC address; give HOST:PORT alone"
        raise InvalidArgument.of([FieldViolation("target", message, "INVALID_TARGET")])
    found = _HOST_PORT.fullmatch(address)
    if found and not (re.fullmatch(r"[0-9]{1,5}", found["port"]) and 0 < int(found["port"]) < 65_536):
        message = f"{address} has no port from 1 to 65535; give HOST:PORT"
        raise InvalidArgument.of([FieldViolation("target", message, "INVALID_TARGET")])
    return address


def _checked_token(token: object) -> str:
    # header values travel as printable ASCII
    token = token.strip() if isinstance(token, str) else ""
    if not token or not token.isascii() or not token.isprintable():
        raise InvalidArgument.of([FieldViolation("token", "needs printable ASCII", "INVALID_TOKEN")])
    return token

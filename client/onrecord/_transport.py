"""How a client that waits reaches a server: one channel, one way to call, exceptions of this package only."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator
from typing import Any, Protocol

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from onrecord._channel import Endpoint, wake_grpc
from onrecord._interrupt import Uninterrupted
from onrecord._places import for_caller
from onrecord._status import from_rpc_error
from onrecord.errors import ClientClosed
from onrecord.v1 import check_service_pb2_grpc, server_info_service_pb2_grpc, statement_service_pb2_grpc

CLOSED = "this client was closed; make a new one"


def _nothing() -> None: ...


class Transport(Protocol):
    """How a client reaches what answers: over a channel, or in this process (`onrecord.cli._local`)."""

    target: str
    buffers: bool
    """Whether requests of a stream wait in buffers on their way, so that the client has to bound them."""

    @property
    def checks(self) -> Any:
        """Methods of CheckService."""
        ...

    @property
    def record(self) -> Any:
        """Methods of StatementService."""
        ...

    @property
    def info(self) -> Any:
        """Methods of ServerInfoService."""
        ...

    def call(self, method: Callable[..., Any], request: object, timeout: float | None) -> Any:
        """Call and wait. `request`: a message, or an iterator of messages for a client stream."""
        ...

    def stream(self, method: Callable[..., Any], requests: Any, timeout: float | None) -> Generator[Any, None, None]:
        """Call a method that answers with a stream; the answers as they come. Left early, the call is cancelled.

        `requests`: a message, or an iterator of messages for streams both ways.
        """
        ...

    def health(self, timeout: float) -> str:
        """The server's word on its health: SERVING at once, else its last one within `timeout` seconds; "" for none."""
        ...

    def close(self) -> None:
        """Let go. Idempotent."""
        ...


class ChannelTransport:
    """A channel to one endpoint, made with the first call. Safe to use from several threads."""

    buffers = True

    def __init__(self, endpoint: Endpoint) -> None:
        self.target = endpoint.target
        self._endpoint = endpoint
        self._channel: grpc.Channel | None = None
        self._process = 0
        self._closed = False
        self._answered = False
        self._connecting = threading.Lock()

    @property
    def checks(self) -> Any:
        """See `Transport`."""
        self._connected()
        return self._checks

    @property
    def record(self) -> Any:
        """See `Transport`."""
        self._connected()
        return self._record

    @property
    def info(self) -> Any:
        """See `Transport`."""
        self._connected()
        return self._info

    def call(self, method: Callable[..., Any], request: object, timeout: float | None) -> Any:
        """See `Transport`. Raises the errors of this package only."""
        try:
            answer = method(request, timeout=timeout, metadata=self._endpoint.metadata)
            self._answered = True
            return answer
        except grpc.RpcError as error:
            failure = self._failure(error, timeout)
        except ValueError:  # gRPC's word for a channel that another thread closed meanwhile
            if not self._closed:
                raise
            failure = ClientClosed(CLOSED)
        raise failure

    def stream(self, method: Callable[..., Any], requests: Any, timeout: float | None) -> Generator[Any, None, None]:
        """See `Transport`. Raises the errors of this package only."""
        try:
            with Uninterrupted(_nothing):
                call = method(requests, timeout=timeout, metadata=self._endpoint.metadata)
        except ValueError:
            if not self._closed:
                raise
            raise ClientClosed(CLOSED) from None
        waiting, ending = Uninterrupted(call.cancel), Uninterrupted(_nothing)
        try:
            while True:
                with waiting:
                    answer = next(call, None)
                if answer is None:
                    return
                self._answered = True
                yield answer
        except grpc.RpcError as error:
            failure = self._failure(error, timeout)
        finally:
            with ending:
                call.cancel()
        raise failure

    def health(self, timeout: float) -> str:
        """See `Transport`."""
        stub: Any = health_pb2_grpc.HealthStub(self._connected())
        watch = stub.Watch(health_pb2.HealthCheckRequest(), timeout=timeout, wait_for_ready=True)
        said = ""
        try:
            for answer in watch:
                said = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
                if said == "SERVING":
                    self._answered = True
                    return said
            return said
        except grpc.RpcError as error:
            failure = self._failure(error, timeout)
        finally:
            watch.cancel()
        if said:
            return said
        raise failure

    def close(self) -> None:
        """Close the channel; calls in flight are cancelled. Idempotent."""
        self._closed = True
        if self._channel is not None and self._process == os.getpid():
            with Uninterrupted(_nothing):
                self._channel.close()

    def _failure(self, error: grpc.RpcError, timeout: float | None) -> Exception:
        failure = for_caller(from_rpc_error(error, target=self.target, timeout=timeout, answered_before=self._answered))
        self._answered = self._answered or failure.code not in ("UNAVAILABLE", "DEADLINE_EXCEEDED")
        return failure

    def _connected(self) -> grpc.Channel:
        """The channel of this process; ClientClosed, or ClientMisplaced where gRPC cannot make one."""
        if self._closed:
            raise ClientClosed(CLOSED)
        if self._channel is None or self._process != os.getpid():
            with self._connecting:
                if self._channel is None or self._process != os.getpid():
                    self._connect()
        assert self._channel is not None  # noqa: S101 -- for mypy
        return self._channel

    def _connect(self) -> None:
        process = wake_grpc()
        options, credentials = self._endpoint.options, self._endpoint.credentials
        if self._channel is not None:
            _of_other_processes.append(self._channel)  # closing it here would wait for threads that are not here
        if credentials is None:
            channel = grpc.insecure_channel(self.target, options=options)
        else:
            channel = grpc.secure_channel(self.target, credentials, options=options)
        self._checks = check_service_pb2_grpc.CheckServiceStub(channel)
        self._record = statement_service_pb2_grpc.StatementServiceStub(channel)
        self._info = server_info_service_pb2_grpc.ServerInfoServiceStub(channel)
        self._process = process
        self._channel = channel


_of_other_processes: list[grpc.Channel] = []

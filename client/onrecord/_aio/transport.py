"""How a client that awaits reaches a server: one channel an event loop, exceptions of this package only."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from typing import Any, Protocol

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from onrecord._channel import Endpoint, wake_grpc
from onrecord._places import for_caller
from onrecord._status import from_rpc_error
from onrecord._transport import CLOSED
from onrecord.errors import Cancelled, ClientClosed, ClientMisplaced, OnrecordError
from onrecord.v1 import check_service_pb2_grpc, server_info_service_pb2_grpc, statement_service_pb2_grpc

_CANCELLED = "the call was given up: the client was closed meanwhile"


class AsyncTransport(Protocol):
    """`onrecord._transport.Transport`, awaiting."""

    target: str

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

    async def call(self, method: Callable[..., Any], request: object, timeout: float | None) -> Any:
        """Call and await the answer. `request`: a message, or an iterator of messages for a client stream."""
        ...

    def stream(self, method: Callable[..., Any], requests: Any, timeout: float | None) -> AsyncGenerator[Any, None]:
        """Call a method that answers with a stream; the answers as they come. Left early, the call is cancelled.

        `requests`: a message, or an async iterator of messages for streams both ways.
        """
        ...

    async def health(self, timeout: float) -> str:
        """The server's word on its health: SERVING at once, else its last one within `timeout` seconds; "" for none."""
        ...

    async def close(self) -> None:
        """Let go. Idempotent."""
        ...


class AsyncChannelTransport:
    """A channel to one endpoint, made with the first call, in the event loop of that call."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.target = endpoint.target
        self._endpoint = endpoint
        self._channel: grpc.aio.Channel | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = 0
        self._closed = False
        self._answered = False

    @property
    def checks(self) -> Any:
        """Methods of CheckService."""
        self._connected()
        return self._checks

    @property
    def record(self) -> Any:
        """Methods of StatementService."""
        self._connected()
        return self._record

    @property
    def info(self) -> Any:
        """Methods of ServerInfoService."""
        self._connected()
        return self._info

    async def call(self, method: Callable[..., Any], request: object, timeout: float | None) -> Any:
        """See `AsyncTransport`. Raises the errors of this package only."""
        failure: OnrecordError
        try:
            answer = await method(request, timeout=timeout, metadata=self._endpoint.metadata)
            self._answered = True
            return answer
        except grpc.RpcError as error:
            failure = self._failure(error, timeout)
        except asyncio.CancelledError as error:
            failure = self._given_up(error)
        raise failure

    async def stream(
        self, method: Callable[..., Any], requests: Any, timeout: float | None
    ) -> AsyncGenerator[Any, None]:
        """See `AsyncTransport`. Raises the errors of this package only."""
        failure: OnrecordError
        call = method(requests, timeout=timeout, metadata=self._endpoint.metadata)
        try:
            async for answer in call:
                self._answered = True
                yield answer
            return
        except grpc.RpcError as error:
            failure = self._failure(error, timeout)
        except asyncio.CancelledError as error:
            failure = self._given_up(error)
        finally:
            call.cancel()
        raise failure

    async def health(self, timeout: float) -> str:
        """See `AsyncTransport`."""
        failure: OnrecordError
        stub: Any = health_pb2_grpc.HealthStub(self._connected())
        watch = stub.Watch(health_pb2.HealthCheckRequest(), timeout=timeout, wait_for_ready=True)
        said = ""
        try:
            async for answer in watch:
                said = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
                if said == "SERVING":
                    self._answered = True
                    return said
            return said
        except grpc.RpcError as error:
            failure = self._failure(error, timeout)
        except asyncio.CancelledError as error:
            failure = self._given_up(error)
        finally:
            watch.cancel()
        if said:
            return said
        raise failure

    async def close(self) -> None:
        """Close the channel; calls in flight are cancelled. Idempotent."""
        self._closed = True
        if self._channel is not None and self._loop is asyncio.get_running_loop() and self._process == os.getpid():
            await self._channel.close(None)

    def _failure(self, error: grpc.RpcError, timeout: float | None) -> OnrecordError:
        failure = for_caller(from_rpc_error(error, target=self.target, timeout=timeout, answered_before=self._answered))
        self._answered = self._answered or failure.code not in ("UNAVAILABLE", "DEADLINE_EXCEEDED")
        return failure

    def _given_up(self, error: asyncio.CancelledError) -> OnrecordError:
        """What gRPC's CancelledError means; raised again when it is the task that was cancelled."""
        task = asyncio.current_task()
        if not self._closed or (task is not None and task.cancelling()):
            raise error
        return Cancelled(_CANCELLED)

    def _connected(self) -> grpc.aio.Channel:
        """The channel of this loop; ClientClosed, or ClientMisplaced where there can be none."""
        if self._closed:
            raise ClientClosed(CLOSED)
        loop = asyncio.get_running_loop()
        if self._channel is None or self._loop is not loop or self._process != os.getpid():
            self._connect(loop)
        assert self._channel is not None  # noqa: S101 -- for mypy
        return self._channel

    def _connect(self, loop: asyncio.AbstractEventLoop) -> None:
        process = wake_grpc()
        if self._loop is not None and self._process == process and not self._loop.is_closed():
            raise ClientMisplaced(
                "this AsyncClient has its connection in another event loop, which is still open; make one client a loop"
            )
        options, credentials = self._endpoint.options, self._endpoint.credentials
        if credentials is None:
            channel = grpc.aio.insecure_channel(self.target, options=options)
        else:
            channel = grpc.aio.secure_channel(self.target, credentials, options=options)
        self._checks: Any = check_service_pb2_grpc.CheckServiceStub(channel)
        self._record: Any = statement_service_pb2_grpc.StatementServiceStub(channel)
        self._info: Any = server_info_service_pb2_grpc.ServerInfoServiceStub(channel)
        self._loop, self._process, self._channel = loop, process, channel

"""One call after another against a server: sent once, timed, and its outcome named. Nothing is tried again."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import grpc
from google.protobuf.message import DecodeError
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from onrecord._bench.material import Material
from onrecord._bench.schedule import BATCH, CHECK, HEALTH, PAIRS, STREAM
from onrecord._channel import channel_options
from onrecord._status import DETAILS_KEY
from onrecord.v1 import check_service_pb2 as pb
from onrecord.v1 import check_service_pb2_grpc

OK = "OK"
ABANDONED = "ABANDONED"
"""The caller left before the answer: what --abandon asks for, no failure of the server."""
UNFINISHED = "UNFINISHED"
"""No answer long after the window: for calls without a deadline, and servers that do not keep theirs."""

REOPEN_SECONDS = 0.1
"""Pause before a background stream that broke is opened again."""

_RETRIES = ("grpc.service_config", "grpc.enable_retries")


@dataclass(slots=True)
class Outcome:
    """What came of one call. Times are the event loop's, in seconds; `due` is when it should have been sent.

    `code`: a gRPC code and the reason of its ErrorInfo ("RESOURCE_EXHAUSTED OVERLOADED"), or one of the words above.
    `items`: claims or pairs answered; 1 for a health check. `failed`: items that were not, by their code.
    `timings`: the server's own, in milliseconds, one row for each claim: retrieval, queue, inference, total.
    """

    kind: str
    due: float
    sent: float
    ended: float
    code: str = OK
    items: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    timings: list[tuple[float, float, float, float]] = field(default_factory=list)


class Caller(Protocol):
    """What the loops drive."""

    async def call(self, kind: str, due: float, deadline: float | None, leave_after: float | None) -> Outcome:
        """One call. `deadline`: seconds the server is given. `leave_after`: seconds after which the caller cancels it.

        Raises CancelledError when the task is cancelled, and nothing else.
        """
        ...

    async def saturate(self, answered: Callable[[str], None]) -> None:
        """Keep a stream of claims as full as the server lets it be, until cancelled; `answered` gets each one's code.

        A stream that breaks is opened again; its own code is told, too.
        """
        ...


class GrpcCaller:
    """Calls over grpc.aio, on one connection or on several that take turns."""

    def __init__(
        self, channels: Sequence[grpc.aio.Channel], bulk: grpc.aio.Channel, material: Material, token: str | None
    ) -> None:
        """bulk: the connection of the background stream, so that it does not stand before other calls on theirs."""
        self._material = material
        self._bulk: Any = check_service_pb2_grpc.CheckServiceStub(bulk)
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()
        self._stubs: list[tuple[Any, Any]] = [
            (check_service_pb2_grpc.CheckServiceStub(channel), health_pb2_grpc.HealthStub(channel))
            for channel in channels
        ]
        self._turn = 0

    async def call(self, kind: str, due: float, deadline: float | None, leave_after: float | None) -> Outcome:
        """See `Caller.call`."""
        loop = asyncio.get_running_loop()
        method, request = self._prepared(kind)
        outcome = Outcome(kind, due, loop.time(), 0.0)
        call = method(request, timeout=deadline, metadata=self._metadata)
        leaving = None if leave_after is None else loop.call_later(leave_after, call.cancel)
        try:
            answer = await call if kind != STREAM else [one async for one in call]
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if leaving is None or (task is not None and task.cancelling()):
                raise
            outcome.code = ABANDONED
        except grpc.aio.AioRpcError as error:
            outcome.code = code_of(error)
        else:
            outcome.ended = loop.time()
            _read(kind, answer, outcome)
            return outcome
        finally:
            if leaving is not None:
                leaving.cancel()
        outcome.ended = loop.time()
        return outcome

    async def saturate(self, answered: Callable[[str], None]) -> None:
        """See `Caller.saturate`."""
        while True:
            call = self._bulk.StreamCheckClaims(metadata=self._metadata)
            writing = asyncio.create_task(self._write_on(call))
            try:
                async for answer in call:
                    answered(OK if answer.HasField("result") else status_code(answer.error))
            except grpc.aio.AioRpcError as error:
                answered(code_of(error))
            finally:
                writing.cancel()
                call.cancel()
                await asyncio.gather(writing, return_exceptions=True)
            await asyncio.sleep(REOPEN_SECONDS)

    async def _write_on(self, call: Any) -> None:
        """Claims without end; `write` waits when the server takes no more."""
        while True:
            await call.write(self._material.streamed())

    def _prepared(self, kind: str) -> tuple[Any, Any]:
        """The method and a request for it."""
        checks, probes = self._stubs[self._turn]
        self._turn = (self._turn + 1) % len(self._stubs)
        if kind == CHECK:
            return checks.CheckClaim, self._material.check()
        if kind == BATCH:
            return checks.BatchCheckClaims, self._material.batch()
        if kind == STREAM:
            return checks.StreamCheckClaims, [self._material.streamed() for _ in range(self._material.size)]
        if kind == PAIRS:
            return checks.ScorePairs, self._material.pairs()
        return probes.Check, health_pb2.HealthCheckRequest()


@asynccontextmanager
async def open_caller(
    target: str, material: Material, *, token: str | None = None, connections: int = 1
) -> AsyncIterator[GrpcCaller]:
    """A caller of `target`; its connections are closed at the end."""
    options = [(name, value) for name, value in channel_options(target) if name not in _RETRIES]
    # refusals are to be counted, not tried again; and no channel shares the connection of another
    options += [("grpc.service_config", json.dumps({})), ("grpc.enable_retries", 0)]
    options += [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(target, options=options) for _ in range(connections + 1)]
    try:
        yield GrpcCaller(channels[1:], channels[0], material, token)
    finally:
        for channel in channels:
            await channel.close()


def code_of(error: grpc.aio.AioRpcError) -> str:
    """The code of a failed call, and the reason in its details if there is one."""
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            try:
                return status_code(status_pb2.Status.FromString(value))
            except DecodeError:  # cut by a proxy; the bare code still tells
                break
    return error.code().name


def status_code(status: status_pb2.Status) -> str:
    """The same of a status with details, as in an item of a batch."""
    info = error_details_pb2.ErrorInfo()
    name = code_pb2.Code.Name(status.code) if status.code in code_pb2.Code.values() else "UNKNOWN"
    for detail in status.details:
        if detail.Unpack(info):
            return f"{name} {info.reason}"
    return name


def _read(kind: str, answer: Any, outcome: Outcome) -> None:
    """Count what an answer holds."""
    if kind == CHECK:
        outcome.items = 1
        outcome.timings.append(_timings(answer.result))
    elif kind in (BATCH, STREAM):
        for item in answer.items if kind == BATCH else answer:
            if item.HasField("result"):
                outcome.items += 1
                outcome.timings.append(_timings(item.result))
            else:
                outcome.failed[status_code(item.error)] += 1
    elif kind == PAIRS:
        outcome.items = len(answer.scores)
    elif kind == HEALTH:
        outcome.items = 1
        if answer.status != health_pb2.HealthCheckResponse.SERVING:
            outcome.code = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


def _timings(result: pb.CheckResult) -> tuple[float, float, float, float]:
    found = result.timings
    return found.retrieval_ms, found.queue_ms, found.inference_ms, found.total_ms

"""grpc.health.v1, following the model: NOT_SERVING until `serving`, and again from `not_serving` on.

The message types and the registration are those of grpcio-health-checking. Its asyncio servicer is not used: when one
of two watchers of a service leaves, it forgets the other one, who then never hears of a drain.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import grpc
from grpc.aio import ServicerContext
from grpc_health.v1 import health_pb2, health_pb2_grpc

SERVICE_NAME: str = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name

_Answer = health_pb2.HealthCheckResponse


class Health(health_pb2_grpc.HealthServicer):
    """Health of the whole server ("") and of each named service: one state for all, as all need the model.

    `watching` counts the watchers there are.
    """

    def __init__(self, services: Iterable[str]) -> None:
        self._names = {"", *services}
        self._serving = False
        self._changed = asyncio.Condition()
        self.watching = 0

    @property
    def is_serving(self) -> bool:
        """Whether every service answers."""
        return self._serving

    async def serving(self) -> None:
        """Every service answers."""
        await self._set(True)

    async def not_serving(self) -> None:
        """No service answers."""
        await self._set(False)

    async def _set(self, serving: bool) -> None:
        async with self._changed:
            self._serving = serving
            self._changed.notify_all()

    def _answer(self, name: str) -> _Answer:
        if name not in self._names:
            return _Answer(status=_Answer.SERVICE_UNKNOWN)
        return _Answer(status=_Answer.SERVING if self._serving else _Answer.NOT_SERVING)

    async def Check(self, request: health_pb2.HealthCheckRequest, context: ServicerContext[Any, Any]) -> _Answer:
        """The status now. NOT_FOUND for a service that is not here, as the protocol asks."""
        if request.service not in self._names:
            await context.abort(grpc.StatusCode.NOT_FOUND, "unknown service; the empty name asks for the whole server")
        return self._answer(request.service)

    async def Watch(
        self, request: health_pb2.HealthCheckRequest, context: ServicerContext[Any, Any]
    ) -> AsyncIterator[_Answer]:
        """The status now and after each change, until the caller leaves."""
        self.watching += 1
        try:
            while True:
                answer = self._answer(request.service)
                yield answer
                async with self._changed:
                    await self._changed.wait_for(lambda: self._answer(request.service) != answer)  # noqa: B023
        finally:
            self.watching -= 1

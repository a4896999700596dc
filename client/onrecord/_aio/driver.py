"""Carries out plans and flows by awaiting. `onrecord._sync.driver` does the same by waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import Any, TypeVar

from onrecord import _request
from onrecord._aio.exchange import HESITATION_SECONDS, AsyncExchange
from onrecord._aio.transport import AsyncTransport
from onrecord._flow import Again, Flow, Outcome
from onrecord._request import not_many
from onrecord._steps import END, Call, Close, Health, Open, Pause, Plan, Receive, Step
from onrecord.errors import OnrecordError
from onrecord.types import Progress
from onrecord.v1 import check_service_pb2 as pb

Result = TypeVar("Result")
Item = TypeVar("Item")

AnyIterable = Iterable[Item] | AsyncIterable[Item]
"""What an AsyncClient takes in the place of many items."""


class AsyncDriver:
    """What the methods of a client are made with."""

    _transport: AsyncTransport
    _timeout: float | None
    _batch_timeout: float | None

    def _limit(self, timeout: float | None) -> float | None:
        return self._timeout if timeout is None else _request.seconds("timeout", timeout)

    def _batch_limit(self, timeout: float | None) -> float | None:
        return self._batch_timeout if timeout is None else _request.seconds("timeout", timeout)

    def _items(self, field: str, items: AnyIterable[Item]) -> AsyncIterator[Item]:
        """The caller's items; InvalidArgument for one item in the place of many: a str would be read by its letters."""
        if isinstance(items, AsyncIterable):
            return aiter(items)
        if isinstance(items, str | bytes | Mapping) or not isinstance(items, Iterable):
            raise not_many(field, items)
        return _awaited(items)

    async def _run(self, plan: Plan[Result], items: AsyncIterator[Any] | None = None) -> Result:
        """The plan's result. `items`: what it pulls."""
        came: Any = None
        failure: BaseException | None = None
        while True:
            try:
                step = plan.send(came) if failure is None else plan.throw(failure)
            except StopIteration as done:
                result: Result = done.value
                return result
            came, failure = None, None
            try:
                came = await self._carry_out(step, items)
            except BaseException as error:  # the plan decides what it means
                failure = error

    async def _carry_out(self, step: Step, items: AsyncIterator[Any] | None) -> Any:
        if isinstance(step, Call):
            method = getattr(getattr(self._transport, step.service), step.method)
            return await self._transport.call(method, step.request, step.timeout)
        if isinstance(step, Open):
            return AsyncExchange(self._transport, step)
        if isinstance(step, Receive):
            return await step.exchange.receive()
        if isinstance(step, Close):
            return await step.exchange.close()
        if isinstance(step, Health):
            return await self._transport.health(step.timeout)
        if isinstance(step, Pause):
            return await asyncio.sleep(step.seconds)
        return END if items is None else await anext(items, END)

    async def _answers(self, call: Call, convert: Callable[[Any], Iterable[Result]]) -> AsyncIterator[Result]:
        """What a method that answers with a stream says, converted."""
        method = getattr(getattr(self._transport, call.service), call.method)
        async with aclosing(self._transport.stream(method, call.request, call.timeout)) as answers:
            async for answer in answers:
                for item in convert(answer):
                    yield item

    async def _flow(
        self,
        flow: Flow,
        claims: AsyncIterator[Any],
        progress: Callable[[Progress], object] | None = None,
        waiting: Callable[[OnrecordError, float], object] | None = None,
    ) -> AsyncGenerator[Outcome, None]:
        """The flow's outcomes, over as many streams as it takes."""
        pump = _Pump(flow, claims)
        reading = asyncio.create_task(pump.read())
        try:
            while True:
                try:
                    async with aclosing(self._over_one_stream(pump)) as outcomes:
                        async for outcome in outcomes:
                            if progress is not None:
                                progress(flow.progress())
                            yield outcome
                    return
                except Again as again:
                    pause = again.seconds
                    if waiting is not None and again.error is not None:
                        waiting(again.error, again.since)
                await asyncio.sleep(pause)
        finally:
            reading.cancel()
            await asyncio.wait([reading])

    async def _over_one_stream(self, pump: _Pump) -> AsyncGenerator[Outcome, None]:
        method = self._transport.checks.StreamCheckClaims
        async with aclosing(self._transport.stream(method, pump.requests(), pump.flow.timeout)) as answers:
            try:
                while True:
                    try:
                        answer = await anext(answers, None)
                    except OnrecordError as error:
                        failure = pump.broke(error)
                        break
                    if answer is None:
                        ended = pump.closed()
                        if ended is None:
                            return
                        failure = ended
                        break
                    yield pump.answered(answer)
            finally:
                pump.stop()
        raise failure


class _Pump:
    """Shares a flow between the task that takes outcomes, one that reads claims, and gRPC's own, which sends them.

    Each stream has a task that sends. Reading is no part of it: a stream that ends must not cancel the caller's
    iterable.
    """

    def __init__(self, flow: Flow, claims: AsyncIterator[Any]) -> None:
        self.flow = flow
        self._claims = claims
        self._more = asyncio.Event()  # to send, or no more for this stream
        self._room = asyncio.Event()  # to read into
        self._turn = 0
        self._raised: BaseException | None = None

    async def read(self) -> None:
        """Read the caller's iterable to its end. What it raises comes after the outcomes before it."""
        try:
            async for claim in self._claims:
                self.flow.read(claim)
                self._more.set()
                while not self.flow.has_room:
                    self._room.clear()
                    await self._room.wait()
        except BaseException as error:
            self._raised = error
        self.flow.ended = True
        self._more.set()

    def requests(self) -> AsyncIterator[pb.StreamCheckClaimsRequest]:
        """Messages for a new stream, which takes over from the one before."""
        self._turn += 1
        self.flow.begin()
        return self._requests(self._turn)

    def answered(self, answer: pb.StreamCheckClaimsResponse) -> Outcome:
        """See `Flow.answered`."""
        outcome = self.flow.answered(answer)
        self._room.set()
        return outcome

    def broke(self, error: OnrecordError) -> BaseException:
        """See `Flow.broke`."""
        self._turn += 1
        return self.flow.broke(error)

    def closed(self) -> BaseException | None:
        """See `Flow.closed`."""
        self._turn += 1
        return self.flow.closed() or self._raised

    def stop(self) -> None:
        """Let the sending task go."""
        self._turn += 1
        self._more.set()

    async def _requests(self, turn: int) -> AsyncIterator[pb.StreamCheckClaimsRequest]:
        if self.flow.hesitates:
            await asyncio.sleep(HESITATION_SECONDS)
        while turn == self._turn:
            if (request := self.flow.to_send()) is not None:
                yield request
            elif self.flow.ended:
                return
            else:
                self._more.clear()
                await self._more.wait()


async def _awaited(items: Iterable[Item]) -> AsyncIterator[Item]:
    for item in items:
        yield item

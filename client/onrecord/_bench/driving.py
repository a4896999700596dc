"""Sends calls as a load says, closed loop or open, and tallies what was due in the measured window.

Open loop: calls are sent when they are due, whatever became of those before, and a latency runs from when its call was
due, not from when it was sent. So a server that stalls is charged with everybody who came meanwhile; a generator that
waited for it would leave them out ("coordinated omission"). Calls are tasks of their own; when `max_in_flight` of them
are under way, further ones are not sent, and counted as unsent: they miss their deadline as surely as if they had been.

Closed loop: each caller sends its next call when it has the answer to the one before. It finds what a server can do at
most, and says little of latency under load, since a slow server is asked less.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from onrecord._bench.calls import OK, UNFINISHED, Caller, Outcome
from onrecord._bench.lag import Lag
from onrecord._bench.schedule import POISSON, Load, arrivals, chosen, mixed
from onrecord._bench.tally import Tally

PAUSE = 0.1
"""Seconds that a caller of the closed loop waits after a call that failed, or it would only count refusals."""
DRAIN = 30.0
"""Seconds that calls without a deadline are waited for when the run is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How each point of a sweep is measured. Times in seconds.

    mix: kinds of calls with their weights. deadline: what the server is given for a call, and within which (counted
    from when it was due) an answer is in time; None gives it all the time. abandon: share of calls that the caller
    cancels `abandon_after` seconds after sending. stream: keep a stream of claims full beside the calls.
    """

    mix: Mapping[str, float]
    duration: float
    warmup: float = 0.0
    deadline: float | None = None
    arrivals: str = POISSON
    abandon: float = 0.0
    abandon_after: float = 0.05
    max_in_flight: int = 2_000
    seed: int = 1
    stream: bool = False


@dataclass(slots=True)
class Row:
    """What one point of a sweep gave.

    `seconds`: of the measured window, less than planned when it was cut short. `streamed`: answers of the stream beside
    the calls in that window, by code; None without one.
    """

    load: Load
    seconds: float
    tally: Tally
    lag: Lag
    interrupted: bool = False
    streamed: Counter[str] | None = None
    notes: list[str] = field(default_factory=list)


class Driver:
    """Measures one load after another with a caller. `stop`: when set, what runs is cut short and kept.

    `answered` is told of each call that ended, for a progress bar.
    """

    def __init__(
        self, caller: Caller, plan: Plan, stop: asyncio.Event, answered: Callable[[int], None] = lambda count: None
    ) -> None:
        self._caller = caller
        self._plan = plan
        self._stop = stop
        self._answered = answered

    async def measure(self, load: Load, duration: float | None = None) -> Row:
        """One load, warm-up first. `duration` overrides the plan's."""
        return await _Run(self._caller, self._plan, load, duration or self._plan.duration, self._stop, self._answered)()


class _Run:
    """One load on its way."""

    def __init__(
        self,
        caller: Caller,
        plan: Plan,
        load: Load,
        duration: float,
        stop: asyncio.Event,
        answered: Callable[[int], None],
    ) -> None:
        self._caller, self._plan, self._load, self._stop, self._answered = caller, plan, load, stop, answered
        self._loop = asyncio.get_running_loop()
        self._begin = self._loop.time() + plan.warmup
        self._end = self._begin + duration
        self._lag = Lag()
        self._tally = Tally(plan.deadline)
        self._kinds = mixed(plan.mix, plan.seed)
        self._leaving = chosen(plan.abandon, plan.seed + 1)
        self._running: dict[asyncio.Task[None], tuple[str, float]] = {}
        self._streamed: Counter[str] = Counter()

    async def __call__(self) -> Row:
        metering = asyncio.create_task(self._lag.meter(self._begin))
        sending = asyncio.create_task(self._open() if self._load.rate is not None else self._closed())
        stopping = asyncio.create_task(self._stop.wait())
        beside: list[asyncio.Task[Any]] = [metering, stopping, sending]
        if self._plan.stream:
            beside.append(asyncio.create_task(self._caller.saturate(self._count_streamed)))
        try:
            await asyncio.wait({sending, stopping}, return_when=asyncio.FIRST_COMPLETED)
            interrupted = not sending.done()
            if interrupted:
                self._end = min(self._end, self._loop.time())
            self._lag.end()
            await self._drain(sending)
        finally:
            left = [*beside, *self._running]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
        streamed = self._streamed if self._plan.stream else None
        return Row(self._load, max(0.0, self._end - self._begin), self._tally, self._lag, interrupted, streamed)

    def _count_streamed(self, code: str) -> None:
        if self._begin <= self._loop.time() < self._end:
            self._streamed[code] += 1

    async def _open(self) -> None:
        rate, plan = self._load.rate or 0.0, self._plan
        origin = self._loop.time()
        for offset, kind, leaves in zip(
            arrivals(rate, plan.arrivals, plan.seed + 2), self._kinds, self._leaving, strict=False
        ):
            due = origin + offset
            if due >= self._end:
                break
            await asyncio.sleep(max(0.0, due - self._loop.time()))  # 0 lets answers in, too
            if len(self._running) >= plan.max_in_flight:
                if due >= self._begin:
                    self._tally.unsent(kind)
                continue
            self._send(kind, due, leaves)
        await asyncio.sleep(max(0.0, self._end - self._loop.time()))

    def _send(self, kind: str, due: float, leaves: bool) -> None:
        task = asyncio.create_task(self._one(kind, due, leaves))
        self._running[task] = (kind, due)
        task.add_done_callback(lambda done: self._running.pop(done, None))

    async def _one(self, kind: str, due: float, leaves: bool) -> None:
        outcome = await self._call(kind, due, leaves)
        if self._begin <= due < self._end:
            self._tally.add(outcome)
            self._lag.sent(outcome.sent - due)

    async def _closed(self) -> None:
        for _ in range(self._load.concurrency or 0):
            task = asyncio.create_task(self._caller_of_the_closed_loop())
            self._running[task] = ("", 0.0)
            task.add_done_callback(lambda done: self._running.pop(done, None))
        await asyncio.sleep(max(0.0, self._end - self._loop.time()))

    async def _caller_of_the_closed_loop(self) -> None:
        while (now := self._loop.time()) < self._end:
            kind = next(self._kinds)
            try:
                outcome = await self._call(kind, now, next(self._leaving))
            except asyncio.CancelledError:
                self._cut_off(kind, now)
                raise
            # by when it ended: a call that began in the window and ends after it is work of the window only in part,
            # and so is one that began before it
            if self._begin <= outcome.ended < self._end:
                self._tally.add(outcome)
            if outcome.code != OK:
                await asyncio.sleep(PAUSE)

    async def _call(self, kind: str, due: float, leaves: bool) -> Outcome:
        after = self._plan.abandon_after if leaves else None
        outcome = await self._caller.call(kind, due, self._plan.deadline, after)
        self._answered(1)
        return outcome

    async def _drain(self, sending: asyncio.Task[None]) -> None:
        """Wait for the calls under way, unless stopped; what then still runs is cut off and counted."""
        if sending.done():
            sending.result()  # a defect in sending is not to look like a quiet server
        else:
            sending.cancel()
        patience = DRAIN if self._plan.deadline is None else self._plan.deadline + 1.0
        stopping = asyncio.create_task(self._stop.wait())
        try:
            async with asyncio.timeout(patience):
                while self._running and not self._stop.is_set():
                    await asyncio.wait({*self._running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            pass
        finally:
            stopping.cancel()
        for kind, due in self._running.values():
            if kind and self._begin <= due < self._end:  # callers of the closed loop report themselves
                self._cut_off(kind, due)

    def _cut_off(self, kind: str, due: float) -> None:
        """A call is given up. Ctrl-C says nothing of the server; otherwise it took too long to be waited for."""
        if not self._stop.is_set():
            self._tally.add(Outcome(kind, due, due, self._loop.time(), UNFINISHED))

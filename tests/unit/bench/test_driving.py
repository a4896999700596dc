"""The loops of the load generator, in made-up time, against callees that stall when told to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from onrecord._bench.calls import ABANDONED, UNFINISHED, Outcome
from onrecord._bench.driving import Driver, Plan, Row
from onrecord._bench.schedule import CONSTANT, Load
from onrecord._bench.searching import Capacity, saturate, sustain

Run = Callable[[Any], Any]
CHECKS = {"check": 1.0}


class Server:
    """Answers after `seconds`, but nothing between the times `stalls` and `until`, counted from its first call.

    slots: calls it works on at once; None is no bound. refuse: refuses when all are taken, instead of queueing.
    """

    def __init__(
        self, seconds: float, stalls: float = 0.0, until: float = 0.0, slots: int | None = None, refuse: bool = False
    ) -> None:
        self.seconds, self.stalls, self.until, self.refuse = seconds, stalls, until, refuse
        self.sent: list[float] = []
        self._slots = asyncio.Semaphore(slots) if slots else None

    async def call(self, kind: str, due: float, deadline: float | None, leave_after: float | None) -> Outcome:
        loop = asyncio.get_running_loop()
        began = loop.time()
        self.sent.append(began)
        outcome = Outcome(kind, due, began, began, items=1)
        if self.refuse and self._slots is not None and self._slots.locked():
            outcome.code = "RESOURCE_EXHAUSTED OVERLOADED"
            return outcome
        limit = min((s for s in (deadline, leave_after) if s is not None), default=None)
        try:
            async with asyncio.timeout(limit):
                await self._work(loop)
        except TimeoutError:
            outcome.code = ABANDONED if limit == leave_after else "DEADLINE_EXCEEDED"
        outcome.ended = loop.time()
        return outcome

    async def saturate(self, answered: Callable[[str], None]) -> None:
        """Four claims a second."""
        while True:
            await asyncio.sleep(0.25)
            answered("OK")

    async def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._slots is not None:
            async with self._slots:
                await asyncio.sleep(self.seconds)
            return
        done = loop.time() + self.seconds
        first = self.sent[0]
        if first + self.stalls <= done < first + self.until:
            done = first + self.until
        await asyncio.sleep(done - loop.time())


def measured(run: Run, server: Callable[[], Server], load: Load, **plan: Any) -> tuple[Row, Server]:
    async def go() -> tuple[Row, Server]:
        made = server()
        driver = Driver(made, Plan(**{"mix": CHECKS, "arrivals": CONSTANT} | plan), asyncio.Event())
        return await driver.measure(load), made

    row, made = run(go())
    return row, made


def figures(row: Row, kind: str = "check") -> Any:
    return row.tally.to_dict(row.seconds)[kind]


def test_a_stalled_server_slows_no_arrival_and_is_charged_with_all_who_wait(in_made_up_time: Run) -> None:
    row, server = measured(in_made_up_time, lambda: Server(0.01, stalls=2.0, until=4.0), Load(rate=10), duration=10)
    assert len(server.sent) == 100
    gaps = [b - a for a, b in pairwise(server.sent)]
    assert gaps == pytest.approx([0.1] * 99)
    got = figures(row)
    assert (got["sent_count"], got["ok_count"]) == (100, 100)
    # of ten seconds two are lost: everybody who came in them waits for the rest of them, two seconds at most
    assert got["latency_ms"]["max"] == pytest.approx(2_010, abs=15)
    assert got["latency_ms"]["p90"]["value"] == pytest.approx(1_010, abs=110)
    assert got["latency_ms"]["p50"]["value"] == pytest.approx(10)


def test_a_closed_loop_would_have_left_them_out(in_made_up_time: Run) -> None:
    row, _ = measured(in_made_up_time, lambda: Server(0.01, stalls=2.0, until=4.0), Load(concurrency=1), duration=10)
    got = figures(row)
    assert got["latency_ms"]["max"] == pytest.approx(2_010, abs=15)
    assert got["latency_ms"]["p99"]["value"] == pytest.approx(10)  # one of eight hundred calls met the stall


def test_latency_runs_from_when_a_call_was_due_not_from_when_it_was_sent(in_made_up_time: Run) -> None:
    class Late(Server):
        async def call(self, kind: str, due: float, deadline: float | None, leave_after: float | None) -> Outcome:
            outcome = await super().call(kind, due, deadline, leave_after)
            outcome.sent += 0.5  # as if the generator had been busy
            return outcome

    row, _ = measured(in_made_up_time, lambda: Late(0.7), Load(rate=10), duration=5, deadline=0.8)
    got = figures(row)
    assert got["latency_ms"]["p50"]["value"] == pytest.approx(700)
    assert row.lag.to_dict()["send_delay_ms"]["p50"] == pytest.approx(500)  # type: ignore[index]


def test_what_is_not_sent_is_counted_and_missed(in_made_up_time: Run) -> None:
    row, server = measured(
        in_made_up_time, lambda: Server(100.0), Load(rate=10), duration=5, deadline=20.0, max_in_flight=7
    )
    got = figures(row)
    assert len(server.sent) == got["sent_count"] == 7
    assert got["unsent_count"] == 43
    assert got["codes"] == {"DEADLINE_EXCEEDED": 7}
    assert got["good_share"]["value"] == 0.0
    assert row.tally.offered == 50


def test_an_answer_after_the_deadline_is_none_that_counts(in_made_up_time: Run) -> None:
    class Deaf(Server):
        async def call(self, kind: str, due: float, deadline: float | None, leave_after: float | None) -> Outcome:
            return await super().call(kind, due, None, leave_after)

    row, _ = measured(in_made_up_time, lambda: Deaf(0.3), Load(rate=10), duration=2, deadline=0.2)
    got = figures(row)
    assert (got["ok_count"], got["good_count"], got["items_per_second"]) == (20, 0, 0.0)


def test_the_warm_up_is_sent_and_not_counted(in_made_up_time: Run) -> None:
    row, server = measured(in_made_up_time, lambda: Server(0.01), Load(rate=10), duration=2, warmup=3)
    assert len(server.sent) == 50
    assert figures(row)["sent_count"] == 20
    assert row.seconds == 2


def test_callers_who_leave_are_neither_good_nor_bad(in_made_up_time: Run) -> None:
    row, _ = measured(in_made_up_time, lambda: Server(0.2), Load(rate=100), duration=10, abandon=0.3, abandon_after=0.1)
    got = figures(row)
    assert got["abandoned_count"] == pytest.approx(300, abs=60)
    assert got["ok_count"] == 1_000 - got["abandoned_count"]
    assert got["good_share"]["value"] == 1.0
    assert got["latency_ms"]["max"] == pytest.approx(200)
    assert got["failure_latency_ms"] is None


def test_a_closed_loop_asks_as_fast_as_it_is_answered(in_made_up_time: Run) -> None:
    row, _ = measured(in_made_up_time, lambda: Server(0.5), Load(concurrency=4), duration=20, warmup=1)
    assert figures(row)["good_per_second"] == pytest.approx(8, rel=0.03)


def test_a_refused_caller_of_a_closed_loop_pauses(in_made_up_time: Run) -> None:
    row, server = measured(in_made_up_time, lambda: Server(1.0, slots=1, refuse=True), Load(concurrency=3), duration=10)
    got = figures(row)
    assert got["codes"]["RESOURCE_EXHAUSTED OVERLOADED"] <= 210  # two callers, ten times a second
    assert got["ok_count"] >= 8
    assert len(server.sent) < 250


def test_a_call_without_an_end_does_not_hold_up_the_run(in_made_up_time: Run) -> None:
    for load in (Load(rate=2), Load(concurrency=2)):
        row, _ = measured(in_made_up_time, lambda: Server(1e9), load, duration=1)
        assert figures(row)["codes"] == {UNFINISHED: 2}


def test_a_run_that_is_cut_short_keeps_what_it_has(in_made_up_time: Run) -> None:
    async def go() -> Row:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(3.05, stop.set)
        driver = Driver(Server(0.5), Plan(mix=CHECKS, duration=60, arrivals=CONSTANT), stop)
        return await driver.measure(Load(rate=10))

    row = in_made_up_time(go())
    assert row.interrupted
    assert row.seconds == pytest.approx(3.05)
    got = figures(row)
    assert got["codes"] == {"OK": 26}  # five were under way, and say nothing of the server
    assert got["good_share"]["value"] == 1.0


def test_kinds_come_as_often_as_the_mix_says(in_made_up_time: Run) -> None:
    row, _ = measured(
        in_made_up_time, lambda: Server(0.0), Load(rate=100), duration=50, mix={"check": 3.0, "health": 1.0}
    )
    assert figures(row, "check")["sent_count"] == pytest.approx(3_750, abs=150)
    assert row.tally.offered == 5_000


def test_a_stream_beside_the_calls_is_counted_in_the_window(in_made_up_time: Run) -> None:
    row, _ = measured(in_made_up_time, lambda: Server(0.1), Load(rate=1), duration=9.9, warmup=5, stream=True)
    assert row.streamed == {"OK": 40}
    alone, _ = measured(in_made_up_time, lambda: Server(0.1), Load(rate=1), duration=2)
    assert alone.streamed is None


def test_the_highest_rate_is_found(in_made_up_time: Run) -> None:
    """Five slots of half a second make ten calls a second, whoever asks."""

    async def go() -> Capacity:
        found = Capacity()
        plan = Plan(mix=CHECKS, duration=30, warmup=5, deadline=2.0, arrivals=CONSTANT)

        async def measure(load: Load) -> Row:
            return await Driver(Server(0.5, slots=5), plan, asyncio.Event()).measure(load)

        await saturate(measure, found)
        await sustain(measure, found)
        return found

    found = in_made_up_time(go())
    assert found.saturated == pytest.approx(10, rel=0.03)
    assert found.callers == 8
    assert found.sustained == pytest.approx(10, rel=0.06)
    assert len(found.trials) < 14

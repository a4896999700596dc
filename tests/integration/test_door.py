"""Callers who wait for room come in by turns, and those who leave the line leave nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from onrecord_server.checking.batching import PAIR
from onrecord_server.checking.worker import InferenceWorker, Priority
from onrecord_server.domain.errors import DeadlineTooShort, OnrecordError, Overloaded, ShuttingDown
from onrecord_server.nli import load_encoder, load_scorer

PATIENCE = 10.0


@contextlib.asynccontextmanager
async def running(max_queue_tokens: int = 1_000) -> AsyncIterator[InferenceWorker]:
    worker = InferenceWorker(load_scorer("fake"), load_encoder("fake"), max_queue_tokens=max_queue_tokens)
    await worker.start()
    try:
        async with asyncio.timeout(PATIENCE):
            yield worker
    finally:
        await worker.stop(PATIENCE)


class Callers:
    """Callers who come one after another. `came`: their names, as they were let in."""

    def __init__(self, worker: InferenceWorker) -> None:
        self.worker = worker
        self.came: list[str] = []

    async def come(
        self,
        name: str,
        tokens: int = 100,
        leave: asyncio.Event | None = None,
        *,
        priority: Priority = Priority.BULK,
        deadline: float | None = None,
        patience: float = PATIENCE,
    ) -> asyncio.Task[None]:
        """One more; it waits for room if need be, and stays until `leave`."""

        async def caller() -> None:
            waiting = self.worker.admit_patiently(tokens, priority=priority, deadline=deadline, patience=patience)
            async with waiting:
                self.came.append(name)
                if leave is not None:
                    await leave.wait()

        task = asyncio.create_task(caller())
        await asyncio.sleep(0)  # it has come in, or is in line
        return task


@pytest.mark.parametrize("priority", Priority)
async def test_they_come_in_by_turns_whatever_their_size(priority: Priority) -> None:
    async with running() as worker:
        callers, first = Callers(worker), asyncio.Event()
        tasks = [await callers.come("first", 2_000, first, priority=priority)]
        tasks += [
            await callers.come(str(number), tokens, priority=priority)
            for number, tokens in enumerate((900, 10, 500, 1, 800, 3))
        ]
        assert callers.came == ["first"]
        first.set()
        await asyncio.gather(*tasks)
        assert callers.came == ["first", "0", "1", "2", "3", "4", "5"]
        assert (worker.backlog_tokens, worker._door.waiting) == (0, 0)


async def test_a_newcomer_who_would_fit_does_not_overtake_those_in_line() -> None:
    async with running() as worker:
        callers, first = Callers(worker), asyncio.Event()
        tasks = [await callers.come("first", 600, first)]
        tasks += [await callers.come(name, tokens) for name, tokens in (("large", 500), ("small", 1))]
        assert callers.came == ["first"]
        first.set()
        await asyncio.gather(*tasks)
        assert callers.came == ["first", "large", "small"]


async def test_who_leaves_the_line_makes_way_for_the_next() -> None:
    async with running() as worker:
        callers, first, stay = Callers(worker), asyncio.Event(), asyncio.Event()
        one = await callers.come("first", 600, first)
        large, small = await callers.come("large", 500), await callers.come("small", 1, stay)
        large.cancel()
        await asyncio.gather(large, return_exceptions=True)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert callers.came == ["first", "small"]
        first.set()
        stay.set()
        await asyncio.gather(one, small)


async def test_a_seat_that_is_granted_to_who_has_just_left_goes_to_the_next() -> None:
    async with running() as worker:
        callers, first = Callers(worker), asyncio.Event()
        one = await callers.come("first", 2_000, first)
        leaving, staying = await callers.come("leaving", 900), await callers.come("staying", 900)
        first.set()
        while worker._door.waiting == 2:  # noqa: ASYNC110 - there is no event for a look at the inside
            await asyncio.sleep(0)
        leaving.cancel()  # its seat is there, and it has not heard of it
        await asyncio.gather(one, leaving, staying, return_exceptions=True)
        assert callers.came == ["first", "staying"]
        assert (worker.backlog_tokens, worker._admission.seats) == (0, 0)


async def test_patience_ends_with_overloaded() -> None:
    async with running() as worker:
        callers, first = Callers(worker), asyncio.Event()
        one = await callers.come("first", 2_000, first)
        waiting = await callers.come("waiting", 900, patience=0.01)
        with pytest.raises(Overloaded):
            await waiting
        assert worker._door.waiting == 0
        first.set()
        await one


async def test_who_would_not_be_done_in_time_is_told_before_its_deadline() -> None:
    async with running() as worker:
        for tokens in (200, 600, 1_000):
            worker._admission.pace[PAIR].saw(tokens, tokens / 1_000)
        callers, first, now = Callers(worker), asyncio.Event(), asyncio.get_running_loop().time()
        one = await callers.come("first", 2_000, first)  # two seconds of work
        waiting = await callers.come("waiting", 500, deadline=now + 2)
        with pytest.raises(OnrecordError) as caught:
            await waiting
        assert caught.value.reason in ("OVERLOADED", "DEADLINE_UNREACHABLE")
        assert asyncio.get_running_loop().time() < now + 2
        with pytest.raises(DeadlineTooShort):
            await (await callers.come("late", 500, deadline=now - 1))
        first.set()
        await one


async def test_a_stop_sends_the_line_away() -> None:
    async with running() as worker:
        callers, first = Callers(worker), asyncio.Event()
        one = await callers.come("first", 2_000, first)
        waiting = [await callers.come(str(number), 900) for number in range(3)]
        stopping = asyncio.create_task(worker.stop(PATIENCE))
        for task in waiting:
            with pytest.raises(ShuttingDown):
                await task
        assert not stopping.done()
        first.set()
        await asyncio.gather(one, stopping)
        with pytest.raises(ShuttingDown):
            await (await callers.come("new"))


def fill(worker: InferenceWorker, seats: contextlib.ExitStack) -> None:
    """Interactive callers come until one is refused."""
    with contextlib.suppress(Overloaded):
        while True:
            seats.enter_context(worker.admit(100))


async def test_bulk_callers_in_line_get_room_beside_a_flood_of_interactive_ones() -> None:
    async with running() as worker:
        callers, leave = Callers(worker), asyncio.Event()
        with contextlib.ExitStack() as flood:
            fill(worker, flood)
            tasks = [await callers.come(str(number), 50, leave) for number in range(3)]
            assert callers.came == ["0"]
            for _ in range(3):  # another interactive caller comes for each that leaves
                flood.pop_all().close()
                fill(worker, flood)
            leave.set()
            await asyncio.gather(*tasks)
        assert callers.came == ["0", "1", "2"]

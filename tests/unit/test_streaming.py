"""Work on an endless stream: order, a bound on what is read ahead, and every way to end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from onrecord_server.checking.streaming import in_order


class Source:
    """Counts how far it has been read."""

    def __init__(self, count: int, error: Exception | None = None) -> None:
        self.read = 0
        self._count = count
        self._error = error

    async def items(self) -> AsyncIterator[int]:
        for i in range(self._count):
            self.read += 1
            yield i
        if self._error:
            raise self._error


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_answers_come_in_order_though_the_work_does_not() -> None:
    async def work(item: int) -> int:
        for _ in range((7 * item) % 5):
            await asyncio.sleep(0)
        return item * item

    answers = [a async for a in in_order(Source(40).items(), work, 8)]
    assert answers == [i * i for i in range(40)]


async def test_a_reader_who_stands_still_stops_the_reading() -> None:
    source = Source(1_000)

    async def work(item: int) -> int:
        return item

    async with aclosing(in_order(source.items(), work, 5)) as answers:
        assert await anext(answers) == 0
        await settle()
        assert source.read <= 6
        assert await anext(answers) == 1
        await settle()
        assert source.read <= 7


async def test_what_ends_the_reading_comes_after_the_answers_before_it() -> None:
    async def work(item: int) -> int:
        await asyncio.sleep(0)
        return item

    async with aclosing(in_order(Source(3, ValueError("broken")).items(), work, 8)) as answers:
        assert [await anext(answers) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(ValueError, match="broken"):
            await anext(answers)


async def test_a_reader_who_leaves_cancels_the_work() -> None:
    cancelled: list[int] = []

    async def work(item: int) -> int:
        if item == 0:
            return item
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(item)
            raise
        return item

    async with aclosing(in_order(Source(100).items(), work, 4)) as answers:
        assert await anext(answers) == 0
        await settle()
    assert sorted(cancelled) == [1, 2, 3]


async def test_when_told_to_stop_what_was_read_is_answered_and_no_more() -> None:
    stop, go = asyncio.Event(), asyncio.Event()
    source = Source(1_000)

    async def work(item: int) -> int:
        await go.wait()
        return item

    async with aclosing(in_order(source.items(), work, 4, stop)) as answers:
        first = asyncio.ensure_future(anext(answers))
        await settle()
        stop.set()
        await settle()
        go.set()
        assert [await first, *[a async for a in answers]] == [0, 1, 2, 3]
    assert source.read <= 5


async def test_a_source_that_waits_is_left_when_told_to_stop() -> None:
    stop = asyncio.Event()

    async def silent() -> AsyncIterator[int]:
        yield 1
        await asyncio.Event().wait()

    async def work(item: int) -> int:
        return item

    async with asyncio.timeout(10), aclosing(in_order(silent(), work, 4, stop)) as answers:
        assert await anext(answers) == 1
        stop.set()
        assert [a async for a in answers] == []

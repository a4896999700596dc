"""Work on an endless stream: some items at once, answers in order, memory bounded by the reader."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


async def in_order(
    items: AsyncIterator[Item],
    work: Callable[[Item], Awaitable[Answer]],
    at_once: int,
    stop: asyncio.Event | None = None,
) -> AsyncGenerator[Answer]:
    """The answers to the items, in their order; at most `at_once` items have been read and not answered.

    An answer counts as given when the next one is asked for, so a reader who is slow or stands still holds up the
    reading of items, too. `work` is to return errors of an item as answers: what it raises ends the stream, as does
    what `items` raises, after the answers to all items before it. When `stop` is set no more is read, and the stream
    ends after the answers to what was. When the caller leaves, all work is cancelled.
    """
    room = asyncio.Semaphore(at_once)
    begun: asyncio.Queue[asyncio.Task[Answer] | None] = asyncio.Queue()
    tasks: set[asyncio.Task[Answer]] = set()

    async def begin(item: Item) -> Answer:
        return await work(item)

    async def read() -> None:
        try:
            while await _unless(stop, room.acquire()):
                item = await _unless(stop, anext(items, _END))
                if item is None or item is _END:
                    return
                task = asyncio.create_task(begin(item))  # type: ignore[arg-type]  # neither None nor the end
                tasks.add(task)
                begun.put_nowait(task)
        finally:
            begun.put_nowait(None)

    reading = asyncio.create_task(read())
    try:
        while (task := await begun.get()) is not None:
            answer = await task
            tasks.discard(task)
            yield answer
            room.release()
        await reading  # raises what ended the reading
    finally:
        for unfinished in (reading, *tasks):
            unfinished.cancel()
        await asyncio.gather(reading, *tasks, return_exceptions=True)


_END = object()


async def _unless(stop: asyncio.Event | None, wait: Awaitable[Answer]) -> Answer | None:
    """What is waited for; None when `stop` comes first, and the wait is then given up."""
    if stop is None:
        return await wait
    waiting, stopping = asyncio.ensure_future(wait), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return waiting.result() if waiting.done() else None
    finally:
        waiting.cancel()
        stopping.cancel()

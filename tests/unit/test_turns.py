"""Interactive work goes before bulk work in the threads that tokenise and search."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator
from typing import NoReturn

import pytest

from onrecord_server.checking.batching import Priority
from onrecord_server.checking.turns import Turns

INTERACTIVE, BULK = Priority.INTERACTIVE, Priority.BULK
PATIENCE = 10.0


class Held:
    """One thread, held by its first task until `go`. `done`: what ran since, in order."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._gate, self._entered = threading.Event(), threading.Event()
        self._first = asyncio.create_task(turns.run(BULK, self._hold))
        self.done: list[str] = []

    async def ready(self) -> None:
        assert await asyncio.to_thread(self._entered.wait, PATIENCE)

    async def give(self, priority: Priority, name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(self._turns.run(priority, self.done.append, name))
        await asyncio.sleep(0)
        return task

    async def go(self) -> None:
        self._gate.set()
        await self._first

    def _hold(self) -> None:
        self._entered.set()
        assert self._gate.wait(PATIENCE)


@pytest.fixture
async def held() -> AsyncIterator[Held]:
    turns = Turns(1, "test")
    one = Held(turns)
    await one.ready()
    yield one
    one._gate.set()
    turns.close()


async def test_interactive_goes_first_and_else_who_came_first(held: Held) -> None:
    given = ((BULK, "a"), (BULK, "b"), (INTERACTIVE, "c"), (BULK, "d"), (INTERACTIVE, "e"))
    tasks = [await held.give(priority, name) for priority, name in given]
    await held.go()
    await asyncio.gather(*tasks)
    assert held.done == ["c", "e", "a", "b", "d"]


async def test_what_nobody_waits_for_is_not_begun(held: Held) -> None:
    gone, stays = await held.give(INTERACTIVE, "gone"), await held.give(BULK, "stays")
    gone.cancel()
    await asyncio.sleep(0)
    await held.go()
    await stays
    assert held.done == ["stays"]
    assert gone.cancelled()


async def test_close_frees_who_waits(held: Held) -> None:
    waiting = await held.give(BULK, "never")
    held._turns.close()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    await held.go()
    assert held.done == []


async def test_errors_and_the_context_of_the_caller_go_with_the_call() -> None:
    turns, name = Turns(2, "test"), contextvars.ContextVar[str]("name")
    name.set("caller")

    def fail() -> NoReturn:
        raise LookupError("no such thing")

    assert await turns.run(BULK, name.get) == "caller"
    with pytest.raises(LookupError, match="no such thing"):
        await turns.run(INTERACTIVE, fail)
    turns.close()

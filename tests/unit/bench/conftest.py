"""An event loop whose time is made up: a sleep costs nothing and takes exactly as long as it says."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import pytest

Answer = TypeVar("Answer")


class _Selector(selectors.DefaultSelector):  # type: ignore[misc,valid-type]
    """Instead of waiting, moves the time on."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready; the time until the next timer passes at once."""
        assert timeout is not None, "everybody waits, and no timer will wake anybody"
        self.now += max(0.0, timeout)
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._made_up = _Selector()
        super().__init__(self._made_up)

    def time(self) -> float:
        """The made-up time."""
        return self._made_up.now


@pytest.fixture
def in_made_up_time() -> Iterator[Callable[[Coroutine[Any, Any, Answer]], Answer]]:
    """Runs a coroutine on such a loop."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        yield runner.run

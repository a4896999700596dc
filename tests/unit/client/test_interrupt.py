"""Ctrl-C while gRPC is at work: an exception in the middle of it would leave its locks taken."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable

import pytest

from onrecord._interrupt import Uninterrupted, handled


def interrupted(cancel: Callable[[], object], then: Callable[[], object]) -> None:
    with Uninterrupted(cancel):
        signal.raise_signal(signal.SIGINT)
        then()


def test_the_call_is_cancelled_and_the_interrupt_comes_when_it_has_returned() -> None:
    cancelled, returned = threading.Event(), threading.Event()

    def go_on() -> None:
        assert cancelled.wait(10)  # set by another thread, for this one waits
        returned.set()

    with handled(), pytest.raises(KeyboardInterrupt):
        interrupted(cancelled.set, go_on)
    assert returned.is_set()


def test_a_second_interrupt_and_one_elsewhere_come_at_once() -> None:
    reached: list[int] = []
    with handled():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            interrupted(lambda: None, lambda: (signal.raise_signal(signal.SIGINT), reached.append(1)))
    assert not reached


def test_a_handler_of_the_users_stays() -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
    try:
        with handled(), Uninterrupted(lambda: None):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [signal.SIGINT]
    assert signal.getsignal(signal.SIGINT) is before

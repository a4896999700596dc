"""Ctrl-C while gRPC is at work: an exception in the middle of it would leave its locks taken."""

from __future__ import annotations

import signal
import threading

import pytest

from onrecord._interrupt import Uninterrupted, handled


def test_the_call_is_cancelled_and_the_interrupt_comes_when_it_has_returned() -> None:
    cancelled, returned = threading.Event(), False
    with handled(), pytest.raises(KeyboardInterrupt), Uninterrupted(cancelled.set):
        signal.raise_signal(signal.SIGINT)
        assert cancelled.wait(10)  # from another thread, for this one waits
        returned = True
    assert returned


def test_a_second_interrupt_and_one_elsewhere_come_at_once() -> None:
    with handled():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        returned = False
        with pytest.raises(KeyboardInterrupt), Uninterrupted(lambda: None):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            returned = True
        assert not returned


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

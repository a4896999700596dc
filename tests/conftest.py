"""For all tests: how they are started, and what they are spared."""

from __future__ import annotations

import gc
import signal

import pytest

# A shell lets what it starts in the background ignore Ctrl-C, and so would every command that these tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish(session: pytest.Session) -> None:
    """What the imports left stays for good: looking through all of torch again takes a third of a second each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """New clients in this process try again as often as they do, and pause for less in between.

    Not for a server that comes back: a connection is not made anew as fast as that.
    """
    from onrecord import _channel  # here, so that tests without a client load no gRPC

    quick = {"initialBackoff": "0.01s", "maxBackoff": "0.05s"}
    for entry in _channel.SERVICE_CONFIG["methodConfig"]:  # type: ignore[attr-defined]
        monkeypatch.setitem(entry, "retryPolicy", entry["retryPolicy"] | quick)

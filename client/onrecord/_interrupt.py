"""Ctrl-C, and SIGTERM where it is to end work likewise, while gRPC is at work in the main thread.

An exception that a signal raises in the middle of gRPC's own code may leave one of its locks taken, and whoever wants
it next, the call's cancellation for one, waits for ever. So the command line handles the signal here: what waits for
gRPC is cancelled, from another thread, and KeyboardInterrupt is raised when gRPC has returned. A second signal is
raised at once, as ever. Programs that use the client keep their own handlers, and without `handled` nothing changes.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType

_main = threading.main_thread().ident
_cancel: Callable[[], object] | None = None  # of what the main thread waits for
_pending: KeyboardInterrupt | None = None  # to be raised when gRPC has returned


class Terminated(KeyboardInterrupt):
    """SIGTERM has come while work was `terminable`: it ends as an interrupt ends it."""


@contextmanager
def handled() -> Iterator[None]:
    """Ctrl-C does as said above. Nothing changes where another handler is set, or outside the main thread."""
    usual = threading.get_ident() == _main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if usual:
        signal.signal(signal.SIGINT, _handle)
    try:
        yield
    finally:
        if usual:
            signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def terminable() -> Iterator[None]:
    """Inside, SIGTERM does what Ctrl-C does, but raises Terminated. Nothing changes where it is handled already."""
    usual = threading.get_ident() == _main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if usual:
        signal.signal(signal.SIGTERM, _handle)
    try:
        yield
    finally:
        if usual:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _handle(number: int, frame: FrameType | None) -> None:
    global _pending
    raised = Terminated() if number == signal.SIGTERM else KeyboardInterrupt()
    if _cancel is None or _pending is not None:
        raise raised
    _pending = raised
    threading.Thread(target=_cancel, daemon=True).start()


class Uninterrupted:
    """While inside, in the main thread, a signal calls `cancel`, and its KeyboardInterrupt comes at the end."""

    __slots__ = ("_given",)

    def __init__(self, cancel: Callable[[], object]) -> None:
        self._given = cancel

    def __enter__(self) -> None:
        global _cancel
        if threading.get_ident() == _main:
            _cancel = self._given

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        global _cancel, _pending
        if threading.get_ident() != _main:
            return
        _cancel = None
        if _pending is not None:
            raised, _pending = _pending, None
            raise raised from None

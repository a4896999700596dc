"""Ctrl-C while gRPC is at work in the main thread.

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
_pending = False


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


def _handle(number: int, frame: FrameType | None) -> None:
    global _pending
    if _cancel is None or _pending:
        raise KeyboardInterrupt
    _pending = True
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
        if _pending:
            _pending = False
            raise KeyboardInterrupt from None

"""A progress bar on stderr, where that is a terminal."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

from onrecord.cli._report import complain, printable, say, writing_below
from onrecord.errors import OnrecordError, Overloaded

NEWS = 1.0
"""Seconds without the server after which that is said."""
TICK = 0.1
"""Seconds between two drawings."""
_BAR = 30  # cells
_LEAST_BAR = 5


@contextmanager
def progress(
    label: str, unit: str, total: int | None, *, done: int = 0, shown: bool = True
) -> Iterator[Callable[[int], None]]:
    """Gives a function to call with the number of items just done. Shows count, rate and time left.

    done: items that were done before, which do not count for the rate. shown: not while results go to the terminal.
    """
    if not (shown and _is_shown()):
        yield lambda count: None
        return
    bar = _Bar(label, unit, total, done)
    with _Live(bar.line):
        yield bar.advance


@contextmanager
def working(label: str) -> Iterator[None]:
    """Says what takes its time, for as long as it does."""
    if not _is_shown():
        yield
        return
    began = time.monotonic()
    with _Live(lambda width: f"{label} ... {time.monotonic() - began:.0f} s"[:width]):
        yield


class Waiting:
    """Says once that the server is being waited for, and once that it is back; a short break is no news."""

    def __init__(self, target: str, patience: float) -> None:
        self._target, self._patience = target, patience
        self._soon: threading.Timer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._soon is not None:
            self._soon.cancel()

    def begin(self, error: OnrecordError) -> None:
        """The server is away or full. Told again and again, as it is tried."""
        if self._soon is not None:
            return
        what = "has no room" if isinstance(error, Overloaded) else "does not answer any more"
        line = f"the server at {self._target} {what}; it is tried again for up to {self._patience:.0f} s"
        # a try may itself take long, so not the next one says it
        self._soon = threading.Timer(NEWS, complain, [line])
        self._soon.daemon = True
        self._soon.start()

    def over(self) -> None:
        """It answers."""
        if self._soon is None:
            return
        said = self._soon.finished.is_set()
        self._soon.cancel()
        self._soon = None
        if said:
            complain(f"the server at {self._target} answers again")


def _is_shown() -> bool:
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


class _Bar:
    def __init__(self, label: str, unit: str, total: int | None, done: int) -> None:
        self._label, self._unit, self._total = printable(label), unit, total
        self._before = self._done = done
        self._began = time.monotonic()

    def advance(self, count: int) -> None:
        """So many more are done."""
        self._done += count

    def line(self, width: int) -> str:
        """How far it is, in one line of at most `width` characters."""
        seconds = time.monotonic() - self._began
        rate = (self._done - self._before) / seconds if seconds > 0 else 0.0
        parts = [f"{self._done:,}" if self._total is None else f"{self._done:,}/{self._total:,}"]
        if rate:
            parts.append(f"{rate:.1f} {self._unit}/s")
        if self._total and rate:
            parts.append(f"{_clock(max(self._total - self._done, 0) / rate)} left")
        said = "  ".join(parts)
        room = min(_BAR, width - len(self._label) - len(said) - 4)
        if self._total and room >= _LEAST_BAR:
            full = min(room * self._done // self._total, room)
            done, left = "━·" if "utf" in (sys.stderr.encoding or "").lower() else "#-"
            said = f"{done * full}{left * (room - full)}  {said}"
        return f"{self._label}  {said}"[:width]


def _clock(seconds: float) -> str:
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{left:02}"


class _Live:
    """Keeps one line at the foot of the terminal, drawn anew now and then, and takes it away at the end.

    Lines of `say` go above it.
    """

    def __init__(self, line: Callable[[int], str]) -> None:
        self._line = line
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._drawer = threading.Thread(target=self._draw, name="onrecord-progress", daemon=True)

    def __enter__(self) -> None:
        writing_below(self._above)
        self._drawer.start()

    def __exit__(self, *error: object) -> None:
        writing_below(None)
        self._ended.set()
        self._drawer.join()
        self._write("\r\x1b[K")

    def _draw(self) -> None:
        while not self._ended.is_set():
            with self._lock:
                self._write(f"\r\x1b[K{self._line(_width())}")
            self._ended.wait(TICK)

    def _above(self, line: str) -> None:
        with self._lock:
            self._write("\r\x1b[K")
            say(line, above=False)

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # a terminal that has gone
            sys.stderr.write(text)
            sys.stderr.flush()


def _width() -> int:
    """One less than the terminal has: a full line would wrap."""
    try:
        return max(os.get_terminal_size(sys.stderr.fileno()).columns - 1, 0) or 79
    except (OSError, ValueError):
        return 79

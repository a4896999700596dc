"""Runs what `onrecord bench` was asked for, row by row, and keeps what is done when it is interrupted."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from onrecord._bench.calls import Caller
from onrecord._bench.driving import Driver, Plan, Row
from onrecord._bench.schedule import Load, Step
from onrecord._bench.searching import Capacity, saturate, sustain
from onrecord.cli._progress import progress

Progress = Callable[[str], AbstractContextManager[Callable[[int], None]]]


@dataclass(slots=True)
class Measured:
    """What is done so far. `interrupted`: it is not all that was asked for."""

    rows: list[Row] = field(default_factory=list)
    capacity: Capacity | None = None
    interrupted: bool = False


async def measure(caller: Caller, plan: Plan, steps: Sequence[Step], *, capacity: bool, measured: Measured) -> None:
    """Every step in turn, after the search for the highest rate if that is asked for or a step is a multiple of it.

    Everything goes into `measured` as soon as it is there. The first Ctrl-C ends the row under way and keeps it; a
    second one is the usual interrupt.
    """
    stop = asyncio.Event()
    with _stopping_on_interrupt(stop):

        async def run(load: Load, label: str) -> Row:
            with progress(label, "calls", None) as advance:
                row = await Driver(caller, plan, stop, advance).measure(load)
            measured.interrupted |= row.interrupted
            return row

        if capacity or any(step.unit == "x" for step in steps):
            measured.capacity = Capacity()
            await saturate(lambda load: run(load, f"highest rate: {load}"), measured.capacity)
            if capacity and not measured.interrupted:
                await sustain(lambda load: run(load, f"sustained rate: {load}"), measured.capacity)
        for number, step in enumerate(steps, start=1):
            if measured.interrupted or stop.is_set():
                measured.interrupted = True
                return
            load = step.load(measured.capacity.saturated if measured.capacity else None)
            if load.rate == 0:
                return  # the search has found that nothing is answered; its trials say how
            measured.rows.append(await run(load, f"{number}/{len(steps)}: {load}"))


@contextlib.contextmanager
def _stopping_on_interrupt(stop: asyncio.Event) -> Iterator[None]:
    """While inside, the first SIGINT sets `stop`. Where the system cannot do that, it interrupts as ever."""
    loop = asyncio.get_running_loop()

    def once() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        stop.set()

    try:
        before = signal.getsignal(signal.SIGINT)
        loop.add_signal_handler(signal.SIGINT, once)
    except (NotImplementedError, RuntimeError, ValueError):  # Windows; not the main thread
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, before)

"""Where callers come in: at once, or when it is their turn.

A caller who cannot wait is let in or refused. One who can stands in line, one line for each priority, and is let in by
whoever makes room, first come, first served: nobody asks again and again, nobody is overtaken by a caller of the same
kind. Event loop only.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

from onrecord_server.checking.admission import Admission, Seat
from onrecord_server.checking.batching import Priority
from onrecord_server.checking.meter import Meter
from onrecord_server.domain.errors import DeadlineTooShort, OnrecordError, Overloaded

_AHEAD_SECONDS = 0.05
_HURRY_SECONDS = 1.0  # for so long after the last interactive caller has left bulk batches stay small: he may ask again


@dataclass(eq=False, slots=True)
class _Waiting:
    """Who stands in line, and what he asked for. `seat` is done when it is his turn, or will never be."""

    tokens: int
    priority: Priority
    deadline: float | None
    seat: asyncio.Future[Seat]


class Door:
    """Seats of one Admission. `idle` is set while nobody is in.

    hurry: told until which instant of the loop's clock an interactive caller may have work for the model.
    """

    def __init__(self, admission: Admission, meter: Meter, hurry: Callable[[float], None]) -> None:
        self._admission = admission
        self._meter = meter
        self._hurry = hurry
        self._refusal: Callable[[], OnrecordError] | None = None
        self._lines: dict[Priority, deque[_Waiting]] = {priority: deque() for priority in Priority}
        self._advancing = False
        self.idle = asyncio.Event()
        self.idle.set()

    @property
    def waiting(self) -> int:
        """Callers in line."""
        return sum(map(len, self._lines.values()))

    @property
    def closed(self) -> bool:
        """Whether everybody is refused."""
        return self._refusal is not None

    def close(self, refusal: Callable[[], OnrecordError]) -> None:
        """From now on everybody is refused with this error, those in line, too. Who is in stays in."""
        self._refusal = refusal
        for line in self._lines.values():
            for waiting in line:
                if not waiting.seat.done():
                    waiting.seat.set_exception(refusal())
            line.clear()

    @contextlib.contextmanager
    def admit(self, tokens: int, deadline: float | None, priority: Priority) -> Iterator[Seat]:
        """A seat as long as the context lasts. Raises what Admission.open raises, and the refusal."""
        with self._told():
            seat = self._open(tokens, priority, deadline, patient=False)
        with self._sitting(seat):
            yield seat

    @contextlib.asynccontextmanager
    async def admit_patiently(
        self, tokens: int, deadline: float | None, priority: Priority, patience: float
    ) -> AsyncIterator[Seat]:
        """As `admit`, but where there is no room it waits in line, for `patience` seconds at most.

        Raises Overloaded when they are over, or when it would not be done by its deadline any more.
        """
        with self._told():
            seat = await self._take_turn(tokens, deadline, priority, patience)
        with self._sitting(seat):
            yield seat

    def made_room(self) -> None:
        """Something in the backlog has come to an end: whose turn it is may come in, before long."""
        if not self._advancing and any(self._lines.values()):
            self._advancing = True
            asyncio.get_running_loop().call_soon(self._advance)

    # ----------------------------------------------------------------------------------------------------------------

    def _open(self, tokens: int, priority: Priority, deadline: float | None, *, patient: bool) -> Seat:
        if self._refusal is not None:
            raise self._refusal()
        now = asyncio.get_running_loop().time()
        seat = self._admission.open(tokens, priority, deadline, now, patient=patient)
        self.idle.clear()
        if seat.priority is Priority.INTERACTIVE:
            self._hurry(math.inf)
        return seat

    async def _take_turn(self, tokens: int, deadline: float | None, priority: Priority, patience: float) -> Seat:
        line = self._lines[self._admission.priority_of(tokens, priority)]
        if not line:
            with contextlib.suppress(Overloaded):
                return self._open(tokens, priority, deadline, patient=True)
        loop = asyncio.get_running_loop()
        waiting = _Waiting(tokens, priority, deadline, loop.create_future())
        line.append(waiting)
        now = loop.time()
        until = min(now + patience, self._admission.latest(tokens, priority, deadline, now))
        try:
            async with asyncio.timeout_at(until if until < math.inf else None):
                return await waiting.seat
        except TimeoutError:
            self._give_up(line, waiting)
            # as one who does not wait: for the time that it says
            return self._open(tokens, priority, deadline, patient=False)
        except asyncio.CancelledError:
            self._give_up(line, waiting)
            raise

    def _give_up(self, line: deque[_Waiting], waiting: _Waiting) -> None:
        """Leave the line, and the seat that was granted just now; the next one may be smaller."""
        if waiting in line:
            line.remove(waiting)
        if waiting.seat.done() and not waiting.seat.cancelled() and waiting.seat.exception() is None:
            self._leave(waiting.seat.result(), None)
        self.made_room()

    def _advance(self) -> None:
        """Let in whom there is room for, from the head of each line."""
        self._advancing = False
        for line in self._lines.values():
            while line:
                waiting = line[0]
                if waiting.seat.done():  # he is on his way out, and has not been heard yet
                    line.popleft()
                    continue
                try:
                    seat = self._open(waiting.tokens, waiting.priority, waiting.deadline, patient=True)
                except Overloaded:
                    break
                except OnrecordError as error:
                    waiting.seat.set_exception(error)
                else:
                    waiting.seat.set_result(seat)
                line.popleft()

    @contextlib.contextmanager
    def _sitting(self, seat: Seat) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        until: float | None = None
        try:
            yield
            until = loop.time()
        except DeadlineTooShort:
            until = loop.time() if seat.deadline is None else max(loop.time(), seat.deadline)
            raise
        except asyncio.CancelledError:
            # who leaves when his time is up was too late, too; his clock runs a little ahead of this one
            if seat.deadline is not None and loop.time() > seat.deadline - _AHEAD_SECONDS:
                until = seat.deadline
            raise
        finally:
            self._leave(seat, until)

    def _leave(self, seat: Seat, until: float | None) -> None:
        self._admission.close(seat, until)
        if seat.priority is Priority.INTERACTIVE and not self._admission.interactive:
            self._hurry(asyncio.get_running_loop().time() + _HURRY_SECONDS)
        if not self._admission.seats:
            self.idle.set()
        self.made_room()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Tell the meter who is turned away."""
        try:
            yield
        except OnrecordError as error:
            self._meter.refused(error.reason)
            raise

"""Who may come in, and until when they can be served. Bookkeeping in tokens; no asyncio, no clock of its own.

A caller takes a seat before anything is done for it. The seat reserves the tokens that its work is expected to need;
as the work becomes known, reservation turns into jobs. What is reserved and what waits or runs together are the
backlog, and a caller who does not fit, or whose deadline the backlog would outlast, is refused there and then.

Either priority has a part of the queue that the other cannot fill, so that a flood of one never shuts out the other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from onrecord_server.checking.batching import BULK_SHARE, PAIR, TEXT, Priority, due_time
from onrecord_server.checking.pace import Foresight, Pace
from onrecord_server.domain.errors import DeadlineTooShort, DeadlineUnreachable, Overloaded

# What either priority may fill of the queue; the rest is kept for the other. Bulk work leaves room for those who wait
# at a screen; they leave it as much as it gets of the model beside them.
BULK_LIMIT = 0.75
LIMITS = {Priority.INTERACTIVE: 1 - BULK_SHARE, Priority.BULK: BULK_LIMIT}
# Of that, who can wait at the door takes no more than this: the rest is for callers who come once and are refused.
PATIENT_LIMIT = 0.9
LARGE_BATCHES = 4  # a single request of more tokens than so many batches is bulk work, whatever it says

_RETRY_AFTER = (0.1, 60.0)  # seconds, least and most
_FIRST_RATE = 2_000.0  # tokens a second, until batches have been measured
_DOUBT_SECONDS = 5.0  # for so long a pace may keep callers from an idle model; then it is measured anew


@dataclass(eq=False, slots=True)
class Seat:
    """One caller's place. `due`: see batching.due_time. `reserved`: tokens set aside and not yet jobs.

    `used`: tokens of the jobs that it brought in. `deadline`, `due`, `since`: instants of one clock, seconds.
    `expected`: seconds that the queue alone would keep it.
    """

    priority: Priority
    deadline: float | None
    due: float
    reserved: int
    since: float
    expected: float
    used: int = 0


class Admission:
    """The backlog, and who gets in. `max_tokens`: of the backlog; `batch_tokens`: of what runs at once."""

    def __init__(self, max_tokens: int, batch_tokens: int) -> None:
        self._max_tokens = max_tokens
        self._batch_tokens = batch_tokens
        self._waiting = {(priority, kind): 0 for priority in Priority for kind in (PAIR, TEXT)}
        self._reserved = dict.fromkeys(Priority, 0)
        self._seats: dict[Priority, set[Seat]] = {priority: set() for priority in Priority}
        self.pace = {PAIR: Pace(_FIRST_RATE), TEXT: Pace(_FIRST_RATE)}
        self._foresight = {priority: Foresight() for priority in Priority}
        self._turns = dict.fromkeys(Priority, 0.0)  # until when room is spoken for by those who were told to come back
        self._last_batch = (0, 0.0)  # how many had been seen when a caller was refused for the pace, and since when

    @property
    def backlog(self) -> int:
        """Tokens reserved, waiting or running now."""
        return sum(self._waiting.values()) + sum(self._reserved.values())

    @property
    def seats(self) -> int:
        """Callers who are in."""
        return sum(map(len, self._seats.values()))

    @property
    def interactive(self) -> bool:
        """Is any interactive caller in?"""
        return bool(self._seats[Priority.INTERACTIVE])

    def tokens(self, priority: Priority) -> int:
        """The backlog of one priority."""
        return self._reserved[priority] + self._waiting[priority, PAIR] + self._waiting[priority, TEXT]

    def priority_of(self, tokens: int, priority: Priority) -> Priority:
        """As what a request of so many tokens counts: a large one is bulk work, whatever it says."""
        return Priority.BULK if tokens > LARGE_BATCHES * self._batch_tokens else priority

    def open(
        self, tokens: int, priority: Priority, deadline: float | None, now: float, *, patient: bool = False
    ) -> Seat:
        """Let in a caller whose work is expected to need so many tokens.

        Where nobody of its priority is in, one of any size is taken. patient: it can wait for room, and leaves some for
        those who cannot.

        Raises DeadlineTooShort (has passed), DeadlineUnreachable (will pass before the work is done), Overloaded.
        """
        if deadline is not None and deadline <= now:
            raise DeadlineTooShort("the deadline has passed; allow more time")
        priority = self.priority_of(tokens, priority)
        own = self._seconds(PAIR, tokens)
        expected = own + self.wait_seconds(priority)
        if tokens > 0:
            self._check_room(tokens, priority, now, patient)
            self._check_deadline(own, expected, priority, deadline, now)
        seat = Seat(priority, deadline, due_time(now, own, deadline), tokens, now, expected)
        self._seats[priority].add(seat)
        self._reserved[priority] += tokens
        return seat

    def close(self, seat: Seat, until: float | None = None) -> None:
        """The caller leaves; what it reserved and did not need is free. Its jobs are removed by `finished`.

        until: the instant, when the caller has got its answer, or has waited to its deadline: there is something to
        learn.
        """
        self._seats[seat.priority].discard(seat)
        self._reserved[seat.priority] -= seat.reserved
        seat.reserved = 0
        if until is not None and seat.used:
            self._foresight[seat.priority].saw(seat.expected, until - seat.since, until)

    def began(self, seat: Seat, kind: str, tokens: int) -> None:
        """A job of so many tokens is there for the seat: it comes out of the reservation as far as that goes."""
        taken = min(tokens, seat.reserved)
        seat.reserved -= taken
        seat.used += tokens
        self._reserved[seat.priority] -= taken
        self._waiting[seat.priority, kind] += tokens

    def finished(self, priority: Priority, kind: str, tokens: int) -> None:
        """A job that `began` is done, or dropped."""
        self._waiting[priority, kind] -= tokens

    def latest(self, tokens: int, priority: Priority, deadline: float | None, now: float) -> float:
        """The instant after which such a caller would not be done by its deadline, with what is there before it."""
        if deadline is None:
            return math.inf
        if not self.pace[PAIR].measured:
            return deadline - _RETRY_AFTER[0]
        priority = self.priority_of(tokens, priority)
        return deadline - self._foreseen(self._seconds(PAIR, tokens) + self.wait_seconds(priority), priority, now)

    def _check_room(self, tokens: int, priority: Priority, now: float, patient: bool) -> None:
        """What one priority has beyond its part counts as that part: it may be late, and keeps nobody else out."""
        (other,) = set(Priority) - {priority}
        have, others = self.tokens(priority), self.tokens(other)
        room = min(
            LIMITS[priority] * self._max_tokens, self._max_tokens - min(others, LIMITS[other] * self._max_tokens)
        )
        excess = math.ceil(have + tokens - room * (PATIENT_LIMIT if patient else 1.0))
        if excess <= 0 or have == 0:
            return
        if patient:  # it will be told when there is room, and comes back no earlier
            raise Overloaded(_RETRY_AFTER[0])
        raise Overloaded(self._turn(tokens, min(excess, have), priority, now))

    def _turn(self, tokens: int, excess: int, priority: Priority, now: float) -> float:
        """When a caller who is refused may find room: seconds from now, within `_RETRY_AFTER`.

        That is when `excess` tokens of its priority are done, and there has been time for the work of those who were
        refused before and told to come back; but not for more than what is ahead of it now, since many never return.
        """
        least, most = _RETRY_AFTER
        ahead = self.wait_seconds(priority)
        turn = min(max(self._turns[priority], now), now + ahead)
        self._turns[priority] = turn + self._seconds(PAIR, tokens)
        done = self._seconds(PAIR, excess)
        if (
            priority is Priority.BULK
        ):  # while interactive callers are in, it gets its share, or waits until they are done
            done = min(done / BULK_SHARE, done + self._work(Priority.INTERACTIVE))
        return min(max(turn - now + done, least), most)

    def _check_deadline(
        self, own: float, expected: float, priority: Priority, deadline: float | None, now: float
    ) -> None:
        """Not before the pace is known: nobody is refused on a guess.

        Nor, when nobody like him is in, on what those before him met with: else nothing could show that it has passed.
        """
        if deadline is None or not self.pace[PAIR].measured:
            return
        foreseen = self._foreseen(expected, priority, now)
        if now + foreseen > deadline and not self._doubtful(now):
            least, most = _RETRY_AFTER
            late = min(max(now + foreseen - deadline, least), most)
            raise DeadlineUnreachable(foreseen, deadline - now, None if now + own > deadline else late)

    def _foreseen(self, expected: float, priority: Priority, now: float) -> float:
        """How long a caller will be in for whom the queue alone says `expected`, in seconds."""
        return self._foresight[priority].seconds(expected, now) if self._seats[priority] else expected

    def _doubtful(self, now: float) -> bool:
        """Give up the pace when it has refused callers for a while and no pair was there to correct it.

        A machine that stood still for a minute would else be thought slow for good: who is refused measures nothing.
        """
        batches = self.pace[PAIR].batches
        busy = any(self._waiting[priority, PAIR] for priority in Priority)
        if busy or self._last_batch[0] != batches:
            self._last_batch = (batches, now)
        if now - self._last_batch[1] < _DOUBT_SECONDS:
            return False
        self.pace[PAIR] = Pace(self.pace[PAIR].tokens_per_second)
        return True

    def wait_seconds(self, priority: Priority) -> float:
        """How long a caller of this priority would wait for what is there before it."""
        ahead = self._work(Priority.INTERACTIVE)
        bulk = self._work(Priority.BULK)
        if priority is Priority.BULK:
            return ahead + bulk
        if bulk:  # a share goes to it, and the batch that runs is finished first
            return ahead / (1 - BULK_SHARE) + min(bulk, self._seconds(PAIR, self._batch_tokens))
        return ahead

    def _work(self, priority: Priority) -> float:
        pairs = self._reserved[priority] + self._waiting[priority, PAIR]
        return self._seconds(PAIR, pairs) + self._seconds(TEXT, self._waiting[priority, TEXT])

    def _seconds(self, kind: str, tokens: int) -> float:
        return self.pace[kind].seconds(tokens, self._batch_tokens)

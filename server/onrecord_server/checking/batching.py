"""What waits for the model, and what goes into the next batch.

Two priorities: bulk work (batches, streams, imports) stands back behind interactive calls, save for a tenth of the
tokens that it gets in any case. While an interactive caller is in, wherever in its check, bulk batches are small, so
that it never waits long for the one that runs.

Order within a priority: a request is due at its arrival plus the time that its own work takes alone, or at the latest
moment at which it could start and still meet its deadline, whichever is earlier. So a small request overtakes a large
one that came before it, a deadline pulls work forward, and a large request cannot starve: its due time stands still
while those of newcomers move on. Within a request, long inputs go first, so that a batch holds like lengths.

What nobody waits for any more is left out. So is what could only come too late, by the time that the next batch is
expected to take, where there is something else to compute: after a slow moment everybody in the queue would else be
late by a little, one after the other, and all of the work be lost.

Several takers (one a core, say) each take a batch of their own and never wait for one another. While there is less
than a batch for each, they share what there is: an idle one leaves the other idle ones their part.
"""

from __future__ import annotations

import heapq
import itertools
import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Generic, TypeVar

PAIR, TEXT = "pair", "text"

_WORTH_A_BATCH = 128  # tokens; where all are busy, smaller batches would cost the model a good part of its rate

BULK_SHARE = 0.1  # of the tokens that bulk work gets, however many interactive callers there are


class Priority(IntEnum):
    """INTERACTIVE: somebody waits for this one answer. BULK: batches, streams, imports."""

    INTERACTIVE = 0
    BULK = 1


@dataclass(eq=False, slots=True)
class Job:
    """One input for a model: `item`, of `tokens` tokens. `kind`: jobs of one kind may share a batch.

    `dead` is set when nobody waits for it any more; `taken` when it is in a batch. `latest`: the instant (of
    time.monotonic) after which its result is of no use to anybody. `given_up`: what `latest` was when it was given up.
    """

    kind: str
    item: Any
    tokens: int
    dead: bool = False
    taken: bool = False
    latest: float = math.inf
    given_up: float = math.inf


JobT = TypeVar("JobT", bound=Job)


@dataclass(order=True, slots=True)
class _Entry(Generic[JobT]):
    due: float
    minus_tokens: int
    number: int
    job: JobT = field(compare=False)


_Lane = tuple[Priority, str]


def due_time(now: float, work_seconds: float, deadline: float | None) -> float:
    """When a request that arrives now is due (see the module's text). Seconds on one clock."""
    due = now + work_seconds
    return due if deadline is None else min(due, deadline - work_seconds)


class JobQueue(Generic[JobT]):
    """Jobs in order of priority and due time, handed out in batches. Any thread may call any method.

    small_batch_tokens: of a bulk batch in a hurry (see `hurry`), None for no difference. takers: threads that call
    `take`. lead: seconds that a batch of so many tokens of a kind is expected to take. given_up: told, by the thread
    that takes, of jobs that are left out as they would come too late; it must not call the queue.
    """

    def __init__(
        self,
        max_batch_tokens: int,
        small_batch_tokens: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        takers: int = 1,
        lead: Callable[[str, int], float] = lambda kind, tokens: 0.0,
    ) -> None:
        self._max_batch_tokens = max_batch_tokens
        self._small_batch_tokens = min(small_batch_tokens or max_batch_tokens, max_batch_tokens)
        self._clock = clock
        self._takers = takers
        self._lead = lead
        self.given_up: Callable[[Sequence[JobT]], None] = lambda jobs: None
        self._idle = 0  # takers that wait
        self._heaps: dict[_Lane, list[_Entry[JobT]]] = {}
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._closed = False
        self._owed = 0.0  # tokens that bulk work has stood back for and has a right to
        self._hurried_until = -math.inf

    def hurry(self, until: float) -> None:
        """Until this instant, of the queue's clock, an interactive caller may have work for the model any moment."""
        self._hurried_until = until

    def put(self, jobs: Iterable[tuple[float, JobT]], priority: Priority = Priority.INTERACTIVE) -> None:
        """Add jobs with their due times.

        A job may be put again, with an earlier time or a higher priority; it is handed out once.
        """
        with self._changed:
            for due, job in jobs:
                entry = _Entry(due, -job.tokens, next(self._numbers), job)
                heapq.heappush(self._heaps.setdefault((priority, job.kind), []), entry)
            self._changed.notify_all()

    def __len__(self) -> int:
        """Jobs that wait, those that nobody wants any more left out."""
        with self._changed:
            waiting = {id(e.job) for heap in self._heaps.values() for e in heap if not (e.job.dead or e.job.taken)}
        return len(waiting)

    def close(self) -> None:
        """Hand out nothing more; `take` returns an empty batch from now on."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def take(self) -> list[JobT]:
        """The next batch, jobs of one kind and priority; waits until there is one. Empty when the queue is closed.

        At most max_batch_tokens tokens, unless a single job alone has more.
        """
        with self._changed:
            while not self._closed:
                if batch := self._next_batch():
                    return batch
                self._idle += 1
                self._changed.wait()
                self._idle -= 1
            return []

    @property
    def others_idle(self) -> bool:
        """Whether all takers but the one that asks, and is not waiting, have nothing to do."""
        return self._idle >= self._takers - 1

    def _next_batch(self) -> list[JobT]:
        now = self._clock()
        for heap in self._heaps.values():
            _drop_stale(heap, now)
        waiting = [lane for lane, heap in self._heaps.items() if heap]
        if not waiting:
            return []
        lanes = {priority: [lane for lane in waiting if lane[0] is priority] for priority in Priority}
        priority = self._whose_turn(bool(lanes[Priority.INTERACTIVE]), bool(lanes[Priority.BULK]))
        lane = min(lanes[priority], key=lambda lane: self._heaps[lane][0])
        small = priority is Priority.BULK and now < self._hurried_until
        most = self._small_batch_tokens if small else self._max_batch_tokens
        heap = self._heaps[lane]
        share = self._share(heap, most)
        batch = self._fill(heap, most, share, now, now + self._lead(lane[1], share))
        self._settle(priority, sum(job.tokens for job in batch), bool(lanes[Priority.BULK]))
        return batch

    def _whose_turn(self, interactive: bool, bulk: bool) -> Priority:
        if interactive and bulk:
            return Priority.BULK if self._owed >= self._small_batch_tokens else Priority.INTERACTIVE
        return Priority.INTERACTIVE if interactive else Priority.BULK

    def _settle(self, priority: Priority, tokens: int, bulk_waits: bool) -> None:
        """Keep the account of what bulk work is owed."""
        if not bulk_waits:
            self._owed = 0.0
        elif priority is Priority.INTERACTIVE:
            self._owed += tokens * BULK_SHARE / (1 - BULK_SHARE)
        else:
            self._owed = max(0.0, self._owed - tokens)

    def _share(self, heap: list[_Entry[JobT]], most: int) -> int:
        """Tokens that a taker takes of these, to leave the others their part."""
        if self._takers == 1:
            return most
        waiting: set[int] = set()
        tokens = 0
        for entry in heap:
            if id(entry.job) not in waiting and not entry.job.dead and not entry.job.taken:
                waiting.add(id(entry.job))
                tokens += entry.job.tokens
            if tokens >= most * self._takers:
                return most
        # idle takers come at once; busy ones some time, and meanwhile a batch should be worth its fixed cost
        fair = tokens / (1 + self._idle) if self._idle else max(tokens / self._takers, _WORTH_A_BATCH)
        return min(most, math.ceil(fair))

    def _fill(self, heap: list[_Entry[JobT]], most: int, share: int, now: float, done: float) -> list[JobT]:
        """Jobs of at most `most` tokens together, as near to `share` as whole jobs come.

        Those that would be late if the batch were done at that instant are given up, unless there are no others.
        """
        batch: list[JobT] = []
        late: list[_Entry[JobT]] = []
        tokens = 0
        while heap:
            if heap[0].job.latest < done:
                late.append(heapq.heappop(heap))
            else:
                more = heap[0].job.tokens
                if batch and (tokens + more > most or tokens + more / 2 > share):
                    break
                job = heapq.heappop(heap).job
                job.taken = True
                batch.append(job)
                tokens += job.tokens
            _drop_stale(heap, now)
        if late and not batch:
            heap += late
            heapq.heapify(heap)
            return self._fill(heap, most, share, now, now)
        if late:
            for entry in late:
                entry.job.dead, entry.job.given_up = True, entry.job.latest
            self.given_up([entry.job for entry in late])
        return batch


def _drop_stale(heap: list[_Entry[JobT]], now: float) -> None:
    while heap and (heap[0].job.dead or heap[0].job.taken or heap[0].job.latest < now):
        heapq.heappop(heap)

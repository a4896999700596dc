"""What waits for the model, and what goes into the next batch.

Order: a request is due at its arrival plus the time that its own work takes alone, or at the latest moment at which it
could start and still meet its deadline, whichever is earlier. So a small request overtakes a large one that came
before it, a deadline pulls work forward, and a large request cannot starve: its due time stands still while those of
newcomers move on. Within a request, long inputs go first, so that a batch holds like lengths.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar


@dataclass(eq=False, slots=True)
class Job:
    """One input for a model: `item`, of `tokens` tokens. `kind`: jobs of one kind may share a batch.

    `dead` is set when nobody waits for it any more; `taken` when it is in a batch.
    """

    kind: str
    item: Any
    tokens: int
    dead: bool = False
    taken: bool = False


JobT = TypeVar("JobT", bound=Job)


@dataclass(order=True, slots=True)
class _Entry(Generic[JobT]):
    due: float
    minus_tokens: int
    number: int
    job: JobT = field(compare=False)


def due_time(now: float, work_seconds: float, deadline: float | None) -> float:
    """When a request that arrives now is due (see the module's text). Seconds on one clock."""
    due = now + work_seconds
    return due if deadline is None else min(due, deadline - work_seconds)


class JobQueue(Generic[JobT]):
    """Jobs in order of due time, handed out in batches. Any thread may call any method."""

    def __init__(self, max_batch_tokens: int) -> None:
        self._max_batch_tokens = max_batch_tokens
        self._heaps: dict[str, list[_Entry[JobT]]] = {}
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, jobs: Iterable[tuple[float, JobT]]) -> None:
        """Add jobs with their due times. A job may be put again with an earlier time; it is handed out once."""
        with self._changed:
            for due, job in jobs:
                entry = _Entry(due, -job.tokens, next(self._numbers), job)
                heapq.heappush(self._heaps.setdefault(job.kind, []), entry)
            self._changed.notify()

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
        """The next batch, jobs of one kind; waits until there is one. Empty when the queue is closed.

        At most max_batch_tokens tokens, unless a single job alone has more.
        """
        with self._changed:
            while not self._closed:
                if batch := self._next_batch():
                    return batch
                self._changed.wait()
            return []

    def _next_batch(self) -> list[JobT]:
        for heap in self._heaps.values():
            _drop_stale(heap)
        waiting = [heap for heap in self._heaps.values() if heap]
        if not waiting:
            return []
        heap = min(waiting, key=lambda h: h[0])
        batch: list[JobT] = []
        tokens = 0
        while heap and (not batch or tokens + heap[0].job.tokens <= self._max_batch_tokens):
            job = heapq.heappop(heap).job
            job.taken = True
            batch.append(job)
            tokens += job.tokens
            _drop_stale(heap)
        return batch


def _drop_stale(heap: list[_Entry[JobT]]) -> None:
    while heap and (heap[0].job.dead or heap[0].job.taken):
        heapq.heappop(heap)

"""The asyncio front that shares the models among callers.

A caller takes a seat (`admit`) before anything is done for it; embedding and scoring then happen in that seat, so that
a check is refused at its door or not at all. All bookkeeping (seats, requests, jobs in flight, cache) belongs to the
event loop and needs no lock; only the JobQueue is shared with the models' threads. There is no batching delay:
whatever waits when a thread gets free is its next batch. No thread waits for another one: when another program takes
a core for a while, the other cores go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from onrecord_server.checking import inference
from onrecord_server.checking.admission import Admission, Seat
from onrecord_server.checking.batching import PAIR, JobQueue, Priority
from onrecord_server.checking.cache import PairCache
from onrecord_server.checking.door import Door
from onrecord_server.checking.meter import Meter, Silent
from onrecord_server.checking.model_threads import ModelThreads
from onrecord_server.checking.turns import Turns
from onrecord_server.checking.work import (
    PairOutcome,
    PairOutcomes,
    Request,
    ScoredPairs,
    Work,
    covered,
    new_pair,
    new_text,
    pair_key,
)
from onrecord_server.domain.errors import DeadlineTooShort, ModelUnusable, OnrecordError, ShuttingDown
from onrecord_server.domain.types import PairScore
from onrecord_server.nli.base import FloatArray, PairScorer, TextEncoder
from onrecord_server.nli.models import Hand

__all__ = ["InferenceWorker", "PairOutcome", "PairOutcomes", "Priority", "ScoredPairs", "Seat"]

_log = logging.getLogger(__name__)

_ENCODE_CHUNK = 64  # pairs tokenised at a time, so that a small request need not wait for a large one
_SMALL_BATCH = 4  # a bulk batch is a quarter of a full one while interactive callers are in, and shortly after
_JOIN_SECONDS = 10.0  # the batch that runs when the worker stops is let finish


class InferenceWorker:
    """Runs a PairScorer and a TextEncoder for many callers at once. Use from one event loop.

    hands: models for several threads at once, one a thread and core (`onrecord_server.nli.hands`); none: one thread
    with `scorer` and `encoder`, which else only tokenise and say what they are. max_batch_tokens: tokens of one
    forward, that of one hand. max_queue_tokens: expected tokens of those who are in; beyond it callers get Overloaded,
    except that one request of any size is taken where none of its priority is in. cache_pairs: scores remembered,
    least recently used forgotten first; 0 remembers none.
    They are those of one scorer: a worker has one for life.
    on_death: called on the event loop, once, with what killed the thread; from then on every call raises ModelError.
    """

    def __init__(
        self,
        scorer: PairScorer,
        encoder: TextEncoder,
        *,
        hands: Sequence[Hand] | None = None,
        max_batch_tokens: int = 1_024,
        max_queue_tokens: int = 200_000,
        cache_pairs: int = 50_000,
        on_death: Callable[[BaseException], None] | None = None,
        meter: Meter | None = None,
    ) -> None:
        self.scorer = scorer
        self.encoder = encoder
        self.meter = meter or Silent()
        self._on_death = on_death
        hands = hands or [Hand(scorer, encoder, (scorer, encoder))]
        self._queue: JobQueue[Work] = JobQueue(
            max_batch_tokens, max(1, max_batch_tokens // _SMALL_BATCH), takers=len(hands), lead=self._lead
        )
        self._threads = ModelThreads(hands, self._queue, self.meter)
        self._admission = Admission(max_queue_tokens, max_batch_tokens * len(hands))
        self._cache = PairCache(cache_pairs)
        self._in_flight: dict[bytes, Work] = {}
        self._requests: set[Request] = set()
        self._batches = 0
        self._door = Door(self._admission, self.meter, self._queue.hurry)
        self._ended: Callable[[], OnrecordError] | None = None  # for everybody: nothing is answered any more
        self._tokenising = Turns(1, "tokenise")
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def hands(self) -> list[Hand]:
        """Models of each thread; see ModelThreads."""
        return self._threads.hands

    @property
    def backlog_tokens(self) -> int:
        """Expected tokens of all who are in: reserved, waiting and running."""
        return self._admission.backlog

    @property
    def queue_tokens(self) -> Mapping[str, int]:
        """The same for each priority, by its name in lower case."""
        return {priority.name.lower(): self._admission.tokens(priority) for priority in Priority}

    @property
    def rate_tokens_per_second(self) -> float:
        """What the model does in full batches on all hands, as measured lately."""
        return self._admission.pace[PAIR].tokens_per_second

    @property
    def waiting_jobs(self) -> int:
        """Distinct inputs that are ready for the model and wait for it."""
        return len(self._queue)

    async def start(self) -> None:
        """Start the threads. Once."""
        if self._threads.started:
            raise RuntimeError("the worker has been started before")
        self._threads.start(self._deliver, self._give_up, self.die)

    async def stop(self, grace: float) -> None:
        """Refuse new callers, let those who are in finish for up to `grace` seconds, send the rest away, stop the
        threads.

        Callers refused or sent away get ShuttingDown. Idempotent.
        """
        if not self._door.closed:
            self._door.close(_shutting_down)
        try:
            async with asyncio.timeout(grace):
                await self._door.idle.wait()
        except TimeoutError:
            _log.warning("sending %d callers away after a grace of %.1f s", self._admission.seats, grace)
        self._ended = self._ended or _shutting_down
        self._send_away(self._ended)
        self._queue.close()
        for task in self._tasks:
            task.cancel()
        self._tokenising.close()
        await self._threads.join(_JOIN_SECONDS)

    def admit(
        self, tokens: int, *, deadline: float | None = None, priority: Priority = Priority.INTERACTIVE
    ) -> contextlib.AbstractContextManager[Seat]:
        """A seat for work that is expected to need so many tokens, as long as the context lasts.

        deadline: an instant of loop.time(). Entering it raises, before any work, Overloaded, DeadlineTooShort,
        DeadlineUnreachable, ShuttingDown, or ModelUnusable when a thread has died.
        """
        self._refuse_unstarted()
        return self._door.admit(tokens, deadline, priority)

    def admit_patiently(
        self,
        tokens: int,
        *,
        deadline: float | None = None,
        priority: Priority = Priority.BULK,
        patience: float = math.inf,
    ) -> contextlib.AbstractAsyncContextManager[Seat]:
        """As `admit`, but who finds no room waits in line for it, for `patience` seconds at most, then gets Overloaded.

        So does who would not be done by its deadline any more.
        """
        self._refuse_unstarted()
        return self._door.admit_patiently(tokens, deadline, priority, patience)

    def _refuse_unstarted(self) -> None:
        if not self._threads.started and not self._door.closed:
            raise RuntimeError("the worker has not been started")

    async def score(
        self, pairs: Sequence[tuple[str, str]], *, deadline: float | None = None, seat: Seat | None = None
    ) -> ScoredPairs:
        """Probabilities for (premise, hypothesis) pairs, order kept. deadline: as in `admit`; a seat has its own.

        Raises what `admit` raises, where there is no seat yet; DeadlineTooShort when it passes, ModelError when the
        model fails on one of the pairs (`score_each` tells which).
        """
        result = await self.score_each(pairs, deadline=deadline, seat=seat)
        scores: list[PairScore] = []
        for outcome in result.outcomes:
            if isinstance(outcome, OnrecordError):
                raise outcome
            scores.append(outcome)
        return ScoredPairs(scores, result.queue_ms, result.inference_ms)

    async def score_each(
        self, pairs: Sequence[tuple[str, str]], *, deadline: float | None = None, seat: Seat | None = None
    ) -> PairOutcomes:
        """As `score`, but a pair that the model fails on yields its ModelError in its place and spoils no other."""
        began = time.perf_counter()
        keys = [pair_key(pair) for pair in pairs]
        found: dict[bytes, PairOutcome] = {}
        missing: dict[bytes, tuple[str, str]] = {}
        for key, pair in zip(keys, pairs, strict=True):
            if (known := self._cache.get(key)) is not None:
                found[key] = known
            else:
                missing[key] = pair
        works = {key: self._in_flight.get(key) or new_pair(key, pair) for key, pair in missing.items()}
        fresh = [work for key, work in works.items() if key not in self._in_flight]
        hits = sum(key in found for key in keys)
        self.meter.cache(hits, len(keys) - hits - len(fresh), len(fresh))
        inferred = 0.0
        with self._seated(seat, sum(work.estimate for work in fresh), deadline) as place:
            if works:
                inferred = await self._score(place, works, fresh)
        found.update((key, work.outcome) for key, work in works.items())
        waited = max(time.perf_counter() - began - inferred, 0.0)
        self.meter.stage("queue", waited)
        self.meter.stage("inference", inferred)
        return PairOutcomes([found[key] for key in keys], waited * 1e3, inferred * 1e3)

    async def embed(
        self,
        texts: Sequence[str],
        *,
        deadline: float | None = None,
        seat: Seat | None = None,
        priority: Priority = Priority.INTERACTIVE,
    ) -> FloatArray:
        """Unit vectors, shape (len(texts), dimension). Errors and parameters as for `score` and `admit`."""
        limit = self.encoder.info.max_tokens
        works = {text: new_text(text, limit) for text in texts}
        with self._seated(seat, sum(work.estimate for work in works.values()), deadline, priority) as place:
            if not texts:
                return np.zeros((0, self.encoder.dimension), dtype=np.float32)
            request = self._ask(place, works.values(), works.values())
            self._enqueue(works.values())
            await self._answer(request)
        for work in works.values():
            if isinstance(work.outcome, OnrecordError):
                raise work.outcome
        return np.stack([works[text].outcome for text in texts])

    # -- the event loop's side ---------------------------------------------------------------------------------------

    def _seated(
        self, seat: Seat | None, tokens: int, deadline: float | None, priority: Priority = Priority.INTERACTIVE
    ) -> contextlib.AbstractContextManager[Seat]:
        """The caller's seat, or one just for this. Work that the caller's seat did not foresee is not refused."""
        if seat is not None:
            if self._ended is not None:
                raise self._ended()
            return contextlib.nullcontext(seat)
        return self.admit(tokens, deadline=deadline, priority=priority)

    async def _score(self, seat: Seat, works: Mapping[bytes, Work], fresh: Sequence[Work]) -> float:
        """Have these pairs scored; seconds in which the model was at work on a batch that held one of them."""
        request = self._ask(seat, works.values(), fresh)
        # pairs that already wait for others may have to come forward for this caller
        self._enqueue(work for key, work in works.items() if key in self._in_flight and work.tokens)
        self._in_flight.update((work.key, work) for work in fresh)
        if fresh:
            self._start_encoding(fresh)
        await self._answer(request)
        return covered(request.batches.values())

    def _ask(self, seat: Seat, works: Iterable[Work], fresh: Iterable[Work]) -> Request:
        """A wait for all these jobs, of which some are new."""
        request = Request(asyncio.get_running_loop().create_future(), seat)
        self._requests.add(request)
        for work in fresh:
            work.priority = seat.priority
            self._admission.began(seat, work.kind, work.estimate)
        for work in works:
            work.waiters.add(request)
            request.open.add(work)
        return request

    def _enqueue(self, works: Iterable[Work]) -> None:
        by_priority: dict[Priority, list[tuple[float, Work]]] = {}
        for work in works:
            priority, due = work.place()
            by_priority.setdefault(priority, []).append((due, work))
        for priority, jobs in by_priority.items():
            self._queue.put(jobs, priority)

    async def _answer(self, request: Request) -> None:
        """Wait for the request's jobs. However the wait ends, what nobody else waits for is dropped."""
        why = "cancelled"
        try:
            async with asyncio.timeout_at(request.seat.deadline):
                await request.done
        except TimeoutError:
            why = "deadline"
            raise _too_late() from None
        except OnrecordError as error:
            why = "shutdown" if isinstance(error, ShuttingDown) else "failed"
            why = "deadline" if isinstance(error, DeadlineTooShort) else why
            raise
        finally:
            dropped = 0
            for work in request.open:
                work.waiters.discard(request)
                if not work.waiters:
                    work.dead = True
                    dropped += 1
                    self._forget(work)
            if dropped:
                self.meter.dropped(why, dropped)
            self._requests.discard(request)

    def _forget(self, work: Work) -> None:
        self._admission.finished(work.priority, work.kind, work.estimate)
        self._door.made_room()
        if self._in_flight.get(work.key) is work:
            del self._in_flight[work.key]

    def _start_encoding(self, works: Sequence[Work]) -> None:
        """Tokenise in the background. Not in the caller's own task: another caller may come to wait for these pairs."""
        task = asyncio.create_task(self._encode_and_queue(works))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _encode_and_queue(self, works: Sequence[Work]) -> None:
        """Chunk by chunk; what is ready goes to the model at once."""
        for start in range(0, len(works), _ENCODE_CHUNK):
            chunk = [work for work in works[start : start + _ENCODE_CHUNK] if not work.dead]
            if not chunk:
                continue
            began = time.perf_counter()
            pairs = [work.item for work in chunk]
            priority = min(work.priority for work in chunk)
            items = await self._tokenising.run(priority, inference.encode, self.scorer, pairs)
            self.meter.stage("tokenise", time.perf_counter() - began)
            for work, item in zip(chunk, items, strict=True):
                if isinstance(item, OnrecordError):
                    self._finish(work, item)
                elif not work.dead:
                    work.item, work.tokens = item, max(len(item), 1)  # 0 is what is still to be tokenised
            self._enqueue(work for work in chunk if work.waiters and work.tokens)

    def _finish(self, work: Work, outcome: object, batch: int = 0, span: tuple[float, float] = (0.0, 0.0)) -> None:
        """A job came out; tell whoever still waits."""
        if isinstance(outcome, PairScore):
            self._cache.put(work.key, outcome)
        if work.dead:
            return
        work.outcome = outcome
        self._forget(work)
        for request in work.waiters:
            request.open.discard(work)
            request.batches[batch] = span
            if not request.open and not request.done.done():
                request.done.set_result(None)
        work.waiters.clear()

    def _deliver(self, batch: Sequence[Work], outcomes: Sequence[object], span: tuple[float, float]) -> None:
        """A batch came back from a thread. span: from when to when it was there."""
        self._batches += 1
        # in estimated tokens, since those are what is admitted; the other hands do as much in the same time
        tokens = sum(work.estimate for work in batch) * len(self.hands)
        self._admission.pace[batch[0].kind].saw(tokens, span[1] - span[0])
        for work, outcome in zip(batch, outcomes, strict=True):
            self._finish(work, outcome, self._batches, span)

    def _lead(self, kind: str, tokens: int) -> float:
        """Seconds that a batch of one hand is expected to take. Called in the models' threads."""
        pace, hands = self._admission.pace[kind], len(self._threads.hands)
        return pace.seconds(tokens * hands, tokens * hands) if pace.measured else 0.0

    def _give_up(self, works: Sequence[Work]) -> None:
        """These would come too late for all who wait for them; they hear of it now, and do not hold a place."""
        for work in works:
            late: list[Request] = []
            others: list[Request] = []
            for request in work.waiters:
                deadline = request.seat.deadline
                (late if deadline is not None and deadline <= work.given_up else others).append(request)
            for request in late:
                if not request.done.done():
                    request.done.set_exception(_too_late())
            if others:  # they have come since
                work.dead = False
                self._enqueue([work])
            elif self._in_flight.get(work.key) is work:  # nor may anybody come to wait for it from now on
                del self._in_flight[work.key]

    def _send_away(self, error: Callable[[], OnrecordError]) -> None:
        for request in self._requests:
            if not request.done.done():
                request.done.set_exception(error())

    def die(self, error: BaseException) -> None:
        """A thread or a process with models is gone; nothing is answered any more, so that a supervisor sees to it."""
        if self._ended is not None:  # the same has befallen another one, or the worker has stopped
            return
        _log.critical("the models have stopped working", exc_info=error)
        self._ended = _dead
        self._door.close(_dead)
        self._queue.close()
        self._send_away(_dead)
        if self._on_death is not None:
            self._on_death(error)


def _too_late() -> DeadlineTooShort:
    return DeadlineTooShort(
        "the deadline passed, or would have, before the model was done; allow more time or send less at once"
    )


def _shutting_down() -> ShuttingDown:
    return ShuttingDown("the server is shutting down; try another one, or this one again after its restart")


def _dead() -> ModelUnusable:
    return ModelUnusable("the model has stopped working and the server must be restarted")

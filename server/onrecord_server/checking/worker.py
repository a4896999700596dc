"""The one thread that runs the models, and the asyncio front that shares it among callers.

All bookkeeping (requests, jobs in flight, cache, admission) belongs to the event loop and needs no lock; only the
JobQueue is shared with the model's thread. There is no batching delay: whatever waits when the thread gets free is
the next batch.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from onrecord_server.checking.batching import JobQueue, due_time
from onrecord_server.checking.work import (
    TEXT,
    PairOutcome,
    PairOutcomes,
    Request,
    ScoredPairs,
    Work,
    new_pair,
    new_text,
    pair_key,
)
from onrecord_server.domain.errors import (
    DeadlineTooShort,
    ModelError,
    ModelUnusable,
    OnrecordError,
    Overloaded,
    ShuttingDown,
)
from onrecord_server.domain.types import NliScores, PairScore
from onrecord_server.nli.base import EncodedPair, FloatArray, PairScorer, TextEncoder

__all__ = ["InferenceWorker", "PairOutcome", "PairOutcomes", "ScoredPairs"]

_log = logging.getLogger(__name__)

_ENCODE_CHUNK = 64  # pairs tokenised at a time, so that a small request need not wait for a large one
_FIRST_RATE = 2_000.0  # tokens a second, until the first batch has been measured
_RETRY_AFTER = (0.1, 60.0)  # seconds, least and most

_JOIN_SECONDS = 30.0  # the batch that runs when the worker stops is let finish


class InferenceWorker:
    """Runs a PairScorer and a TextEncoder for many callers at once. Use from one event loop.

    max_batch_tokens: tokens of one forward. max_queue_tokens: estimated tokens that may wait or run; beyond it callers
    get Overloaded, except that an idle worker takes one request of any size. cache_pairs: scores remembered, least
    recently used forgotten first; 0 remembers none. on_death: called on the event loop, once, with what killed the
    thread; from then on every call raises ModelError.
    """

    def __init__(
        self,
        scorer: PairScorer,
        encoder: TextEncoder,
        *,
        max_batch_tokens: int = 1_024,
        max_queue_tokens: int = 200_000,
        cache_pairs: int = 50_000,
        on_death: Callable[[BaseException], None] | None = None,
    ) -> None:
        self.scorer = scorer
        self.encoder = encoder
        self._max_queue_tokens = max_queue_tokens
        self._cache_pairs = cache_pairs
        self._on_death = on_death
        self._queue: JobQueue[Work] = JobQueue(max_batch_tokens)
        self._cache: OrderedDict[bytes, PairScore] = OrderedDict()
        self._in_flight: dict[bytes, Work] = {}
        self._requests: set[Request] = set()
        self._backlog = 0  # estimated tokens admitted and not yet answered
        self._rate = _FIRST_RATE
        self._batches = 0
        self._refusal: Callable[[], OnrecordError] | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._thread: threading.Thread | None = None
        self._tokenising = ThreadPoolExecutor(1, thread_name_prefix="tokenise")  # starts its thread when first used
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def backlog_tokens(self) -> int:
        """Estimated tokens that wait or run now."""
        return self._backlog

    @property
    def waiting_jobs(self) -> int:
        """Distinct inputs that are ready for the model and wait for it."""
        return len(self._queue)

    async def start(self) -> None:
        """Start the thread. Once."""
        if self._thread is not None:
            raise RuntimeError("the worker has been started before")
        loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, args=(loop,), name="inference", daemon=True)
        self._thread.start()

    async def stop(self, grace: float) -> None:
        """Refuse new callers, let those waiting finish for up to `grace` seconds, send the rest away, stop the thread.

        Callers refused or sent away get ShuttingDown. Idempotent.
        """
        if self._refusal is None:
            self._refusal = _shutting_down
        try:
            async with asyncio.timeout(grace):
                await self._idle.wait()
        except TimeoutError:
            _log.warning("sending %d callers away after a grace of %.1f s", len(self._requests), grace)
        self._send_away(_shutting_down)
        self._queue.close()
        for task in self._tasks:
            task.cancel()
        self._tokenising.shutdown(wait=False, cancel_futures=True)
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, _JOIN_SECONDS)

    async def score(self, pairs: Sequence[tuple[str, str]], *, deadline: float | None = None) -> ScoredPairs:
        """Probabilities for (premise, hypothesis) pairs, order kept. deadline: an instant of loop.time().

        Raises Overloaded or ShuttingDown before any work, DeadlineTooShort when it passes, ModelError when the model
        fails on one of the pairs (`score_each` tells which).
        """
        result = await self.score_each(pairs, deadline=deadline)
        scores: list[PairScore] = []
        for outcome in result.outcomes:
            if isinstance(outcome, OnrecordError):
                raise outcome
            scores.append(outcome)
        return ScoredPairs(scores, result.queue_ms, result.inference_ms)

    async def score_each(self, pairs: Sequence[tuple[str, str]], *, deadline: float | None = None) -> PairOutcomes:
        """As `score`, but a pair that the model fails on yields its ModelError in its place and spoils no other."""
        self._check_running()
        began = time.perf_counter()
        keys = [pair_key(pair) for pair in pairs]
        found: dict[bytes, PairOutcome] = {}
        missing: dict[bytes, tuple[str, str]] = {}
        for key, pair in zip(keys, pairs, strict=True):
            if key in self._cache:
                self._cache.move_to_end(key)
                found[key] = self._cache[key]
            else:
                missing[key] = pair
        inference = 0.0
        if missing:
            works = {key: self._in_flight.get(key) or new_pair(key, pair) for key, pair in missing.items()}
            fresh = [work for key, work in works.items() if key not in self._in_flight]
            request = self._open(sum(work.estimate for work in fresh), deadline)
            for work in works.values():
                self._join(request, work)
            # pairs that already wait for others may have to come forward for this caller
            self._queue.put(
                (request.due, work) for key, work in works.items() if key in self._in_flight and work.tokens
            )
            self._in_flight.update((work.key, work) for work in fresh)
            if fresh:
                self._start_encoding(fresh)
            await self._answer(request, deadline)
            found.update((key, work.outcome) for key, work in works.items())
            inference = sum(request.batches.values())
        waited = time.perf_counter() - began - inference
        return PairOutcomes([found[key] for key in keys], max(waited, 0.0) * 1e3, inference * 1e3)

    async def embed(self, texts: Sequence[str], *, deadline: float | None = None) -> FloatArray:
        """Unit vectors, shape (len(texts), dimension). Errors as `score`."""
        self._check_running()
        if not texts:
            return np.zeros((0, self.encoder.dimension), dtype=np.float32)
        limit = self.encoder.info.max_tokens
        works = {text: new_text(text, limit) for text in texts}
        request = self._open(sum(work.estimate for work in works.values()), deadline)
        for work in works.values():
            self._join(request, work)
        self._queue.put((request.due, work) for work in works.values())
        await self._answer(request, deadline)
        for work in works.values():
            if isinstance(work.outcome, OnrecordError):
                raise work.outcome
        return np.stack([works[text].outcome for text in texts])

    # -- the event loop's side ---------------------------------------------------------------------------------------

    def _check_running(self) -> None:
        if self._refusal is not None:
            raise self._refusal()
        if self._thread is None:
            raise RuntimeError("the worker has not been started")

    def _open(self, tokens: int, deadline: float | None) -> Request:
        """Admit a request of so many estimated tokens, or raise Overloaded / DeadlineTooShort."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        if deadline is not None and deadline <= now:
            raise _too_late()
        excess = self._backlog + tokens - self._max_queue_tokens
        if excess > 0 and self._backlog > 0 and tokens > 0:
            least, most = _RETRY_AFTER
            raise Overloaded(min(max(min(excess, self._backlog) / self._rate, least), most))
        request = Request(loop.create_future(), due_time(now, tokens / self._rate, deadline))
        self._requests.add(request)
        self._idle.clear()
        return request

    def _join(self, request: Request, work: Work) -> None:
        if not work.waiters:
            self._backlog += work.estimate
        work.waiters.add(request)
        request.open.add(work)

    async def _answer(self, request: Request, deadline: float | None) -> None:
        """Wait for the request's jobs. However the wait ends, what nobody else waits for is dropped."""
        try:
            async with asyncio.timeout_at(deadline):
                await request.done
        except TimeoutError:
            raise _too_late() from None
        finally:
            for work in request.open:
                work.waiters.discard(request)
                if not work.waiters:
                    work.dead = True
                    self._forget(work)
            self._requests.discard(request)
            if not self._requests:
                self._idle.set()

    def _forget(self, work: Work) -> None:
        self._backlog -= work.estimate
        if self._in_flight.get(work.key) is work:
            del self._in_flight[work.key]

    def _start_encoding(self, works: Sequence[Work]) -> None:
        """Tokenise in the background. Not in the caller's own task: another caller may come to wait for these pairs."""
        task = asyncio.create_task(self._encode_and_queue(works))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _encode_and_queue(self, works: Sequence[Work]) -> None:
        """Chunk by chunk; what is ready goes to the model at once."""
        loop = asyncio.get_running_loop()
        for start in range(0, len(works), _ENCODE_CHUNK):
            chunk = [work for work in works[start : start + _ENCODE_CHUNK] if not work.dead]
            if not chunk:
                continue
            items = await loop.run_in_executor(self._tokenising, self._encode, [work.item for work in chunk])
            for work, item in zip(chunk, items, strict=True):
                if isinstance(item, OnrecordError):
                    self._finish(work, item)
                elif not work.dead:
                    work.item, work.tokens = item, len(item)
            self._queue.put((min(r.due for r in work.waiters), work) for work in chunk if work.waiters and work.tokens)

    def _finish(self, work: Work, outcome: object, batch: int = 0, seconds: float = 0.0) -> None:
        """A job came out; tell whoever still waits."""
        if isinstance(outcome, PairScore):
            self._remember(work.key, outcome)
        if work.dead:
            return
        work.outcome = outcome
        self._forget(work)
        for request in work.waiters:
            request.open.discard(work)
            request.batches[batch] = seconds
            if not request.open and not request.done.done():
                request.done.set_result(None)
        work.waiters.clear()

    def _remember(self, key: bytes, score: PairScore) -> None:
        self._cache[key] = score
        self._cache.move_to_end(key)
        while len(self._cache) > self._cache_pairs:
            self._cache.popitem(last=False)

    def _deliver(self, batch: Sequence[Work], outcomes: Sequence[object], seconds: float) -> None:
        """A batch came back from the thread."""
        self._batches += 1
        rate = sum(work.estimate for work in batch) / max(seconds, 1e-6)
        self._rate = rate if self._batches == 1 else 0.8 * self._rate + 0.2 * rate
        for work, outcome in zip(batch, outcomes, strict=True):
            self._finish(work, outcome, self._batches, seconds)

    def _send_away(self, error: Callable[[], OnrecordError]) -> None:
        for request in self._requests:
            if not request.done.done():
                request.done.set_exception(error())

    def _die(self, error: BaseException) -> None:
        """The thread is gone; nothing can be answered any more."""
        _log.critical("the inference thread died", exc_info=error)
        self._refusal = _dead
        self._queue.close()
        self._send_away(_dead)
        if self._on_death is not None:
            self._on_death(error)

    # -- the threads' side -------------------------------------------------------------------------------------------

    def _encode(self, pairs: Sequence[tuple[str, str]]) -> Sequence[EncodedPair | OnrecordError]:
        """A pair that cannot be encoded fails alone."""
        try:
            encoded = self.scorer.encode(pairs)
            if len(encoded) != len(pairs):
                raise ModelError(f"the tokeniser made {len(encoded)} of {len(pairs)} pairs")
            return encoded
        except Exception as error:
            return [_model_error(error)] if len(pairs) == 1 else [self._encode([pair])[0] for pair in pairs]

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            while batch := self._queue.take():
                began = time.perf_counter()
                outcomes = self._infer(batch)
                loop.call_soon_threadsafe(self._deliver, batch, outcomes, time.perf_counter() - began)
        except BaseException as error:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to tell
                loop.call_soon_threadsafe(self._die, error)

    def _infer(self, batch: Sequence[Work]) -> Sequence[object]:
        """One outcome a job. When the model fails on a batch, its inputs are tried one by one to find the culprit."""
        try:
            if batch[0].kind == TEXT:
                vectors = self.encoder.encode([job.item for job in batch])
                return [vector for vector, _ in zip(vectors, batch, strict=True)]
            rows = self.scorer.score([job.item for job in batch])
            return [
                PairScore(NliScores(*map(float, row)), job.item.truncated) for row, job in zip(rows, batch, strict=True)
            ]
        except Exception as error:
            if len(batch) > 1:
                return [self._infer([job])[0] for job in batch]
            _log.exception("the model failed on one input")
            return [_model_error(error)]


def _model_error(error: Exception) -> OnrecordError:
    return error if isinstance(error, OnrecordError) else ModelError("the model failed on this input; it is logged")


def _too_late() -> DeadlineTooShort:
    return DeadlineTooShort("the deadline passed before the model was done; allow more time or send less at once")


def _shutting_down() -> ShuttingDown:
    return ShuttingDown("the server is shutting down; try another one, or this one again after its restart")


def _dead() -> ModelUnusable:
    return ModelUnusable("the model has stopped working and the server must be restarted")

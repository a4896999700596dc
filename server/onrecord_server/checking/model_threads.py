"""The threads that run the models, one for each hand: they take batches from the queue and give back what came out."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence

from onrecord_server.checking import inference
from onrecord_server.checking.batching import TEXT, JobQueue
from onrecord_server.checking.meter import Meter
from onrecord_server.checking.work import Work
from onrecord_server.nli.base import padding_tokens
from onrecord_server.nli.models import Hand

_log = logging.getLogger(__name__)

Deliver = Callable[[Sequence[Work], Sequence[object], tuple[float, float]], None]
"""A batch, an outcome for each of its jobs, and from when to when it was computed (time.perf_counter)."""


class ModelThreads:
    """A thread a hand. `hands` may be changed: the next batch is computed by what is in the list then."""

    def __init__(self, hands: Sequence[Hand], queue: JobQueue[Work], meter: Meter) -> None:
        self.hands = list(hands)
        self._queue = queue
        self._meter = meter
        self._threads: list[threading.Thread] = []

    @property
    def started(self) -> bool:
        """Whether `start` was called."""
        return bool(self._threads)

    def start(
        self, deliver: Deliver, give_up: Callable[[Sequence[Work]], None], died: Callable[[BaseException], None]
    ) -> None:
        """Begin to take batches, until the queue is closed. All three are called on the running event loop.

        give_up: told of jobs that would come too late. died: told, in the place of any further batch of that thread,
        what it could not survive.
        """
        loop = asyncio.get_running_loop()

        def tell(works: Sequence[Work]) -> None:
            loop.call_soon_threadsafe(give_up, works)

        self._queue.given_up = tell
        for number in range(len(self.hands)):
            name = f"inference-{number}"
            arguments = loop, number, deliver, died
            self._threads.append(threading.Thread(target=self._run, args=arguments, name=name, daemon=True))
        for thread in self._threads:
            thread.start()

    async def join(self, seconds: float) -> None:
        """Wait for all to end, so long at most."""
        until = time.monotonic() + seconds
        for thread in self._threads:
            await asyncio.to_thread(thread.join, max(0.0, until - time.monotonic()))
        if any(thread.is_alive() for thread in self._threads):
            _log.warning("a model has not come back from a batch within %g s; it is not waited for", seconds)

    def _run(
        self, loop: asyncio.AbstractEventLoop, number: int, deliver: Deliver, died: Callable[[BaseException], None]
    ) -> None:
        try:
            while batch := self._queue.take():
                hand = self.hands[number]
                # a single input can use the cores of all when nobody else does
                alone = len(batch) == 1 and self._queue.others_idle
                scorer, encoder = hand.alone if alone else (hand.scorer, hand.encoder)
                model = encoder if batch[0].kind == TEXT else scorer
                padded, began = padding_tokens(model), time.perf_counter()
                outcomes = inference.infer(scorer, encoder, batch)
                ended = time.perf_counter()
                tokens = sum(job.tokens for job in batch)
                computed = tokens + padding_tokens(model) - padded
                self._meter.batch(batch[0].kind, len(batch), tokens, computed, ended - began)
                loop.call_soon_threadsafe(deliver, batch, outcomes, (began, ended))
        except BaseException as error:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to tell
                loop.call_soon_threadsafe(died, error)

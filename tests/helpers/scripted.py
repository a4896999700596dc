"""A worker for tests, and a model that does what a test tells it to: hold still, fail, count."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import numpy as np

from onrecord_server.checking.worker import InferenceWorker
from onrecord_server.domain.types import ModelInfo
from onrecord_server.nli import EncodedPair, FloatArray, Hand, PairScorer, TextEncoder, load_encoder

PATIENCE = 10.0  # seconds before a test that hangs fails


class ScriptedScorer:
    """Scores 1.0 for entailment; a token a character. Holds every batch until `release`, when asked to."""

    def __init__(self, *, held: bool = False) -> None:
        self.info = ModelInfo("scripted", "1", ("entailment", "neutral", "contradiction"))
        self.batches: list[list[str]] = []
        self.encoded: list[str] = []
        self.fail: Callable[[list[str]], None] = lambda texts: None
        self.row: Callable[[str], list[float]] = lambda text: [1.0, 0.0, 0.0]
        self.encode_gate = threading.Event()
        self.encode_gate.set()
        self._entered = threading.Semaphore(0)
        self._gate = threading.Event()
        self._texts: dict[tuple[int, ...], str] = {}
        if not held:
            self._gate.set()

    def encode(self, pairs: Sequence[tuple[str, str]]) -> list[EncodedPair]:
        assert self.encode_gate.wait(PATIENCE)
        out = []
        for premise, hypothesis in pairs:
            self.encoded.append(hypothesis)
            pair = EncodedPair(tuple(map(ord, premise + hypothesis)), len(premise), False)
            self._texts[pair.ids] = hypothesis
            out.append(pair)
        return out

    def score(self, batch: Sequence[EncodedPair]) -> FloatArray:
        texts = [self._texts[pair.ids] for pair in batch]
        self.batches.append(texts)
        self._entered.release()
        assert self._gate.wait(PATIENCE)
        self.fail(texts)
        return np.array([self.row(text) for text in texts], dtype=np.float32)

    async def entered(self) -> None:
        """Wait until the model has begun one more batch."""
        assert await asyncio.to_thread(self._entered.acquire, timeout=PATIENCE)

    @property
    def seen(self) -> list[str]:
        """Every hypothesis that the model was given, in order."""
        return [text for batch in self.batches for text in batch]

    def release(self) -> None:
        self._gate.set()

    def hold(self) -> None:
        self._gate.clear()


@contextlib.asynccontextmanager
async def running(scorer: PairScorer, **options: Any) -> AsyncIterator[InferenceWorker]:
    limits = {"max_batch_tokens": 1_000, "max_queue_tokens": 100_000, "cache_pairs": 100}
    worker = InferenceWorker(scorer, load_encoder("fake"), **{**limits, **options})
    await worker.start()
    try:
        yield worker
    finally:
        if isinstance(scorer, ScriptedScorer):
            scorer.release()
            scorer.encode_gate.set()
        await worker.stop(PATIENCE)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - there is no event for a look at the inside
            await asyncio.sleep(0)  # lets the loop run; no time passes


def soon(call: Awaitable[Any]) -> asyncio.Task[Any]:
    return asyncio.ensure_future(call)  # type: ignore[return-value]  # a coroutine becomes a task


def pairs(*hypotheses: str) -> list[tuple[str, str]]:
    return [("p", hypothesis) for hypothesis in hypotheses]


def use_models(worker: InferenceWorker, scorer: PairScorer | None = None, encoder: TextEncoder | None = None) -> None:
    """Have a worker of one hand compute with these from its next batch on."""
    worker.scorer, worker.encoder = scorer or worker.scorer, encoder or worker.encoder
    (hand,) = worker.hands
    scorer, encoder = scorer or hand.scorer, encoder or hand.encoder
    worker.hands[0] = Hand(scorer, encoder, (scorer, encoder))

"""A busy server refuses early, says when to come back, and still answers its probes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2

from onrecord.v1 import check_service_pb2 as pb
from onrecord_server.app import open_engine
from onrecord_server.config import ServerConfig
from onrecord_server.nli.base import EncodedPair, FloatArray, PairScorer
from scripted import use_models


class Gated:
    """The fake model, which scores nothing until the gate is opened."""

    def __init__(self, scorer: PairScorer) -> None:
        self._scorer = scorer
        self.info = scorer.info
        self.encode = scorer.encode
        self.gate = threading.Event()
        self.entered = threading.Event()
        self.scored = 0

    def score(self, batch: Sequence[EncodedPair]) -> FloatArray:
        """Wait, then score."""
        self.entered.set()
        self.gate.wait()
        self.scored += len(batch)
        return self._scorer.score(batch)


@pytest.fixture
async def busy(serve: Any) -> AsyncIterator[tuple[Any, Gated, Any]]:
    """A server with a small queue whose model is held up by one call: the wire, the model, the call."""
    config = ServerConfig(store=":memory:", model="fake", encoder="fake", max_batch_tokens=64, max_queue_tokens=64)
    async with open_engine(config) as engine:
        model = Gated(engine.worker.scorer)
        use_models(engine.worker, model)
        wire = await serve(engine.backend)
        await wire.health.serving()
        first = asyncio.ensure_future(wire.checks.ScorePairs(pairs("first")))
        await asyncio.to_thread(model.entered.wait)
        yield wire, model, first
        model.gate.set()


def pairs(word: str, count: int = 20) -> pb.ScorePairsRequest:
    """Different pairs, as many as fill the small queue."""
    texts = [f"{word} statement number {i}" for i in range(count)]
    return pb.ScorePairsRequest(pairs=[pb.Pair(premise=t, hypothesis=t) for t in texts])


async def test_a_full_queue_refuses_before_any_work(busy: Any) -> None:
    wire, model, first = busy
    got = await wire.error(wire.checks.ScorePairs(pairs("second")))
    assert (got.code, got.info.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
    (retry,) = got.details(error_details_pb2.RetryInfo)
    assert int(got.trailers["grpc-retry-pushback-ms"]) == retry.retry_delay.ToMilliseconds() > 0
    health = await wire.probes.Check(health_pb2.HealthCheckRequest())
    assert health.status == health_pb2.HealthCheckResponse.SERVING
    model.gate.set()
    assert len((await first).scores) == 20
    assert model.scored == 20


async def test_a_deadline_ends_the_wait_and_the_work(busy: Any) -> None:
    wire, model, first = busy
    first.cancel()
    late = wire.checks.ScorePairs(pairs("late", 1), timeout=0.3)
    got = await wire.error(late)
    assert got.code is grpc.StatusCode.DEADLINE_EXCEEDED
    await wire.guard.idle()
    model.gate.set()
    done = await wire.checks.ScorePairs(pairs("next", 1))
    assert len(done.scores) == 1
    assert model.scored < 22  # the late pair, and what had not begun of the cancelled call, were never scored

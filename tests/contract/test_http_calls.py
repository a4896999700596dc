"""A call over HTTP from beginning to end: deadlines, callers who leave, overload, and who is told of it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Sequence
from typing import Any

import grpc
import pytest

from http_site import CHECK, TEXT, Open, Site
from onrecord_server.app import Engine, open_engine
from onrecord_server.config import ServerConfig
from onrecord_server.nli.base import EncodedPair, FloatArray, PairScorer
from onrecord_server.rpc.calls import Call, CallObserver
from scripted import use_models


class Gated:
    """The fake model, which scores nothing until the gate is opened."""

    def __init__(self, scorer: PairScorer) -> None:
        self._scorer = scorer
        self.info = scorer.info
        self.encode = scorer.encode
        self.gate = threading.Event()
        self.entered = threading.Event()

    def score(self, batch: Sequence[EncodedPair]) -> FloatArray:
        """Wait, then score."""
        self.entered.set()
        self.gate.wait()
        return self._scorer.score(batch)


@pytest.fixture
def gated(engine: Engine) -> Any:
    """The engine's model, held up until its gate is opened."""
    model = Gated(engine.worker.scorer)
    use_models(engine.worker, model)
    yield model
    model.gate.set()


class Ends(CallObserver):
    """Keeps the calls that have ended."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.one = asyncio.Event()

    def ended(self, call: Call) -> None:
        """Keep it."""
        self.calls.append(call)
        self.one.set()


SCORE = "/onrecord.v1.CheckService/ScorePairs"
PAIRS = {"pairs": [{"premise": TEXT, "hypothesis": TEXT}]}


def pairs(word: str) -> Any:
    """Different pairs, as many as fill a small queue."""
    texts = [f"{word} statement number {i}" for i in range(20)]
    return {"pairs": [{"premise": text, "hypothesis": text} for text in texts]}


async def test_a_deadline_ends_the_call(open_site: Open, engine: Engine, gated: Gated) -> None:
    ends = Ends()
    site = await open_site(engine.backend, observers=[ends])
    answer = await site.post(SCORE, PAIRS, connect_timeout_ms="200")
    assert (answer.status, answer.json["code"], answer.reason) == (504, 4, "DEADLINE_TOO_SHORT")
    assert [call.code for call in ends.calls] == [grpc.StatusCode.DEADLINE_EXCEEDED]
    await site.guard.idle()


@pytest.mark.parametrize("value", ["soon", "-1", "1.5", "12345678901", ""])
async def test_a_deadline_that_is_none(site: Site, value: str) -> None:
    answer = await site.post(CHECK, {"claim": {"text": TEXT}}, connect_timeout_ms=value)
    assert (answer.status, answer.fields) == (400, {"connect-timeout-ms": "OUT_OF_RANGE"})


async def test_a_caller_who_leaves_costs_nothing_more(open_site: Open, engine: Engine, gated: Gated) -> None:
    ends = Ends()
    site = await open_site(engine.backend, observers=[ends])
    body = json.dumps(PAIRS).encode()
    reader, writer = await asyncio.open_connection(*site.address.rsplit(":", 1))
    head = f"POST {SCORE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    assert await asyncio.to_thread(gated.entered.wait, 60)
    writer.close()
    await asyncio.wait_for(ends.one.wait(), 30)
    assert [call.code for call in ends.calls] == [grpc.StatusCode.CANCELLED]
    await site.guard.idle()
    del reader


async def test_a_caller_who_leaves_in_the_middle_of_the_body(open_site: Open, engine: Engine) -> None:
    ends = Ends()
    site = await open_site(engine.backend, observers=[ends])
    _, writer = await asyncio.open_connection(*site.address.rsplit(":", 1))
    head = f"POST {SCORE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
    writer.write(head.encode() + b'{"pairs"')
    await writer.drain()
    writer.close()
    await asyncio.wait_for(ends.one.wait(), 30)
    assert [call.code for call in ends.calls] == [grpc.StatusCode.CANCELLED]


async def test_overload_says_when_to_come_back(open_site: Open) -> None:
    config = ServerConfig(store=":memory:", model="fake", encoder="fake", max_batch_tokens=64, max_queue_tokens=64)
    async with open_engine(config) as engine:
        model = Gated(engine.worker.scorer)
        use_models(engine.worker, model)
        try:
            site = await open_site(engine.backend)
            first = asyncio.create_task(site.post(SCORE, pairs("first")))
            entered = await asyncio.to_thread(model.entered.wait, 15)
            assert entered, await asyncio.wait_for(first, 5)
            refused = await site.post(SCORE, pairs("second"))
            assert (refused.status, refused.json["code"], refused.reason) == (429, 8, "OVERLOADED")
            assert refused.details("RetryInfo")
            assert int(refused.headers["retry-after"]) >= 1
            assert (await site.get("/healthz")).status == 503  # it answers, though nobody has said SERVING here
        finally:
            model.gate.set()
        assert (await first).status == 200


async def test_request_ids_and_observers_as_over_grpc(open_site: Open, engine: Engine) -> None:
    ends = Ends()
    site = await open_site(engine.backend, observers=[ends])
    named = await site.post(CHECK, {"claim": {"text": TEXT}}, x_request_id="mine-1")
    assert named.headers["x-request-id"] == "mine-1"
    chosen = await site.post(CHECK, {"claim": {}}, x_request_id="no sane id")
    assert len(chosen.headers["x-request-id"]) == 16
    first, second = ends.calls
    assert (first.method, first.kind, first.peer, first.code) == (CHECK[1:], "unary", "http", grpc.StatusCode.OK)
    assert (first.request_id, first.received, first.sent) == ("mine-1", 1, 1)
    assert first.sent_bytes == len(named.body)
    assert (second.code, second.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELDS")

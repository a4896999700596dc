"""Callers that come, share, fail, run late and leave at any moment: nothing is left behind, and who stays is right."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import math
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
import pytest

from onrecord.v1 import check_service_pb2 as pb
from onrecord.v1 import check_service_pb2_grpc
from onrecord_server.app import Engine, open_engine
from onrecord_server.checking.worker import InferenceWorker, Priority, Seat
from onrecord_server.config import ServerConfig
from onrecord_server.domain.errors import ModelError, OnrecordError
from onrecord_server.domain.types import PairScore, StatementDraft
from onrecord_server.nli import EncodedPair, FloatArray, load_encoder, load_scorer
from onrecord_server.nli.fake import FakeScorer
from onrecord_server.rpc.backend import BackendSlot
from onrecord_server.rpc.interceptors import CallGuard
from onrecord_server.rpc.server import build_server

PATIENCE = 30.0
WORDS = ("ships", "enter", "never", "harbour", "40", "50", "the", "!")
POISON = "poison"


@pytest.fixture
async def complaints() -> AsyncIterator[list[dict[str, Any]]]:
    """What the event loop has to complain of, as an error that nobody took; nothing may come."""
    heard: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context))
    yield heard
    gc.collect()
    await asyncio.sleep(0)
    assert heard == []


class Brittle(FakeScorer):
    """The fake, which fails on one word: in the tokeniser where it begins a premise, else in the model."""

    def encode(self, pairs: Sequence[tuple[str, str]]) -> list[EncodedPair]:
        if any(premise.startswith(POISON) for premise, _ in pairs):
            raise RuntimeError("not to be tokenised")
        return super().encode(pairs)

    def score(self, batch: Sequence[EncodedPair]) -> FloatArray:
        if any(self._ids.get(POISON) in pair.ids for pair in batch):
            raise RuntimeError("not to be scored")
        return super().score(batch)


class Crowd:
    """Callers of one worker, random by a seed. `wrong`: what somebody was told that is not so."""

    def __init__(self, worker: InferenceWorker, seed: int) -> None:
        self.worker = worker
        self.chance = random.Random(seed)
        self.wrong: list[object] = []
        self.ends: Counter[str] = Counter()
        self._judge = load_scorer("fake")

    async def one(self) -> None:
        """Come at some moment; perhaps leave at another."""
        await self._some_time()
        caller = asyncio.ensure_future(self._ask())
        if self.chance.random() < 0.4:
            await self._some_time()
            caller.cancel()
        try:
            await caller
            self.ends["answered"] += 1
        except asyncio.CancelledError:
            self.ends["left"] += 1
        except OnrecordError as error:
            self.ends[error.reason] += 1

    async def _some_time(self) -> None:
        for _ in range(self.chance.randint(0, 60)):
            await asyncio.sleep(0)
        if self.chance.random() < 0.3:
            await asyncio.sleep(self.chance.random() / 50)

    async def _ask(self) -> None:
        chance, now = self.chance, asyncio.get_running_loop().time()
        deadline = chance.choice([None, None, now + chance.random() / 20, now + PATIENCE])
        priority = chance.choice(list(Priority))
        async with self._seat(chance.choice([0, 1, 20, 300]), deadline, priority) as seat:
            own = seat if chance.random() < 0.7 else None
            await self.worker.embed([self._text(4) for _ in range(chance.randint(0, 3))], seat=own, priority=priority)
            if chance.random() < 0.3:
                await asyncio.to_thread(lambda: None)
            # few and short, so that callers meet in the same pairs
            pairs = [(self._text(2), self._text(1)) for _ in range(chance.randint(0, 80))]
            result = await self.worker.score_each(pairs, seat=own, deadline=None if own else deadline)
        for pair, outcome in zip(pairs, result.outcomes, strict=True):
            poisoned = POISON in " ".join(pair)
            if poisoned != isinstance(outcome, ModelError) or (not poisoned and not self._is_right(pair, outcome)):
                self.wrong.append((pair, outcome))

    @contextlib.asynccontextmanager
    async def _seat(self, tokens: int, deadline: float | None, priority: Priority) -> AsyncIterator[Seat]:
        """At once or not at all, or after some patience."""
        if self.chance.random() < 0.5:
            with self.worker.admit(tokens, deadline=deadline, priority=priority) as seat:
                yield seat
            return
        patience = self.chance.choice([0.0, 0.01, math.inf])
        waiting = self.worker.admit_patiently(tokens, deadline=deadline, priority=priority, patience=patience)
        async with waiting as seat:
            yield seat

    def _text(self, words: int) -> str:
        return " ".join(self.chance.choice(WORDS if self.chance.random() < 0.99 else (POISON,)) for _ in range(words))

    def _is_right(self, pair: tuple[str, str], outcome: object) -> bool:
        (row,) = self._judge.score(self._judge.encode([pair]))
        return isinstance(outcome, PairScore) and outcome.scores.as_tuple() == pytest.approx(tuple(row))


def left_behind(worker: InferenceWorker) -> dict[str, object]:
    """What somebody who is gone has left in the worker; empty when nothing."""
    found = {
        "backlog": worker.backlog_tokens,
        "by priority": {name: tokens for name, tokens in worker.queue_tokens.items() if tokens},
        "seats": worker._admission.seats,
        "in line": worker._door.waiting,
        "jobs": worker.waiting_jobs,
        "in flight": len(worker._in_flight),
        "requests": len(worker._requests),
        "hurried": worker._queue._hurried_until == math.inf,  # that is, an interactive caller is thought to be in
    }
    return {name: value for name, value in found.items() if value}


@pytest.mark.usefixtures("complaints")
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("limits", [(64, 2_000, 20), (1_000, 100_000, 0), (1, 1, 1)])
async def test_a_crowd_leaves_nothing_behind(seed: int, limits: tuple[int, int, int]) -> None:
    batch, queue, cache = limits
    worker = InferenceWorker(
        Brittle(), load_encoder("fake"), max_batch_tokens=batch, max_queue_tokens=queue, cache_pairs=cache
    )
    before = len(asyncio.all_tasks())
    await worker.start()
    crowd = Crowd(worker, seed)
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(crowd.one() for _ in range(60)))
        assert left_behind(worker) == {}
        while worker._tasks:  # noqa: ASYNC110 - what is being tokenised for nobody comes to its end by itself
            await asyncio.sleep(0.001)
        assert len((await worker.score([("ships enter", "ships")])).scores) == 1  # and it goes on
    await worker.stop(PATIENCE)
    assert crowd.wrong == []
    assert crowd.ends["answered"] + crowd.ends["left"] > 0
    assert len(asyncio.all_tasks()) == before


@pytest.mark.usefixtures("complaints")
@pytest.mark.parametrize("seed", range(3))
async def test_a_worker_that_stops_in_the_middle_keeps_nobody(seed: int) -> None:
    worker = InferenceWorker(Brittle(), load_encoder("fake"), max_batch_tokens=64)
    await worker.start()
    crowd = Crowd(worker, seed)
    async with asyncio.timeout(PATIENCE):
        callers = asyncio.gather(*(crowd.one() for _ in range(60)))
        await asyncio.sleep(crowd.chance.random() / 50)
        await worker.stop(crowd.chance.choice([0.0, 0.01]))
        await callers
    assert left_behind(worker) == {}
    assert crowd.wrong == []


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    """A small queue and twenty statements."""
    config = ServerConfig(
        store=":memory:", model="fake", encoder="fake", max_batch_tokens=256, max_queue_tokens=20_000, cache_pairs=10
    )
    async with open_engine(config) as opened:
        drafts = [StatementDraft(f"The harbour was closed in May by ship {number}.") for number in range(20)]
        await opened.record.import_statements("", drafts)
        yield opened


@pytest.mark.parametrize("seed", range(2))
async def test_calls_that_end_in_every_way_leave_nothing_behind(engine: Engine, seed: int) -> None:
    chance, disordered = random.Random(seed), []
    guard = CallGuard()
    server, _ = build_server(BackendSlot(engine.backend), guard)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()

    def claim() -> pb.Claim:
        return pb.Claim(
            text=f"The harbour was closed in May by ship {chance.randint(0, 30)}." if chance.random() < 0.9 else ""
        )

    async def claims(ends: bool) -> AsyncIterator[pb.StreamCheckClaimsRequest]:
        for _ in range(chance.randint(0, 40)):
            yield pb.StreamCheckClaimsRequest(parent=chance.choice(["", "collections/x", "no/such"]), claim=claim())
        if not ends:
            await asyncio.Event().wait()

    async def stream(checks: Any, seconds: float | None) -> None:
        call = checks.StreamCheckClaims(claims(chance.random() < 0.5), timeout=seconds)
        try:
            for index in range(chance.randint(0, 40)):  # then it has read enough
                async with asyncio.timeout(chance.random()):
                    answer = await call.read()
                if answer is grpc.aio.EOF:
                    break
                if answer.index != index:
                    disordered.append(answer)
        finally:
            call.cancel()

    async def one(checks: Any) -> None:
        await asyncio.sleep(chance.random() / 2)
        timeout = chance.choice([None, 0.001, 0.02, PATIENCE])
        kind = chance.choice(["stream", "stream", "check", "batch"])
        if kind == "stream":
            call: Any = asyncio.ensure_future(stream(checks, timeout))
        elif kind == "check":
            call = checks.CheckClaim(pb.CheckClaimRequest(claim=claim()), timeout=timeout)
        else:
            batch = pb.BatchCheckClaimsRequest(claims=[claim() for _ in range(chance.randint(1, 100))])
            call = checks.BatchCheckClaims(batch, timeout=timeout)
        if chance.random() < 0.4:
            await asyncio.sleep(chance.random() / 5)
            call.cancel()
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.CancelledError, TimeoutError):
            await call

    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel, asyncio.timeout(2 * PATIENCE):
        checks = check_service_pb2_grpc.CheckServiceStub(channel)
        await asyncio.gather(*(one(checks) for _ in range(80)))
        await guard.idle()
        assert left_behind(engine.worker) == {}
    await server.stop(None)
    assert disordered == []

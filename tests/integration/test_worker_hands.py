"""Several threads, each with models of its own: nobody waits for another one's batch."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import numpy as np
import pytest

from onrecord_server.checking.work import covered
from onrecord_server.checking.worker import InferenceWorker
from onrecord_server.domain.errors import ModelUnusable
from onrecord_server.domain.types import ModelInfo
from onrecord_server.nli import EncodedPair, FloatArray, Hand, hands, load_encoder, load_scorer

PATIENCE = 10.0


class Held:
    """A scorer that counts, and that can be held: a token a character, all of it entailed."""

    def __init__(self) -> None:
        self.info = ModelInfo("hand", "1", ("entailment", "neutral", "contradiction"))
        self.batches: list[int] = []
        self.entered = threading.Semaphore(0)
        self.go = threading.Event()
        self.go.set()

    def encode(self, pairs: Sequence[tuple[str, str]]) -> list[EncodedPair]:
        return [
            EncodedPair(tuple(map(ord, premise + hypothesis)), len(premise), False) for premise, hypothesis in pairs
        ]

    def score(self, batch: Sequence[EncodedPair]) -> FloatArray:
        self.batches.append(len(batch))
        self.entered.release()
        assert self.go.wait(PATIENCE)
        return np.tile(np.array([1.0, 0.0, 0.0], np.float32), (len(batch), 1))


def worker_with(whole: Held, own: Sequence[Held]) -> InferenceWorker:
    encoder = load_encoder("fake")
    return InferenceWorker(
        whole, encoder, hands=[Hand(hand, encoder, (whole, encoder)) for hand in own], max_batch_tokens=100
    )


async def entered(hand: Held) -> None:
    assert await asyncio.to_thread(hand.entered.acquire, timeout=PATIENCE)


async def test_a_caller_is_served_while_another_hand_is_held_up() -> None:
    whole, stuck, free = Held(), Held(), Held()
    worker = worker_with(whole, [stuck, free])
    await worker.start()
    try:
        # more than one hand takes, so both have a batch; one of them does not come back
        stuck.go.clear()
        free.go.clear()  # until then: it could take all before the other one wakes
        many = [("p", f"{number:09d}") for number in range(40)]
        first = asyncio.ensure_future(worker.score(many))
        await entered(stuck)
        await entered(free)
        free.go.set()
        answer = await asyncio.wait_for(worker.score([("p", "one"), ("p", "two")]), PATIENCE)
        assert len(answer.scores) == 2
        assert not first.done()
        stuck.go.set()
        assert len((await asyncio.wait_for(first, PATIENCE)).scores) == 40
        assert free.batches
    finally:
        stuck.go.set()
        await worker.stop(PATIENCE)


async def test_a_single_input_on_an_idle_worker_gets_all_cores() -> None:
    whole, one, two = Held(), Held(), Held()
    worker = worker_with(whole, [one, two])
    await worker.start()
    try:
        for number in range(3):
            await asyncio.wait_for(worker.score([("p", str(number))]), PATIENCE)
        assert len(whole.batches) >= 2  # the first may have come before both threads were waiting
        assert len(whole.batches) + len(one.batches) + len(two.batches) == 3
    finally:
        await worker.stop(PATIENCE)


async def test_identical_pairs_of_two_callers_are_scored_once_whatever_hand_has_them() -> None:
    whole, one, two = Held(), Held(), Held()
    worker = worker_with(whole, [one, two])
    await worker.start()
    try:
        pairs = [("p", f"{number:06d}") for number in range(200)]
        results = await asyncio.wait_for(asyncio.gather(worker.score(pairs), worker.score(pairs)), PATIENCE)
        assert [len(result.scores) for result in results] == [200, 200]
        assert sum(sum(hand.batches) for hand in (whole, one, two)) == 200
    finally:
        await worker.stop(PATIENCE)


async def test_one_hand_that_dies_ends_the_worker_once() -> None:
    deaths: list[BaseException] = []

    class Deadly(Held):
        def score(self, batch: Sequence[EncodedPair]) -> FloatArray:
            raise SystemExit(3)

    encoder = load_encoder("fake")
    own = [Hand(deadly, encoder, (deadly, encoder)) for deadly in (Deadly(), Deadly())]
    worker = InferenceWorker(Deadly(), encoder, hands=own, max_batch_tokens=20, on_death=deaths.append)
    await worker.start()
    with pytest.raises(ModelUnusable):
        await asyncio.wait_for(worker.score([("p", f"{number:09d}") for number in range(20)]), PATIENCE)
    with pytest.raises(ModelUnusable):
        await worker.score([("p", "h")])
    await worker.stop(PATIENCE)
    assert len(deaths) == 1


async def test_stop_lets_every_hand_finish() -> None:
    whole, one, two = Held(), Held(), Held()
    for hand in (one, two):
        hand.go.clear()
    worker = worker_with(whole, [one, two])
    await worker.start()
    job = asyncio.ensure_future(worker.score([("p", f"{number:09d}") for number in range(40)], deadline=None))
    await entered(one)
    await entered(two)
    stopping = asyncio.ensure_future(worker.stop(PATIENCE))
    await asyncio.sleep(0)
    for hand in (one, two):
        hand.go.set()
    await asyncio.wait_for(stopping, PATIENCE)
    assert len((await job).scores) == 40


def test_time_of_batches_that_ran_at_once_counts_once() -> None:
    assert covered([]) == 0.0
    assert covered([(1.0, 3.0), (2.0, 4.0), (6.0, 7.0)]) == 4.0
    assert covered([(1.0, 9.0), (2.0, 3.0)]) == 8.0


def test_models_that_cannot_be_shared_make_one_hand() -> None:
    scorer, encoder = load_scorer("fake"), load_encoder("fake")
    assert list(hands(scorer, encoder)) == [Hand(scorer, encoder, (scorer, encoder))]

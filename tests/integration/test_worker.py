"""The inference worker with the fake models, and with scripted ones that a test can hold still."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from onrecord_server.checking.worker import InferenceWorker
from onrecord_server.domain.errors import DeadlineTooShort, ModelError, OnrecordError, Overloaded, ShuttingDown
from onrecord_server.domain.types import PairScore
from onrecord_server.nli import EncodedPair, FloatArray, load_encoder, load_scorer
from scripted import PATIENCE, ScriptedScorer, pairs, running, soon, until, use_models


async def test_scores_keep_the_order_of_the_pairs_and_match_the_model() -> None:
    scorer = load_scorer("fake")
    said = [("Ships enter.", "Ships enter."), ("Ships enter.", "Ships never enter."), ("Ships enter.", "It rained.")]
    async with running(scorer) as worker:
        result = await worker.score([*said, said[0]])
        assert (await worker.score([])).scores == []
    expected = scorer.score(scorer.encode([*said, said[0]]))
    assert [s.scores.as_tuple() for s in result.scores] == [pytest.approx(tuple(row)) for row in expected]
    assert result.inference_ms > 0
    assert result.queue_ms >= 0


async def test_identical_pairs_are_scored_once_and_then_remembered() -> None:
    scorer = ScriptedScorer()
    async with running(scorer) as worker:
        first = await worker.score(pairs("a", "a", "b", "a"))
        again = await worker.score(pairs("b", "a"))
        assert len(first.scores) == 4
        assert len(again.scores) == 2
        assert again.inference_ms == 0
    assert sorted(scorer.seen) == ["a", "b"]


async def test_premise_and_hypothesis_do_not_run_together_in_the_cache() -> None:
    scorer = ScriptedScorer()
    async with running(scorer) as worker:
        await worker.score([("ab", "c"), ("a", "bc"), ("", "abc")])
    assert sorted(scorer.encoded) == ["abc", "bc", "c"]


async def test_the_least_recently_used_pair_is_forgotten_first() -> None:
    scorer = ScriptedScorer()
    async with running(scorer, cache_pairs=2) as worker:
        for text in ("a", "b", "a", "c", "a", "b"):
            await worker.score(pairs(text))
    assert scorer.seen == ["a", "b", "c", "b"]


async def test_no_cache_when_its_size_is_zero() -> None:
    scorer = ScriptedScorer()
    async with running(scorer, cache_pairs=0) as worker:
        await worker.score(pairs("a"))
        await worker.score(pairs("a"))
    assert scorer.batches == [["a"], ["a"]]


async def test_callers_that_wait_together_share_a_batch() -> None:
    scorer = ScriptedScorer(held=True)
    async with running(scorer) as worker:
        first = soon(worker.score(pairs("first")))
        await scorer.entered()
        others = [soon(worker.score(pairs(f"other {i}"))) for i in range(5)]
        await until(lambda: worker.waiting_jobs == 5)
        scorer.release()
        await asyncio.gather(first, *others)
    assert [len(batch) for batch in scorer.batches] == [1, 5]


async def test_a_pair_in_flight_is_computed_once_for_all_who_wait() -> None:
    scorer = ScriptedScorer(held=True)
    async with running(scorer, cache_pairs=0) as worker:
        first = soon(worker.score(pairs("same")))
        await scorer.entered()
        second = soon(worker.score(pairs("same", "new")))
        await until(lambda: worker.waiting_jobs == 1)
        scorer.release()
        await asyncio.gather(first, second)
    assert scorer.batches == [["same"], ["new"]]


async def test_a_cancelled_caller_costs_the_model_nothing() -> None:
    scorer = ScriptedScorer(held=True)
    async with running(scorer) as worker:
        first = soon(worker.score(pairs("first")))
        await scorer.entered()
        gone = soon(worker.score(pairs("gone")))
        stays = soon(worker.score(pairs("stays")))
        await until(lambda: worker.waiting_jobs == 2)
        gone.cancel()
        await until(lambda: worker.waiting_jobs == 1)
        scorer.release()
        await asyncio.gather(first, stays)
        assert gone.cancelled()
        assert worker.backlog_tokens == 0
    assert scorer.batches == [["first"], ["stays"]]


async def test_cancelling_one_caller_does_not_take_the_pair_from_another() -> None:
    scorer = ScriptedScorer(held=True)
    scorer.encode_gate.clear()
    async with running(scorer) as worker:
        gone = soon(worker.score(pairs("shared")))
        await until(lambda: worker.backlog_tokens > 0)
        stays = soon(worker.score(pairs("shared")))
        await asyncio.sleep(0)
        gone.cancel()  # it is the one whose pair is being tokenised
        await until(gone.done)
        scorer.encode_gate.set()
        scorer.release()
        assert len((await stays).scores) == 1
        assert worker.backlog_tokens == 0
    assert scorer.batches == [["shared"]]


async def test_a_deadline_that_passes_frees_the_caller_and_drops_its_work() -> None:
    scorer = ScriptedScorer(held=True)
    async with running(scorer) as worker:
        now = asyncio.get_running_loop().time()
        with pytest.raises(DeadlineTooShort):
            await worker.score(pairs("past"), deadline=now)
        first = soon(worker.score(pairs("first")))
        await scorer.entered()
        with pytest.raises(DeadlineTooShort):
            await worker.score(pairs("late"), deadline=now + 0.05)
        scorer.release()
        await first
        await worker.score(pairs("in time"), deadline=now + PATIENCE)
    assert scorer.batches == [["first"], ["in time"]]


async def test_a_pair_that_breaks_the_model_fails_alone() -> None:
    def poisoned(texts: list[str]) -> None:
        if "poison" in texts:
            raise RuntimeError("secret detail")

    scorer = ScriptedScorer(held=True)
    scorer.fail = poisoned
    async with running(scorer) as worker:
        first = soon(worker.score(pairs("first")))
        await scorer.entered()
        healthy, sick = soon(worker.score(pairs("healthy"))), soon(worker.score_each(pairs("good", "poison")))
        await until(lambda: worker.waiting_jobs == 3)
        scorer.release()
        assert len((await first).scores) == len((await healthy).scores) == 1
        good, bad = (await sick).outcomes
        assert isinstance(good, PairScore)
        assert isinstance(bad, ModelError)
        assert "secret" not in bad.message
        with pytest.raises(ModelError):
            await worker.score(pairs("good", "poison"))  # an error is not remembered as a score
        assert worker.backlog_tokens == 0


@pytest.mark.parametrize("row", [[float("nan")] * 3, [0.9, 0.9, 0.9], [1.0, 0.0], [-0.5, 1.0, 0.5]])
async def test_what_is_no_distribution_is_an_error_and_not_a_result(row: list[float]) -> None:
    scorer = ScriptedScorer()
    scorer.row = lambda text: row
    async with running(scorer) as worker:
        with pytest.raises(ModelError):
            await worker.score(pairs("a"))


async def test_a_hypothesis_too_long_to_encode_fails_alone() -> None:
    async with running(load_scorer("fake")) as worker:
        result = await worker.score_each([("a", "Ships enter."), ("a", "word " * 600), ("b", "Ships enter.")])
    assert [isinstance(o, OnrecordError) for o in result.outcomes] == [False, True, False]


async def test_a_pair_without_any_token_is_scored_like_every_other() -> None:
    async with running(load_scorer("fake")) as worker, asyncio.timeout(PATIENCE):  # to the fake, "!" holds no word
        assert len((await worker.score([("!", "?"), ("Ships enter.", "Ships enter.")])).scores) == 2
        assert worker.backlog_tokens == 0


class PanicException(BaseException):
    """As pyo3 names a panic of Rust code, which is no Exception."""


async def test_a_tokeniser_that_panics_fails_one_pair_and_nobody_waits_for_ever() -> None:
    class Panicking(ScriptedScorer):
        def encode(self, pairs: Sequence[tuple[str, str]]) -> list[EncodedPair]:
            if any(hypothesis == "poison" for _, hypothesis in pairs):
                raise PanicException("index out of bounds")
            return super().encode(pairs)

    async with running(Panicking()) as worker, asyncio.timeout(PATIENCE):
        good, bad = (await worker.score_each(pairs("good", "poison"))).outcomes
        assert isinstance(good, PairScore)
        assert isinstance(bad, ModelError)
        assert worker.backlog_tokens == 0


async def test_an_encoder_that_panics_fails_one_text_and_the_thread_lives_on() -> None:
    class Panicking:
        def __init__(self) -> None:
            self._fake = load_encoder("fake")
            self.info, self.dimension = self._fake.info, self._fake.dimension

        def encode(self, texts: Sequence[str]) -> FloatArray:
            if "poison" in texts:
                raise PanicException("index out of bounds")
            return self._fake.encode(texts)

    async with running(ScriptedScorer()) as worker:
        use_models(worker, encoder=Panicking())
        with pytest.raises(ModelError):
            await worker.embed(["poison"])
        assert (await worker.embed(["good"])).shape == (1, worker.encoder.dimension)


async def test_the_death_of_the_thread_is_told_and_frees_everybody() -> None:
    def die(texts: list[str]) -> None:
        raise SystemExit("the model took the thread down")

    deaths: list[BaseException] = []
    scorer = ScriptedScorer(held=True)
    scorer.fail = die
    async with running(scorer, on_death=deaths.append) as worker:
        first = soon(worker.score(pairs("first")))
        await scorer.entered()
        second = soon(worker.embed(["text"]))
        await until(lambda: worker.waiting_jobs == 1)
        scorer.release()
        for call in (first, second):
            with pytest.raises(ModelError, match="restarted"):
                await call
        with pytest.raises(ModelError, match="restarted"):
            await worker.score(pairs("later"))
    assert [type(death) for death in deaths] == [SystemExit]


async def test_stopping_refuses_newcomers_and_lets_those_waiting_finish() -> None:
    scorer = ScriptedScorer(held=True)
    async with running(scorer) as worker:
        first, second = soon(worker.score(pairs("first"))), soon(worker.score(pairs("second")))
        await scorer.entered()
        stopping = soon(worker.stop(PATIENCE))
        await asyncio.sleep(0)
        with pytest.raises(ShuttingDown):
            await worker.score(pairs("new"))
        scorer.release()
        assert len((await first).scores) == len((await second).scores) == 1
        await stopping


async def test_when_the_grace_is_over_those_waiting_are_sent_away() -> None:
    scorer = ScriptedScorer(held=True)
    async with running(scorer) as worker:
        first = soon(worker.score(pairs("first")))
        await scorer.entered()
        waiting = soon(worker.score(pairs("waiting")))
        await until(lambda: worker.waiting_jobs == 1)
        stopping = soon(worker.stop(0.01))
        for call in (first, waiting):
            with pytest.raises(ShuttingDown):
                await call
        scorer.release()
        await stopping
    assert scorer.batches == [["first"]]


async def test_the_meter_is_told_what_happens() -> None:
    class Told:
        def __init__(self) -> None:
            self.all: list[tuple[object, ...]] = []

        def __getattr__(self, name: str) -> Callable[..., None]:
            return lambda *given: self.all.append((name, *given))

    meter, scorer = Told(), ScriptedScorer(held=True)
    async with running(scorer, max_queue_tokens=50, meter=meter) as worker:
        first = soon(worker.score(pairs("a", "b", "a")))
        await scorer.entered()
        gone = soon(worker.score(pairs("b", "c")))
        await until(lambda: worker.waiting_jobs == 1)
        gone.cancel()
        await until(gone.done)
        with pytest.raises(Overloaded):
            await worker.score(pairs("x" * 400))
        scorer.release()
        await first
        await worker.score(pairs("a"))
    told = [event for event in meter.all if event[0] != "stage"]
    assert ("cache", 0, 1, 2) in told  # the second "a" is that of the first
    assert ("cache", 0, 1, 1) in told
    assert ("cache", 1, 0, 0) in told
    assert ("dropped", "cancelled", 1) in told
    assert ("refused", "OVERLOADED") in told
    assert [event[:5] for event in told if event[0] == "batch"] == [("batch", "pair", 2, 4, 4)]
    assert {event[1] for event in meter.all if event[0] == "stage"} == {"tokenise", "inference", "queue"}


async def test_tokenising_does_not_block_the_event_loop() -> None:
    scorer = ScriptedScorer()
    scorer.encode_gate.clear()
    async with running(scorer) as worker:
        call = soon(worker.score(pairs("a")))
        await until(lambda: worker.backlog_tokens > 0)
        assert not call.done()  # it waits for the tokeniser, and this test goes on
        scorer.encode_gate.set()
        assert len((await call).scores) == 1


async def test_embedding_keeps_order_and_embeds_a_repeated_text_once() -> None:
    encoder = load_encoder("fake")
    async with running(ScriptedScorer()) as worker:
        vectors = await worker.embed(["one", "two", "one"])
        assert (await worker.embed([])).shape == (0, encoder.dimension)
    assert np.array_equal(vectors, encoder.encode(["one", "two", "one"]))


async def test_using_it_before_it_is_started_says_so() -> None:
    worker = InferenceWorker(ScriptedScorer(), load_encoder("fake"))
    with pytest.raises(RuntimeError, match="not been started"):
        await worker.score(pairs("a"))
    await worker.stop(0)


async def test_many_callers_some_of_them_leaving_all_get_what_the_model_says() -> None:
    scorer = load_scorer("fake")
    chance = random.Random(7)
    words = ["ships", "enter", "never", "harbour", "40", "50", "the"]
    asked = [
        [
            (" ".join(chance.choices(words, k=5)), " ".join(chance.choices(words, k=3)))
            for _ in range(chance.randint(1, 9))
        ]
        for _ in range(150)
    ]
    async with running(scorer, max_batch_tokens=64, cache_pairs=20) as worker:
        calls = [soon(worker.score(call)) for call in asked]
        await asyncio.sleep(0)
        leaving = set(chance.sample(range(len(calls)), 40))
        for i in leaving:
            calls[i].cancel()
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert worker.backlog_tokens == 0
        assert worker.waiting_jobs == 0
    for i, (call, result) in enumerate(zip(asked, results, strict=True)):
        if i in leaving:
            assert isinstance(result, asyncio.CancelledError)
        else:
            expected = scorer.score(scorer.encode(call))
            assert [s.scores.as_tuple() for s in result.scores] == [pytest.approx(tuple(row)) for row in expected]


async def slow_model(scorer: ScriptedScorer, worker: InferenceWorker) -> None:
    """Have the worker see that a batch takes 0.4 s."""
    scorer.fail = lambda texts: time.sleep(0.4)
    for number in range(3):
        await worker.score(pairs(f"before {number}"))


async def test_a_caller_who_would_be_late_is_told_and_costs_nothing() -> None:
    scorer = ScriptedScorer()
    async with running(scorer) as worker:
        await slow_model(scorer, worker)
        loop = asyncio.get_running_loop()
        scorer.hold()
        running_now = soon(worker.score(pairs("running")))
        await until(lambda: "running" in scorer.seen)
        deadline = loop.time() + 2.0
        tight, other = soon(worker.score(pairs("tight"), deadline=deadline)), soon(worker.score(pairs("other")))
        await asyncio.sleep(1.4)  # and 0.4 for the model: half of what a batch takes is left
        scorer.release()
        with pytest.raises(DeadlineTooShort):
            await tight
        assert loop.time() < deadline
        assert len((await other).scores) == len((await running_now).scores) == 1
        assert "tight" not in scorer.seen
        assert worker.backlog_tokens == 0


@pytest.mark.parametrize("patience", [None, 20.0])
@pytest.mark.parametrize("late_word", [False, True])
async def test_who_comes_for_a_pair_just_given_up_is_served(patience: float | None, late_word: bool) -> None:
    """late_word: it comes when it has been given up, and those who waited for it have not yet gone."""
    scorer = ScriptedScorer()
    async with running(scorer) as worker:
        await slow_model(scorer, worker)
        told: list[Any] = []
        worker._queue.given_up = told.extend  # the word is on its way to the loop
        scorer.hold()
        first = soon(worker.score(pairs("running")))
        await until(lambda: "running" in scorer.seen)
        now = asyncio.get_running_loop().time()
        tight, other = soon(worker.score(pairs("same"), deadline=now + 2.0)), soon(worker.score(pairs("other")))
        await asyncio.sleep(1.4)  # and 0.4 for the model: half of what a batch takes is left
        scorer.release()
        await until(lambda: bool(told))
        newcomer = soon(worker.score(pairs("same"), deadline=None if patience is None else now + patience))
        if not late_word:
            await asyncio.sleep(0)
        worker._give_up(told)
        with pytest.raises(DeadlineTooShort):
            await tight
        assert len((await asyncio.wait_for(newcomer, PATIENCE)).scores) == 1
        assert len((await asyncio.wait_for(worker.score(pairs("same")), PATIENCE)).scores) == 1
        await first
        await other
    assert worker.backlog_tokens == 0

"""Who is let in by the worker, and whose work goes first: seats, deadlines, priorities."""

from __future__ import annotations

import asyncio

import pytest

from onrecord_server.checking.worker import Priority
from onrecord_server.domain.errors import DeadlineUnreachable, Overloaded, ShuttingDown
from scripted import PATIENCE, ScriptedScorer, pairs, running, soon, until


async def test_a_full_queue_refuses_before_any_work_and_says_when_to_come_back() -> None:
    scorer = ScriptedScorer(held=True)
    async with running(scorer, max_queue_tokens=50) as worker:
        huge = soon(worker.score(pairs("x" * 400)))  # an idle worker takes it, whatever its size
        await scorer.entered()
        with pytest.raises(Overloaded) as caught:
            await worker.score(pairs("y"))
        with pytest.raises(Overloaded):
            await worker.embed(["y"])
        assert 0.1 <= caught.value.retry_after <= 60
        assert scorer.encoded == ["x" * 400]
        scorer.release()
        await huge
        await worker.score(pairs("y"))
        assert worker.backlog_tokens == 0


async def test_a_pair_in_the_cache_is_answered_even_when_the_queue_is_full() -> None:
    scorer = ScriptedScorer()
    async with running(scorer, max_queue_tokens=50) as worker:
        await worker.score(pairs("known"))
        scorer.hold()
        huge = soon(worker.score(pairs("x" * 400)))
        await until(lambda: worker.backlog_tokens > 50)
        assert len((await worker.score(pairs("known"))).scores) == 1
        scorer.release()
        await huge


async def test_a_small_request_does_not_wait_behind_a_large_one() -> None:
    scorer = ScriptedScorer(held=True)
    async with running(scorer, max_batch_tokens=100) as worker:
        large = soon(worker.score(pairs(*(f"large claim number {i:04}" for i in range(200)))))
        await scorer.entered()
        await until(lambda: len(scorer.encoded) == 200 and worker.waiting_jobs >= 196)
        waiting = worker.waiting_jobs
        small = soon(worker.score(pairs("small")))
        await until(lambda: worker.waiting_jobs > waiting)
        scorer.release()
        await asyncio.gather(large, small)
    assert any("small" in batch for batch in scorer.batches[:2])
    assert len(scorer.batches) > 20


async def test_of_equal_requests_the_earlier_deadline_goes_first() -> None:
    scorer = ScriptedScorer(held=True)
    async with running(scorer, max_queue_tokens=200_000) as worker:
        now = asyncio.get_running_loop().time()
        first = soon(worker.score(pairs("first")))
        await scorer.entered()
        # so long that a deadline leaves little time to spare: then it, and not the arrival, decides
        calls = [
            soon(worker.score(pairs(name * 100_000), deadline=now + seconds))
            for name, seconds in (("b", 14), ("a", 12), ("c", 16))
        ]
        await until(lambda: worker.waiting_jobs == 3)
        scorer.release()
        await asyncio.gather(first, *calls)
    assert [batch[0][0] for batch in scorer.batches] == ["f", "a", "b", "c"]


async def test_a_caller_with_a_seat_is_never_refused_again() -> None:
    scorer = ScriptedScorer(held=True)
    async with running(scorer, max_queue_tokens=100) as worker:
        with worker.admit(100) as seat:
            with pytest.raises(Overloaded):
                await worker.score(pairs("newcomer"))
            await worker.embed(["a text"], seat=seat)
            more = soon(worker.score(pairs("y" * 900), seat=seat))  # more than it foresaw
            await scorer.entered()
            assert worker.backlog_tokens > 200
            scorer.release()
            await more
        assert worker.backlog_tokens == 0


async def test_stopping_lets_a_seat_finish_all_its_work() -> None:
    scorer = ScriptedScorer()
    async with running(scorer) as worker:
        with worker.admit(100) as seat:
            stopping = soon(worker.stop(PATIENCE))
            await asyncio.sleep(0)
            with pytest.raises(ShuttingDown):
                await worker.score(pairs("new"))
            await worker.embed(["a text"], seat=seat)
            assert len((await worker.score(pairs("a"), seat=seat)).scores) == 1
            assert not stopping.done()
        await stopping


async def test_a_seat_does_not_outlive_the_worker() -> None:
    async with running(ScriptedScorer()) as worker:
        with worker.admit(100) as seat:  # its caller is searching, say, while the grace passes
            await worker.stop(0.0)
            for call in (worker.embed(["a text"], seat=seat), worker.score(pairs("a"), seat=seat)):
                with pytest.raises(ShuttingDown):
                    await call


async def test_a_deadline_beyond_reach_is_refused_before_any_work() -> None:
    scorer = ScriptedScorer()
    async with running(scorer) as worker:
        for size in (100, 400, 800):  # learn the pace
            await worker.score(pairs(f"{size}" * size))
        scorer.hold()
        waiting = [soon(worker.score(pairs(name * 4_000))) for name in "abcd"]
        await scorer.entered()
        worker._admission.pace["pair"].saw(1_000, 100.0)  # as if the model had become slow
        encoded = len(scorer.encoded)
        with pytest.raises(DeadlineUnreachable) as caught:
            await worker.score(pairs("late"), deadline=asyncio.get_running_loop().time() + 1)
        assert caught.value.retry_after is not None
        assert len(scorer.encoded) == encoded
        scorer.release()
        await asyncio.gather(*waiting)


async def test_interactive_callers_go_before_bulk_work_that_came_first() -> None:
    scorer = ScriptedScorer(held=True)
    async with running(scorer, max_batch_tokens=100) as worker:
        first = soon(worker.score(pairs("first")))
        await scorer.entered()
        with worker.admit(1_000, priority=Priority.BULK) as seat:
            bulk = soon(worker.score(pairs(*(f"bulk {i:04}" for i in range(50))), seat=seat))
            await until(lambda: worker.waiting_jobs == 50)
            assert worker.queue_tokens["bulk"] >= 1_000
            one = soon(worker.score(pairs("interactive")))
            await until(lambda: worker.waiting_jobs == 51)
            scorer.release()
            await asyncio.gather(first, bulk, one)
    assert scorer.batches[:2] == [["first"], ["interactive"]]


async def test_interactive_callers_are_tokenised_before_bulk_work_that_came_first() -> None:
    scorer = ScriptedScorer()
    scorer.encode_gate.clear()
    async with running(scorer) as worker:
        with worker.admit(1_000, priority=Priority.BULK) as seat:
            bulk = [soon(worker.score(pairs(f"bulk {i}"), seat=seat)) for i in range(3)]
            await until(lambda: len(worker._tasks) == 3)  # the first of them is with the tokeniser
            one = soon(worker.score(pairs("interactive")))
            await until(lambda: len(worker._tasks) == 4)
            await asyncio.sleep(0)
            scorer.encode_gate.set()
            await asyncio.gather(one, *bulk)
    assert scorer.encoded == ["bulk 0", "interactive", "bulk 1", "bulk 2"]

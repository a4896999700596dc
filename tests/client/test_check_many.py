"""`check_many`: bounded, in order, and not stopped by a server that goes away for a while."""

from __future__ import annotations

import asyncio
import itertools
import re
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import onrecord
from onrecord import Progress, errors
from onrecord.testing import FakeServer


@pytest.fixture(autouse=True)
def _numbered(fake: FakeServer) -> None:
    fake.says(re.compile("^even"), "SUPPORTED")
    fake.says(re.compile("^odd"), "CONTRADICTED")


def claims(count: int) -> list[str]:
    return [f"{'odd' if i % 2 else 'even'} {i}" for i in range(count)]


def verdicts(outcomes: list[Any]) -> list[str]:
    return [outcome.verdict.value for outcome in outcomes]


async def collect(outcomes: AsyncIterator[Any], into: list[Any], after: dict[int, Any] | None = None) -> None:
    """Take outcomes; `after` so many call something."""
    async for outcome in outcomes:
        into.append(outcome)
        if act := (after or {}).get(len(into)):
            act()


def expected(count: int) -> list[str]:
    return ["CONTRADICTED" if i % 2 else "SUPPORTED" for i in range(count)]


async def test_a_server_that_is_restarted_twice_loses_and_doubles_nothing(either: Any, fake: FakeServer) -> None:
    seen: list[Progress] = []
    waits: list[float] = []

    def waiting(error: errors.OnrecordError, seconds: float) -> None:
        assert isinstance(error, errors.Unavailable)
        waits.append(seconds)

    def progress(now: Progress) -> None:
        seen.append(now)
        if now.done == 100:
            fake.stop()
            back.start()  # it stays away for a while
        if now.done == 300:
            fake.stop()
            fake.start()

    back = threading.Timer(0.5, fake.start)
    outcomes = [o async for o in either.check_many(iter(claims(500)), in_flight=32, progress=progress, waiting=waiting)]
    back.join()
    assert verdicts(outcomes) == expected(500)
    assert [now.done for now in seen] == list(range(1, 501))
    assert seen[-1].restarts == 2  # however often it was tried in between
    assert waits
    assert 0 <= max(waits) < 5
    asked = Counter(call.claim.text for call in fake.checks)
    assert set(asked) == set(claims(500))
    assert sum(asked.values()) <= 500 + 2 * 32  # only what was under way is asked again


@pytest.mark.usefixtures("short_pauses")
async def test_patience_ends(either: Any, fake: FakeServer) -> None:
    outcomes: list[Any] = []
    with pytest.raises(errors.Unavailable, match="is gone"):
        await collect(either.check_many(claims(100), patience=0.3, in_flight=8), outcomes, {20: fake.stop})
    assert verdicts(outcomes)[:20] == expected(20)
    assert len(outcomes) <= 28


@pytest.mark.usefixtures("short_pauses")
async def test_nobody_there_at_all(make: Any) -> None:
    with pytest.raises(errors.Unavailable, match="onrecord serve"):
        [o async for o in make("127.0.0.1:1").check_many(["x"], patience=0.2)]


async def test_a_claim_refused_for_want_of_room_is_asked_again(either: Any, fake: FakeServer) -> None:
    busy = errors.Overloaded("busy", reason="OVERLOADED", retry_after=0.05)
    fake.fails("odd 5", busy)

    def progress(now: Progress) -> None:
        if now.done == 5:
            again.start()

    again = threading.Timer(0.3, fake.says, ("odd 5", "CONTRADICTED"))
    outcomes = [o async for o in either.check_many(claims(20), progress=progress)]
    again.join()
    assert verdicts(outcomes) == expected(20)
    fake.fails("odd 5", busy)
    with pytest.raises(errors.Overloaded):
        [o async for o in either.check_many(claims(20), patience=0.2)]


async def test_errors_that_waiting_does_not_mend_are_raised_at_once(either: Any, fake: FakeServer) -> None:
    for method in (either.check_many, either.check_stream):
        fake.fails_next(*[errors.Unauthenticated("no token", reason="UNAUTHENTICATED")] * 5)
        with pytest.raises(errors.Unauthenticated):
            [o async for o in method(claims(3))]


async def test_reading_is_bounded_by_what_is_taken(either: Any) -> None:
    read = itertools.count()
    outcomes = either.check_many((f"even {next(read)}" for _ in itertools.count()), in_flight=10)
    for taken in range(1, 30):
        assert (await anext(outcomes)).verdict == "SUPPORTED"
        ahead = next(read) - taken
        assert ahead <= 10 + taken  # each `next` here counts, too
    await outcomes.aclose()


async def test_only_bad_claims_more_than_are_in_flight(either: Any, fake: FakeServer) -> None:
    outcomes = [o async for o in either.check_many(["bad \ud800"] * 50, in_flight=4)]
    assert [type(o) for o in outcomes] == [errors.InvalidArgument] * 50
    assert fake.checks == []


async def test_a_huge_claim_fails_alone(either: Any) -> None:
    first, huge, last = [o async for o in either.check_many(["even", "x" * 4_000_000, "odd"])]
    assert (first.verdict, last.verdict) == ("SUPPORTED", "CONTRADICTED")
    assert huge.violations[0].reason == "MESSAGE_TOO_LARGE"


async def test_progress_knows_what_a_list_holds(either: Any) -> None:
    seen: list[Progress] = []
    [o async for o in either.check_many(["even", "bad \ud800"], progress=seen.append)]
    assert seen == [Progress(1, 0, 2, 0), Progress(2, 1, 2, 0)]
    [o async for o in either.check_many(iter(["even"]), progress=seen.append)]
    assert seen[-1].total is None


async def test_what_the_iterable_raises_comes_after_the_outcomes_before_it(either: Any) -> None:
    def broken() -> Iterator[str]:
        yield from claims(3)
        raise LookupError("the file ended")

    outcomes: list[Any] = []
    with pytest.raises(LookupError, match="the file ended"):
        await collect(either.check_many(broken()), outcomes)
    assert verdicts(outcomes) == expected(3)


async def test_an_iterable_that_waits_gets_its_outcomes_meanwhile(fake: FakeServer) -> None:
    gate = asyncio.Event()

    async def slow() -> AsyncIterator[str]:
        yield "even"
        await gate.wait()
        yield "odd"

    async with fake.async_client() as client:
        outcomes = client.check_many(slow(), timeout=0.2)
        first = await anext(outcomes)
        assert isinstance(first, onrecord.CheckResult)
        await asyncio.sleep(0.5)  # longer than an outcome may take: it is not the server's fault
        gate.set()
        assert verdicts([o async for o in outcomes]) == ["CONTRADICTED"]


def test_a_restart_while_the_iterable_waits_keeps_it(fake: FakeServer) -> None:
    gate = threading.Event()

    def slow() -> Iterator[str]:
        yield from claims(2)
        gate.wait(10)
        yield "even 2"

    def progress(now: Progress) -> None:
        if now.done == 2:
            fake.stop()
            fake.start()
            threading.Timer(0.3, gate.set).start()

    with fake.client() as client:
        assert verdicts(list(client.check_many(slow(), progress=progress))) == expected(3)


async def test_leaving_early_leaves_the_iterable_where_it_is(fake: FakeServer) -> None:
    async def endless() -> AsyncIterator[str]:
        for i in itertools.count():
            yield f"even {i}"

    given = endless()
    async with fake.async_client() as client:
        outcomes = client.check_many(given, in_flight=5)
        assert (await anext(outcomes)).verdict == "SUPPORTED"  # type: ignore[union-attr]
        await outcomes.aclose()  # type: ignore[attr-defined]
        place = await anext(given)
        assert int(place.split()[1]) <= 7  # nobody reads it any more
    await given.aclose()  # type: ignore[attr-defined]


async def test_cancelling_the_task_ends_it(fake: FakeServer) -> None:
    async def forever(client: onrecord.AsyncClient) -> None:
        async for _ in client.check_many(f"even {i}" for i in itertools.count()):
            pass

    async with fake.async_client() as client:
        task = asyncio.create_task(forever(client))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await client.check("even")).verdict == "SUPPORTED"

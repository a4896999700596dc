"""What the model's time is learnt from."""

from __future__ import annotations

import random

import pytest

from onrecord_server.checking.pace import Foresight, Pace


def test_both_parts_of_a_batchs_time_are_found() -> None:
    pace, chance = Pace(2_000), random.Random(3)
    for _ in range(200):
        tokens = chance.randint(10, 1_000)
        pace.saw(tokens, (0.005 + tokens / 10_000) * chance.uniform(0.95, 1.05))
    assert pace.tokens_per_second == pytest.approx(10_000, rel=0.1)
    assert pace.seconds(10_000, 1_000) == pytest.approx(1.05, rel=0.1)
    assert pace.seconds(100, 1_000) == pytest.approx(0.015, rel=0.3)


def test_batches_of_one_size_give_their_mean() -> None:
    pace = Pace(2_000)
    for _ in range(5):
        pace.saw(500, 0.1)
    assert pace.seconds(500, 1_000) == pytest.approx(0.1)
    assert pace.seconds(5_000, 1_000) == pytest.approx(1.0)


def test_a_change_of_pace_is_followed() -> None:
    pace = Pace(2_000)
    for seconds in (0.1, 0.4):
        for tokens in range(100, 1_100, 10):
            pace.saw(tokens, seconds * tokens / 1_000)
    assert pace.tokens_per_second == pytest.approx(2_500, rel=0.1)


@pytest.mark.parametrize("batches", [[(10, 0.5), (1_000, 0.1), (500, 0.2)], [(1, 0.0)] * 4, [(0, 1.0)] * 4])
def test_nonsense_never_gives_a_negative_or_infinite_time(batches: list[tuple[int, float]]) -> None:
    pace = Pace(2_000)
    for tokens, seconds in batches:
        pace.saw(tokens, seconds)
    assert pace.seconds(0, 100) == 0
    assert 0 < pace.seconds(1, 100) <= pace.seconds(1_000, 100) < 1e6


def test_until_three_batches_were_seen_it_is_a_guess() -> None:
    pace = Pace(2_000)
    assert pace.seconds(1_000, 1_000) == pytest.approx(0.5)
    pace.saw(100, 0.1)
    pace.saw(100, 0.1)
    assert not pace.measured
    pace.saw(100, 0.1)
    assert pace.measured


def taught(chance: random.Random, seconds: float = 40.0) -> tuple[Foresight, float]:
    """One who has seen ten callers a second, in for 0.05 s and somewhat more than expected, and the time now."""
    foresight, now = Foresight(), 0.0
    while now < seconds:
        now += 0.1
        expected = chance.uniform(0.05, 0.15)
        foresight.saw(expected, 0.05 + expected + chance.expovariate(1 / 0.02), now)
    return foresight, now


def test_foresight_learns_what_comes_on_top_of_the_queue_and_how_sure_that_is() -> None:
    foresight, chance, now = Foresight(), random.Random(5), 0.0
    assert foresight.seconds(0.5, now) == 0.5
    for _ in range(300):
        now += 0.04
        expected = chance.uniform(0.01, 1.0)
        foresight.saw(expected, 0.03 + 1.5 * expected + chance.uniform(-0.1, 0.1), now)
    # a fixed 0.03, a factor of 1.5, and what nearly all stay below: the deviation is 0.1 at most
    assert foresight.seconds(0.4, now) == pytest.approx(0.71, abs=0.06)
    assert foresight.seconds(0.0, now) == pytest.approx(0.11, abs=0.06)


def test_few_take_longer_than_was_foreseen() -> None:
    foresight, chance, now = Foresight(), random.Random(7), 0.0
    longer = 0
    for number in range(4_000):
        now += 0.04
        expected = chance.uniform(0.1, 1.0)
        took = 0.02 + expected + chance.expovariate(1 / 0.1)  # seldom, and then much, as on a busy machine
        longer += number >= 1_000 and took > foresight.seconds(expected, now)
        foresight.saw(expected, took, now)
    assert 0.01 < longer / 3_000 < 0.08


@pytest.mark.parametrize(("still", "callers"), [(3.0, 30), (10.0, 30), (1.0, 50)])
def test_a_machine_that_stood_still_for_a_while_is_not_taken_for_slow(still: float, callers: int) -> None:
    chance = random.Random(3)
    foresight, now = taught(chance)
    now += still
    for _ in range(callers):
        foresight.saw(chance.uniform(0.1, 0.5), still, now)
    assert foresight.seconds(0.1, now) < 0.9
    for _ in range(100):
        now += 0.1
        foresight.saw(0.1, 0.15 + chance.expovariate(1 / 0.02), now)
    assert foresight.seconds(0.1, now) < 0.4


def test_what_was_added_is_forgotten_where_nobody_teaches() -> None:
    chance = random.Random(3)
    foresight, now = taught(chance)
    before = foresight.seconds(0.1, now)
    for _ in range(30):
        foresight.saw(0.1, 2.0, now)
    after, later = foresight.seconds(0.1, now), foresight.seconds(0.1, now + 30.0)
    assert later - before < (after - before) / 2


def test_a_machine_that_has_become_slow_is_believed() -> None:
    chance = random.Random(4)
    foresight, now = taught(chance)
    for _ in range(150):
        now += 0.1
        foresight.saw(0.1, 0.8 + chance.expovariate(1 / 0.02), now)
    assert foresight.seconds(0.1, now) > 0.75


def test_foresight_never_promises_less_than_the_queue() -> None:
    foresight = Foresight()
    for number in range(50):
        foresight.saw(1.0, 0.2, number / 10)
    assert foresight.seconds(1.0, 5.0) == 1.0

"""When calls are due, of which kind, and how both are asked for."""

from __future__ import annotations

from itertools import islice, pairwise

import pytest

from onrecord._bench.schedule import CONSTANT, POISSON, Load, Step, arrivals, chosen, mixed, parse_mix, parse_sweep


def test_constant_arrivals_do_not_drift() -> None:
    due = list(islice(arrivals(3.0, CONSTANT, 1), 300_001))
    assert due[0] == 0.0
    assert due[300_000] == 100_000.0


def test_poisson_arrivals_have_the_rate_and_the_scatter() -> None:
    due = list(islice(arrivals(50.0, POISSON, 1), 20_000))
    gaps = [b - a for a, b in pairwise(due)]
    mean = sum(gaps) / len(gaps)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert mean == pytest.approx(0.02, rel=0.03)
    assert deviation == pytest.approx(mean, rel=0.05)  # as an exponential distribution has it


def test_the_same_seed_gives_the_same_load() -> None:
    for make in (
        lambda seed: arrivals(5.0, POISSON, seed),
        lambda seed: mixed({"check": 1.0, "batch": 1.0}, seed),
        lambda seed: chosen(0.5, seed),
    ):
        assert list(islice(make(1), 50)) == list(islice(make(1), 50)) != list(islice(make(2), 50))


def test_a_mix_is_read() -> None:
    assert parse_mix("check=8, batch=0.5,health") == {"check": 8.0, "batch": 0.5, "health": 1.0}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no kind of call"),
        ("checks=1", "'checks' is no kind"),
        ("check=x", "'x' is no number"),
        ("check=0", "above 0"),
        ("check=-1", "above 0"),
        ("check=nan", "above 0"),
        ("check=inf", "above 0"),
        ("check=1,check=2", "twice"),
    ],
)
def test_a_bad_mix_is_named(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_mix(text)


def test_a_sweep_is_read() -> None:
    assert parse_sweep("1, 2.5,10x") == [Step(1, "rate"), Step(2.5, "rate"), Step(10, "x")]
    assert parse_sweep("rate=4") == [Step(4, "rate")]
    assert parse_sweep("concurrency=1,8") == [Step(1, "concurrency"), Step(8, "concurrency")]
    assert [step.load(20.0) for step in parse_sweep("3,0.5x")] == [Load(rate=3.0), Load(rate=10.0)]
    assert parse_sweep("concurrency=8")[0].load(None) == Load(concurrency=8)


@pytest.mark.parametrize(
    ("text", "why"),
    [("", "no number"), ("1,,2", "no number"), ("x", "no number"), ("0", "above 0"), ("nan", "above 0"),
     ("concurrency=1.5", "whole number"), ("concurrency=2x", "whole number"), ("speed=1", "neither")],
)  # fmt: skip
def test_a_bad_sweep_is_named(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_sweep(text)

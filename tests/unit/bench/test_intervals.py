"""Percentiles and their intervals: known values, and that they hold what they say."""

from __future__ import annotations

import random

import pytest

from onrecord._bench.intervals import percentile, poisson, ranks, wilson


@pytest.mark.parametrize(
    ("count", "share", "expected"),
    [
        # Hahn and Meeker's and Conover's tables: of 10 values the 2nd and the 9th hold the median with 97.9 %
        (10, 0.5, (2, 9)),
        (100, 0.5, (40, 61)),
        (100, 0.9, (84, 96)),
        (10, 0.99, (9, None)),
        (367, 0.99, (359, None)),
        (368, 0.99, (360, 368)),  # 0.99 ** 368 is the first below 2.5 %
        (1, 0.5, (None, None)),
        (1_000_000, 0.99, (989_805, 990_196)),
    ],
)
def test_ranks(count: int, share: float, expected: tuple[int | None, int | None]) -> None:
    assert ranks(count, share) == expected


def test_the_percentile_is_a_value_of_the_sample() -> None:
    values = [float(v) for v in range(1, 101)]
    assert [percentile(values, share).value for share in (0.01, 0.5, 0.9, 0.99)] == [1, 50, 90, 99]
    assert percentile([7.0], 0.5).to_dict() == {"value": 7.0, "low": None, "high": None}


@pytest.mark.parametrize(("values", "share"), [([], 0.5), ([1.0], 0.0), ([1.0], 1.0)])
def test_nothing_has_no_percentile(values: list[float], share: float) -> None:
    with pytest.raises(ValueError, match="sample"):
        percentile(values, share)


def test_intervals_hold_the_true_value_about_as_often_as_they_say() -> None:
    """Latencies of a skewed distribution whose percentiles are known: exp(1) has ln(1 / (1 - p))."""
    chance = random.Random(7)
    held = 0
    for _ in range(400):
        found = percentile(sorted(chance.expovariate(1.0) for _ in range(200)), 0.9)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 2.302585 <= found.high
    assert 0.93 <= held / 400 <= 0.995


def test_a_share_has_an_interval_even_where_all_went_well() -> None:
    assert wilson(10, 10).to_dict() == pytest.approx({"value": 1.0, "low": 0.7225, "high": 1.0}, abs=1e-4)
    assert wilson(5, 10).to_dict() == pytest.approx({"value": 0.5, "low": 0.2366, "high": 0.7634}, abs=1e-4)


@pytest.mark.parametrize(
    ("count", "low", "high"),
    [(0, 0.0, 3.689), (5, 1.623, 11.668), (10, 4.795, 18.390), (100, 81.364, 121.627)],  # exact (Garwood 1936)
)
def test_a_count_has_an_interval(count: int, low: float, high: float) -> None:
    found = poisson(count)
    assert (found.low, found.value, found.high) == (pytest.approx(low, rel=0.01), count, pytest.approx(high, rel=0.03))

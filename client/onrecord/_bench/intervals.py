"""Percentiles and shares with their confidence intervals, in plain Python.

A percentile is the nearest rank: the smallest value that has at least that share of the sample at or below it. Its
interval runs from one order statistic to another and assumes nothing of the distribution: the number of values below
the true percentile is binomial, so ranks are taken that it leaves with at most half of the error on either side (Hahn
and Meeker, Statistical Intervals, 1991, section 5.2; Conover, Practical Nonparametric Statistics, section 3.2). With
few values an end is open: the largest of ten values bounds no p99. Shares have Wilson's interval (Wilson 1927), counts
that of a Poisson distribution in Byar's approximation (Breslow and Day, Statistical Methods in Cancer Research II,
1987), which is within 1 % of the exact ends from five events on.

All of them assume independent values. Calls that queue behind each other are not, so under load true intervals are
wider; repeat a run to see by how much.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95
_Z = 1.959963984540054  # of the normal distribution, for 95 %
_SPREAD = 12  # standard deviations around the mean that hold all of a binomial but a part in 10**30
METHOD = (
    "95 %, calls taken as independent; percentiles: binomial order statistics (Hahn and Meeker 1991, 5.2), "
    "rates: Poisson counts (Byar)"
)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and the ends of its interval; None is an open end."""

    value: float
    low: float | None
    high: float | None

    def to_dict(self) -> dict[str, float | None]:
        """For JSON."""
        return {"value": self.value, "low": self.low, "high": self.high}


def percentile(ordered: Sequence[float], share: float) -> Estimate:
    """The percentile `share` (above 0, below 1) of an ascending sample that is not empty, with its 95 % interval."""
    count = len(ordered)
    if not count or not 0 < share < 1:
        raise ValueError("needs a sample and a share between 0 and 1")
    low, high = ranks(count, share)
    return Estimate(
        ordered[max(1, math.ceil(share * count - 1e-9)) - 1],
        None if low is None else ordered[low - 1],
        None if high is None else ordered[high - 1],
    )


def ranks(count: int, share: float, confidence: float = CONFIDENCE) -> tuple[int | None, int | None]:
    """Ranks, from 1, of the order statistics that hold a percentile between them; None where no rank bounds it.

    The lower is the highest rank l with P(X < l) <= a / 2, the upper the lowest u with P(X >= u) <= a / 2, where X, the
    number of values below the percentile, is binomial and a is 1 - confidence.
    """
    tail = (1 - confidence) / 2
    middle, deviation = count * share, math.sqrt(count * share * (1 - share))
    first = max(0, math.floor(middle - _SPREAD * deviation) - 1)
    last = min(count, math.ceil(middle + _SPREAD * deviation) + 1)
    low: int | None = None
    high: int | None = None
    below = 0.0  # P(X < k)
    for k in range(first, last + 1):
        if k >= 1 and below <= tail:
            low = k
        if k >= 1 and high is None and 1 - below <= tail:
            high = k
            break
        below += _binomial(count, share, k)
    return low, high


def wilson(hits: int, count: int) -> Estimate:
    """A share with Wilson's 95 % interval. `count` above 0."""
    share = hits / count
    middle = (share + _Z * _Z / (2 * count)) / (1 + _Z * _Z / count)
    half = _Z / (1 + _Z * _Z / count) * math.sqrt(share * (1 - share) / count + _Z * _Z / (4 * count * count))
    return Estimate(share, max(0.0, middle - half), min(1.0, middle + half))


def poisson(count: int) -> Estimate:
    """How many events to expect of which `count` were seen, with its 95 % interval."""
    low = count * (1 - 1 / (9 * count) - _Z / (3 * math.sqrt(count))) ** 3 if count else 0.0
    more = count + 1
    return Estimate(count, max(0.0, low), more * (1 - 1 / (9 * more) + _Z / (3 * math.sqrt(more))) ** 3)


def _binomial(count: int, share: float, hits: int) -> float:
    """P(X = hits); through logarithms, since the coefficients overflow from some thousand on."""
    logarithm = (
        math.lgamma(count + 1)
        - math.lgamma(hits + 1)
        - math.lgamma(count - hits + 1)
        + hits * math.log(share)
        + (count - hits) * math.log1p(-share)
    )
    return math.exp(logarithm)

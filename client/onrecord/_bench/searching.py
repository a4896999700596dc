"""What a server can do at most, found by trying.

Two figures. *Saturated*: calls answered in time a second when enough callers wait in a closed loop; their number is
doubled until two doublings have gained less than 5 %. *Sustained*: the highest rate of arrivals, in an open loop, at
which 99 % of the calls are answered in time; found by halving the range below one and a half times the saturated rate.
Arrivals that do not wait for each other queue now and then, so it is the lower one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from onrecord._bench.driving import Row
from onrecord._bench.schedule import Load

GAIN = 1.05
FIRST_CALLERS, MOST_CALLERS = 4, 512
GOOD_SHARE = 0.99
NEAR_ENOUGH = 1.05
TRIALS = 8

Measure = Callable[[Load], Awaitable[Row]]


@dataclass(slots=True)
class Capacity:
    """What was found, calls a second, and every trial. `sustained` is None when it was not looked for, or no rate tried
    was answered well enough.
    """

    saturated: float = 0.0
    callers: int = 0
    sustained: float | None = None
    trials: list[Row] = field(default_factory=list)


async def saturate(measure: Measure, found: Capacity) -> None:
    """Fill in `saturated` and the number of callers it took."""
    callers, no_gains = FIRST_CALLERS, 0
    while callers <= MOST_CALLERS:
        row = await measure(Load(concurrency=callers))
        found.trials.append(row)
        rate = row.tally.good / row.seconds if row.seconds > 0 else 0.0
        no_gains = no_gains + 1 if found.saturated and rate < GAIN * found.saturated else 0
        if rate > found.saturated:
            found.saturated, found.callers = rate, callers
        if row.interrupted or no_gains == 2:
            return
        callers *= 2


async def sustain(measure: Measure, found: Capacity) -> None:
    """Fill in `sustained`; needs `saturated`."""
    low, high = 0.0, 1.5 * found.saturated
    rate = 0.9 * found.saturated
    for _ in range(TRIALS):
        if rate <= 0:
            return
        row = await measure(Load(rate=rate))
        found.trials.append(row)
        if row.interrupted:
            return
        if row.tally.offered and row.tally.good >= GOOD_SHARE * row.tally.offered:
            low = found.sustained = rate
        else:
            high = rate
        if low and high / low < NEAR_ENOUGH:
            return
        rate = (low + high) / 2

"""When calls are due, and of which kind: settled before anything is sent, so that no answer can change it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

CHECK, BATCH, STREAM, PAIRS, HEALTH = "check", "batch", "stream", "pairs", "health"
KINDS = (CHECK, BATCH, STREAM, PAIRS, HEALTH)

CONSTANT, POISSON = "constant", "poisson"
ARRIVALS = (POISSON, CONSTANT)


@dataclass(frozen=True, slots=True)
class Load:
    """One point of a sweep: so many callers, each of whom waits for an answer before the next call (closed loop), or so
    many arrivals a second, whatever the answers do (open loop). Exactly one is set.
    """

    concurrency: int | None = None
    rate: float | None = None

    def __str__(self) -> str:
        if self.rate is not None:
            return f"{self.rate:.4g}/s"
        return f"{self.concurrency} caller{'s' * (self.concurrency != 1)}"

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        if self.rate is not None:
            return {"loop": "open", "rate": self.rate}
        return {"loop": "closed", "concurrency": self.concurrency}


def arrivals(rate: float, kind: str, seed: int) -> Iterator[float]:
    """Seconds from the start at which calls are due, without end: `rate` a second, evenly or as a Poisson process."""
    if kind == CONSTANT:
        number = 0
        while True:
            yield number / rate  # not a running sum, which drifts
            number += 1
    chance = random.Random(seed)  # noqa: S311 -- load, not secrets
    due = chance.expovariate(rate)
    while True:
        yield due
        due += chance.expovariate(rate)


def mixed(weights: Mapping[str, float], seed: int) -> Iterator[str]:
    """Kinds of calls in random order, without end, each as often as its weight says."""
    names, shares = list(weights), list(weights.values())
    chance = random.Random(seed)  # noqa: S311
    while True:
        yield from chance.choices(names, shares, k=1_000)


def chosen(share: float, seed: int) -> Iterator[bool]:
    """True for a random `share` (0 to 1) of the calls, without end."""
    chance = random.Random(seed)  # noqa: S311
    while True:
        yield chance.random() < share


def parse_mix(text: str) -> dict[str, float]:
    """ "check=8,pairs=1" as weights; a kind alone weighs 1. ValueError says what is wrong."""
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, equals, weight = (piece.strip() for piece in part.partition("="))
        if name not in KINDS:
            raise ValueError(f"{name!r} is no kind of call; choose among {', '.join(KINDS)}")
        if name in weights:
            raise ValueError(f"{name} stands in it twice")
        try:
            weights[name] = float(weight) if equals else 1.0
        except ValueError:
            raise ValueError(f"{weight!r} is no number") from None
        if not 0 < weights[name] < float("inf"):
            raise ValueError(f"the weight of {name} must be above 0")
    return weights


@dataclass(frozen=True, slots=True)
class Step:
    """One value of --sweep: a number of callers, a rate, or a multiple of the highest rate found."""

    value: float
    unit: str  # "concurrency", "rate" or "x"

    def load(self, capacity: float | None) -> Load:
        """What it asks for; `capacity` in calls a second, for multiples."""
        if self.unit == "concurrency":
            return Load(concurrency=int(self.value))
        return Load(rate=self.value if self.unit == "rate" else self.value * (capacity or 0.0))


def parse_sweep(text: str) -> list[Step]:
    """ "1,2,4" as rates, "0.5x,1x" as multiples of the highest rate, "concurrency=1,8" as callers. ValueError: neither.

    Rates and multiples may be mixed.
    """
    name, equals, listed = text.partition("=")
    if equals and name.strip() not in ("rate", "concurrency"):
        raise ValueError(f"{name.strip()!r} is neither rate nor concurrency")
    callers = bool(equals) and name.strip() == "concurrency"
    steps = []
    for part in (listed if equals else text).split(","):
        number = part.strip()
        multiple = number.endswith("x") and not callers
        try:
            value = int(number) if callers else float(number.removesuffix("x") if multiple else number)
        except ValueError:
            raise ValueError(f"{number!r} is no {'whole number' if callers else 'number'}") from None
        if not 0 < value < float("inf"):
            raise ValueError(f"{number} must be above 0")
        steps.append(Step(value, "concurrency" if callers else "x" if multiple else "rate"))
    return steps

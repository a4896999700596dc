"""What came of the calls of one window: counts by kind and code, rates, latencies with their intervals."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence

from onrecord._bench.calls import ABANDONED, OK, UNFINISHED, Outcome
from onrecord._bench.intervals import percentile, poisson, wilson

SHARES = (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99))
STAGES = ("retrieval", "queue", "inference", "total")


class Tally:
    """Outcomes by kind. `deadline`: seconds from when a call was due within which its answer is in time; None: any."""

    def __init__(self, deadline: float | None) -> None:
        self._deadline = deadline
        self.kinds: dict[str, KindTally] = {}

    def add(self, outcome: Outcome) -> None:
        """One call."""
        self._of(outcome.kind).add(outcome)

    def unsent(self, kind: str) -> None:
        """A call that was due and not sent, since too many were under way."""
        self._of(kind).unsent += 1

    def _of(self, kind: str) -> KindTally:
        if kind not in self.kinds:
            self.kinds[kind] = KindTally(self._deadline)
        return self.kinds[kind]

    @property
    def offered(self) -> int:
        """Calls due in the window whose callers waited for an answer, sent or not."""
        return sum(one.offered for one in self.kinds.values())

    @property
    def good(self) -> int:
        """Calls answered in time."""
        return sum(one.good for one in self.kinds.values())

    @property
    def answered(self) -> int:
        """Calls answered at all."""
        return sum(one.codes[OK] for one in self.kinds.values())

    def to_dict(self, seconds: float) -> dict[str, object]:
        """For JSON: figures of each kind over a window of `seconds`."""
        return {kind: self.kinds[kind].to_dict(seconds) for kind in sorted(self.kinds)}


class KindTally:
    """Calls of one kind."""

    def __init__(self, deadline: float | None) -> None:
        self._deadline = deadline
        self.codes: Counter[str] = Counter()
        self.failed_items: Counter[str] = Counter()
        self.unsent = 0
        self.good = 0
        self.items = 0  # of calls in time
        self._latencies = array("d")  # of answers, milliseconds from when the call was due
        self._refusals = array("d")  # the same of calls that failed
        self._stages = tuple(array("d") for _ in STAGES)

    def add(self, outcome: Outcome) -> None:
        """One call."""
        self.codes[outcome.code] += 1
        latency = outcome.ended - outcome.due
        if outcome.code == OK:
            self._latencies.append(latency * 1_000)
            if self._deadline is None or latency <= self._deadline:
                self.good += 1
                self.items += outcome.items
        elif outcome.code not in (ABANDONED, UNFINISHED):
            self._refusals.append(latency * 1_000)
        self.failed_items += outcome.failed
        for row in outcome.timings:
            for values, value in zip(self._stages, row, strict=True):
                values.append(value)

    @property
    def sent(self) -> int:
        """Calls sent."""
        return self.codes.total()

    @property
    def offered(self) -> int:
        """Calls whose callers waited for an answer, sent or not."""
        return self.sent + self.unsent - self.codes[ABANDONED]

    def to_dict(self, seconds: float) -> dict[str, object]:
        """For JSON. A call abandoned by its caller is neither good nor bad."""
        offered = self.offered
        return {
            "sent_count": self.sent,
            "unsent_count": self.unsent,
            "abandoned_count": self.codes[ABANDONED],
            "ok_count": self.codes[OK],
            "good_count": self.good,
            "codes": dict(sorted(self.codes.items())),
            "failed_items": dict(sorted(self.failed_items.items())),
            "sent_per_second": _rate(self.sent, seconds),
            "good_per_second": _rate(self.good, seconds),
            "good_per_second_interval": _interval(self.good, seconds),
            "items_per_second": _rate(self.items, seconds),
            "good_share": wilson(self.good, offered).to_dict() if offered else None,
            "latency_ms": spread(self._latencies),
            "failure_latency_ms": spread(self._refusals),
            "server_ms": {stage: spread(values) for stage, values in zip(STAGES, self._stages, strict=True) if values},
        }

    def median(self) -> float | None:
        """Of the latencies, in milliseconds."""
        return percentile(sorted(self._latencies), 0.5).value if self._latencies else None


def spread(values: Sequence[float]) -> dict[str, object] | None:
    """Percentiles with intervals, mean and largest; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return {
        "count": len(ordered),
        "mean": sum(ordered) / len(ordered),
        **{name: percentile(ordered, share).to_dict() for name, share in SHARES},
        "max": ordered[-1],
    }


def _interval(count: int, seconds: float) -> dict[str, float] | None:
    """Ends of the 95 % interval of a rate."""
    if seconds <= 0:
        return None
    found = poisson(count)
    return {"low": (found.low or 0.0) / seconds, "high": (found.high or 0.0) / seconds}


def _rate(count: int, seconds: float) -> float:
    return count / seconds if seconds > 0 else 0.0

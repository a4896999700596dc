"""The report of a run as one JSON object. Field names carry their units."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import grpc

import onrecord
from onrecord._bench.calls import OK
from onrecord._bench.driving import Plan, Row
from onrecord._bench.intervals import METHOD, poisson
from onrecord._bench.searching import GOOD_SHARE, Capacity
from onrecord.types import ServerInfo

Report = dict[str, Any]

_UNSURE = 0.4  # of a rate: an interval wider than that, as of fewer than a hundred calls, is told


def row_dict(row: Row) -> dict[str, Any]:
    """One point of the sweep."""
    return {
        "load": row.load.to_dict(),
        "seconds": round(row.seconds, 3),
        "interrupted": row.interrupted,
        "calls": row.tally.to_dict(row.seconds),
        "stream": None if row.streamed is None else _streamed(row.streamed, row.seconds),
        "generator": row.lag.to_dict(),
        "notes": [*row.notes, *_notes(row)],
    }


def _streamed(codes: Counter[str], seconds: float) -> dict[str, Any]:
    """What the stream beside the calls got through."""
    rate = codes[OK] / seconds if seconds > 0 else 0.0
    return {"ok_count": codes[OK], "claims_per_second": rate, "codes": dict(sorted(codes.items()))}


def _notes(row: Row) -> Iterable[str]:
    """What a reader must know before believing the row."""
    medians = [m for one in row.tally.kinds.values() if (m := one.median()) is not None]
    if warning := row.lag.warning(min(medians, default=None)):
        yield warning
    if unsent := sum(one.unsent for one in row.tally.kinds.values()):
        yield f"{unsent:,} calls were due and not sent, as too many were under way (--max-in-flight); counted as missed"
    if (good := row.tally.good) and row.load.rate is not None and row.seconds > 0:
        few = poisson(good)
        low, high = (few.low or 0.0) / row.seconds, (few.high or 0.0) / row.seconds
        if high - low > _UNSURE * good / row.seconds:
            yield f"only {good:,} good calls: the rate lies between {low:.2f} and {high:.2f}/s; give it more --duration"
    if not row.tally.kinds:
        yield "no call ended in the measured window; give it more --duration"
    if row.interrupted:
        yield "cut short; calls under way then are not counted"


def report(
    target: str, server: ServerInfo, plan: Plan, data: Mapping[str, object], rows: Iterable[Row], found: Capacity | None
) -> Report:
    """Everything that was measured, and what it was measured with."""
    return {
        "onrecord_version": onrecord.__version__,
        "made_time": datetime.now(UTC).isoformat(timespec="seconds"),
        "target": target,
        "server": {
            "version": server.version,
            "model_id": server.model.model_id,
            "model_revision": server.model.revision,
            "precision": server.model.precision,
            "fake": server.model.fake,
            "encoder_id": server.encoder.model_id,
            "statement_count": server.statement_count,
        },
        "client": {
            "python": platform.python_version(),
            "grpcio": grpc.__version__,
            "machine": platform.machine(),
            "processor": processor(),
            "cpu_count": os.cpu_count(),
        },
        "plan": {
            "mix": dict(plan.mix),
            "duration_seconds": plan.duration,
            "warmup_seconds": plan.warmup,
            "deadline_seconds": plan.deadline,
            "arrivals": plan.arrivals,
            "abandon_share": plan.abandon,
            "abandon_after_seconds": plan.abandon_after if plan.abandon else None,
            "max_in_flight": plan.max_in_flight,
            "seed": plan.seed,
            "with_stream": plan.stream,
        },
        "data": dict(data),
        "intervals": METHOD,
        "capacity": None if found is None else _capacity(found),
        "rows": [row_dict(row) for row in rows],
    }


def _capacity(found: Capacity) -> dict[str, Any]:
    return {
        "saturated_per_second": found.saturated,
        "saturated_concurrency": found.callers,
        "sustained_per_second": found.sustained,
        "sustained_good_share": GOOD_SHARE,
        "trials": [row_dict(row) for row in found.trials],
    }


def processor() -> str:
    """The name of this machine's processor, as far as the system tells."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor()

"""The engine's work, counted: a `checking.meter.Meter` for Prometheus, and gauges that are read at each scrape.

Labels are fixed sets; a value outside of them counts as "other". No text, no name of a person, no path is in a label.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from onrecord_server.domain.errors import (
    DeadlineTooShort,
    DeadlineUnreachable,
    ModelUnusable,
    Overloaded,
    ShuttingDown,
)
from onrecord_server.domain.types import ModelInfo
from onrecord_server.telemetry.call_metrics import BUCKETS

OTHER = "other"
KINDS = ("pair", "text")
STAGES = ("tokenise", "retrieval", "queue", "inference", "total")
DROPS = ("cancelled", "deadline", "shutdown", "failed")
REFUSALS = tuple(
    kind.reason for kind in (Overloaded, DeadlineUnreachable, DeadlineTooShort, ShuttingDown, ModelUnusable)
)
PRIORITIES = ("interactive", "bulk")

_BATCH_TOKENS = tuple(float(2**power) for power in range(4, 16))  # 16 to 32,768

_log = logging.getLogger(__name__)


class Worker(Protocol):
    """What is read of the engine's worker."""

    @property
    def queue_tokens(self) -> Mapping[str, int]:
        """Tokens that wait or run, by priority."""
        ...

    @property
    def rate_tokens_per_second(self) -> float:
        """What the model gets done, measured."""
        ...


class Store(Protocol):
    """What is read of the record."""

    def count(self) -> int:
        """Statements in all collections."""
        ...

    def revision(self) -> int:
        """Writes so far."""
        ...


_T = TypeVar("_T")


class EngineMetrics:
    """The meter, and the gauges once `watch` has been told what to read."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counters(name: str, text: str, label: str, values: Iterable[str]) -> _Series[Counter]:
            return _Series(Counter(name, text, (label,), registry=registry).labels, values)

        def histograms(
            name: str, text: str, label: str, values: Iterable[str], buckets: Sequence[float] = BUCKETS
        ) -> _Series[Histogram]:
            family = Histogram(name, text, (label,), registry=registry, buckets=buckets)
            return _Series(family.labels, values)

        self._batch_tokens = histograms(
            "onrecord_batch_tokens",
            "Tokens of one forward of the model (pair) or the encoder (text), without padding.",
            "kind",
            KINDS,
            _BATCH_TOKENS,
        )
        self._batch_seconds = histograms("onrecord_batch_seconds", "Seconds of one forward.", "kind", KINDS)
        self._inputs = counters("onrecord_inputs", "Pairs or texts that went through a model.", "kind", KINDS)
        self._tokens = counters("onrecord_tokens", "Tokens that went through a model.", "kind", KINDS)
        self._padding = counters(
            "onrecord_padding_tokens",
            "Padding computed beside them; the padding share is padding / (padding + tokens).",
            "kind",
            KINDS,
        )
        self._cache = counters(
            "onrecord_pair_cache",
            "Pairs asked for: found in the cache (hit), in flight for another caller (shared), new (miss).",
            "result",
            ("hit", "shared", "miss"),
        )
        self._dropped = counters(
            "onrecord_dropped_inputs",
            "Inputs admitted and not scored, as nobody waited for them any more.",
            "reason",
            DROPS,
        )
        self._refused = counters(
            "onrecord_refused",
            "Callers turned away, by reason (errors.md); a claim of a stream or batch that waits for room is not.",
            "reason",
            REFUSALS,
        )
        self._stages = histograms(
            "onrecord_stage_seconds", "Seconds of one piece of work, by stage; total is one check.", "stage", STAGES
        )
        queue = Gauge(
            "onrecord_queue_tokens",
            "Tokens that callers who are in are expected to need, by priority.",
            ("priority",),
            registry=registry,
        )
        self._queue = {priority: queue.labels(priority) for priority in PRIORITIES}
        self._rate = Gauge(
            "onrecord_model_tokens_per_second", "What the model gets done, as the queue measures it.", registry=registry
        )
        self._statements = Gauge("onrecord_statements", "Statements on record.", registry=registry)
        self._revision = Gauge("onrecord_store_revision", "Number of the record's last write.", registry=registry)
        self._models = Gauge(
            "onrecord_model_info",
            "1; what is loaded. model_id: of a folder only its name.",
            ("part", "model_id", "revision", "precision"),
            registry=registry,
        )

    def watch(self, worker: Worker, store: Store, model: ModelInfo, encoder: ModelInfo) -> None:
        """From now on the gauges tell of these. They are read in the thread that answers a scrape."""
        for priority, gauge in self._queue.items():
            gauge.set_function(_kept(partial(_queue_tokens, worker, priority)))
        self._rate.set_function(_kept(lambda: worker.rate_tokens_per_second))
        self._statements.set_function(_kept(lambda: store.count()))
        self._revision.set_function(_kept(lambda: store.revision()))
        for part, info in (("nli", model), ("encoder", encoder)):
            self._models.labels(part, _short(info.model_id), info.revision, info.precision).set(1)

    # -- checking.meter.Meter ----------------------------------------------------------------------------------------

    def batch(self, kind: str, inputs: int, tokens: int, computed: int, seconds: float) -> None:
        """See Meter.batch."""
        self._batch_tokens[kind].observe(tokens)
        self._batch_seconds[kind].observe(seconds)
        self._inputs[kind].inc(inputs)
        self._tokens[kind].inc(tokens)
        self._padding[kind].inc(max(computed - tokens, 0))

    def cache(self, hits: int, shared: int, misses: int) -> None:
        """See Meter.cache."""
        for result, count in (("hit", hits), ("shared", shared), ("miss", misses)):
            if count:
                self._cache[result].inc(count)

    def dropped(self, reason: str, inputs: int) -> None:
        """See Meter.dropped."""
        self._dropped[reason].inc(inputs)

    def refused(self, reason: str) -> None:
        """See Meter.refused."""
        self._refused[reason].inc()

    def stage(self, name: str, seconds: float) -> None:
        """See Meter.stage."""
        self._stages[name].observe(seconds)


class _Series(dict[str, _T]):
    """The series of one family by its one label, all of them from the start; what is none of them is "other"."""

    def __init__(self, labels: Callable[[str], _T], values: Iterable[str]) -> None:
        super().__init__({value: labels(value) for value in (*values, OTHER)})

    def __missing__(self, value: str) -> _T:
        return self[OTHER]


def _kept(read: Callable[[], float]) -> Callable[[], float]:
    """The reading, or the last one there was when it fails, as after the store is closed: a scrape never does."""
    last = 0.0

    def reading() -> float:
        nonlocal last
        try:
            last = float(read())
        except Exception:
            _log.debug("a gauge could not be read", exc_info=True)
        return last

    return reading


def _queue_tokens(worker: Worker, priority: str) -> int:
    return worker.queue_tokens[priority]


def _short(model_id: str) -> str:
    """Without the folders that a model lies in: they may name a person."""
    return Path(model_id).name if Path(model_id).is_absolute() else model_id

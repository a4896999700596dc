"""The engine's meter for Prometheus: what is told is counted once, under a fixed set of names."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from onrecord_server.checking.meter import Meter
from onrecord_server.domain.types import ModelInfo
from onrecord_server.telemetry.engine_metrics import EngineMetrics
from onrecord_server.telemetry.meters import one_of


@pytest.fixture
def registry() -> CollectorRegistry:
    """An empty one."""
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> EngineMetrics:
    """The meter, counting there."""
    return EngineMetrics(registry)


def test_batches_tell_tokens_padding_and_time(registry: CollectorRegistry, metrics: EngineMetrics) -> None:
    metrics.batch("pair", 4, 100, 128, 0.5)
    metrics.batch("pair", 1, 20, 20, 0.1)
    metrics.batch("text", 2, 10, 10, 0.2)
    pair, text = {"kind": "pair"}, {"kind": "text"}
    assert registry.get_sample_value("onrecord_tokens_total", pair) == 120
    assert registry.get_sample_value("onrecord_padding_tokens_total", pair) == 28
    assert registry.get_sample_value("onrecord_inputs_total", pair) == 5
    assert registry.get_sample_value("onrecord_batch_tokens_count", pair) == 2
    assert registry.get_sample_value("onrecord_batch_tokens_sum", pair) == 120
    assert registry.get_sample_value("onrecord_batch_seconds_sum", pair) == pytest.approx(0.6)
    assert registry.get_sample_value("onrecord_padding_tokens_total", text) == 0


def test_the_cache_tells_hits_shared_and_misses(registry: CollectorRegistry, metrics: EngineMetrics) -> None:
    metrics.cache(3, 2, 1)
    metrics.cache(1, 0, 0)
    counted = {
        r: registry.get_sample_value("onrecord_pair_cache_total", {"result": r}) for r in ("hit", "shared", "miss")
    }
    assert counted == {"hit": 4, "shared": 2, "miss": 1}


def test_refusals_by_the_reason_that_callers_were_told(registry: CollectorRegistry, metrics: EngineMetrics) -> None:
    metrics.refused("OVERLOADED")
    assert registry.get_sample_value("onrecord_refused_total", {"reason": "OVERLOADED"}) == 1
    assert registry.get_sample_value("onrecord_refused_total", {"reason": "SHUTTING_DOWN"}) == 0


def test_what_is_not_foreseen_is_other(registry: CollectorRegistry, metrics: EngineMetrics) -> None:
    before = [s.labels for family in registry.collect() for s in family.samples]
    metrics.batch("image", 1, 2, 3, 0.1)
    metrics.dropped("Anna Keller", 2)
    metrics.refused("Anna Keller")
    metrics.stage("Anna Keller", 0.1)
    assert registry.get_sample_value("onrecord_dropped_inputs_total", {"reason": "other"}) == 2
    assert registry.get_sample_value("onrecord_refused_total", {"reason": "other"}) == 1
    assert registry.get_sample_value("onrecord_stage_seconds_count", {"stage": "other"}) == 1
    assert [s.labels for family in registry.collect() for s in family.samples] == before


class Store:
    """A record that can be made to fail."""

    def __init__(self) -> None:
        self.broken = False

    def count(self) -> int:
        """Seven, or the failure."""
        if self.broken:
            raise OSError("gone")
        return 7

    def revision(self) -> int:
        """Three."""
        return 3


def test_gauges_are_read_at_each_scrape_and_keep_what_can_no_longer_be_read(
    registry: CollectorRegistry, metrics: EngineMetrics
) -> None:
    worker: Any = SimpleNamespace(queue_tokens={"interactive": 5, "bulk": 50}, rate_tokens_per_second=1_500.0)
    store = Store()
    metrics.watch(worker, store, ModelInfo("/home/anna/models/mine", "r1"), ModelInfo("org/name", "r2"))
    assert registry.get_sample_value("onrecord_queue_tokens", {"priority": "bulk"}) == 50
    worker.queue_tokens = {"interactive": 0, "bulk": 10}
    assert registry.get_sample_value("onrecord_queue_tokens", {"priority": "bulk"}) == 10
    assert registry.get_sample_value("onrecord_model_tokens_per_second") == 1_500
    assert registry.get_sample_value("onrecord_statements") == 7
    store.broken = True
    assert registry.get_sample_value("onrecord_statements") == 7


def test_a_model_s_folder_is_not_told(registry: CollectorRegistry, metrics: EngineMetrics) -> None:
    worker: Any = SimpleNamespace(queue_tokens={}, rate_tokens_per_second=0.0)
    metrics.watch(worker, Store(), ModelInfo("/home/anna/models/mine", "r1"), ModelInfo("org/name", "r2"))
    (family,) = [f for f in registry.collect() if f.name == "onrecord_model_info"]
    assert {s.labels["model_id"] for s in family.samples} == {"mine", "org/name"}


def test_several_meters_hear_the_same(registry: CollectorRegistry, metrics: EngineMetrics) -> None:
    second = CollectorRegistry()
    both: Meter = one_of([metrics, EngineMetrics(second)])
    both.batch("pair", 1, 2, 3, 0.1)
    both.cache(1, 0, 0)
    both.dropped("deadline", 2)
    both.refused("OVERLOADED")
    both.stage("total", 0.1)
    for each in (registry, second):
        assert each.get_sample_value("onrecord_tokens_total", {"kind": "pair"}) == 2
        assert each.get_sample_value("onrecord_pair_cache_total", {"result": "hit"}) == 1
        assert each.get_sample_value("onrecord_dropped_inputs_total", {"reason": "deadline"}) == 2
        assert each.get_sample_value("onrecord_refused_total", {"reason": "OVERLOADED"}) == 1
        assert each.get_sample_value("onrecord_stage_seconds_count", {"stage": "total"}) == 1


def test_without_a_meter_nothing_is_counted() -> None:
    silent = one_of([])
    silent.batch("pair", 1, 2, 3, 0.1)
    silent.stage("total", 0.1)

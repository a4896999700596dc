"""Everything that a scrape tells, in one registry of its own: calls, engine, process, build."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import (
    CollectorRegistry,
    Gauge,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from onrecord_server.telemetry.call_metrics import CallMetrics
from onrecord_server.telemetry.engine_metrics import EngineMetrics
from onrecord_server.telemetry.model_processes import ModelProcesses


class Metrics:
    """`calls` observes the calls, `engine` is the engine's meter, `processes` tells of the models'.

    `registry`: what a scrape reads. version: of onrecord. methods: see CallMetrics. queue_limit: tokens that may wait
    (--max-queue-tokens).
    """

    def __init__(self, version: str, methods: Mapping[str, str], queue_limit: int) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series beside each, asked for by nothing
        self.registry = CollectorRegistry()
        self.calls = CallMetrics(self.registry, methods)
        self.engine = EngineMetrics(self.registry)
        self._serving = Gauge("onrecord_serving", "1 while health says SERVING, else 0.", registry=self.registry)
        limit = Gauge("onrecord_queue_limit_tokens", "Tokens that may wait; more are refused.", registry=self.registry)
        limit.set(queue_limit)
        build = Gauge("onrecord_build_info", "1; the version that runs.", ("version",), registry=self.registry)
        build.labels(version).set(1)
        self.processes = ModelProcesses()
        self.registry.register(self.processes)
        # memory, CPU time and open files of the process; Python's own figures
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def serving(self, serving: bool) -> None:
        """Health has changed."""
        self._serving.set(serving)

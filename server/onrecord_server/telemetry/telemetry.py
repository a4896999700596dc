"""What a server was asked to tell, put together: see `Telemetry`."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from onrecord_server.checking.meter import Meter
from onrecord_server.domain.errors import ConfigError
from onrecord_server.domain.types import ModelInfo
from onrecord_server.rpc.calls import CallObserver
from onrecord_server.telemetry.meters import one_of

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

    from onrecord_server.telemetry.engine_metrics import Store, Worker

FLUSH_SECONDS = 3.0


class Telemetry:
    """Metrics and traces as configured; without either it costs nothing and loads nothing.

    `observers` are for the CallGuard, `meter` is for the engine. `metrics_url`: where the metrics are, None when they
    are off. Raises ConfigError: a port that cannot be had, a library that is not installed. Close it last.

    traces: "otlp", "console" or "off". metrics_listen: HOST:PORT as the user wrote it, or None; metrics_address: the
    same, parsed. version, methods, queue_limit: see telemetry.metrics.Metrics.
    """

    def __init__(
        self,
        version: str,
        methods: Mapping[str, str],
        *,
        traces: str = "off",
        metrics_listen: str | None = None,
        metrics_address: tuple[str, int] = ("127.0.0.1", 0),
        queue_limit: int = 0,
    ) -> None:
        observers: list[CallObserver] = []
        meters: list[Meter] = []
        self._metrics = self._endpoint = self._provider = None
        if traces != "off":
            self._provider = _provider(traces, version)
            from onrecord_server.telemetry.traces import CallTraces, StageTraces

            tracer = self._provider.get_tracer("onrecord", version)
            observers.append(CallTraces(tracer))
            meters.append(StageTraces(tracer))
        if metrics_listen is not None:
            from onrecord_server.telemetry.endpoint import MetricsEndpoint
            from onrecord_server.telemetry.metrics import Metrics

            self._metrics = Metrics(version, methods, queue_limit)
            self._endpoint = MetricsEndpoint(self._metrics.registry, metrics_listen, *metrics_address)
            observers.append(self._metrics.calls)
            meters.append(self._metrics.engine)
        self.observers: tuple[CallObserver, ...] = tuple(observers)
        self.meter: Meter = one_of(meters)
        self.metrics_url = self._endpoint.url if self._endpoint else None

    def watch(
        self, worker: Worker, store: Store, model: ModelInfo, encoder: ModelInfo, processes: Sequence[int] = ()
    ) -> None:
        """The engine is loaded: gauges tell of it from now on. processes: those that hold the models."""
        if self._metrics:
            self._metrics.engine.watch(worker, store, model, encoder)
            self._metrics.processes.watch(processes)

    def serving(self, serving: bool) -> None:
        """Health has changed."""
        if self._metrics:
            self._metrics.serving(serving)

    def close(self) -> None:
        """Send the spans that are left, for FLUSH_SECONDS at most; give the port back. Blocks: call it off the loop."""
        if self._provider:
            # in a thread of its own: a collector that is away must not hold up the end
            sending = threading.Thread(target=self._provider.shutdown, name="last-spans", daemon=True)
            sending.start()
            sending.join(FLUSH_SECONDS)
        if self._endpoint:
            self._endpoint.close()


def _provider(where: str, version: str) -> TracerProvider:
    try:
        from onrecord_server.telemetry.exporting import open_provider
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"--traces {where}: {error.name} is missing; pip install ./server/models '.[server,otel]' in a checkout"
        ) from error
    return open_provider(where, version)

"""Calls, counted under the names that Prometheus' gRPC dashboards know (those of grpc-ecosystem's Go interceptors).

Every series exists from the start, at 0: a rate over a series that begins with its first error would miss that error.
Methods and codes are fixed sets, so nothing that a caller sends can make a new series.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from grpc import StatusCode
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from onrecord_server.rpc.calls import Call, CallObserver
from onrecord_server.rpc.errors import TABLE

# seconds: a check of a small record takes some milliseconds, a batch that waits its turn minutes
BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)

# what an item can fail with
REASONS = tuple(dict.fromkeys(kind.reason for kind in TABLE))

_LABELS = ("grpc_type", "grpc_service", "grpc_method")


def code_name(code: StatusCode) -> str:
    """As Go writes it, which dashboards expect: OK, InvalidArgument, Canceled."""
    if code is StatusCode.OK:
        return "OK"
    if code is StatusCode.CANCELLED:
        return "Canceled"
    return code.name.title().replace("_", "")


@dataclass(frozen=True, slots=True)
class _Series:
    """One method's."""

    started: Counter
    in_flight: Gauge
    received: Counter
    sent: Counter
    seconds: Histogram
    handled: dict[StatusCode, Counter]


class CallMetrics(CallObserver):
    """Counts calls and messages of the methods given ("onrecord.v1.CheckService/CheckClaim": kind)."""

    def __init__(self, registry: CollectorRegistry, methods: Mapping[str, str]) -> None:
        self._started = Counter("grpc_server_started", "Calls that arrived.", _LABELS, registry=registry)
        self._handled = Counter(
            "grpc_server_handled", "Calls that ended, by gRPC code.", (*_LABELS, "grpc_code"), registry=registry
        )
        self._seconds = Histogram(
            "grpc_server_handling_seconds",
            "Seconds from a call's arrival to its end.",
            _LABELS,
            registry=registry,
            buckets=BUCKETS,
        )
        self._in_flight = Gauge(
            "grpc_server_in_flight", "Calls that are being answered now.", _LABELS, registry=registry
        )
        self._received = Counter(
            "grpc_server_msg_received", "Messages that came in; one a call but for streams.", _LABELS, registry=registry
        )
        self._sent = Counter(
            "grpc_server_msg_sent", "Messages that went out; one a call but for streams.", _LABELS, registry=registry
        )
        failed = Counter(
            "onrecord_failed_items",
            "Items of batches, imports and streams that failed alone, by reason (errors.md); their call may be OK.",
            ("reason",),
            registry=registry,
        )
        self._failed = {reason: failed.labels(reason) for reason in REASONS}
        self._series = {method: self._new(method, kind) for method, kind in methods.items()}

    def _new(self, method: str, kind: str) -> _Series:
        labels = (kind, *method.split("/", 1))
        return _Series(
            self._started.labels(*labels),
            self._in_flight.labels(*labels),
            self._received.labels(*labels),
            self._sent.labels(*labels),
            self._seconds.labels(*labels),
            {code: self._handled.labels(*labels, code_name(code)) for code in StatusCode},
        )

    def started(self, call: Call) -> None:
        """One more in flight."""
        if series := self._series.get(call.method):
            series.started.inc()
            series.in_flight.inc()

    def received(self, call: Call) -> None:
        """As it happens, so that a long stream is seen while it runs."""
        if series := self._series.get(call.method):
            series.received.inc()

    def sent(self, call: Call) -> None:
        """As it happens."""
        if series := self._series.get(call.method):
            series.sent.inc()

    def item_failed(self, call: Call, reason: str) -> None:
        """As it happens."""
        if series := self._failed.get(reason):
            series.inc()

    def ended(self, call: Call) -> None:
        """One less in flight."""
        if series := self._series.get(call.method):
            series.in_flight.dec()
            series.handled[call.code].inc()
            series.seconds.observe(call.seconds)

"""Spans for calls and for the stages of their work, for OpenTelemetry. Never a text of a claim or a statement.

Built on opentelemetry-api alone; who exports is set up in exporting.py. The standard OTEL_* variables hold. A caller's
`traceparent` is continued (OTEL_PROPAGATORS may name other formats).

A batch of 256 claims has a thousand stages, a stream any number. So each call gets spans for its first
`STAGE_SPANS` stages, and the sums of all of them as attributes of its own span.
"""

from __future__ import annotations

import time
from contextvars import ContextVar
from dataclasses import dataclass, field

from grpc import StatusCode
from opentelemetry import propagate, trace
from opentelemetry.trace import Span, SpanKind, Status, Tracer
from opentelemetry.trace import StatusCode as SpanStatus

from onrecord_server.rpc.calls import Call, CallObserver

STAGE_SPANS = 32

# The codes that OpenTelemetry's conventions count as the server's failure; the others are the caller's.
_FAILURES = {
    StatusCode.UNKNOWN,
    StatusCode.DEADLINE_EXCEEDED,
    StatusCode.UNIMPLEMENTED,
    StatusCode.INTERNAL,
    StatusCode.UNAVAILABLE,
    StatusCode.DATA_LOSS,
}


@dataclass(slots=True, eq=False)
class _Traced:
    """A call that is traced: its span, the seconds and number of its stages by name, how many got a span."""

    span: Span
    stages: dict[str, tuple[float, int]] = field(default_factory=dict)
    spans: int = 0


# Of the call whose work this is. Each call has a task of its own, and the tasks begun in it inherit this.
_current: ContextVar[_Traced | None] = ContextVar("_current", default=None)


class CallTraces(CallObserver):
    """One span for each call, kept from its arrival to its end."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._open: dict[Call, _Traced] = {}

    def started(self, call: Call) -> None:
        """Open its span, as the caller's trace goes on."""
        service, _, method = call.method.rpartition("/")
        span = self._tracer.start_span(
            call.method,
            context=propagate.extract(call.metadata),
            kind=SpanKind.SERVER,
            attributes={
                "rpc.system": "grpc",
                "rpc.service": service,
                "rpc.method": method,
                "onrecord.request_id": call.request_id,
            },
        )
        call.trace_id = trace.format_trace_id(span.get_span_context().trace_id)
        traced = self._open[call] = _Traced(span)
        _current.set(traced if span.is_recording() else None)

    def ended(self, call: Call) -> None:
        """Close its span."""
        traced = self._open.pop(call)
        span = traced.span
        span.set_attribute("rpc.grpc.status_code", call.code.value[0])
        span.set_attribute("rpc.request.messages", call.received)
        span.set_attribute("rpc.response.messages", call.sent)
        if call.failed_items:
            span.set_attribute("onrecord.failed_items", call.failed_items)
        for name, (seconds, count) in traced.stages.items():
            span.set_attribute(f"onrecord.{name}.seconds", round(seconds, 6))
            span.set_attribute(f"onrecord.{name}.count", count)
        if call.code is not StatusCode.OK:
            span.set_attribute("error.type", call.reason or call.code.name)
        if call.code in _FAILURES:
            span.set_status(Status(SpanStatus.ERROR, call.reason or call.code.name))
        span.end()


class StageTraces:
    """A `checking.meter.Meter` that makes spans of the stages told in a call's own tasks.

    The model's thread works for many calls at once, so what is told there belongs to no trace.
    """

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def stage(self, name: str, seconds: float) -> None:
        """It has just ended."""
        traced = _current.get()
        if traced is None:
            return
        total, count = traced.stages.get(name, (0.0, 0))
        traced.stages[name] = (total + seconds, count + 1)
        if traced.spans == STAGE_SPANS or not traced.span.is_recording():
            return
        traced.spans += 1
        now = time.time_ns()
        context = trace.set_span_in_context(traced.span)
        span = self._tracer.start_span(name, context=context, start_time=now - round(seconds * 1e9))
        span.end(now)

    def batch(self, kind: str, inputs: int, tokens: int, computed: int, seconds: float) -> None:
        """No span: a batch belongs to many calls."""

    def cache(self, hits: int, shared: int, misses: int) -> None:
        """No span."""

    def dropped(self, reason: str, inputs: int) -> None:
        """No span."""

    def refused(self, reason: str) -> None:
        """No span: the call's own tells the reason."""

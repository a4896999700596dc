"""Where spans go: to a collector over OTLP, or to stderr, one JSON object a line. Set up by the OTEL_* variables."""

from __future__ import annotations

import os
import sys

from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor

from onrecord_server.domain.errors import ConfigError

_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")


def open_provider(where: str, version: str) -> TracerProvider:
    """Spans go to `where`: "otlp" or "console". `shutdown` of the provider, which its owner calls, sends what is left.

    The sampler is OTEL_TRACES_SAMPLER's, the endpoint OTEL_EXPORTER_OTLP_ENDPOINT's (http://localhost:4317), the
    service's name "onrecord" unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES gives another. Raises ConfigError
    when a variable asks for another protocol than gRPC.
    """
    own = Resource.create({"service.name": "onrecord", "service.version": version})
    processor = _otlp() if where == "otlp" else _console()
    # the environment's word comes last, so that it wins
    provider = TracerProvider(resource=own.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
    provider.add_span_processor(processor)
    return provider


def _otlp() -> SpanProcessor:
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    for variable in _PROTOCOLS:
        if (protocol := os.environ.get(variable)) and protocol != "grpc":
            raise ConfigError(f"--traces otlp: {variable}={protocol}: only grpc is spoken here; unset it")
    return BatchSpanProcessor(OTLPSpanExporter())


def _console() -> SpanProcessor:
    return SimpleSpanProcessor(
        ConsoleSpanExporter(out=sys.stderr, formatter=lambda span: str(span.to_json(indent=None)) + "\n")
    )

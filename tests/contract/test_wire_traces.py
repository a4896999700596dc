"""Spans of calls and of their stages, kept in memory."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from opentelemetry.trace import StatusCode as SpanStatus

from onrecord.v1 import check_service_pb2 as check_pb
from onrecord.v1 import statement_service_pb2
from onrecord.v1.statement_pb2 import Speaker, Statement
from onrecord_server.app import open_engine
from onrecord_server.config import ServerConfig
from onrecord_server.domain.errors import NotFound, Overloaded
from onrecord_server.domain.types import ModelInfo
from onrecord_server.rpc.backend import Backend
from onrecord_server.telemetry.traces import STAGE_SPANS, CallTraces, StageTraces

NAME = "collections/quill/statements/s1"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


class Traced:
    """A record that is traced: `get` tells stages, as the engine does, and raises what it is told to."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        tracer = provider.get_tracer("test")
        self.observer = CallTraces(tracer)
        self.meter = StageTraces(tracer)
        self.stages: list[tuple[str, float]] = []
        self.error: Exception = NotFound(NAME)

    async def get(self, name: str) -> Any:
        """Tell the stages in tasks of their own, then fail."""

        async def work(stage: str, seconds: float) -> None:
            self.meter.stage(stage, seconds)

        async with asyncio.TaskGroup() as group:
            for stage, seconds in self.stages:
                group.create_task(work(stage, seconds))
        raise self.error

    @property
    def calls(self) -> list[ReadableSpan]:
        """The spans of calls that have ended."""
        return [span for span in self.exporter.get_finished_spans() if span.kind is SpanKind.SERVER]

    @property
    def works(self) -> list[ReadableSpan]:
        """The spans of stages."""
        return [span for span in self.exporter.get_finished_spans() if span.kind is not SpanKind.SERVER]


@pytest.fixture
def traced() -> Traced:
    """Nothing traced yet."""
    return Traced()


@pytest.fixture
async def wire(serve: Any, traced: Traced) -> Any:
    """The record, served."""
    record: Any = traced
    backend = Backend(record=record, checker=record, model=ModelInfo("fake", "1"), describe=record)
    return await serve(backend, observers=[traced.observer])


async def get(wire: Any, **metadata: str) -> None:
    """A call, which fails."""
    request = statement_service_pb2.GetStatementRequest(name=NAME)
    await wire.error(wire.statements.GetStatement(request, metadata=tuple(metadata.items())))


async def test_a_call_continues_its_caller_s_trace(wire: Any, traced: Traced) -> None:
    await get(wire, traceparent=f"00-{TRACE}-{PARENT}-01")
    (span,) = traced.calls
    assert span.parent is not None
    assert (f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, PARENT)


async def test_a_caller_that_does_not_sample_is_heeded(wire: Any, traced: Traced) -> None:
    traced.stages = [("queue", 0.1)]
    await get(wire, traceparent=f"00-{TRACE}-{PARENT}-00")
    assert traced.exporter.get_finished_spans() == ()


@pytest.mark.parametrize("sent", ["", "nonsense", f"00-{'0' * 32}-{PARENT}-01"])
async def test_without_a_sane_traceparent_a_trace_begins(wire: Any, traced: Traced, sent: str) -> None:
    await get(wire, traceparent=sent)
    (span,) = traced.calls
    assert span.parent is None


async def test_a_span_tells_the_call_and_nothing_that_was_said(wire: Any, traced: Traced) -> None:
    await get(wire, **{"x-request-id": "abc", "authorization": "Bearer s3cret"})
    (span,) = traced.calls
    assert span.name == "onrecord.v1.StatementService/GetStatement"
    assert dict(span.attributes or {}) == {
        "rpc.system": "grpc",
        "rpc.service": "onrecord.v1.StatementService",
        "rpc.method": "GetStatement",
        "rpc.grpc.status_code": 5,
        "rpc.request.messages": 1,
        "rpc.response.messages": 0,
        "onrecord.request_id": "abc",
        "error.type": "STATEMENT_NOT_FOUND",
    }
    assert span.events == ()


@pytest.mark.parametrize(
    ("error", "status"),
    [(NotFound(NAME), SpanStatus.UNSET), (Overloaded(1.0), SpanStatus.UNSET), (KeyError(NAME), SpanStatus.ERROR)],
)
async def test_only_the_server_s_failures_are_errors(
    wire: Any, traced: Traced, error: Exception, status: SpanStatus
) -> None:
    traced.error = error
    await get(wire)
    (span,) = traced.calls
    assert span.status.status_code is status
    assert NAME not in span.to_json()


async def test_stages_are_spans_below_the_call_s(wire: Any, traced: Traced) -> None:
    traced.stages = [("retrieval", 0.25), ("queue", 0.5)]
    await get(wire)
    (call,) = traced.calls
    lengths = {}
    for work in traced.works:
        assert work.parent is not None
        assert work.parent.span_id == call.context.span_id
        assert work.start_time is not None
        assert work.end_time is not None
        lengths[work.name] = (work.end_time - work.start_time) / 1e9
    assert lengths == pytest.approx({"retrieval": 0.25, "queue": 0.5})


async def test_of_very_many_stages_the_first_are_spans_and_all_are_summed(wire: Any, traced: Traced) -> None:
    traced.stages = [("queue", 0.5)] * (STAGE_SPANS + 8)
    await get(wire)
    (call,) = traced.calls
    assert len(traced.works) == STAGE_SPANS
    assert call.attributes is not None
    assert call.attributes["onrecord.queue.count"] == STAGE_SPANS + 8
    assert call.attributes["onrecord.queue.seconds"] == pytest.approx(0.5 * (STAGE_SPANS + 8))


async def test_a_check_is_traced_from_the_wire_to_the_engine(serve: Any, traced: Traced) -> None:
    config = ServerConfig(store=":memory:", model="fake", encoder="fake")
    async with open_engine(config, traced.meter) as engine:
        wire = await serve(engine.backend, observers=[traced.observer])
        statement = Statement(text="Zanzibar sells apples.", speaker=Speaker(name="Quentin Quill"))
        await wire.statements.CreateStatement(statement_service_pb2.CreateStatementRequest(statement=statement))
        traced.exporter.clear()
        claim = check_pb.Claim(text="Quentin Quill said that Zanzibar sells apples.")
        await wire.checks.CheckClaim(check_pb.CheckClaimRequest(claim=claim))
    (call,) = traced.calls
    assert {work.name for work in traced.works} >= {"retrieval", "queue", "total"}
    assert all(work.parent and work.parent.span_id == call.context.span_id for work in traced.works)
    told = " ".join(span.to_json() for span in traced.exporter.get_finished_spans())
    assert not any(word in told for word in ("Zanzibar", "apples", "Quentin", "Quill"))


async def test_calls_at_once_keep_their_stages_apart(wire: Any, traced: Traced) -> None:
    traced.stages = [("queue", 0.5)] * 3
    await asyncio.gather(*(get(wire) for _ in range(4)))
    parents = [work.parent.span_id for work in traced.works if work.parent]
    assert sorted(parents) == sorted([call.context.span_id for call in traced.calls] * 3)


def test_outside_of_calls_there_is_nothing_to_trace(traced: Traced) -> None:
    traced.meter.stage("tokenise", 0.1)
    traced.meter.batch("pair", 1, 2, 2, 0.1)
    assert traced.exporter.get_finished_spans() == ()

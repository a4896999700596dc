"""StreamCheckClaims on the wire: order, errors one by one, bounded memory, deadlines, shutdown, priorities."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from onrecord.v1 import check_service_pb2 as pb
from onrecord.v1 import statement_service_pb2 as statement_pb
from onrecord_server.app import Engine, drain
from onrecord_server.checking.batching import Priority
from onrecord_server.domain.limits import STREAM_CLAIMS
from onrecord_server.rpc.backend import BackendSlot
from onrecord_server.rpc.interceptors import CallGuard
from onrecord_server.rpc.server import build_server

FACT = "The harbour was closed in May."


@pytest.fixture
async def record(wire: Any) -> Any:
    """A served record that holds one statement."""
    statement = statement_pb.CreateStatementRequest()
    statement.statement.text = FACT
    await wire.statements.CreateStatement(statement)
    return wire


def request(text: str = FACT, **fields: Any) -> pb.StreamCheckClaimsRequest:
    return pb.StreamCheckClaimsRequest(claim=pb.Claim(text=text), **fields)


async def sent(*requests: pb.StreamCheckClaimsRequest) -> AsyncIterator[pb.StreamCheckClaimsRequest]:
    for one in requests:
        yield one


async def test_answers_come_in_order_each_with_its_index(record: Any) -> None:
    texts = [FACT if i % 3 else f"Nothing on record speaks of subject {i}." for i in range(300)]
    answers = [a async for a in record.checks.StreamCheckClaims(sent(*map(request, texts)))]
    assert [a.index for a in answers] == list(range(300))
    assert [a.result.verdict == pb.VERDICT_SUPPORTED for a in answers] == [text is FACT for text in texts]


async def test_a_stream_without_claims_ends_well(record: Any) -> None:
    assert [a async for a in record.checks.StreamCheckClaims(sent())] == []


async def test_bad_claims_fail_alone_and_say_why(record: Any) -> None:
    messages = [
        request(),
        request(""),
        request("x" * 2_001),
        request(parent="no/such/shape"),
        request(options=pb.CheckOptions(support_threshold=7)),
        request(),
    ]
    answers = [a async for a in record.checks.StreamCheckClaims(sent(*messages))]
    assert [a.WhichOneof("outcome") for a in answers] == ["result", "error", "error", "error", "error", "result"]
    assert [a.error.message.split(":")[0] for a in answers[1:5]] == [
        "claim.text",
        "claim.text",
        "parent",
        "options.support_threshold",
    ]
    assert {a.error.code for a in answers[1:5]} == {grpc.StatusCode.INVALID_ARGUMENT.value[0]}


async def test_a_message_that_is_none_fails_alone(record: Any) -> None:
    method = record.channel.stream_stream("/onrecord.v1.CheckService/StreamCheckClaims")

    async def raw() -> AsyncIterator[bytes]:
        for data in (request().SerializeToString(), b"\xff\xff\xff", request().SerializeToString()):
            yield data

    answers = [pb.StreamCheckClaimsResponse.FromString(data) async for data in method(raw())]
    assert [a.WhichOneof("outcome") for a in answers] == ["result", "error", "result"]
    assert "request" in answers[1].error.message


async def test_a_reader_who_takes_nothing_is_not_read_for(record: Any) -> None:
    """What the server holds is bounded: it stops reading, the transport's own buffers fill, then the writer waits."""
    written = 0
    filler = "The harbour was closed in May, " + "\U0001d518" * 1_800  # much for the transport, one word for the rule

    async def endless() -> AsyncIterator[pb.StreamCheckClaimsRequest]:
        nonlocal written
        while written < 100_000:
            written += 1
            yield request(f"{filler}{written}.")

    call = record.checks.StreamCheckClaims(endless())
    before = -1
    while written != before:  # until half a second has passed without one more
        before = written
        await asyncio.sleep(0.5)
    assert STREAM_CLAIMS.value <= written < 5_000
    assert (await call.read()).index == 0
    call.cancel()
    await record.guard.idle()


async def test_a_deadline_ends_the_stream_and_frees_the_server(record: Any, engine: Engine) -> None:
    async def then_silent() -> AsyncIterator[pb.StreamCheckClaimsRequest]:
        yield request()
        await asyncio.Event().wait()

    call = record.checks.StreamCheckClaims(then_silent(), timeout=0.5)
    assert (await call.read()).result.verdict == pb.VERDICT_SUPPORTED
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await record.guard.idle()
    assert engine.worker.backlog_tokens == 0


async def test_a_stream_waits_where_a_single_check_is_refused(record: Any, engine: Engine) -> None:
    with contextlib.ExitStack() as full:
        for number in range(100):  # two thousand tokens each: as much as may wait, of either priority
            priority = Priority.BULK if number < 10 else Priority.INTERACTIVE
            full.enter_context(engine.worker.admit(2_000, priority=priority))
        got = await record.error(record.checks.CheckClaim(pb.CheckClaimRequest(claim=pb.Claim(text=FACT))))
        assert got.info.reason == "OVERLOADED"
        call = record.checks.StreamCheckClaims(sent(request()))
        waiting = asyncio.ensure_future(call.read())
        await asyncio.sleep(0.05)
        assert not waiting.done()
    assert (await waiting).result.verdict == pb.VERDICT_SUPPORTED


async def test_shutdown_answers_what_was_read_and_then_ends_the_stream(engine: Engine) -> None:
    slot, guard = BackendSlot(engine.backend), CallGuard()
    server, health = build_server(slot, guard)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    await health.serving()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        method = channel.stream_stream(
            "/onrecord.v1.CheckService/StreamCheckClaims",
            pb.StreamCheckClaimsRequest.SerializeToString,
            pb.StreamCheckClaimsResponse.FromString,
        )

        async def three_and_wait() -> AsyncIterator[pb.StreamCheckClaimsRequest]:
            for _ in range(3):
                yield request()
            await asyncio.Event().wait()

        call = method(three_and_wait())
        first = await call.read()
        draining = asyncio.create_task(drain(server, slot, health, guard, 10.0))
        rest = [await call.read(), await call.read()]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
        await draining
    assert [answer.index for answer in (first, *rest)] == [0, 1, 2]
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "send on elsewhere" in (caught.value.details() or "")

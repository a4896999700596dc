"""Every row of the error table, and what is wrong before a handler runs, as a caller meets it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2

from onrecord.v1 import check_service_pb2 as check_pb
from onrecord.v1 import server_info_service_pb2 as info_pb
from onrecord.v1 import statement_service_pb2 as statement_pb
from onrecord_server.domain import errors
from onrecord_server.domain.limits import MESSAGE_BYTES
from onrecord_server.domain.types import ModelInfo
from onrecord_server.rpc.backend import Backend
from onrecord_server.rpc.errors import INTERNAL_MESSAGE, TABLE
from onrecord_server.rpc.interceptors import CallGuard

NAME = "collections/default/statements/s1"


class Failing:
    """A record that fails as told: by name of the statement asked for."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    async def get(self, name: str) -> Any:
        raise self.error


def failing(error: BaseException) -> Backend:
    """A backend whose GetStatement raises the error."""
    broken: Any = Failing(error)
    return Backend(record=broken, checker=broken, model=ModelInfo("fake", "1"), describe=broken)


def get() -> statement_pb.GetStatementRequest:
    return statement_pb.GetStatementRequest(name=NAME)


async def test_each_row_arrives(serve: Any, any_error: errors.OnrecordError) -> None:
    wire = await serve(failing(any_error))
    got = await wire.error(wire.statements.GetStatement(get()))
    row = TABLE[type(any_error)]
    assert got.code is row.code
    assert (got.info.domain, got.info.reason) == ("onrecord", any_error.reason)
    defect = type(any_error) is errors.OnrecordError  # whose words are for the log
    assert got.message == got.status.message == (INTERNAL_MESSAGE if defect else any_error.message)
    sent = {detail.DESCRIPTOR.full_name: detail for detail in row.details(any_error)}
    for kind in (error_details_pb2.BadRequest, error_details_pb2.ResourceInfo, error_details_pb2.RetryInfo):
        assert got.details(kind) == [d for name, d in sent.items() if name == kind.DESCRIPTOR.full_name]
    pushback = row.pushback_ms(any_error)
    assert got.trailers.get("grpc-retry-pushback-ms") == (None if pushback is None else str(pushback))


async def test_overload_arrives_with_both_ways_to_wait(serve: Any) -> None:
    wire = await serve(failing(errors.Overloaded(2.0)))
    got = await wire.error(wire.statements.GetStatement(get()))
    (retry,) = got.details(error_details_pb2.RetryInfo)
    assert retry.retry_delay.seconds == 2
    assert got.trailers["grpc-retry-pushback-ms"] == "2000"


async def test_defects_arrive_without_internals(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    wire = await serve(failing(KeyError("/secret/path")))
    got = await wire.error(wire.statements.GetStatement(get()))
    assert (got.code, got.message) == (grpc.StatusCode.INTERNAL, INTERNAL_MESSAGE)
    assert "secret" not in str(got.trailers)
    assert got.info.metadata["error_id"] in caplog.text
    assert "Traceback" in caplog.text


async def test_one_log_line_a_call_and_no_text_in_it(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    wire = await serve(failing(errors.NotFound(NAME)))
    with caplog.at_level("INFO", logger="onrecord_server.access"):
        await wire.error(wire.statements.GetStatement(get()))
    (record,) = [r for r in caplog.records if r.name == "onrecord_server.access"]
    assert record.getMessage().startswith("onrecord.v1.StatementService/GetStatement NOT_FOUND ")
    assert NAME not in record.getMessage()


async def test_calls_before_the_models_are_loaded(serve: Any) -> None:
    wire = await serve(None)
    got = await wire.error(wire.infos.GetServerInfo(info_pb.GetServerInfoRequest()))
    assert (got.code, got.info.reason) == (grpc.StatusCode.UNAVAILABLE, "NOT_READY")


def raw(wire: Any, method: str, data: bytes) -> Any:
    """Call a method with bytes that no stub would send."""
    call = wire.channel.unary_unary(f"/onrecord.v1.{method}", lambda b: b, lambda b: b)
    return call(data)


@pytest.mark.parametrize(
    "data",
    [
        b"\x12\x04\x0a\x02\xff\xfe",  # claim.text = 0xff 0xfe: not UTF-8
        b"\x12\x05\x0a\x03\xed\xa0\x80",  # claim.text = a lone surrogate, encoded
        b"\x12\x7f",  # a length beyond the end
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
async def test_damaged_messages(serve: Any, data: bytes) -> None:
    wire = await serve(None)
    got = await wire.error(raw(wire, "CheckService/CheckClaim", data))
    assert got.code is grpc.StatusCode.INVALID_ARGUMENT
    assert got.fields == {"request": "MALFORMED_MESSAGE"}


def request_of_size(size: int) -> bytes:
    """A GetStatementRequest of exactly `size` bytes."""
    request = statement_pb.GetStatementRequest(name="x" * (size - 10))
    padding = size - request.ByteSize()
    return statement_pb.GetStatementRequest(name="x" * (size - 10 + padding)).SerializeToString()


async def test_message_size_from_both_sides(serve: Any) -> None:
    wire = await serve(failing(errors.NotFound(NAME)))
    largest = request_of_size(MESSAGE_BYTES.value)
    assert len(largest) == MESSAGE_BYTES.value
    got = await wire.error(raw(wire, "StatementService/GetStatement", largest))
    assert got.code is grpc.StatusCode.NOT_FOUND  # it was read
    got = await wire.error(raw(wire, "StatementService/GetStatement", request_of_size(MESSAGE_BYTES.value + 1)))
    assert got.code is grpc.StatusCode.INVALID_ARGUMENT
    assert got.fields == {"request": "MESSAGE_TOO_LARGE"}
    assert "4,194,305 bytes" in got.message


async def test_a_message_of_10_mb_is_refused_by_the_transport(serve: Any) -> None:
    wire = await serve(None)
    got = await wire.error(raw(wire, "StatementService/GetStatement", request_of_size(10_000_000)))
    assert got.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "10000000" in got.message


async def test_a_lone_surrogate_cannot_leave_the_client() -> None:
    with pytest.raises((UnicodeEncodeError, ValueError)):
        check_pb.Claim(text="\ud800")


@pytest.mark.parametrize("sent", [None, "Bearer wrong", "s3cret", "Basic s3cret", "bearers3cret"])
async def test_calls_without_the_token_are_refused(serve: Any, sent: str | None) -> None:
    wire = await serve(failing(errors.NotFound(NAME)), token="s3cret")
    metadata = [("authorization", sent)] if sent else []
    got = await wire.error(wire.statements.GetStatement(get(), metadata=metadata))
    assert (got.code, got.info.reason) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")


@pytest.mark.parametrize("other", ["Bearer wrong", "Bearer s3cret", ""])
async def test_several_tokens_are_none(serve: Any, other: str) -> None:
    wire = await serve(failing(errors.NotFound(NAME)), token="s3cret")
    sent = [("authorization", other), ("authorization", "Bearer s3cret")]
    for metadata in (sent, sent[::-1]):
        got = await wire.error(wire.statements.GetStatement(get(), metadata=metadata))
        assert (got.code, got.info.reason) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")
        assert got.message == "the call carries 2 `authorization` headers; send one"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_calls_with_the_token_are_answered(serve: Any, scheme: str) -> None:
    wire = await serve(failing(errors.NotFound(NAME)), token="s3cret")
    got = await wire.error(wire.statements.GetStatement(get(), metadata=[("authorization", f"{scheme} s3cret")]))
    assert got.code is grpc.StatusCode.NOT_FOUND


async def test_a_cancelled_call_reaches_the_handler_and_nothing_is_answered(serve: Any) -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    class Waiting:
        async def get(self, name: str) -> Any:
            begun.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.set()
                raise

    waiting: Any = Waiting()
    wire = await serve(Backend(record=waiting, checker=waiting, model=ModelInfo("fake", "1"), describe=waiting))
    call = wire.statements.GetStatement(get())
    await begun.wait()
    call.cancel()
    await cancelled.wait()
    await wire.guard.idle()


async def test_streaming_answers_end_with_the_same_errors() -> None:
    """The guard wraps all four kinds of calls, also those that the contract does not use yet."""

    async def numbers(request: info_pb.GetServerInfoRequest, context: Any) -> AsyncIterator[Any]:
        yield info_pb.GetServerInfoResponse(version="1")
        raise errors.ShuttingDown("the server is stopping; retry")

    async def echo(requests: Any, context: Any) -> AsyncIterator[Any]:
        async for _ in requests:
            yield info_pb.GetServerInfoResponse(version="2")
        raise errors.ShuttingDown("the server is stopping; retry")

    kinds = {
        "Down": grpc.unary_stream_rpc_method_handler(
            numbers, info_pb.GetServerInfoRequest.FromString, info_pb.GetServerInfoResponse.SerializeToString
        ),
        "Both": grpc.stream_stream_rpc_method_handler(
            echo, info_pb.GetServerInfoRequest.FromString, info_pb.GetServerInfoResponse.SerializeToString
        ),
    }
    server = grpc.aio.server(interceptors=[CallGuard()])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("onrecord.v1.Streams", kinds),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        parse = info_pb.GetServerInfoResponse.FromString
        down = channel.unary_stream("/onrecord.v1.Streams/Down", lambda b: b, parse)(b"")
        both = channel.stream_stream("/onrecord.v1.Streams/Both", lambda b: b, parse)(iter([b"", b""]))
        for call, expected in ((down, ["1"]), (both, ["2", "2"])):
            assert [(await call.read()).version for _ in expected] == expected
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call.read()
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            assert "grpc-status-details-bin" in dict(caught.value.trailing_metadata() or ())
    await server.stop(None)

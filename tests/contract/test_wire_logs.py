"""Each call has a request id that its caller learns, and one log line that holds no text of anybody's."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import grpc
import pytest

from onrecord.v1 import check_service_pb2 as check_pb
from onrecord.v1 import statement_pb2, statement_service_pb2
from onrecord_server.domain.errors import NotFound, Overloaded, StoreError
from onrecord_server.domain.types import ModelInfo
from onrecord_server.logs import configure_logging
from onrecord_server.rpc.backend import Backend
from onrecord_server.rpc.interceptors import CallGuard

NAME = "collections/default/statements/s1"
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What has been logged since it was last asked, as JSON; everything from debug up is."""
    root, ours = logging.getLogger(), logging.getLogger("onrecord_server")
    before = (root.handlers[:], root.level, ours.level)
    configure_logging("debug", "json")
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    written = io.StringIO()
    handler.setStream(written)

    def new() -> list[dict[str, Any]]:
        found = [json.loads(line) for line in written.getvalue().splitlines()]
        written.seek(0)
        written.truncate()
        return found

    yield new
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    ours.setLevel(before[2])


class Doing:
    """A record whose `get` does what it is told to."""

    def __init__(self, get: Callable[[], Any]) -> None:
        self._get = get

    async def get(self, name: str) -> Any:
        """What was told."""
        return await self._get()

    @property
    def backend(self) -> Backend:
        """With this record, and nothing else that works."""
        broken: Any = self
        return Backend(record=broken, checker=broken, model=ModelInfo("fake", "1"), describe=broken)


def failing(error: BaseException) -> Backend:
    """A backend whose GetStatement raises the error."""

    async def get() -> Any:
        raise error

    return Doing(get).backend


def get(wire: Any, **options: Any) -> Any:
    """The call."""
    return wire.statements.GetStatement(statement_service_pb2.GetStatementRequest(name=NAME), **options)


def check(wire: Any, text: str = "Freedonia respects the treaty.", **options: Any) -> Any:
    """A check."""
    return wire.checks.CheckClaim(check_pb.CheckClaimRequest(claim=check_pb.Claim(text=text)), **options)


async def request_id(call: Any) -> str:
    """The id that a call that went well came back with."""
    await call
    return str(dict(await call.trailing_metadata())["x-request-id"])


async def test_the_caller_s_request_id_comes_back_and_is_logged(wire: Any, lines: Lines) -> None:
    assert await request_id(check(wire, metadata=(("x-request-id", "order-66/a:1"),))) == "order-66/a:1"
    (line,) = [line for line in lines() if line["logger"] == "onrecord_server.access"]
    assert line["request_id"] == "order-66/a:1"


async def test_a_failed_call_has_one_too(serve: Any) -> None:
    wire = await serve(failing(NotFound(NAME)))
    got = await wire.error(get(wire, metadata=(("x-request-id", "abc"),)))
    assert got.trailers["x-request-id"] == "abc"
    assert got.info.reason == "STATEMENT_NOT_FOUND"


@pytest.mark.parametrize("sent", [None, "", "two words", '"quoted"', "x" * 129, "-rf"])
async def test_without_a_sane_one_each_call_gets_its_own(wire: Any, sent: str | None) -> None:
    metadata = () if sent is None else (("x-request-id", sent),)
    given = [await request_id(check(wire, metadata=metadata)) for _ in range(2)]
    assert all(len(one) == 16 and int(one, 16) >= 0 for one in given)
    assert given[0] != given[1]


async def test_a_line_says_how_the_call_went(wire: Any, lines: Lines) -> None:
    request = check_pb.CheckClaimRequest(claim=check_pb.Claim(text="Freedonia respects the treaty."))
    answer = await wire.checks.CheckClaim(request)
    (line,) = lines()
    assert line["level"] == "info"
    assert (line["method"], line["code"]) == ("onrecord.v1.CheckService/CheckClaim", "OK")
    assert "reason" not in line
    assert line["peer"] == "ipv4"
    assert line["ms"] > 0
    assert (line["received"], line["received_bytes"]) == (1, request.ByteSize())
    assert (line["sent"], line["sent_bytes"]) == (1, answer.ByteSize())


async def test_messages_of_a_stream_are_counted(wire: Any, lines: Lines) -> None:
    async def sending() -> AsyncIterator[Any]:
        for text in ("One.", "Two.", "Three."):
            statement = statement_pb2.Statement(text=text)
            yield statement_service_pb2.ImportStatementsRequest(statements=[statement])

    await wire.statements.ImportStatements(sending())
    (line,) = lines()
    assert (line["received"], line["sent"]) == (3, 1)


async def test_items_that_fail_alone_are_counted(wire: Any, lines: Lines) -> None:
    claims = [check_pb.Claim(text=text) for text in ("Freedonia respects the treaty.", "", " ")]
    await wire.checks.BatchCheckClaims(check_pb.BatchCheckClaimsRequest(claims=claims))
    (line,) = lines()
    assert (line["code"], line["failed_items"]) == ("OK", 2)


async def test_no_line_holds_what_was_said_or_who(wire: Any, lines: Lines) -> None:
    statement = statement_pb2.Statement(text="Zanzibar apples.", speaker=statement_pb2.Speaker(name="Quentin Quill"))
    await wire.statements.CreateStatement(statement_service_pb2.CreateStatementRequest(statement=statement))
    await wire.statements.IngestDocument(
        statement_service_pb2.IngestDocumentRequest(text='Quentin Quill said: "Zanzibar sells apples."')
    )
    await check(wire, "Quentin Quill said that Zanzibar sells apples.")
    await wire.error(check(wire, "Zanzibar\0apples by Quentin Quill"))
    await wire.checks.ScorePairs(check_pb.ScorePairsRequest(pairs=[check_pb.Pair(premise="Zanzibar", hypothesis="Q")]))
    logged = lines()
    assert len(logged) == 5
    assert not any(word in json.dumps(logged) for word in ("Zanzibar", "apples", "Quentin", "Quill"))


@pytest.mark.parametrize(
    ("error", "level", "code", "reason"),
    [
        (NotFound(NAME), "info", "NOT_FOUND", "STATEMENT_NOT_FOUND"),
        (Overloaded(1.0), "warning", "RESOURCE_EXHAUSTED", "OVERLOADED"),
        (StoreError("the record: cannot be read"), "error", "INTERNAL", "STORE_FAILED"),
    ],
)
async def test_lines_are_as_severe_as_they_matter_to_who_runs_it(
    serve: Any, lines: Lines, error: Exception, level: str, code: str, reason: str
) -> None:
    wire = await serve(failing(error))
    await wire.error(get(wire))
    (line,) = lines()
    assert (line["level"], line["code"], line["reason"]) == (level, code, reason)


async def test_a_defect_is_logged_with_its_traceback_under_the_same_id(serve: Any, lines: Lines) -> None:
    wire = await serve(failing(KeyError("lost")))
    got = await wire.error(get(wire, metadata=(("x-request-id", "abc"),)))
    trace, access = lines()
    assert trace["request_id"] == access["request_id"] == got.trailers["x-request-id"] == "abc"
    assert (trace["level"], access["level"]) == ("error", "error")
    assert "KeyError: 'lost'" in trace["exception"]
    assert got.info.metadata["error_id"] in trace["message"]


async def test_who_left_and_whose_time_was_up_are_told_apart(serve: Any, lines: Lines) -> None:
    entered = asyncio.Event()

    async def never() -> Any:
        entered.set()
        await asyncio.Event().wait()

    wire = await serve(Doing(never).backend)
    late = await wire.error(get(wire, timeout=0.2))
    assert late.code is grpc.StatusCode.DEADLINE_EXCEEDED
    await wire.guard.idle()
    entered.clear()
    leaving = get(wire)
    await entered.wait()
    leaving.cancel()
    await wire.guard.idle()
    assert [(line["code"], line["level"]) for line in lines()] == [("DEADLINE_EXCEEDED", "info"), ("CANCELLED", "info")]


@pytest.mark.parametrize(
    ("whole", "left", "code"),
    [
        (10.1, 0.1, grpc.StatusCode.DEADLINE_EXCEEDED),  # the client's 10.01 s, as gRPC writes them
        (10.0, 0.0, grpc.StatusCode.DEADLINE_EXCEEDED),
        (0.2, 0.003, grpc.StatusCode.DEADLINE_EXCEEDED),
        (10.0, 1.0, grpc.StatusCode.CANCELLED),
        (0.2, 0.1, grpc.StatusCode.CANCELLED),
        (None, None, grpc.StatusCode.CANCELLED),
    ],
)
async def test_a_caller_whose_own_clock_was_first_was_late_and_did_not_leave(
    lines: Lines, whole: float | None, left: float | None, code: grpc.StatusCode
) -> None:
    class Context:
        """A call that is cancelled while the server's deadline is still `left` away."""

        def __init__(self) -> None:
            self.times = [whole, left]

        def time_remaining(self) -> float | None:
            return self.times.pop(0)

        def invocation_metadata(self) -> tuple[()]:
            return ()

        def peer(self) -> str:
            return "ipv4:127.0.0.1:1"

        def set_trailing_metadata(self, trailers: object) -> None:
            pass

    async def never(data: bytes, context: Any) -> Any:
        raise asyncio.CancelledError

    async def found(details: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(never, bytes, bytes)

    details: Any = type("Details", (), {"method": "/onrecord.v1.CheckService/CheckClaim"})()
    handler: Any = await CallGuard().intercept_service(found, details)
    with pytest.raises(asyncio.CancelledError):
        await handler.unary_unary(b"", Context())
    (line,) = lines()
    assert line["code"] == code.name

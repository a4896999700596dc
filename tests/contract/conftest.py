"""A real grpc.aio server on a free loopback port, all interceptors on, and a raw client for it."""

from __future__ import annotations

import asyncio
import inspect
import threading
import typing
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2_grpc

from http_site import Open, Site
from onrecord.v1 import check_service_pb2_grpc, server_info_service_pb2_grpc, statement_service_pb2_grpc
from onrecord_server.app import Engine, open_engine
from onrecord_server.config import ServerConfig
from onrecord_server.domain.errors import FieldViolation, OnrecordError
from onrecord_server.http import HttpDoor, open_door
from onrecord_server.rpc.backend import Backend, BackendSlot
from onrecord_server.rpc.calls import CallObserver
from onrecord_server.rpc.errors import TABLE
from onrecord_server.rpc.health import Health
from onrecord_server.rpc.interceptors import CallGuard
from onrecord_server.rpc.server import build_server, make_servicers, methods_of
from onrecord_server.store import StatementStore
from stores import STORES


def example(kind: type[OnrecordError]) -> OnrecordError:
    """One error of a class, made by the types and names of what its constructor takes."""
    violations = [FieldViolation("claim.text", "REQUIRED", "is empty"), FieldViolation("options", "OUT_OF_RANGE", "no")]
    hints = typing.get_type_hints(kind.__init__)
    values: dict[str, Any] = {}
    for name in inspect.signature(kind).parameters:
        if hints[name] == Sequence[FieldViolation]:
            values[name] = violations
        elif hints[name] in (float, float | None):
            values[name] = 1.5
        elif hints[name] is int:
            values[name] = 3
        else:
            values[name] = "collections/default/statements/s1" if "name" in name else "what is wrong; what to do"
    return kind(**values)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test with the argument `any_error` runs with an example of every row of the error table."""
    if "any_error" in metafunc.fixturenames:
        metafunc.parametrize("any_error", [example(kind) for kind in TABLE], ids=[kind.reason for kind in TABLE])


@dataclass(frozen=True)
class WireError:
    """What a caller can read from a failed call."""

    code: grpc.StatusCode
    message: str
    status: status_pb2.Status | None
    trailers: dict[str, Any]

    def details(self, kind: type[Message]) -> list[Any]:
        """Details of one kind."""
        found = []
        for packed in self.status.details if self.status else ():
            message = kind()
            if packed.Unpack(message):
                found.append(message)
        return found

    @property
    def info(self) -> Any:
        """The one ErrorInfo."""
        (info,) = self.details(error_details_pb2.ErrorInfo)
        return info

    @property
    def fields(self) -> dict[str, str]:
        """Field -> reason of all violations."""
        return {v.field: v.reason for bad in self.details(error_details_pb2.BadRequest) for v in bad.field_violations}


class Wire:
    """A served backend and the stubs to call it."""

    def __init__(self, address: str, guard: CallGuard, health: Health) -> None:
        self.address = address
        self.guard = guard
        self.health = health
        self.channel = grpc.aio.insecure_channel(address, options=[("grpc.max_send_message_length", -1)])
        self.checks = check_service_pb2_grpc.CheckServiceStub(self.channel)
        self.statements = statement_service_pb2_grpc.StatementServiceStub(self.channel)
        self.infos = server_info_service_pb2_grpc.ServerInfoServiceStub(self.channel)
        self.probes = health_pb2_grpc.HealthStub(self.channel)

    async def error(self, call: Awaitable[Any]) -> WireError:
        """The error that a call ends with."""
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        trailers = dict(caught.value.trailing_metadata() or ())
        raw = trailers.get("grpc-status-details-bin")
        status = status_pb2.Status.FromString(raw) if raw else None
        return WireError(caught.value.code(), caught.value.details() or "", status, trailers)


Serve = Callable[..., Awaitable[Wire]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serves a backend (None: one that is still loading) until the test ends."""
    started: list[tuple[Any, Wire]] = []

    async def start(backend: Backend | None, token: str | None = None, observers: Sequence[CallObserver] = ()) -> Wire:
        guard = CallGuard(token, observers)
        server, health = build_server(BackendSlot(backend), guard)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        wire = Wire(f"127.0.0.1:{port}", guard, health)
        started.append((server, wire))
        return wire

    yield start
    for server, wire in started:
        await wire.channel.close()
        await server.stop(None)


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    """The real engine on the declared fakes and a record in memory."""
    async with open_engine(ServerConfig(store=":memory:", model="fake", encoder="fake")) as opened:
        yield opened


@pytest.fixture
async def wire(serve: Serve, engine: Engine) -> Wire:
    """The engine, served."""
    return await serve(engine.backend)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StatementStore]:
    opened = STORES[request.param](tmp_path)
    yield opened
    opened.close()


@pytest.fixture
async def open_site() -> AsyncIterator[Open]:
    """Serves a backend until the test ends."""
    opened: list[tuple[Any, HttpDoor]] = []

    async def start(backend: Backend | None, token: str | None = None, observers: Sequence[CallObserver] = ()) -> Site:
        slot, guard = BackendSlot(backend), CallGuard(token, observers)
        servicers = make_servicers(slot)
        server, health = build_server(slot, guard, servicers)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        door = open_door(methods_of(servicers), guard, health, "127.0.0.1:0", "127.0.0.1", 0)
        await door.start()
        opened.append((server, door))
        return Site(door, guard, health, slot, f"127.0.0.1:{port}")

    yield start
    for server, door in opened:
        await door.stop(0)
        await server.stop(None)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """The engine on the fakes, without a token and without gRPC beside it, for all tests that stop nothing.

    On an event loop of its own, so that tests may block. Starting and stopping one takes a quarter of a second.
    """
    started, ended = threading.Event(), asyncio.Event()
    found: dict[str, Any] = {}

    async def serve() -> None:
        async with open_engine(ServerConfig(store=":memory:", model="fake", encoder="fake")) as engine:
            slot, guard = BackendSlot(engine.backend), CallGuard()
            door = open_door(methods_of(make_servicers(slot)), guard, Health([]), "", "127.0.0.1", 0)
            await door.start()
            found["site"] = Site(door, guard, Health([]), slot, "")
            found["loop"] = asyncio.get_running_loop()
            started.set()
            await ended.wait()
            await door.stop(0)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert started.wait(60)
    yield found["site"]
    found["loop"].call_soon_threadsafe(ended.set)
    thread.join()

"""The engine in this process: the server's own handlers, called without a wire.

Requests and answers are the messages of the contract and pass through the same code as a call over gRPC, so that what
a command prints is the same either way.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from onrecord._interrupt import Uninterrupted
from onrecord._places import for_caller
from onrecord._status import from_status
from onrecord.cli._options import missing
from onrecord.client import Client
from onrecord.errors import ClientClosed

if TYPE_CHECKING:
    from onrecord_server.app import Engine

Answer = TypeVar("Answer")


class _Context:
    """What the handlers ask of a call: nobody waits with a deadline here."""

    def time_remaining(self) -> None:
        return None


class LocalTransport:
    """Runs the engine on an event loop of its own, one call at a time."""

    target = "this process"
    buffers = False

    def __init__(self, model: str, encoder: str, calibration: str | None = None, without: tuple[str, ...] = ()) -> None:
        try:
            from onrecord_server.app import open_engine
            from onrecord_server.config import ServerConfig
            from onrecord_server.domain import errors
            from onrecord_server.rpc import services
            from onrecord_server.rpc.backend import Backend, BackendSlot
            from onrecord_server.rpc.errors import status_of
        except ModuleNotFoundError as error:
            raise missing(error) from None
        if not os.environ.get("ONRECORD_DEBUG"):
            # the engine's log belongs to a server; a command's user gets one line
            logging.getLogger("onrecord_server").addHandler(logging.NullHandler())
        self._status_of = status_of
        self._closed = False
        try:
            config = ServerConfig(
                store=":memory:",
                model=model,
                encoder=encoder,
                calibration=calibration,
                without=without,
                drain_seconds=1.0,
                inference="threads",  # there sooner, and nobody else calls
            )
        except errors.ConfigError as error:
            raise click.UsageError(error.message) from None
        self._runner = asyncio.Runner()
        try:
            self._engine: AbstractAsyncContextManager[Engine] = open_engine(config)
            engine = self._runner.run(self._engine.__aenter__())
        except errors.OnrecordError as error:
            self._runner.close()
            raise from_status(status_of(error)) from None
        slot = BackendSlot(Backend(engine.record, engine.checker, engine.model, engine.describe))
        self.checks: Any = services.CheckService(slot)
        self.record: Any = services.StatementService(slot)
        self.info: Any = services.ServerInfoService(slot)

    def call(self, method: Callable[..., Any], request: object, timeout: float | None) -> Any:
        """Run a handler to its end."""
        if self._closed:
            raise ClientClosed("this client was closed; make a new one")
        given = _stream(request) if isinstance(request, Iterator) else request
        try:
            return self._run(method(given, _Context()))
        except Exception as error:
            failure = for_caller(from_status(self._status_of(error)))
        raise failure

    def stream(self, method: Callable[..., Any], requests: Any, timeout: float | None) -> Generator[Any, None, None]:
        """Run a handler that answers with a stream, answer by answer."""
        if self._closed:
            raise ClientClosed("this client was closed; make a new one")
        answers = method(_stream(requests) if isinstance(requests, Iterator) else requests, _Context())
        try:
            while (answer := self._run(_next(answers))) is not None:
                yield answer
            return
        except Exception as error:
            failure = for_caller(from_status(self._status_of(error)))
        finally:
            if not self._closed:
                self._runner.run(answers.aclose())
        raise failure

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run it; Ctrl-C cancels it and is raised when it has come to its end."""
        loop = self._runner.get_loop()
        task = loop.create_task(work)
        with Uninterrupted(lambda: loop.call_soon_threadsafe(task.cancel)):
            return self._runner.run(_end_of(task))

    def health(self, timeout: float) -> str:
        """It is ready, once it is made."""
        return "SERVING"

    def close(self) -> None:
        """Stop the worker, close the store."""
        if not self._closed:
            self._closed = True
            self._runner.run(self._engine.__aexit__(None, None, None))
            self._runner.close()


async def _stream(messages: Iterator[object]) -> AsyncIterator[object]:
    for message in messages:
        yield message


async def _next(answers: AsyncIterator[Any]) -> Any | None:
    return await anext(answers, None)


async def _end_of(task: asyncio.Task[Any]) -> Any:
    return await task


def open_local(model: str, encoder: str, calibration: str | None = None, without: tuple[str, ...] = ()) -> Client:
    """A client of an engine in this process, with an empty record in memory. `without`: see `ServerConfig`."""
    return Client.over(LocalTransport(model, encoder, calibration, without))

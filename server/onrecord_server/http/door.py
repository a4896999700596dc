"""The ASGI application that answers HTTP, and the uvicorn server that it runs in."""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, MutableMapping
from functools import cache
from importlib import resources
from typing import Any, cast

import uvicorn
from grpc.aio import AbortError, ServicerContext
from uvicorn.protocols.http.h11_impl import H11Protocol

from onrecord_server.domain.errors import ConfigError, DeadlineTooShort, FieldViolation, InvalidInput, ShuttingDown
from onrecord_server.domain.limits import MESSAGE_BYTES
from onrecord_server.http.answers import (
    METHOD_NOT_ALLOWED,
    STREAM_OVER_HTTP,
    UNKNOWN_PATH,
    UNSUPPORTED_MEDIA_TYPE,
    WEB_PAGE_REFUSED,
    Answer,
    Refusal,
    error_answer,
)
from onrecord_server.http.context import HttpContext
from onrecord_server.http.messages import JSON, PROTO, read_message, write_message
from onrecord_server.rpc.calls import REQUEST_ID
from onrecord_server.rpc.errors import status_of
from onrecord_server.rpc.health import Health
from onrecord_server.rpc.interceptors import CallGuard
from onrecord_server.rpc.server import Method

HEALTH = "/healthz"
OPENAPI = "/openapi.json"
HEAD_SECONDS = 10.0  # for a request's head to arrive; uvicorn hangs up where no second one begins within 5 s
BODY_SECONDS = 60.0  # for a request's body to arrive
_LOOK_SECONDS = 0.25  # how often for connections that have stalled
ANSWER_SECONDS = 60.0  # an answer of which nothing is taken for so long is given up: it stands in memory
MOST_CONNECTIONS = 1_000  # at a time; a request on one more is answered with 503

_PARAMETER = re.compile(r';\s*([^\s;=]+)\s*=\s*("[^"]*"|[^\s;"]*)')  # of a content type

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class HttpApp:
    """Answers HTTP requests by calling the servicers' methods inside the guard, as the gRPC server does.

    methods: by path without the slash, "onrecord.v1.CheckService/CheckClaim".
    """

    def __init__(self, methods: Mapping[str, Method], guard: CallGuard, health: Health) -> None:
        self._methods = methods
        self._guard = guard
        self._health = health
        self.patience = _Patience()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """One request."""
        answer = self._page(scope["path"])
        if answer is not None:
            answer = answer if scope["method"] in ("GET", "HEAD") else _refused(METHOD_NOT_ALLOWED, allow="GET, HEAD")
        else:
            answer = await self._method(scope, receive)
        if answer is None:
            return  # nobody is left to be answered
        headers = answer.headers | {"content-length": str(len(answer.body)), "x-content-type-options": "nosniff"}
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": answer.http_code, "headers": encoded})
        await send({"type": "http.response.body", "body": answer.body})

    def _page(self, path: str) -> Answer | None:
        """What is there to be read at a path, if anything."""
        if path == HEALTH:
            word = b"SERVING" if self._health.is_serving else b"NOT_SERVING"
            headers = {"content-type": JSON, "cache-control": "no-store"}
            return Answer(200 if self._health.is_serving else 503, b'{"status": "%s"}' % word, headers)
        if path == OPENAPI:
            return Answer(200, openapi(), {"content-type": JSON})
        return None

    async def _method(self, scope: MutableMapping[str, Any], receive: Receive) -> Answer | None:
        """A call of the contract; None when its caller has left."""
        context = HttpContext(scope["headers"])
        connect = "connect-protocol-version" in context.headers
        name = scope["path"].removeprefix("/")
        method = self._methods.get(name)
        if method is None:
            return _refused(UNKNOWN_PATH, connect=connect)
        if scope["method"] != "POST":
            return _refused(METHOD_NOT_ALLOWED, connect=connect, allow="POST")
        if method.streams:
            return _refused(STREAM_OVER_HTTP, connect=connect)
        content_type = _content_type(context.headers)
        if content_type is None:
            return _refused(UNSUPPORTED_MEDIA_TYPE, connect=connect)
        if "origin" in context.headers and not self._guard.has_token:
            # any page that a user of this machine looks at could send it, to a loopback address too
            return _refused(WEB_PAGE_REFUSED, connect=connect)
        incoming = _Incoming(receive, context.headers, self.patience)
        work = asyncio.create_task(self._answer(name, method, context, incoming, content_type, connect=connect))
        gone = asyncio.create_task(incoming.gone())
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:  # a drain that took too long
            stopped = status_of(ShuttingDown("the server is shutting down; try again after its restart"))
            return error_answer(stopped, connect=connect)
        finally:
            gone.cancel()
            if not work.done():
                work.cancel()
                await asyncio.wait({work})
        return None if work.cancelled() else work.result()

    async def _answer(
        self, name: str, method: Method, context: HttpContext, incoming: _Incoming, content_type: str, *, connect: bool
    ) -> Answer:
        """The response to a call, whatever it came to."""
        try:
            async with (
                asyncio.timeout_at(context.deadline),
                self._guard.call(name, "unary", cast("ServicerContext[Any, Any]", context)) as call,
            ):
                context.check_deadline()
                body = await incoming.body()
                call.take(body)
                request = await read_message(method.request, content_type, body)
                response = await method.behaviour(request, context)
                data = await write_message(response, content_type)
                call.give(data)
            answer = Answer(200, data, {"content-type": content_type})
        except AbortError:
            answer = error_answer(context.status, connect=connect)
        except TimeoutError:
            late = DeadlineTooShort("the deadline passed before the answer was ready; allow more time")
            answer = error_answer(status_of(late), connect=connect)
        answer.headers[REQUEST_ID] = str(context.trailers[REQUEST_ID])
        return answer


class _Patience:
    """How long bodies are waited for: BODY_SECONDS, and less from the moment that the server stops."""

    def __init__(self) -> None:
        self.stopping = False
        self._end: float | None = None  # of all waiting, in the event loop's time
        self._clocks: set[asyncio.Timeout] = set()

    @contextlib.asynccontextmanager
    async def clock(self) -> AsyncIterator[None]:
        """Raises TimeoutError when a body has taken too long."""
        end = asyncio.get_running_loop().time() + BODY_SECONDS
        async with asyncio.timeout_at(end if self._end is None else min(end, self._end)) as clock:
            self._clocks.add(clock)
            try:
                yield
            finally:
                self._clocks.discard(clock)

    def stop(self, seconds: float) -> None:
        """From now on none is waited for longer than this."""
        self.stopping, self._end = True, asyncio.get_running_loop().time() + seconds
        for clock in self._clocks:
            if not clock.expired():
                clock.reschedule(min(self._end, clock.when() or self._end))


class _Incoming:
    """A request's body, and word of its caller's leaving."""

    def __init__(self, receive: Receive, headers: Mapping[str, str], patience: _Patience) -> None:
        self._receive = receive
        length = headers.get("content-length", "")
        self._announced = int(length) if length.isdecimal() else 0
        self._patience = patience
        self._read = asyncio.Event()

    async def body(self) -> bytes:
        """All of it, read no further than a message may be long."""
        data, more = bytearray(), True
        try:
            async with self._patience.clock():
                while more and max(len(data), self._announced) <= MESSAGE_BYTES.value:
                    event = await self._receive()
                    if event["type"] == "http.disconnect":
                        raise asyncio.CancelledError  # as gRPC ends the call of a caller who has left
                    data += event.get("body", b"")
                    more = event.get("more_body", False)
        except TimeoutError as error:
            if self._patience.stopping:
                message = "the server is shutting down, and the body did not arrive; send it again elsewhere"
                raise ShuttingDown(message) from None
            raise DeadlineTooShort(f"the body did not arrive within {BODY_SECONDS:g} s; send it faster") from error
        finally:
            self._read.set()
        if max(len(data), self._announced) > MESSAGE_BYTES.value:
            message = f"the body has more than {MESSAGE_BYTES.value:,} bytes; send it in several calls"
            raise InvalidInput([FieldViolation("request", MESSAGE_BYTES.reason, message)])
        return bytes(data)

    async def gone(self) -> None:
        """Wait until the caller has left."""
        await self._read.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass


class HttpDoor:
    """The application behind a port, from `start` to `stop`. url: where it is."""

    def __init__(self, app: HttpApp, taken: socket.socket, address: str) -> None:
        self.url = f"http://{address}"
        self._app = app
        self._socket = taken
        config = uvicorn.Config(
            app,
            loop="none",
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",  # a broken request is no news
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=MOST_CONNECTIONS,
        )
        self._server = _Uvicorn(config)
        self._running: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Answer from now on."""
        self._running = asyncio.create_task(self._server.serve(sockets=[self._socket]), name="http")
        started = asyncio.create_task(self._server.up.wait())
        await asyncio.wait({self._running, started}, return_when=asyncio.FIRST_COMPLETED)
        if not started.done():
            started.cancel()
            await self._running  # tells why not
        self._watching = asyncio.create_task(self._drop_stalled(ANSWER_SECONDS), name="http answers")

    async def stop(self, seconds: float, patience: float | None = None) -> None:
        """Take no new requests; those in flight have this long to be answered, one second at least.

        patience: seconds for bodies that are still on their way, and for a caller who takes nothing of his answer, of
        whom no task would tell. None: as long.
        """
        patience = seconds if patience is None else patience
        self._app.patience.stop(patience)
        if self._running is None:
            self._socket.close()
            return
        self._server.config.timeout_graceful_shutdown = max(1, math.ceil(seconds))
        self._server.should_exit = True
        watching = asyncio.create_task(self._drop_stalled(patience))
        await asyncio.wait({self._running})
        for task in filter(None, (watching, self._watching)):
            task.cancel()

    async def _drop_stalled(self, seconds: float) -> None:
        """Until cancelled: drop each connection that has something to send and could send nothing for so long."""
        clock = asyncio.get_running_loop().time
        last: dict[asyncio.Transport, tuple[int, float]] = {}
        while True:
            for transport in [connection.transport for connection in self._server.server_state.connections]:
                size = transport.get_write_buffer_size()
                before, since = last.get(transport, (0, 0.0))
                if not size or size != before:
                    last[transport] = (size, clock())
                elif clock() - since >= seconds:
                    transport.abort()
            await asyncio.sleep(_LOOK_SECONDS)


class _Protocol(H11Protocol):
    """Hangs up on who connects and asks for nothing, and on who does not finish the head of a request.

    Silent connections would keep all others out. Between two requests uvicorn's own clock runs, until a byte comes.
    """

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Set the clock."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Stop the clock when a head is whole; set it when a further one has begun."""
        super().data_received(data)
        if not self._awaits_head() or self.transport.is_closing():
            self._wait_no_more()
        elif self._waiting is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._wait_no_more()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._waiting = self.loop.call_later(HEAD_SECONDS, self._hang_up)

    def _wait_no_more(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _hang_up(self) -> None:
        if self._awaits_head() and not self.transport.is_closing():
            self.transport.close()

    def _awaits_head(self) -> bool:
        return self.cycle is None or self.cycle.response_complete


class _Uvicorn(uvicorn.Server):
    """Signals are the business of the process, and it has handlers for them. up: set when it answers."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer, and say so."""
        await super().startup(sockets)
        self.up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them alone."""
        yield


def open_door(
    methods: Mapping[str, Method], guard: CallGuard, health: Health, listen: str, host: str, port: int
) -> HttpDoor:
    """A door that has its port and is not yet open. Raises ConfigError when the port cannot be had.

    listen: the setting's value, for the message. host, port: the same, parsed; port 0 takes a free one.
    """
    try:
        family, _, _, _, target = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        taken = socket.create_server(target[:2], family=family, backlog=128)
    except OSError as error:
        raise ConfigError(f"--http {listen}: {error.strerror or error}; choose another address") from error
    taken.setblocking(False)
    shown = f"[{host}]" if ":" in host else host
    return HttpDoor(HttpApp(methods, guard, health), taken, f"{shown}:{taken.getsockname()[1]}")


@cache
def openapi() -> bytes:
    """The description of what is here, made from the contract by scripts/generate_openapi.py."""
    return resources.files(__package__).joinpath("openapi.json").read_bytes()


def _content_type(headers: Mapping[str, str]) -> str | None:
    """JSON or PROTO, whatever parameters stand behind it; None for what is neither, is not UTF-8, or is compressed."""
    kind, _, rest = headers.get("content-type", "").lower().partition(";")
    charsets = {value.strip('"') for name, value in _PARAMETER.findall(f";{rest}") if name == "charset"}
    plain = headers.get("content-encoding", "identity").lower() == "identity" and charsets <= {"utf-8"}
    return kind.strip() if plain and kind.strip() in (JSON, PROTO) else None


def _refused(refusal: Refusal, *, connect: bool = False, allow: str = "") -> Answer:
    answer = error_answer(refusal.status, connect=connect, http_code=refusal.http_code)
    if allow:
        answer.headers["allow"] = allow
    return answer

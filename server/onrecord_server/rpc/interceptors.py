"""What happens around every onrecord.v1 call: authentication, decoding, errors, one log line.

`CallGuard` is the only place that ends a call with an error: handlers raise domain errors and never abort. Health and
reflection pass through untouched, so that a busy or locked server still answers its probes.

It also decodes the messages itself. gRPC's own answers to an oversized message (RESOURCE_EXHAUSTED, which clients may
retry) and to a damaged one (UNKNOWN) carry no details. So the transport accepts up to twice the documented size, and
what is over the limit or no valid message gets INVALID_ARGUMENT with MESSAGE_TOO_LARGE or MALFORMED_MESSAGE here. Only
beyond twice the limit does gRPC answer alone.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc.aio import AbortError, ServerInterceptor, ServicerContext

from onrecord_server.domain.errors import FieldViolation, InvalidInput, Unauthenticated
from onrecord_server.domain.limits import MESSAGE_BYTES
from onrecord_server.rpc.errors import code_of, status_of, trailers_of

PREFIX = "/onrecord.v1."

access_log = logging.getLogger("onrecord_server.access")


def decode(parse: Callable[[bytes], Any], data: bytes) -> Any:
    """The message in `data`, or InvalidInput when it is too large or not valid protobuf (non-UTF-8 strings are not)."""
    if len(data) > MESSAGE_BYTES.value:
        message = f"{len(data):,} bytes; a message may have {MESSAGE_BYTES.value:,}; send it in several calls"
        raise InvalidInput([FieldViolation("request", MESSAGE_BYTES.reason, message)])
    try:
        return parse(data)
    except DecodeError:
        message = "not a valid message of this method; strings must be UTF-8 and the bytes undamaged"
        raise InvalidInput([FieldViolation("request", "MALFORMED_MESSAGE", message)]) from None


async def decode_stream(parse: Callable[[bytes], Any], stream: AsyncIterable[bytes]) -> AsyncIterator[Any]:
    """The messages of a stream, decoded one by one."""
    async for data in stream:
        yield decode(parse, data)


async def decode_each(parse: Callable[[bytes], Any], stream: AsyncIterable[bytes]) -> AsyncIterator[Any]:
    """As decode_stream, with the error in the place of a message that cannot be decoded."""
    async for data in stream:
        try:
            yield decode(parse, data)
        except InvalidInput as error:
            yield error


class CallGuard(ServerInterceptor):
    """Wraps every onrecord.v1 handler; see the module's docstring.

    `token`: when set, calls must carry it as `authorization: Bearer TOKEN`. A drain waits
    for `idle`.
    """

    def __init__(self, token: str | None = None) -> None:
        self._token = None if token is None else f"Bearer {token}".encode()
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def idle(self) -> None:
        """Wait until no call is being answered."""
        await self._idle.wait()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """The handler of the call, wrapped when it is one of ours."""
        handler = await continuation(handler_call_details)
        if handler is None or not handler_call_details.method.startswith(PREFIX):
            return handler
        return self._wrap(handler_call_details.method.removeprefix("/"), handler)

    def _wrap(self, method: str, handler: Any) -> grpc.RpcMethodHandler[Any, Any]:
        """The same handler on raw bytes, inside `_call`. grpc's four kinds differ only in what is a stream."""
        prepare: Callable[..., Any] = decode
        if handler.request_streaming:
            # where every message has an answer of its own, a bad one is no reason to end the others
            prepare = decode_each if handler.response_streaming else decode_stream
        parse = handler.request_deserializer
        serialize = handler.response_serializer
        behaviour = next(
            b for b in (handler.unary_unary, handler.unary_stream, handler.stream_unary, handler.stream_stream) if b
        )

        async def answer(request: Any, context: ServicerContext[Any, Any]) -> Any:
            async with self._call(method, context):
                return await behaviour(prepare(parse, request), context)

        async def answers(request: Any, context: ServicerContext[Any, Any]) -> AsyncIterator[Any]:
            async with self._call(method, context):
                async for response in behaviour(prepare(parse, request), context):
                    yield response

        if handler.request_streaming and handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(answers, None, serialize)
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(answers, None, serialize)
        if handler.request_streaming:
            return grpc.stream_unary_rpc_method_handler(answer, None, serialize)
        return grpc.unary_unary_rpc_method_handler(answer, None, serialize)

    @asynccontextmanager
    async def _call(self, method: str, context: ServicerContext[Any, Any]) -> AsyncIterator[None]:
        """Around one call: count it, check its token, end it with the error's status, log it."""
        begun = time.perf_counter()
        code = grpc.StatusCode.OK
        self._in_flight += 1
        self._idle.clear()
        try:
            self._authenticate(context)
            yield
        except asyncio.CancelledError:  # the caller left or its deadline passed; there is nobody to answer
            code = grpc.StatusCode.CANCELLED
            raise
        except AbortError:  # answered already; a second abort would hide the first
            code = context.code() or grpc.StatusCode.UNKNOWN
            raise
        except Exception as error:  # the boundary: whatever it is, it becomes a status here
            status = status_of(error)
            code = code_of(status)
            await context.abort(code, status.message, trailers_of(error, status))
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()
            elapsed = (time.perf_counter() - begun) * 1_000
            access_log.info(
                "%s %s %.1f ms", method, code.name, elapsed, extra={"method": method, "code": code.name, "ms": elapsed}
            )

    def _authenticate(self, context: ServicerContext[Any, Any]) -> None:
        """Raise Unauthenticated unless the call carries the server's token (or the server has none)."""
        if self._token is None:
            return
        sent = dict(context.invocation_metadata() or ()).get("authorization", "")
        if not hmac.compare_digest(sent.encode() if isinstance(sent, str) else sent, self._token):
            raise Unauthenticated("the call carries no valid token; send the metadata `authorization: Bearer TOKEN`")

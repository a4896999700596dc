"""What happens around every onrecord.v1 call: a request id, authentication, decoding, errors; and who is told of it.

`CallGuard` is the only place that ends a call with an error: handlers raise domain errors and never abort. Health and
reflection pass through untouched, so that a busy or locked server still answers its probes.

It also decodes the messages itself. gRPC's own answers to an oversized message (RESOURCE_EXHAUSTED, which clients may
retry) and to a damaged one (UNKNOWN) carry no details. So the transport accepts up to twice the documented size, and
what is over the limit or no valid message gets INVALID_ARGUMENT with MESSAGE_TOO_LARGE or MALFORMED_MESSAGE here. Only
beyond twice the limit does gRPC answer alone. Answers are encoded here, too: so sizes are known both ways.

What is counted, traced or logged of a call is the business of the observers (rpc/calls.py) that are given.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc.aio import AbortError, BaseError, ServerInterceptor, ServicerContext

from onrecord_server.domain.errors import FieldViolation, InvalidInput, ShuttingDown, Unauthenticated
from onrecord_server.domain.limits import MESSAGE_BYTES
from onrecord_server.rpc.access import AccessLog
from onrecord_server.rpc.calls import KINDS, REQUEST_ID, Call, CallObserver, call_of
from onrecord_server.rpc.errors import code_of, reason_of, status_of, trailers_of
from onrecord_server.rpc.outgoing import OutgoingStreams

PREFIX = "/onrecord.v1."

# Of 600 streams that were cancelled on a busy machine, all were seen to be so within this time; within no time, 94 %.
_BEHIND_SECONDS = 0.005

# A caller's own clock ends its call at the deadline, and that reaches the server as a cancellation while its deadline
# is still to come: gRPC rounds timeouts up on the wire, by up to 1 % from one second on, and the request took its time.
_LATE_SHARE = 0.02  # of the time that there was
_LATE_SECONDS = 0.025


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


async def decode_stream(
    call: Call, parse: Callable[[bytes], Any], stream: AsyncIterable[bytes], *, errors_too: bool
) -> AsyncIterator[Any]:
    """The messages of a stream, one by one. errors_too: an InvalidInput in the place of what is no message."""
    async for data in stream:
        call.take(data)
        try:
            message = decode(parse, data)
        except InvalidInput as error:
            if not errors_too:
                raise
            message = error
        yield message
    # when its sender has left, a stream ends as if all had been said, and the cancellation comes right behind
    await asyncio.sleep(_BEHIND_SECONDS)


class CallGuard(ServerInterceptor):
    """Wraps every onrecord.v1 handler; see the module's docstring.

    `token`: when set, calls must carry it as `authorization: Bearer TOKEN`. `observers`: told of every call, beside
    the access log. A drain waits for `idle`.
    """

    def __init__(self, token: str | None = None, observers: Sequence[CallObserver] = ()) -> None:
        self._token = None if token is None else token.encode()
        self._observers = (*observers, AccessLog())
        self._outgoing = OutgoingStreams()
        self._wrapped: dict[str, tuple[Any, grpc.RpcMethodHandler[Any, Any]]] = {}  # by method: of what, and what
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def has_token(self) -> bool:
        """Whether calls must carry a token."""
        return self._token is not None

    async def idle(self) -> None:
        """Wait until no call is being answered."""
        await self._idle.wait()

    async def cut_stalled(self, seconds: float) -> None:
        """Until cancelled: end streams of which nothing has been taken for so long, with SHUTTING_DOWN."""
        message = "the server is shutting down, and no answer was taken for {:g} s; ask again elsewhere"
        await self._outgoing.cut_stalled(seconds, lambda: ShuttingDown(message.format(seconds)))

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """The handler of the call, wrapped when it is one of ours."""
        handler = await continuation(handler_call_details)
        if handler is None or not handler_call_details.method.startswith(PREFIX):
            return handler
        method = handler_call_details.method.removeprefix("/")
        if method not in self._wrapped or self._wrapped[method][0] is not handler:
            self._wrapped[method] = handler, self._wrap(method, handler)
        return self._wrapped[method][1]

    def _wrap(self, method: str, handler: Any) -> grpc.RpcMethodHandler[Any, Any]:
        """The same handler on raw bytes, inside `call`. grpc's four kinds differ only in what is a stream."""
        kind = KINDS[handler.request_streaming, handler.response_streaming]
        parse = handler.request_deserializer
        serialize = handler.response_serializer
        behaviour = next(
            b for b in (handler.unary_unary, handler.unary_stream, handler.stream_unary, handler.stream_stream) if b
        )

        def request_of(call: Call, data: Any) -> Any:
            if handler.request_streaming:
                # where every message has an answer of its own, a bad one is no reason to end the others
                return decode_stream(call, parse, data, errors_too=handler.response_streaming)
            call.take(data)
            return decode(parse, data)

        def response_of(call: Call, message: Any) -> bytes:
            data: bytes = serialize(message)
            call.give(data)
            return data

        async def answer(data: Any, context: ServicerContext[Any, Any]) -> Any:
            async with self.call(method, kind, context) as call:
                return response_of(call, await behaviour(request_of(call, data), context))

        async def answers(data: Any, context: ServicerContext[Any, Any]) -> AsyncIterator[Any]:
            async with self.call(method, kind, context) as call:
                with self._outgoing.stream(call, context) as outgoing:
                    async for response in behaviour(request_of(call, data), context):
                        encoded = response_of(call, response)
                        outgoing.give()
                        yield encoded
                        outgoing.taken()

        if handler.request_streaming and handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(answers, None, None)
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(answers, None, None)
        if handler.request_streaming:
            return grpc.stream_unary_rpc_method_handler(answer, None, None)
        return grpc.unary_unary_rpc_method_handler(answer, None, None)

    @asynccontextmanager
    async def call(self, method: str, kind: str, context: ServicerContext[Any, Any]) -> AsyncIterator[Call]:
        """Around one call: count it, name it, check its token, end it with the error's status, tell the observers.

        method: "onrecord.v1.CheckService/CheckClaim"; kind: one of KINDS. Whoever brings calls in by another way than
        gRPC enters this, and reads the request only then: so nothing is read for a caller without a token.
        """
        call = call_of(method, kind, context, self._observers)
        whole = context.time_remaining()
        trailers = ((REQUEST_ID, call.request_id),)
        self._in_flight += 1
        self._idle.clear()
        call.start()
        try:
            context.set_trailing_metadata(trailers)
            self._authenticate(context)
            yield call
        except (asyncio.CancelledError, GeneratorExit):  # nobody is left to be answered
            if not call.over:
                late = _is_late(context.time_remaining(), whole)
                call.code = grpc.StatusCode.DEADLINE_EXCEEDED if late else grpc.StatusCode.CANCELLED
            raise
        except AbortError:  # answered already; a second abort would hide the first
            call.code = context.code() or grpc.StatusCode.UNKNOWN
            raise
        except Exception as error:  # the boundary: whatever it is, it becomes a status here
            status = status_of(error)
            call.code, call.reason = code_of(status), reason_of(error)
            call.end()  # before the caller hears of it, as with answers
            try:
                await context.abort(call.code, status.message, (*trailers, *trailers_of(error, status)))
            except AbortError:
                raise
            except (
                BaseError
            ):  # the caller has gone meanwhile; gRPC would log a traceback for each, all through an overload
                raise asyncio.CancelledError from None
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()
            call.end()

    def _authenticate(self, context: ServicerContext[Any, Any]) -> None:
        """Raise Unauthenticated unless the call carries the server's token, once (or the server has none)."""
        if self._token is None:
            return
        sent = [value for key, value in context.invocation_metadata() or () if key == "authorization"]
        if len(sent) > 1:  # a proxy before this server may have looked at another one than we would
            raise Unauthenticated(f"the call carries {len(sent)} `authorization` headers; send one")
        scheme, _, token = str(sent[0] if sent else "").partition(" ")
        # the scheme in whatever case, and more than one space behind it (RFC 9110, 11.1 and 11.4)
        if scheme.lower() != "bearer" or not hmac.compare_digest(token.strip(" ").encode(), self._token):
            raise Unauthenticated(
                "the call carries no valid token; send the metadata `authorization: Bearer TOKEN` (`onrecord` takes "
                "it from ONRECORD_TOKEN or --token-file)"
            )


def _is_late(left: float | None, whole: float | None) -> bool:
    """Whether a call that its caller ended was at its deadline. Seconds left and seconds at its arrival; None: none."""
    return left is not None and whole is not None and left <= _LATE_SHARE * whole + _LATE_SECONDS

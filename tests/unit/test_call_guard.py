"""What the guard does when there is nobody left to tell of an error."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest

from onrecord_server.domain.errors import DeadlineTooShort
from onrecord_server.rpc.interceptors import PREFIX, CallGuard


class Gone:
    """The context of a call whose caller has left: gRPC's own word for it is an internal error of `abort`."""

    def invocation_metadata(self) -> None:
        return None

    def peer(self) -> str:
        return "ipv4:127.0.0.1:1"

    def time_remaining(self) -> float:
        return -1.0

    def set_trailing_metadata(self, trailers: Any) -> None:
        pass

    async def abort(self, code: grpc.StatusCode, message: str, trailers: Any) -> None:
        raise grpc.aio.InternalError("the call is over")


async def test_an_error_that_nobody_waits_for_ends_as_a_cancelled_call() -> None:
    async def late(request: bytes, context: Any) -> bytes:
        raise DeadlineTooShort("too late")

    async def found(details: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(late, lambda data: data, lambda message: message)

    class Details:
        method = f"{PREFIX}CheckService/CheckClaim"

    guard = CallGuard()
    handler: Any = await guard.intercept_service(found, Details())  # type: ignore[arg-type]
    with pytest.raises(asyncio.CancelledError):  # anything else gRPC would log with a traceback, once a call
        await handler.unary_unary(b"", Gone())
    await asyncio.wait_for(guard.idle(), 5)

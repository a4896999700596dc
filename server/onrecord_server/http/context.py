"""A call that came over HTTP, as `CallGuard` and the servicers see a call."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn, cast

import grpc
from google.rpc import status_pb2
from grpc.aio import AbortError

from onrecord_server.domain.errors import FieldViolation, InvalidInput

TIMEOUT = "connect-timeout-ms"
STATUS = "grpc-status-details-bin"

_MILLISECONDS = re.compile(r"[0-9]{1,10}")  # as the Connect protocol has it


class HttpContext:
    """What is used of a `grpc.aio.ServicerContext` on the way of a unary call.

    headers: names in lower case; of one that comes twice the last counts, as with metadata; several tokens are refused.
    """

    def __init__(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self._metadata = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers)
        self.headers = dict(self._metadata)
        self.trailers: dict[str, str | bytes] = {}
        self._code: grpc.StatusCode | None = None
        timeout = self.headers.get(TIMEOUT, "")
        self.deadline: float | None = None
        """The instant of the event loop's clock at which the caller gives up."""
        if _MILLISECONDS.fullmatch(timeout):
            self.deadline = asyncio.get_running_loop().time() + int(timeout) / 1_000

    def check_deadline(self) -> None:
        """Raise InvalidInput for a timeout that is none."""
        if TIMEOUT in self.headers and self.deadline is None:
            message = "is no number of milliseconds; send 1 to 10 digits"
            raise InvalidInput([FieldViolation(TIMEOUT, "OUT_OF_RANGE", message)])

    @property
    def status(self) -> status_pb2.Status:
        """The status that the call was ended with."""
        return status_pb2.Status.FromString(cast("bytes", self.trailers[STATUS]))

    def invocation_metadata(self) -> Sequence[tuple[str, str]]:
        """The request's headers."""
        return self._metadata

    def peer(self) -> str:
        """What the access log says of where the call came from."""
        return "http"

    def time_remaining(self) -> float | None:
        """Seconds until the caller gives up; None when it set no deadline."""
        return None if self.deadline is None else self.deadline - asyncio.get_running_loop().time()

    def set_trailing_metadata(self, trailing_metadata: Iterable[tuple[str, str | bytes]]) -> None:
        """Goes into the response's headers, as far as HTTP has a place for it."""
        self.trailers = dict(trailing_metadata)

    def code(self) -> grpc.StatusCode | None:
        """The code that the call was ended with."""
        return self._code

    async def abort(
        self, code: grpc.StatusCode, details: str = "", trailing_metadata: Iterable[tuple[str, Any]] = ()
    ) -> NoReturn:
        """End the call with an error. The status with its details is among the trailers."""
        self._code = code
        self.set_trailing_metadata(trailing_metadata)
        raise AbortError(details)

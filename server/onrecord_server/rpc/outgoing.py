"""Streams of answers on their way out: which of them nobody takes, and how such a one is ended.

A handler is held at the answer that its caller does not take, for as long as it likes: flow control. gRPC's own way to
end a call sends the status behind that answer, and grpc.aio has no way to reset a call from the server's side. So a
call that is cut is over for the server at once (its handler is closed, it is logged and counted, a drain waits for it
no longer), while its status waits in gRPC's core for the caller to read on, or for the connection to end.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from grpc.aio import BaseError, ServicerContext

from onrecord_server.domain.errors import OnrecordError
from onrecord_server.rpc.calls import REQUEST_ID, Call
from onrecord_server.rpc.errors import code_of, status_of, trailers_of

_LOOK_SECONDS = 0.25  # how often for streams that have stalled


@dataclass(slots=True, eq=False)
class Outgoing:
    """A stream of answers. given: the event loop's time at which the answer that is out was given; None: none is."""

    call: Call
    context: ServicerContext[Any, Any]
    task: asyncio.Task[Any]
    given: float | None = None

    def give(self) -> None:
        """An answer goes out."""
        self.given = self.task.get_loop().time()

    def taken(self) -> None:
        """It has been taken."""
        self.given = None

    def stalled(self, seconds: float) -> bool:
        """Whether an answer has been out for this long."""
        return self.given is not None and self.task.get_loop().time() - self.given >= seconds


class OutgoingStreams:
    """Every stream of answers that is under way. Use from one event loop."""

    def __init__(self) -> None:
        self._open: set[Outgoing] = set()
        self._ending: set[asyncio.Task[None]] = set()  # so that none is collected before it is done

    @contextlib.contextmanager
    def stream(self, call: Call, context: ServicerContext[Any, Any]) -> Iterator[Outgoing]:
        """One of them, as long as the task that runs this answers it; `call.cut` ends it meanwhile."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in one
        outgoing = Outgoing(call, context, task)
        self._open.add(outgoing)
        call.cut = lambda error: self._cut(outgoing, error)
        try:
            yield outgoing
        finally:
            self._open.discard(outgoing)
            call.cut = None

    async def cut_stalled(self, seconds: float, error: Callable[[], OnrecordError]) -> None:
        """Until cancelled: end each of which nothing has been taken for so long, with a new error of this kind."""
        while True:
            for outgoing in [one for one in self._open if one.stalled(seconds)]:
                self._cut(outgoing, error())
            await asyncio.sleep(_LOOK_SECONDS)

    def _cut(self, outgoing: Outgoing, error: OnrecordError) -> None:
        call, status = outgoing.call, status_of(error)
        self._open.discard(outgoing)
        call.cut = None
        call.code, call.reason = code_of(status), error.reason
        call.end()
        trailers = ((REQUEST_ID, call.request_id), *trailers_of(error, status))

        async def abort() -> None:
            with contextlib.suppress(BaseError):  # as said to be the end, or that the caller has gone
                await outgoing.context.abort(call.code, status.message, trailers)

        ending = asyncio.create_task(abort())
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
        # behind the first step of `abort`, which hands the status to the core: with its handler, a call is forgotten
        asyncio.get_running_loop().call_soon(outgoing.task.cancel)

"""A stream both ways whose messages one task sends and takes. `onrecord._sync.exchange` does the same by waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from onrecord._aio.transport import AsyncTransport
from onrecord._steps import Open

HESITATION_SECONDS = 0.2


class AsyncExchange:
    """gRPC's own task sends what stands in the queue. The call is made with the first `receive`."""

    pipelined = True

    def __init__(self, transport: AsyncTransport, step: Open) -> None:
        self._unsent: asyncio.Queue[Any] = asyncio.Queue()
        self._hesitates = step.hesitates
        method = getattr(getattr(transport, step.service), step.method)
        self._answers = transport.stream(method, self._requests(), step.timeout)

    def send(self, request: Any) -> None:
        """See `onrecord._steps.Exchange`."""
        self._unsent.put_nowait(request)

    def end(self) -> None:
        """See `onrecord._steps.Exchange`."""
        self._unsent.put_nowait(None)

    async def receive(self) -> Any | None:
        """The next answer; None at the end. Raises the errors of this package only."""
        return await anext(self._answers, None)

    async def close(self) -> None:
        """Cancel what has not ended, and let gRPC's task go."""
        self._unsent.put_nowait(None)
        await self._answers.aclose()

    async def _requests(self) -> AsyncIterator[Any]:
        if self._hesitates:
            await asyncio.sleep(HESITATION_SECONDS)
        while (request := await self._unsent.get()) is not None:
            yield request

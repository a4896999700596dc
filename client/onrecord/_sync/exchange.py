"""Streams both ways whose messages one thread sends and takes. `onrecord._aio.exchange` does the same by awaiting."""

from __future__ import annotations

from collections import deque
from queue import SimpleQueue
from typing import Any

from onrecord._steps import Open
from onrecord._transport import Transport


class Exchange:
    """Over a channel: gRPC's own thread sends what stands in the queue. The call is made with the first `receive`."""

    pipelined = True

    def __init__(self, transport: Transport, step: Open) -> None:
        self._unsent: SimpleQueue[Any] = SimpleQueue()
        method = getattr(getattr(transport, step.service), step.method)
        self._answers = transport.stream(method, iter(self._unsent.get, None), step.timeout)

    def send(self, request: Any) -> None:
        """See `onrecord._steps.Exchange`."""
        self._unsent.put(request)

    def end(self) -> None:
        """See `onrecord._steps.Exchange`."""
        self._unsent.put(None)

    def receive(self) -> Any | None:
        """The next answer; None at the end. Raises the errors of this package only."""
        return next(self._answers, None)

    def close(self) -> None:
        """Cancel what has not ended, and let gRPC's thread go."""
        self._unsent.put(None)
        self._answers.close()


class TurnByTurn:
    """In this process, where whoever reads messages runs in the thread that waits for answers: a stream a message."""

    pipelined = False

    def __init__(self, transport: Transport, step: Open) -> None:
        self._unsent: deque[Any] = deque()
        self._transport = transport
        self._step = step
        self._method = getattr(getattr(transport, step.service), step.method)

    def send(self, request: Any) -> None:
        """See `onrecord._steps.Exchange`."""
        self._unsent.append(request)

    def end(self) -> None:
        """See `onrecord._steps.Exchange`."""

    def receive(self) -> Any | None:
        """The answer to the next message; None when there is none."""
        if not self._unsent:
            return None
        return next(self._transport.stream(self._method, iter([self._unsent.popleft()]), self._step.timeout), None)

    def close(self) -> None:
        """Nothing is open."""

"""Claims on their way through one stream after another, outcomes in the claims' order. No I/O and no locks here.

Every claim is sent and gets exactly one answer: one that the wire cannot carry is sent as an empty claim, which the
server refuses, and its outcome is what was wrong with it. So the head of `_open` is always what the next answer is for.
"""

from __future__ import annotations

import random
import time
from collections import deque
from dataclasses import dataclass

from onrecord import _answer, _request
from onrecord._channel import MESSAGE_BUDGET
from onrecord._places import at
from onrecord._request import Fields
from onrecord._status import STREAM_BROKE, from_status
from onrecord.errors import (
    Cancelled,
    DeadlineExceeded,
    InvalidArgument,
    OnrecordError,
    Overloaded,
    ServerError,
    Unavailable,
)
from onrecord.types import CheckOptions, CheckResult, Claim, Progress
from onrecord.v1 import check_service_pb2 as pb

MOST_IN_FLIGHT = 65_536
STREAM_WINDOW = 1_024
"""Claims that `check_stream` reads ahead of the outcomes that were taken, at most."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0

Outcome = CheckResult | OnrecordError


class Again(Exception):
    """The stream is done for, and what has no outcome is to be sent over another one after `seconds`.

    error: of a server that is away or full, which it has been for `since` seconds.
    """

    def __init__(self, seconds: float, error: OnrecordError | None = None, since: float = 0.0) -> None:
        super().__init__()
        self.seconds = seconds
        self.error = error
        self.since = since


@dataclass(slots=True)
class _Open:
    """A claim without an outcome. `error`: what the wire could not carry."""

    request: pb.StreamCheckClaimsRequest
    error: InvalidArgument | None


class Flow:
    """One `check_stream` or `check_many`.

    most: claims that may be without an outcome; no more are read. patience: seconds in which a server that is gone may
    come back, counted from the last outcome; None: a stream that breaks is the end.
    """

    def __init__(
        self,
        collection: str,
        options: CheckOptions | None,
        *,
        most: int,
        patience: float | None = None,
        timeout: float | None = None,
        total: int | None = None,
    ) -> None:
        fields = Fields()
        self._parent = _request.parent(fields, collection)
        self._options = _request.options(fields, options)
        fields.check()
        self._most = most
        self._patience = patience
        self.timeout = timeout
        self._total = total
        self._open: deque[_Open] = deque()
        self._sent = 0  # of `_open`, from its head, over the present stream
        self._read = 0
        self._done = 0
        self._failed = 0
        self._restarts = 0
        self._answers = 0  # over the present stream
        self._failing_since: float | None = None
        self._pause = _FIRST_PAUSE
        self.hesitates = False
        """Whether the next stream is to wait before its first message, for the server to say why it wants none."""
        self.ended = False
        """Set by whoever reads the claims, after the last one."""

    def begin(self) -> None:
        """Another stream takes over: what has no outcome is sent over it again."""
        self._sent = self._answers = 0

    # the side that reads and sends

    @property
    def has_room(self) -> bool:
        """Whether another claim may be read."""
        return len(self._open) < self._most

    def read(self, claim: str | Claim) -> None:
        """Take the next claim of the caller's."""
        place = f"claims[{self._read}]"
        self._read += 1
        fields = Fields()
        message = _request.claim(fields, claim, prefix=place)
        if message.ByteSize() > MESSAGE_BUDGET:
            fields.bad(place, "larger than a message may be", "MESSAGE_TOO_LARGE")
        error = InvalidArgument.of(fields.violations) if fields.violations else None
        request = pb.StreamCheckClaimsRequest(
            parent=self._parent, claim=pb.Claim() if error else message, options=self._options
        )
        self._open.append(_Open(request, error))

    def to_send(self) -> pb.StreamCheckClaimsRequest | None:
        """The next message of the present stream; None when all that was read is sent."""
        if self._sent == len(self._open):
            return None
        request = self._open[self._sent].request
        self._sent += 1
        return request

    # the side that receives

    @property
    def finished(self) -> bool:
        """Whether every claim has its outcome."""
        return self.ended and not self._open

    def answered(self, answer: pb.StreamCheckClaimsResponse) -> Outcome:
        """The outcome of the next claim. Raises Again where that is to be had from another stream."""
        if self._sent == 0:
            raise ServerError("the server answered more claims than it was sent")
        head = self._open[0]
        outcome = head.error or self._outcome(answer)
        if self._patience is not None and isinstance(outcome, Unavailable | Overloaded | DeadlineExceeded):
            raise self.broke(outcome)
        self._open.popleft()
        self._sent -= 1
        self._answers += 1
        self._restarts += self._failing_since is not None
        self._failing_since, self._pause, self.hesitates = None, _FIRST_PAUSE, False
        self._done += 1
        self._failed += isinstance(outcome, OnrecordError)
        return outcome

    def closed(self) -> Exception | None:
        """What it means that the server closed the present stream: None when all is done."""
        return None if self.finished else self.broke(Unavailable("the server ended the stream before its claims did"))

    def broke(self, error: OnrecordError) -> Exception:
        """What follows from the present stream's failure: Again, or the error itself for the caller."""
        if error.reason == STREAM_BROKE and not self._answers and not self.hesitates:
            self.hesitates = True
            return Again(0.0)
        if self._patience is None or not isinstance(error, Unavailable | Overloaded | DeadlineExceeded | Cancelled):
            return error
        if isinstance(error, DeadlineExceeded):
            # the stream's own time is over; only a claim that had all of it is late
            return Again(0.0) if self._answers or not self._sent else error
        now = time.monotonic()
        if self._failing_since is None:
            self._failing_since = now
        if now - self._failing_since >= self._patience:
            return error
        pause, self._pause = self._pause, min(self._pause * 2, _LONGEST_PAUSE)
        asked = getattr(error, "retry_after", None) or 0.0
        since = now - self._failing_since
        left = self._patience - since
        # spread, so that the clients of a server that comes back do not all come at once
        seconds = min(max(asked, pause * random.uniform(0.75, 1.25)), max(left, 0.01))  # noqa: S311 -- no secret
        return Again(seconds, error, since)

    def progress(self) -> Progress:
        """How far it is."""
        return Progress(self._done, self._failed, self._total, self._restarts)

    def _outcome(self, answer: pb.StreamCheckClaimsResponse) -> Outcome:
        if answer.HasField("error"):
            return at(from_status(answer.error), self._done)
        if answer.HasField("result"):
            return _answer.check_result(answer.result)
        return ServerError("the server answered neither a result nor an error")

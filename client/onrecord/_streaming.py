"""Claims sent as they come and outcomes taken as they come, in the claims' order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from onrecord import _answer, _request
from onrecord._places import at
from onrecord._request import Fields
from onrecord._status import from_status
from onrecord._transport import MESSAGE_BUDGET, Transport
from onrecord.errors import FieldViolation, InvalidArgument, OnrecordError, ServerError
from onrecord.types import CheckResult, Claim
from onrecord.v1 import check_service_pb2

Outcome = CheckResult | OnrecordError


class Stream:
    """One stream of checks; see `Client.check_stream`.

    gRPC takes the requests in a thread of its own; what the two sides share is `_open`, which is only appended to
    there and only taken from here.
    """

    def __init__(
        self,
        transport: Transport,
        parent: str,
        options: check_service_pb2.CheckOptions | None,
        timeout: float | None,
    ) -> None:
        self._transport = transport
        self._parent = parent
        self._options = options
        self._timeout = timeout
        # a claim each that has no outcome yet: None when it was sent, else what the wire could not carry
        self._open: deque[InvalidArgument | None] = deque()
        self._broken: BaseException | None = None

    def run(self, claims: Iterable[str | Claim]) -> Iterator[Outcome]:
        """Outcomes, one a claim."""
        index = 0
        method = self._transport.checks.StreamCheckClaims
        answers = self._transport.stream(method, self._requests(claims), self._timeout)
        for answer in answers:
            for unsent in self._unsent():
                yield unsent
                index += 1
            if not self._open:
                raise ServerError("the server answered more claims than it was sent")
            self._open.popleft()
            yield self._outcome(answer, index)
            index += 1
        yield from self._unsent()
        if self._broken is not None:
            raise self._broken

    def _unsent(self) -> Iterator[InvalidArgument]:
        while self._open and (error := self._open[0]) is not None:
            self._open.popleft()
            yield error

    def _outcome(self, answer: check_service_pb2.StreamCheckClaimsResponse, index: int) -> Outcome:
        if answer.HasField("error"):
            return at(from_status(answer.error), index)
        if answer.HasField("result"):
            return _answer.check_result(answer.result)
        return ServerError("the server answered neither a result nor an error")

    def _requests(self, claims: Iterable[str | Claim]) -> Iterator[check_service_pb2.StreamCheckClaimsRequest]:
        """Runs in gRPC's thread, which would only log what the caller's iterable raises."""
        try:
            for index, claim in enumerate(claims):
                fields = Fields()
                message = _request.claim(fields, claim, prefix=f"claims[{index}]")
                if message.ByteSize() > MESSAGE_BUDGET:
                    fields.violations.append(
                        FieldViolation(f"claims[{index}]", "larger than a message may be", "MESSAGE_TOO_LARGE")
                    )
                if fields.violations:
                    self._open.append(InvalidArgument.of(fields.violations))
                    continue
                self._open.append(None)
                yield check_service_pb2.StreamCheckClaimsRequest(
                    parent=self._parent, claim=message, options=self._options
                )
        except GeneratorExit:
            raise
        except BaseException as error:  # for `run` to raise, once what was sent is answered
            self._broken = error

"""Many claims in as few messages as they fit into, outcomes in the claims' order."""

from __future__ import annotations

from collections.abc import Iterable

from onrecord import _answer, _request
from onrecord._places import at, too_large
from onrecord._request import Fields
from onrecord._split import Indexed, chunks
from onrecord._transport import MESSAGE_BUDGET, Transport
from onrecord.errors import InvalidArgument, OnrecordError
from onrecord.types import CheckResult, Claim
from onrecord.v1 import check_service_pb2

BATCH_ITEMS = 256

Outcome = CheckResult | OnrecordError
Chunk = list[Indexed[check_service_pb2.Claim]]


class Batch:
    """One batch on its way; see `Client.check_batch` for what fails how."""

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
        self._outcomes: dict[int, Outcome] = {}
        self._answered = False

    def run(self, claims: Iterable[str | Claim]) -> list[Outcome]:
        """Check everything."""
        good = self._messages(claims)
        failure: OnrecordError | None = None
        for chunk in chunks(good, most=BATCH_ITEMS, budget=MESSAGE_BUDGET):
            if failure is None:
                try:
                    self._send(chunk)
                    continue
                except OnrecordError as error:
                    if not self._answered:
                        raise
                    failure = error
            for item in chunk:
                self._outcomes.setdefault(item.index, failure)  # a part of the message may have been answered
        return [self._outcomes[index] for index in range(len(self._outcomes))]

    def _messages(self, claims: Iterable[str | Claim]) -> Chunk:
        """What the wire can carry; the rest is an outcome already."""
        good: Chunk = []
        for index, claim in enumerate(claims):
            fields = Fields()
            message = _request.claim(fields, claim, prefix=f"claims[{index}]")
            if fields.violations:
                self._outcomes[index] = InvalidArgument.of(fields.violations)
            else:
                good.append(Indexed(index, message))
        return good

    def _send(self, chunk: Chunk) -> None:
        request = check_service_pb2.BatchCheckClaimsRequest(
            parent=self._parent, claims=[item.message for item in chunk], options=self._options
        )
        try:
            answer = self._transport.call(self._transport.checks.BatchCheckClaims, request, self._timeout)
        except InvalidArgument as error:
            if not too_large(error):
                raise  # the collection or the options: the same for every message
            if len(chunk) > 1:  # not what was asked, as that was measured: the answer. Its parts may be small enough
                middle = len(chunk) // 2
                self._send(chunk[:middle])
                self._send(chunk[middle:])
                return
            self._outcomes.update({item.index: error for item in chunk})  # one claim that no message can hold
            return
        outcomes = _answer.batch(answer, len(chunk))
        self._answered = True
        for item, outcome in zip(chunk, outcomes, strict=True):
            self._outcomes[item.index] = at(outcome, item.index) if isinstance(outcome, OnrecordError) else outcome

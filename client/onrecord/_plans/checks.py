"""Checks of single claims and of batches, raw pairs, and what a server tells of itself."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping

from onrecord import _answer, _kept, _request, types
from onrecord._channel import MESSAGE_BUDGET
from onrecord._places import at, too_large
from onrecord._request import Fields
from onrecord._split import Indexed, chunks
from onrecord._steps import END, PULL, Call, Health, Pause, Plan
from onrecord.errors import InvalidArgument, OnrecordError, Unavailable
from onrecord.types import CheckOptions, CheckResult, Claim, StatementFilter
from onrecord.v1 import check_service_pb2, server_info_service_pb2

BATCH_ITEMS = 256

Outcome = CheckResult | OnrecordError
Chunk = list[Indexed[check_service_pb2.Claim]]


def info(timeout: float | None) -> Plan[types.ServerInfo]:
    """See `Client.info`."""
    answer = yield Call("info", "GetServerInfo", server_info_service_pb2.GetServerInfoRequest(), timeout)
    return _answer.server_info(answer)


def wait_ready(target: str, timeout: float) -> Plan[None]:
    """See `Client.wait_ready`."""
    until = time.monotonic() + timeout
    said = ""
    while (left := until - time.monotonic()) > 0:
        try:
            word = yield Health(left)
            if word == "SERVING":
                return
            said = word or said
        except OnrecordError as error:
            if error.code not in ("UNAVAILABLE", "DEADLINE_EXCEEDED"):
                raise
        # a watch that ends at once is not spun on
        yield Pause(min(0.1, max(0.0, until - time.monotonic())))
    if said:
        raise Unavailable(f"{target} says {said} after {timeout:g} s; its log says what it is waiting for")
    raise Unavailable(f"no server at {target} after {timeout:g} s; start one with `onrecord serve`")


def check(
    claim: str | Claim,
    speaker: str | None,
    as_of: dt.date | None,
    narrowed: StatementFilter | None,
    collection: str,
    options: CheckOptions | None,
    timeout: float | None,
) -> Plan[CheckResult]:
    """See `Client.check`."""
    fields = Fields()
    request = check_service_pb2.CheckClaimRequest(
        parent=_request.parent(fields, collection),
        claim=_request.claim(fields, claim, speaker, as_of=as_of, narrowed=narrowed),
        options=_request.options(fields, options),
    )
    fields.check()
    answer = yield Call("checks", "CheckClaim", request, timeout)
    return _answer.check_result(answer.result)


def replay(
    claim: str | Claim,
    result: CheckResult | Mapping[str, object],
    speaker: str | None,
    collection: str,
    record_as_now: bool,
    timeout: float | None,
) -> Plan[types.Replay]:
    """See `Client.replay`."""
    fields = Fields()
    request = check_service_pb2.ReplayCheckRequest(
        parent=_request.parent(fields, collection),
        claim=_request.claim(fields, claim, speaker),
        result=_kept.check_result(fields, result),
        record_as_now=record_as_now,
    )
    fields.check()
    answer = yield Call("checks", "ReplayCheck", request, timeout)
    return _answer.replay(answer)


def score_pairs(timeout: float | None) -> Plan[list[types.PairScore]]:
    """See `Client.score_pairs`; pulls the pairs."""
    fields = Fields()
    messages: list[check_service_pb2.Pair] = []
    while (pair := (yield PULL)) is not END:
        messages.append(_request.pair(fields, pair, f"pairs[{len(messages)}]"))
    fields.check()
    scores: list[types.PairScore] = []
    for chunk in chunks(messages, most=BATCH_ITEMS, budget=MESSAGE_BUDGET):
        answer = yield Call("checks", "ScorePairs", check_service_pb2.ScorePairsRequest(pairs=chunk), timeout)
        scores += [_answer.pair_score(score) for score in answer.scores]
    return scores


def check_batch(collection: str, options: CheckOptions | None, timeout: float | None) -> Plan[list[Outcome]]:
    """See `Client.check_batch`; pulls the claims."""
    batch = _Batch(collection, options, timeout)
    good: Chunk = []
    while (claim := (yield PULL)) is not END:
        batch.read(claim, good)
    return (yield from batch.run(good))


class _Batch:
    """Many claims in as few messages as they fit into, outcomes in the claims' order."""

    def __init__(self, collection: str, options: CheckOptions | None, timeout: float | None) -> None:
        fields = Fields()
        self._parent = _request.parent(fields, collection)
        self._options = _request.options(fields, options)
        fields.check()
        self._timeout = timeout
        self._count = 0
        self._outcomes: dict[int, Outcome] = {}
        self._answered = False

    def read(self, claim: str | Claim, good: Chunk) -> None:
        """Add what the wire can carry; anything else is an outcome already."""
        fields = Fields()
        message = _request.claim(fields, claim, prefix=f"claims[{self._count}]")
        if fields.violations:
            self._outcomes[self._count] = InvalidArgument.of(fields.violations)
        else:
            good.append(Indexed(self._count, message))
        self._count += 1

    def run(self, good: Chunk) -> Plan[list[Outcome]]:
        """Check everything."""
        failure: OnrecordError | None = None
        for chunk in chunks(good, most=BATCH_ITEMS, budget=MESSAGE_BUDGET):
            if failure is None:
                try:
                    yield from self._send(chunk)
                    continue
                except OnrecordError as error:
                    if not self._answered:
                        raise
                    failure = error
            for item in chunk:
                self._outcomes.setdefault(item.index, failure)  # a part of the message may have been answered
        return [self._outcomes[index] for index in range(self._count)]

    def _send(self, chunk: Chunk) -> Plan[None]:
        request = check_service_pb2.BatchCheckClaimsRequest(
            parent=self._parent, claims=[item.message for item in chunk], options=self._options
        )
        try:
            answer = yield Call("checks", "BatchCheckClaims", request, self._timeout)
        except InvalidArgument as error:
            if not too_large(error):
                raise  # the collection or the options: the same for every message
            if len(chunk) > 1:  # not what was asked, as that was measured: the answer. Its parts may be small enough
                middle = len(chunk) // 2
                yield from self._send(chunk[:middle])
                yield from self._send(chunk[middle:])
                return
            self._outcomes.update({item.index: error for item in chunk})  # one claim that no message can hold
            return
        outcomes = _answer.batch(answer, len(chunk))
        self._answered = True
        for item, outcome in zip(chunk, outcomes, strict=True):
            self._outcomes[item.index] = at(outcome, item.index) if isinstance(outcome, OnrecordError) else outcome

"""CheckService: claims and pairs against the record and the model."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence, Sized
from typing import Any

from grpc.aio import ServicerContext

from onrecord.v1 import check_service_pb2 as pb
from onrecord.v1 import check_service_pb2_grpc as pb_grpc
from onrecord_server.checking.streaming import in_order
from onrecord_server.domain.errors import FieldViolation, InvalidInput, OnrecordError, ShuttingDown
from onrecord_server.domain.limits import (
    BATCH_CLAIMS,
    BATCH_PAIRS,
    CLAIM_CODE_POINTS,
    STATEMENT_CODE_POINTS,
    STREAM_CLAIMS,
    Limit,
)
from onrecord_server.domain.types import CheckResult, Claim
from onrecord_server.domain.validation import (
    claim_violations,
    options_violations,
    parse_parent,
    past_violations,
    text_violations,
)
from onrecord_server.rpc.backend import BackendSlot
from onrecord_server.rpc.calls import status_of_item
from onrecord_server.rpc.convert_checks import (
    check_result_to_proto,
    claim_from_proto,
    options_from_proto,
    pair_score_to_proto,
)
from onrecord_server.rpc.replays import past_from_proto, replay_to_proto

_REPLY_SECONDS = 0.025
_REPLY_SHARE = 0.05  # of the time that there is, where that is short


def deadline_of(context: ServicerContext[Any, Any]) -> float | None:
    """The instant of the event loop's clock by which the answer must leave; None when the caller set no deadline.

    Somewhat before the caller gives up: the answer, also one that says there is none, takes a while to get there.
    """
    remaining: float | None = context.time_remaining()
    if remaining is None:
        return None
    return asyncio.get_running_loop().time() + remaining - min(_REPLY_SECONDS, _REPLY_SHARE * remaining)


class CheckService(pb_grpc.CheckServiceServicer):
    """onrecord.v1.CheckService."""

    def __init__(self, slot: BackendSlot) -> None:
        self._slot = slot

    async def CheckClaim(
        self, request: pb.CheckClaimRequest, context: ServicerContext[Any, Any]
    ) -> pb.CheckClaimResponse:
        """Check one claim."""
        violations: list[FieldViolation] = [*parent_violations(request.parent)]
        claim, options = claim_from_proto(request.claim, "claim", violations), options_from_proto(request.options)
        violations += [*claim_violations(claim), *options_violations(options)]
        if violations:
            raise InvalidInput(violations)
        result = await self._slot.get().checker.check(
            parse_parent(request.parent), claim, options, deadline=deadline_of(context)
        )
        return pb.CheckClaimResponse(result=check_result_to_proto(result))

    async def BatchCheckClaims(
        self, request: pb.BatchCheckClaimsRequest, context: ServicerContext[Any, Any]
    ) -> pb.BatchCheckClaimsResponse:
        """Check many claims; each succeeds or fails alone."""
        check_size("claims", request.claims, BATCH_CLAIMS)
        options = options_from_proto(request.options)
        if violations := [*parent_violations(request.parent), *options_violations(options)]:
            raise InvalidInput(violations)
        claims = [_claim(claim, f"claims[{index}]") for index, claim in enumerate(request.claims)]
        outcomes = await self._slot.get().checker.check_many(
            parse_parent(request.parent), claims, options, deadline=deadline_of(context)
        )
        return pb.BatchCheckClaimsResponse(items=[_item(outcome) for outcome in outcomes])

    async def StreamCheckClaims(
        self, request: AsyncIterator[pb.StreamCheckClaimsRequest | OnrecordError], context: ServicerContext[Any, Any]
    ) -> AsyncIterator[pb.StreamCheckClaimsResponse]:
        """Check claims as they come; a message that is none comes as its error, and goes back as one."""
        checker, deadline = self._slot.get().checker, deadline_of(context)

        async def one(message: pb.StreamCheckClaimsRequest | OnrecordError) -> CheckResult | Exception:
            try:
                if isinstance(message, OnrecordError):
                    return message
                violations = [*parent_violations(message.parent)]
                claim = claim_from_proto(message.claim, "claim", violations)
                options = options_from_proto(message.options)
                violations += [*claim_violations(claim), *options_violations(options)]
                if violations:
                    return InvalidInput(violations)
                return await checker.check_patiently(parse_parent(message.parent), claim, options, deadline=deadline)
            except ShuttingDown:
                raise
            except Exception as error:  # whatever it is, the stream's other claims have nothing to do with it
                return error

        index = 0
        async with contextlib.aclosing(in_order(request, one, STREAM_CLAIMS.value, self._slot.draining)) as answers:
            async for outcome in answers:
                yield _streamed(index, outcome)
                index += 1
        if self._slot.draining.is_set():
            raise ShuttingDown("the server is shutting down; what it had read is answered, send on elsewhere")

    async def ReplayCheck(
        self, request: pb.ReplayCheckRequest, context: ServicerContext[Any, Any]
    ) -> pb.ReplayCheckResponse:
        """Check a claim again as it was checked then."""
        violations: list[FieldViolation] = [*(parent_violations(request.parent) if request.parent else ())]
        claim = claim_from_proto(request.claim, "claim", violations)
        past = past_from_proto(request.result, "result", violations)
        violations += [*claim_violations(claim), *past_violations(past, "result")]
        if violations:
            raise InvalidInput(violations)
        replay = await self._slot.get().checker.replay(
            request.parent, claim, past, present=request.record_as_now, deadline=deadline_of(context)
        )
        return replay_to_proto(replay)

    async def ScorePairs(
        self, request: pb.ScorePairsRequest, context: ServicerContext[Any, Any]
    ) -> pb.ScorePairsResponse:
        """What the model alone says of pairs."""
        check_size("pairs", request.pairs, BATCH_PAIRS)
        pairs = [(pair.premise, pair.hypothesis) for pair in request.pairs]
        violations: list[FieldViolation] = []
        for index, (premise, hypothesis) in enumerate(pairs):
            field = f"pairs[{index}]"
            violations += text_violations(f"{field}.premise", premise, STATEMENT_CODE_POINTS, required=True)
            violations += text_violations(f"{field}.hypothesis", hypothesis, CLAIM_CODE_POINTS, required=True)
        if violations:
            raise InvalidInput(violations)
        backend = self._slot.get()
        scores = await backend.checker.score_pairs(pairs, deadline=deadline_of(context))
        return pb.ScorePairsResponse(
            scores=[pair_score_to_proto(score) for score in scores],
            model_id=backend.model.model_id,
            model_revision=backend.model.revision,
        )


def parent_violations(parent: str) -> Sequence[FieldViolation]:
    """What is wrong with a collection's name, so that it can be reported together with other fields."""
    try:
        parse_parent(parent)
    except InvalidInput as error:
        return error.violations
    return ()


def check_size(field: str, items: Sized, limit: Limit) -> None:
    """Raise InvalidInput for an empty list, or one with more items than the limit."""
    if not items:
        raise InvalidInput([FieldViolation(field, "REQUIRED", f"empty; send 1 to {limit.value:,}")])
    if len(items) > limit.value:
        message = f"{len(items):,} items; at most {limit.value:,} are accepted; send the rest in another call"
        raise InvalidInput([FieldViolation(field, limit.reason, message)])


def _claim(message: pb.Claim, field: str) -> Claim | InvalidInput:
    """A claim of a batch, or what is wrong with it, all of it."""
    violations: list[FieldViolation] = []
    claim = claim_from_proto(message, field, violations)
    return InvalidInput([*violations, *claim_violations(claim, field)]) if violations else claim


def _streamed(index: int, outcome: CheckResult | Exception) -> pb.StreamCheckClaimsResponse:
    if isinstance(outcome, Exception):
        return pb.StreamCheckClaimsResponse(index=index, error=status_of_item(outcome))
    return pb.StreamCheckClaimsResponse(index=index, result=check_result_to_proto(outcome))


def _item(outcome: CheckResult | OnrecordError) -> pb.BatchCheckItem:
    if isinstance(outcome, OnrecordError):
        return pb.BatchCheckItem(error=status_of_item(outcome))
    return pb.BatchCheckItem(result=check_result_to_proto(outcome))

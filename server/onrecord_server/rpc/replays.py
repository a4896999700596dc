"""Conversion of ReplayCheck between the wire and the domain. Rules as in convert.py."""

from __future__ import annotations

from onrecord.v1 import check_service_pb2 as pb
from onrecord_server.domain.errors import FieldViolation
from onrecord_server.domain.replay import PastCheck, PastEvidence, Replay, ReplayChange
from onrecord_server.domain.types import ClaimAttribution, Provenance, State, Verdict
from onrecord_server.rpc.convert import filter_from_proto, stance_from_proto, timestamp_from_proto
from onrecord_server.rpc.convert_checks import check_result_to_proto, options_from_proto
from onrecord_server.rpc.enums import (
    CHANGE_TO_PROTO,
    REASON_FROM_PROTO,
    STATE_FROM_PROTO,
    STATEMENT_CHANGE_TO_PROTO,
    VERDICT_FROM_PROTO,
)


def past_from_proto(message: pb.CheckResult, field: str, violations: list[FieldViolation]) -> PastCheck:
    """What was kept of a check. Its verdict and provenance are required."""
    verdict = _verdict(message.verdict, f"{field}.verdict", violations)
    reason = REASON_FROM_PROTO.get(message.reason)
    if reason is None:
        violations.append(_unknown(f"{field}.reason", message.reason, "Reason"))
        reason = REASON_FROM_PROTO[pb.REASON_UNSPECIFIED]
    if not message.HasField("provenance"):
        text = "is missing; send the result as it came"
        violations.append(FieldViolation(f"{field}.provenance", "REQUIRED", text))
    read = message.attribution
    return PastCheck(
        verdict=verdict,
        reason=reason,
        provenance=provenance_from_proto(message.provenance, f"{field}.provenance", violations),
        parts=tuple(
            _verdict(part.verdict, f"{field}.parts[{place}].verdict", violations)
            for place, part in enumerate(message.parts)
        ),
        evidence=tuple(_evidence(evidence) for evidence in message.evidence),
        attribution=ClaimAttribution(
            content=read.content,
            speaker=read.speaker,
            stance=stance_from_proto(read.stance, f"{field}.attribution.stance", violations),
            exclusive=read.exclusive,
            excluded_speakers=tuple(read.excluded_speakers),
        )
        if message.HasField("attribution")
        else None,
    )


def provenance_from_proto(message: pb.Provenance, field: str, violations: list[FieldViolation]) -> Provenance:
    """What a verdict was made with."""
    times = {
        name: timestamp_from_proto(getattr(message, name), f"{field}.{name}", violations)
        for name in ("as_of", "check_time")
        if message.HasField(name)
    }
    return Provenance(
        model_id=message.model_id,
        model_revision=message.model_revision,
        options=options_from_proto(message.options),
        store_revision=message.store_revision,
        as_of=times.get("as_of"),
        switched_off=tuple(message.switched_off),
        encoder_id=message.encoder_id,
        encoder_revision=message.encoder_revision,
        collection=message.collection,
        filter=filter_from_proto(message.filter, f"{field}.filter", violations),
        calibration_revision=message.calibration_revision,
        weighing_revision=message.weighing_revision,
        switched_on=tuple(message.switched_on),
        server_version=message.server_version,
        precision=message.precision,
        record_id=message.record_id,
        check_time=times.get("check_time"),
        requested_options=options_from_proto(message.requested_options),
    )


def replay_to_proto(replay: Replay) -> pb.ReplayCheckResponse:
    """A check made again."""
    return pb.ReplayCheckResponse(
        result=check_result_to_proto(replay.result),
        same=replay.same,
        changes=[_change_to_proto(change) for change in replay.changes],
    )


def _change_to_proto(change: ReplayChange) -> pb.ReplayChange:
    return pb.ReplayChange(
        kind=CHANGE_TO_PROTO[change.kind],
        detail=change.detail,
        held=change.held,
        statements=[
            pb.StatementChange(name=one.name, kind=STATEMENT_CHANGE_TO_PROTO[one.kind]) for one in change.statements
        ],
    )


def _evidence(message: pb.Evidence) -> PastEvidence:
    """A statement as it was. A state of a newer contract is read as active: it can only be compared."""
    statement = message.statement
    state = STATE_FROM_PROTO.get(statement.state, State.ACTIVE)
    return PastEvidence(name=statement.name, etag=statement.etag, text=statement.text, state=state)


def _verdict(value: int, field: str, violations: list[FieldViolation]) -> Verdict:
    verdict = VERDICT_FROM_PROTO.get(value)
    if verdict is not None:
        return verdict
    if value:
        violations.append(_unknown(field, value, "Verdict"))
    else:
        violations.append(FieldViolation(field, "REQUIRED", "is not set; send the result as it came"))
    return Verdict.NOT_ENOUGH_EVIDENCE


def _unknown(field: str, value: int, kind: str) -> FieldViolation:
    return FieldViolation(field, "UNKNOWN_ENUM_VALUE", f"{value} is no {kind} of this version; send it as it came")

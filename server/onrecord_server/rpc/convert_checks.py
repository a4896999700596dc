"""Conversion of claims, options and results of checks between the wire and the domain. Rules as in convert.py."""

from __future__ import annotations

from onrecord.v1 import check_service_pb2 as check_pb
from onrecord_server.domain.errors import FieldViolation
from onrecord_server.domain.types import (
    CheckOptions,
    CheckResult,
    Claim,
    ClaimAttribution,
    ClaimPart,
    Evidence,
    NliScores,
    PairScore,
    Provenance,
    Timings,
)
from onrecord_server.rpc.convert import (
    ambiguous_name_to_proto,
    filter_from_proto,
    filter_to_proto,
    span_to_proto,
    statement_to_proto,
    timestamp_from_proto,
    timestamp_to_proto,
)
from onrecord_server.rpc.enums import (
    REASON_TO_PROTO,
    RELATION_TO_PROTO,
    STANCE_TO_PROTO,
    VERDICT_TO_PROTO,
)


def claim_to_proto(claim: Claim) -> check_pb.Claim:
    """A claim."""
    message = check_pb.Claim(text=claim.text, speaker=claim.speaker)
    if claim.filter is not None:
        message.filter.CopyFrom(filter_to_proto(claim.filter))
    if claim.as_of is not None:
        message.as_of.CopyFrom(timestamp_to_proto(claim.as_of))
    return message


def claim_from_proto(message: check_pb.Claim, field: str, violations: list[FieldViolation]) -> Claim:
    """A claim."""
    as_of = None
    if message.HasField("as_of"):
        as_of = timestamp_from_proto(message.as_of, f"{field}.as_of", violations)
    chosen = None
    if message.HasField("filter"):
        chosen = filter_from_proto(message.filter, f"{field}.filter", violations)
    return Claim(text=message.text, speaker=message.speaker, as_of=as_of, filter=chosen)


def options_to_proto(options: CheckOptions) -> check_pb.CheckOptions:
    """Options; None leaves a field unset."""
    return check_pb.CheckOptions(
        support_threshold=options.support_threshold,
        contradiction_threshold=options.contradiction_threshold,
        contradiction_margin=options.contradiction_margin,
        topic_threshold=options.topic_threshold,
        max_evidence=options.max_evidence,
        explain=options.explain,
    )


def options_from_proto(message: check_pb.CheckOptions) -> CheckOptions:
    """Options; an unset field is None, a field set to 0 is 0."""
    return CheckOptions(
        support_threshold=message.support_threshold if message.HasField("support_threshold") else None,
        contradiction_threshold=(
            message.contradiction_threshold if message.HasField("contradiction_threshold") else None
        ),
        contradiction_margin=message.contradiction_margin if message.HasField("contradiction_margin") else None,
        topic_threshold=message.topic_threshold if message.HasField("topic_threshold") else None,
        max_evidence=message.max_evidence if message.HasField("max_evidence") else None,
        explain=message.explain if message.HasField("explain") else None,
    )


def scores_to_proto(scores: NliScores) -> check_pb.NliScores:
    """Probabilities."""
    return check_pb.NliScores(entailment=scores.entailment, neutral=scores.neutral, contradiction=scores.contradiction)


def pair_score_to_proto(score: PairScore) -> check_pb.PairScore:
    """The model's word on one pair."""
    return check_pb.PairScore(scores=scores_to_proto(score.scores), truncated=score.truncated)


def evidence_to_proto(evidence: Evidence) -> check_pb.Evidence:
    """One statement that was looked at."""
    return check_pb.Evidence(
        statement=statement_to_proto(evidence.statement),
        relation=RELATION_TO_PROTO[evidence.relation],
        scores=scores_to_proto(evidence.scores),
        similarity=evidence.similarity,
        quote=evidence.quote,
        quote_span=span_to_proto(evidence.quote_span),
        notes=evidence.notes,
        truncated=evidence.truncated,
        weighed_scores=scores_to_proto(evidence.weighed_scores) if evidence.weighed_scores else None,
        part=evidence.part,
    )


def part_to_proto(part: ClaimPart) -> check_pb.ClaimPart:
    """One part of a compound claim."""
    return check_pb.ClaimPart(
        text=part.text,
        span=span_to_proto(part.span),
        attribution=attribution_to_proto(part.attribution),
        verdict=VERDICT_TO_PROTO[part.verdict],
        confidence=part.confidence,
        reason=REASON_TO_PROTO[part.reason],
        deciding=part.deciding,
    )


def attribution_to_proto(attribution: ClaimAttribution) -> check_pb.ClaimAttribution:
    """How a claim was read."""
    return check_pb.ClaimAttribution(
        speaker=attribution.speaker,
        content=attribution.content,
        stance=STANCE_TO_PROTO[attribution.stance],
        exclusive=attribution.exclusive,
        excluded_speakers=attribution.excluded_speakers,
    )


def provenance_to_proto(provenance: Provenance) -> check_pb.Provenance:
    """What a verdict was made with."""
    message = check_pb.Provenance(
        model_id=provenance.model_id,
        model_revision=provenance.model_revision,
        options=options_to_proto(provenance.options),
        store_revision=provenance.store_revision,
        switched_off=provenance.switched_off,
        encoder_id=provenance.encoder_id,
        encoder_revision=provenance.encoder_revision,
        collection=provenance.collection,
        filter=None if provenance.filter is None else filter_to_proto(provenance.filter),
        calibration_revision=provenance.calibration_revision,
        weighing_revision=provenance.weighing_revision,
        switched_on=provenance.switched_on,
        server_version=provenance.server_version,
        precision=provenance.precision,
        record_id=provenance.record_id,
        requested_options=options_to_proto(provenance.requested_options),
    )
    for name in ("as_of", "check_time"):
        if (when := getattr(provenance, name)) is not None:
            getattr(message, name).CopyFrom(timestamp_to_proto(when))
    return message


def timings_to_proto(timings: Timings) -> check_pb.Timings:
    """Milliseconds."""
    return check_pb.Timings(
        retrieval_ms=timings.retrieval_ms,
        queue_ms=timings.queue_ms,
        inference_ms=timings.inference_ms,
        total_ms=timings.total_ms,
    )


def check_result_to_proto(result: CheckResult) -> check_pb.CheckResult:
    """The verdict on one claim."""
    return check_pb.CheckResult(
        verdict=VERDICT_TO_PROTO[result.verdict],
        confidence=result.confidence,
        reason=REASON_TO_PROTO[result.reason],
        evidence=[evidence_to_proto(e) for e in result.evidence],
        supporting_speakers=result.supporting_speakers,
        contradicting_speakers=result.contradicting_speakers,
        attribution=attribution_to_proto(result.attribution),
        provenance=provenance_to_proto(result.provenance),
        timings=timings_to_proto(result.timings),
        explanation=result.explanation,
        parts=[part_to_proto(part) for part in result.parts],
        ambiguous_names=[ambiguous_name_to_proto(found) for found in result.ambiguous_names],
    )

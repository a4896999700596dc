"""Messages of onrecord.v1 into types. Total: whatever a server sends converts."""

from __future__ import annotations

import enum
import functools
import re
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from onrecord import types
from onrecord._status import from_status
from onrecord.errors import OnrecordError, ServerError
from onrecord.v1 import (
    check_service_pb2,
    filter_pb2,
    server_info_service_pb2,
    statement_pb2,
    statement_service_pb2,
)

Member = TypeVar("Member", bound=enum.StrEnum)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@functools.lru_cache(maxsize=256)  # an answer names dozens, and looking one up takes as long as the rest of a statement
def member(kind: type[Member], wire: Any, value: int) -> Member:
    """The member named as on the wire without its prefix; UNSPECIFIED for a value that this client does not know."""
    try:
        return kind(wire.Name(value).removeprefix(_prefix(kind)))
    except ValueError:
        return kind("UNSPECIFIED")


def _prefix(kind: type[enum.StrEnum]) -> str:
    """What the names of an enum's values begin with on the wire: STATEMENT_CHANGE_KIND_ of StatementChangeKind."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).upper() + "_"


def time(message: Any, field: str) -> datetime | None:
    """The instant in UTC, cut to the microsecond; None when unset or beyond what a datetime holds."""
    if not message.HasField(field):
        return None
    stamp: Timestamp = getattr(message, field)
    try:
        return _EPOCH + timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1_000)
    except OverflowError:
        return None


def span(message: Any, field: str) -> types.TextSpan | None:
    """A stretch of text; None when unset."""
    if not message.HasField(field):
        return None
    value = getattr(message, field)
    return types.TextSpan(value.start, value.end)


def statement(message: statement_pb2.Statement) -> types.Statement:
    """A statement."""
    return types.Statement(
        name=message.name,
        text=message.text,
        context=message.context,
        speaker=types.Speaker(message.speaker.name, tuple(message.speaker.aliases)),
        relayed_by=message.relayed_by,
        stance=member(types.Stance, statement_pb2.Stance, message.stance or statement_pb2.STANCE_ASSERTED),
        source=types.Source(
            message.source.uri, message.source.title, message.source.publisher, time(message.source, "publish_time")
        ),
        stated_time=time(message, "stated_time"),
        valid_from=time(message, "valid_from"),
        valid_until=time(message, "valid_until"),
        labels=tuple(message.labels),
        document=message.document,
        original=message.original,
        original_span=span(message, "original_span"),
        create_time=time(message, "create_time"),
        etag=message.etag,
        state=member(types.State, statement_pb2.State, message.state or statement_pb2.STATE_ACTIVE),
        superseded_by=message.superseded_by,
        state_time=time(message, "state_time"),
        update_time=time(message, "update_time"),
    )


def collection(message: statement_pb2.Collection) -> types.Collection:
    """A collection."""
    return types.Collection(
        name=message.name,
        display_name=message.display_name,
        description=message.description,
        statement_count=message.statement_count,
        create_time=time(message, "create_time"),
        update_time=time(message, "update_time"),
        etag=message.etag,
        pending_count=message.pending_count,
    )


def options(message: check_service_pb2.CheckOptions) -> types.CheckOptions:
    """Options; unset is None."""
    return types.CheckOptions(
        support_threshold=message.support_threshold if message.HasField("support_threshold") else None,
        contradiction_threshold=message.contradiction_threshold
        if message.HasField("contradiction_threshold")
        else None,
        contradiction_margin=message.contradiction_margin if message.HasField("contradiction_margin") else None,
        topic_threshold=message.topic_threshold if message.HasField("topic_threshold") else None,
        max_evidence=message.max_evidence if message.HasField("max_evidence") else None,
        explain=message.explain if message.HasField("explain") else None,
    )


def scores(message: check_service_pb2.NliScores) -> types.NliScores:
    """Probabilities."""
    return types.NliScores(message.entailment, message.neutral, message.contradiction)


def pair_score(message: check_service_pb2.PairScore) -> types.PairScore:
    """The model's word on one pair."""
    return types.PairScore(scores(message.scores), message.truncated)


def evidence(message: check_service_pb2.Evidence) -> types.Evidence:
    """One statement that was looked at."""
    return types.Evidence(
        statement=statement(message.statement),
        relation=member(types.Relation, check_service_pb2.Relation, message.relation),
        scores=scores(message.scores),
        similarity=message.similarity,
        quote=message.quote,
        quote_span=span(message, "quote_span"),
        notes=tuple(message.notes),
        truncated=message.truncated,
        part=message.part,
        weighed_scores=scores(message.weighed_scores) if message.HasField("weighed_scores") else None,
    )


def reason(value: check_service_pb2.Reason.ValueType) -> types.Reason | None:
    """A reason; none at all is None."""
    return member(types.Reason, check_service_pb2.Reason, value) if value else None


def attribution(message: check_service_pb2.ClaimAttribution) -> types.ClaimAttribution:
    """How a claim was read."""
    return types.ClaimAttribution(
        speaker=message.speaker,
        content=message.content,
        stance=member(types.Stance, statement_pb2.Stance, message.stance or statement_pb2.STANCE_ASSERTED),
        exclusive=message.exclusive,
        excluded_speakers=tuple(message.excluded_speakers),
    )


def claim_part(message: check_service_pb2.ClaimPart) -> types.ClaimPart:
    """One part of a compound claim."""
    return types.ClaimPart(
        text=message.text,
        span=span(message, "span"),
        attribution=attribution(message.attribution),
        verdict=member(types.Verdict, check_service_pb2.Verdict, message.verdict),
        confidence=message.confidence,
        reason=reason(message.reason),
        deciding=tuple(message.deciding),
    )


def check_result(message: check_service_pb2.CheckResult) -> types.CheckResult:
    """The verdict on one claim."""
    provenance, timings = message.provenance, message.timings
    return types.CheckResult(
        verdict=member(types.Verdict, check_service_pb2.Verdict, message.verdict),
        confidence=message.confidence,
        reason=reason(message.reason),
        evidence=tuple(evidence(item) for item in message.evidence),
        supporting_speakers=tuple(message.supporting_speakers),
        contradicting_speakers=tuple(message.contradicting_speakers),
        attribution=attribution(message.attribution),
        provenance=types.Provenance(
            provenance.model_id,
            provenance.model_revision,
            options(provenance.options),
            provenance.store_revision,
            time(provenance, "as_of"),
            tuple(provenance.switched_off),
            encoder_id=provenance.encoder_id,
            encoder_revision=provenance.encoder_revision,
            collection=provenance.collection,
            filter=statement_filter(provenance.filter) if provenance.HasField("filter") else None,
            calibration_revision=provenance.calibration_revision,
            weighing_revision=provenance.weighing_revision,
            switched_on=tuple(provenance.switched_on),
            server_version=provenance.server_version,
            precision=provenance.precision,
            record_id=provenance.record_id,
            check_time=time(provenance, "check_time"),
            requested_options=options(provenance.requested_options)
            if provenance.HasField("requested_options")
            else None,
        ),
        timings=types.Timings(timings.retrieval_ms, timings.queue_ms, timings.inference_ms, timings.total_ms),
        explanation=message.explanation,
        parts=tuple(claim_part(part) for part in message.parts),
        ambiguous_names=ambiguous_names(message),
    )


def statement_filter(message: filter_pb2.StatementFilter) -> types.StatementFilter:
    """A filter."""
    return types.StatementFilter(
        speakers=tuple(message.speakers),
        publishers=tuple(message.publishers),
        labels=tuple(message.labels),
        stated_from=time(message, "stated_from"),
        stated_until=time(message, "stated_until"),
        states=tuple(member(types.State, statement_pb2.State, state) for state in message.states),
    )


def ambiguous_names(message: Any) -> tuple[types.AmbiguousName, ...]:
    """Names that more than one speaker goes by."""
    return tuple(types.AmbiguousName(item.name, tuple(item.speakers)) for item in message.ambiguous_names)


def search_results(message: statement_service_pb2.SearchStatementsResponse) -> list[types.SearchResult]:
    """One page of what was found."""
    return [types.SearchResult(statement(item.statement), item.score, item.similarity) for item in message.results]


def replay(message: check_service_pb2.ReplayCheckResponse) -> types.Replay:
    """A check made again."""
    changes = [
        types.ReplayChange(
            member(types.ChangeKind, check_service_pb2.ChangeKind, change.kind),
            change.detail,
            change.held,
            tuple(
                types.StatementChange(
                    item.name, member(types.StatementChangeKind, check_service_pb2.StatementChangeKind, item.kind)
                )
                for item in change.statements
            ),
        )
        for change in message.changes
    ]
    return types.Replay(check_result(message.result), message.same, tuple(changes))


def statement_page(message: statement_service_pb2.ListStatementsResponse) -> types.StatementPage:
    """One page of a listing."""
    return types.StatementPage(
        tuple(statement(item) for item in message.statements),
        message.next_page_token,
        message.total_size,
        ambiguous_names(message),
    )


def exported(message: statement_service_pb2.ExportStatementsResponse) -> list[types.Statement]:
    """One piece of an export."""
    return [statement(item) for item in message.statements]


def import_report(message: statement_service_pb2.ImportStatementsResponse) -> types.ImportReport:
    """What an import did."""
    failures = tuple(types.ImportFailure(item.index, from_status(item.status)) for item in message.failures)
    return types.ImportReport(
        message.created_count, message.failed_count, failures, message.replayed_count, message.pending_count
    )


def ingest_report(message: statement_service_pb2.IngestDocumentResponse) -> types.IngestReport:
    """What a document was read into."""
    return types.IngestReport(
        message.document,
        tuple(statement(item) for item in message.statements),
        message.already_ingested,
        time(message, "publish_time"),
    )


def model_info(message: server_info_service_pb2.ModelInfo) -> types.ModelInfo:
    """A loaded model."""
    return types.ModelInfo(
        message.model_id,
        message.revision,
        tuple(message.labels),
        message.precision,
        message.max_tokens,
        message.fake,
    )


def server_info(message: server_info_service_pb2.GetServerInfoResponse) -> types.ServerInfo:
    """What runs there."""
    return types.ServerInfo(
        version=message.version,
        model=model_info(message.model),
        encoder=model_info(message.encoder),
        store=message.store,
        statement_count=message.statement_count,
        default_options=options(message.default_options),
        limits=tuple(types.Limit(x.name, x.value, x.unit, x.error_reason) for x in message.limits),
        pending_count=message.pending_count,
    )


def batch(
    message: check_service_pb2.BatchCheckClaimsResponse, expected: int
) -> list[types.CheckResult | OnrecordError]:
    """One outcome an item. ServerError when there are not as many as claims were sent."""
    if len(message.items) != expected:
        raise ServerError(f"the server answered {len(message.items)} of {expected} claims; report this as a defect")
    return [check_result(item.result) if item.HasField("result") else from_status(item.error) for item in message.items]

"""Conversion between the wire (onrecord.v1) and the domain. Total: what protobuf accepts converts or is a violation.

`…_from_proto(message, field, violations)` never raises: what has no counterpart in the domain (a time outside the years
1 to 9999, an enum value of a newer contract) is appended to `violations` under its path from `field`, so that a caller
learns of all bad fields at once. Limits and blank texts are not judged here; domain/validation.py does that.
`…_to_proto` takes any domain value; an aware time of any zone becomes the same instant in UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

from google.protobuf.timestamp_pb2 import Timestamp

from onrecord.v1 import filter_pb2
from onrecord.v1 import server_info_service_pb2 as info_pb
from onrecord.v1 import statement_pb2 as statement_pb
from onrecord_server.domain.errors import FieldViolation
from onrecord_server.domain.limits import Limit
from onrecord_server.domain.types import (
    AmbiguousName,
    Collection,
    CollectionDraft,
    ModelInfo,
    Source,
    Span,
    Speaker,
    Stance,
    State,
    Statement,
    StatementDraft,
    StatementFilter,
)
from onrecord_server.domain.validation import NO_SOURCE
from onrecord_server.rpc.enums import (
    STANCE_FROM_PROTO,
    STANCE_TO_PROTO,
    STATE_FROM_PROTO,
    STATE_TO_PROTO,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MIN_SECONDS = -62_135_596_800  # 0001-01-01T00:00:00Z, as google.protobuf.Timestamp and datetime both bound it
_MAX_SECONDS = 253_402_300_799  # 9999-12-31T23:59:59Z
_TimeName = Literal["stated_time", "valid_from", "valid_until", "state_time"]
_TIMES: tuple[_TimeName, ...] = ("stated_time", "valid_from", "valid_until", "state_time")
_NOBODY = Speaker()
_BOUNDS = ("stated_from", "stated_until")


def timestamp_to_proto(when: datetime) -> Timestamp:
    """The instant, to the microsecond. `when` is aware."""
    since = when - _EPOCH
    return Timestamp(seconds=since.days * 86_400 + since.seconds, nanos=since.microseconds * 1_000)


def timestamp_from_proto(message: Timestamp, field: str, violations: list[FieldViolation]) -> datetime | None:
    """The instant in UTC, cut to the microsecond; None and a OUT_OF_RANGE violation when no calendar holds it."""
    if _MIN_SECONDS <= message.seconds <= _MAX_SECONDS and 0 <= message.nanos < 1_000_000_000:
        return _EPOCH + timedelta(seconds=message.seconds, microseconds=message.nanos // 1_000)
    violations.append(
        FieldViolation(field, "OUT_OF_RANGE", "not a time between the years 1 and 9999; send a valid Timestamp")
    )
    return None


def stance_from_proto(value: int, field: str, violations: list[FieldViolation]) -> Stance:
    """The stance; ASSERTED and an UNKNOWN_ENUM_VALUE violation for a value this contract does not have."""
    stance = STANCE_FROM_PROTO.get(value)
    if stance is None:
        violations.append(FieldViolation(field, "UNKNOWN_ENUM_VALUE", f"{value} is no Stance; send one of 0 to 3"))
        return Stance.ASSERTED
    return stance


def state_from_proto(value: int, field: str, violations: list[FieldViolation]) -> State:
    """The state; ACTIVE and an UNKNOWN_ENUM_VALUE violation for a value this contract does not have."""
    state = STATE_FROM_PROTO.get(value)
    if state is None:
        violations.append(FieldViolation(field, "UNKNOWN_ENUM_VALUE", f"{value} is no State; send one of 0 to 3"))
        return State.ACTIVE
    return state


def span_to_proto(span: Span) -> statement_pb.TextSpan:
    """A span in code points."""
    return statement_pb.TextSpan(start=span.start, end=span.end)


def speaker_to_proto(speaker: Speaker) -> statement_pb.Speaker:
    """A speaker."""
    return statement_pb.Speaker(name=speaker.name, aliases=speaker.aliases)


def speaker_from_proto(message: statement_pb.Speaker) -> Speaker:
    """A speaker."""
    return Speaker(message.name, tuple(message.aliases))


def source_to_proto(source: Source) -> statement_pb.Source:
    """A source."""
    message = statement_pb.Source(uri=source.uri, title=source.title, publisher=source.publisher)
    if source.publish_time is not None:
        message.publish_time.CopyFrom(timestamp_to_proto(source.publish_time))
    return message


def source_from_proto(message: statement_pb.Source, field: str, violations: list[FieldViolation]) -> Source:
    """A source."""
    published = None
    if message.HasField("publish_time"):
        published = timestamp_from_proto(message.publish_time, f"{field}.publish_time", violations)
    return Source(uri=message.uri, title=message.title, publisher=message.publisher, publish_time=published)


def statement_to_proto(statement: StatementDraft) -> statement_pb.Statement:
    """A statement on the record, or a draft: then the output-only fields stay unset."""
    message = statement_pb.Statement(
        name=statement.name,
        text=statement.text,
        context=statement.context,
        relayed_by=statement.relayed_by,
        stance=STANCE_TO_PROTO[statement.stance],
        labels=statement.labels,
        document=statement.document,
        original=statement.original,
        state=STATE_TO_PROTO[statement.state],
        superseded_by=statement.superseded_by,
    )
    if statement.speaker != Speaker():
        message.speaker.CopyFrom(speaker_to_proto(statement.speaker))
    if statement.source != Source():
        message.source.CopyFrom(source_to_proto(statement.source))
    for name in _TIMES:
        if (when := getattr(statement, name)) is not None:
            getattr(message, name).CopyFrom(timestamp_to_proto(when))
    if statement.original_span is not None:
        message.original_span.CopyFrom(span_to_proto(statement.original_span))
    if isinstance(statement, Statement):
        message.etag = statement.etag
        if statement.create_time is not None:
            message.create_time.CopyFrom(timestamp_to_proto(statement.create_time))
        if statement.update_time is not None:
            message.update_time.CopyFrom(timestamp_to_proto(statement.update_time))
    return message


def draft_from_proto(message: statement_pb.Statement, field: str, violations: list[FieldViolation]) -> StatementDraft:
    """A statement to be created. Output-only fields (document, original_span, create_time, etag …) are ignored.

    Imports spend their time here: what is not set is not looked at twice, and arguments go by position.
    """
    has = message.HasField
    stated = time_from_proto(message, "stated_time", field, violations) if has("stated_time") else None
    valid_from = time_from_proto(message, "valid_from", field, violations) if has("valid_from") else None
    valid_until = time_from_proto(message, "valid_until", field, violations) if has("valid_until") else None
    state_time = time_from_proto(message, "state_time", field, violations) if has("state_time") else None
    return StatementDraft(
        message.text,
        message.name,
        message.context,
        speaker_from_proto(message.speaker) if has("speaker") else _NOBODY,
        message.relayed_by,
        STANCE_FROM_PROTO.get(message.stance) or stance_from_proto(message.stance, f"{field}.stance", violations),
        source_from_proto(message.source, f"{field}.source", violations) if has("source") else NO_SOURCE,
        stated,
        valid_from,
        valid_until,
        tuple(message.labels),
        "",
        message.original,
        None,
        STATE_FROM_PROTO.get(message.state) or state_from_proto(message.state, f"{field}.state", violations),
        message.superseded_by,
        state_time,
    )


def time_from_proto(
    message: statement_pb.Statement, name: _TimeName, field: str, violations: list[FieldViolation]
) -> datetime | None:
    """One of a statement's times."""
    return timestamp_from_proto(getattr(message, name), f"{field}.{name}", violations)


def collection_to_proto(collection: Collection) -> statement_pb.Collection:
    """A collection on the record."""
    message = statement_pb.Collection(
        name=collection.name,
        display_name=collection.display_name,
        description=collection.description,
        statement_count=collection.statement_count,
        pending_count=collection.pending_count,
        etag=collection.etag,
    )
    if collection.create_time is not None:
        message.create_time.CopyFrom(timestamp_to_proto(collection.create_time))
    if collection.update_time is not None:
        message.update_time.CopyFrom(timestamp_to_proto(collection.update_time))
    return message


def collection_from_proto(message: statement_pb.Collection) -> CollectionDraft:
    """A collection to be created or changed. Output-only fields are ignored."""
    return CollectionDraft(message.name, message.display_name, message.description)


def filter_to_proto(chosen: StatementFilter) -> filter_pb2.StatementFilter:
    """A filter."""
    message = filter_pb2.StatementFilter(
        speakers=chosen.speakers,
        publishers=chosen.publishers,
        labels=chosen.labels,
        states=[STATE_TO_PROTO[state] for state in chosen.states],
    )
    for name in _BOUNDS:
        if (when := getattr(chosen, name)) is not None:
            getattr(message, name).CopyFrom(timestamp_to_proto(when))
    return message


def filter_from_proto(
    message: filter_pb2.StatementFilter, field: str, violations: list[FieldViolation]
) -> StatementFilter | None:
    """A filter; None when it lets everything through."""
    bounds = {
        name: timestamp_from_proto(getattr(message, name), f"{field}.{name}", violations)
        for name in _BOUNDS
        if message.HasField(name)  # type: ignore[arg-type]  # as above
    }
    states = []
    for place, value in enumerate(message.states):
        state = STATE_FROM_PROTO.get(value) if value else None
        if state is not None:
            states.append(state)
            continue
        wrong = FieldViolation(f"{field}.states[{place}]", "UNKNOWN_ENUM_VALUE", f"{value} is no State; send 1 to 3")
        violations.append(wrong)
        break  # there may be a million of them
    made = StatementFilter(
        speakers=tuple(message.speakers),
        publishers=tuple(message.publishers),
        labels=tuple(message.labels),
        stated_from=bounds.get("stated_from"),
        stated_until=bounds.get("stated_until"),
        states=tuple(states),
    )
    return None if made == StatementFilter() else made


def ambiguous_name_to_proto(found: AmbiguousName) -> filter_pb2.AmbiguousName:
    """A name that several speakers go by."""
    return filter_pb2.AmbiguousName(name=found.name, speakers=found.speakers)


def model_info_to_proto(info: ModelInfo) -> info_pb.ModelInfo:
    """A loaded model."""
    return info_pb.ModelInfo(
        model_id=info.model_id,
        revision=info.revision,
        labels=info.labels,
        precision=info.precision,
        max_tokens=info.max_tokens,
        fake=info.fake,
    )


def limit_to_proto(limit: Limit) -> info_pb.Limit:
    """One limit."""
    return info_pb.Limit(name=limit.name, value=limit.value, unit=limit.unit, error_reason=limit.reason)

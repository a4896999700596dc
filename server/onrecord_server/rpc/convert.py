"""Conversion between the wire (onrecord.v1) and the domain. Total: what protobuf accepts converts or is a violation.

`…_from_proto(message, field, violations)` never raises: what has no counterpart in the domain (a time outside the years
1 to 9999, an enum value of a newer contract) is appended to `violations` under its path from `field`, so that a caller
learns of all bad fields at once. Limits and blank texts are not judged here; domain/validation.py does that.
`…_to_proto` takes any domain value; an aware time of any zone becomes the same instant in UTC.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Literal

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
    draft_of,
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
_REMEMBERED = 4_096  # of each kind of value …
_SHORT = 512  # … whose texts are no longer than this together
_EMPTY_DRAFT = StatementDraft("", source=NO_SOURCE)
_Read = Callable[[Any, str, list[FieldViolation]], object]
_BOUNDS = ("stated_from", "stated_until")


def timestamp_to_proto(when: datetime) -> Timestamp:
    """The instant, to the microsecond. `when` is aware."""
    since = when - _EPOCH
    return Timestamp(seconds=since.days * 86_400 + since.seconds, nanos=since.microseconds * 1_000)


def timestamp_from_proto(message: Timestamp, field: str, violations: list[FieldViolation]) -> datetime | None:
    """The instant in UTC, cut to the microsecond; None and a OUT_OF_RANGE violation when no calendar holds it."""
    seconds, nanos = message.seconds, message.nanos
    if _MIN_SECONDS <= seconds <= _MAX_SECONDS and 0 <= nanos < 1_000_000_000:
        return _instant(seconds, nanos // 1_000)
    violations.append(
        FieldViolation(field, "OUT_OF_RANGE", "not a time between the years 1 and 9999; send a valid Timestamp")
    )
    return None


# What the statements of an import have in common: days, speakers, publishers. Values do not change, so they are shared.
@lru_cache(_REMEMBERED)
def _instant(seconds: int, microseconds: int) -> datetime:
    return _EPOCH + timedelta(0, seconds, microseconds)


_speaker = lru_cache(_REMEMBERED)(Speaker)
_source = lru_cache(_REMEMBERED)(Source)


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
    name, aliases = message.name, message.aliases
    if aliases or len(name) > _SHORT:
        return Speaker(name, tuple(aliases))
    return _speaker(name)


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
    uri, title, publisher = message.uri, message.title, message.publisher
    if len(uri) + len(title) + len(publisher) > _SHORT:
        return Source(uri, title, publisher, published)
    return _source(uri, title, publisher, published)


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

    Imports spend their time here: only what is set is looked at, and the draft is made at once.
    """
    values = _NOTHING.copy()
    for descriptor, value in message.ListFields():
        if (known := _READ.get(descriptor)) is not None:
            place, read = known
            values[place] = value if read is None else read(value, field, violations)
    return draft_of(values)


def _time(name: str) -> _Read:
    return lambda value, field, violations: timestamp_from_proto(value, f"{field}.{name}", violations)


# How each field of a statement is read: with the value, the statement's path and the violations; None: as it is.
_READERS: dict[str, _Read | None] = {
    **dict.fromkeys(("text", "name", "context", "relayed_by", "original", "superseded_by")),
    **{name: _time(name) for name in _TIMES},
    "speaker": lambda value, field, violations: speaker_from_proto(value),
    "stance": lambda value, field, violations: (
        STANCE_FROM_PROTO.get(value) or stance_from_proto(value, f"{field}.stance", violations)
    ),
    "source": lambda value, field, violations: source_from_proto(value, f"{field}.source", violations),
    "labels": lambda value, field, violations: tuple(value),
    "state": lambda value, field, violations: (
        STATE_FROM_PROTO.get(value) or state_from_proto(value, f"{field}.state", violations)
    ),
}
_NOTHING = [getattr(_EMPTY_DRAFT, one.name) for one in fields(StatementDraft)]
_READ = {
    statement_pb.Statement.DESCRIPTOR.fields_by_name[one.name]: (place, _READERS[one.name])
    for place, one in enumerate(fields(StatementDraft))
    if one.name in _READERS
}


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

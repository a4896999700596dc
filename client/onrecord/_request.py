"""Types into messages of onrecord.v1. What the wire cannot carry is refused, all of it at once; nothing else is."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence, Sized
from datetime import UTC, date, datetime, time

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from onrecord.errors import FieldViolation, InvalidArgument
from onrecord.types import (
    CheckOptions,
    Claim,
    Collection,
    Source,
    Speaker,
    Stance,
    State,
    Statement,
    StatementFilter,
)
from onrecord.v1 import check_service_pb2, filter_pb2, statement_pb2

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INT32 = range(-(2**31), 2**31)
_LONGEST_WAIT = 1_000_000_000  # seconds, 31 years; gRPC overflows somewhere beyond


class Fields:
    """Takes values for the wire and collects a violation for each that it cannot carry."""

    def __init__(self) -> None:
        self.violations: list[FieldViolation] = []

    def bad(self, field: str, message: str, reason: str = "WRONG_TYPE") -> None:
        """Note a violation."""
        self.violations.append(FieldViolation(field, message, reason))

    def text(self, field: str, value: object) -> str:
        """A str without lone surrogates."""
        if not isinstance(value, str):
            self.bad(field, f"needs a str, not {type(value).__name__}")
            return ""
        try:
            value.encode()
        except UnicodeEncodeError as error:
            found = f"U+{ord(value[error.start]):04X} at code point {error.start}"
            self.bad(field, f"holds a lone surrogate ({found}), which UTF-8 cannot carry; remove it", "NOT_UNICODE")
            return ""
        return value

    def texts(self, field: str, values: object) -> list[str]:
        """A sequence of str; a str alone is refused, not read as its letters."""
        if isinstance(values, str) or not isinstance(values, Sequence):
            self.bad(field, f"needs a sequence of str, not {type(values).__name__}")
            return []
        return [self.text(f"{field}[{index}]", value) for index, value in enumerate(values)]

    def time(self, field: str, value: object) -> Timestamp | None:
        """An aware datetime; None stays None."""
        if value is None:
            return None
        if not isinstance(value, datetime):
            self.bad(field, f"needs a datetime, not {type(value).__name__}")
            return None
        if value.utcoffset() is None:
            self.bad(field, "needs a datetime with a time zone, as datetime(2021, 8, 29, tzinfo=UTC)", "NO_TIME_ZONE")
            return None
        since = value - _EPOCH
        return Timestamp(seconds=since.days * 86_400 + since.seconds, nanos=since.microseconds * 1_000)

    def number(self, field: str, value: object) -> float | None:
        """A float; None stays None."""
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.bad(field, f"needs a number, not {type(value).__name__}")
            return None
        try:
            return float(value)
        except OverflowError:
            self.bad(field, "is too large a number", "OUT_OF_RANGE")
            return None

    def count(self, field: str, value: object) -> int | None:
        """An int of 32 bits; None stays None."""
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            self.bad(field, f"needs an int, not {type(value).__name__}")
            return None
        if value not in _INT32:
            self.bad(field, "is too large a number", "OUT_OF_RANGE")
            return None
        return value

    def check(self) -> None:
        """Raise InvalidArgument when anything was noted."""
        if self.violations:
            raise InvalidArgument.of(self.violations)


def seconds(field: str, value: object) -> float:
    """A time to wait. InvalidArgument for what is no number above 0: gRPC reads NaN or infinity as a time long past."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        message, reason = f"needs a number of seconds, not {type(value).__name__}", "WRONG_TYPE"
    elif not 0 < value < math.inf:  # nor NaN
        message, reason = "needs a number of seconds above 0", "OUT_OF_RANGE"
    else:
        return float(min(value, _LONGEST_WAIT))
    raise InvalidArgument.of([FieldViolation(field, message, reason)])


def whole(field: str, value: object, most: int) -> int:
    """An int from 1 to `most`, or InvalidArgument."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidArgument.of([FieldViolation(field, f"needs an int, not {type(value).__name__}", "WRONG_TYPE")])
    if not 1 <= value <= most:
        raise InvalidArgument.of([FieldViolation(field, f"needs a number from 1 to {most:,}", "OUT_OF_RANGE")])
    return value


def length(items: object) -> int | None:
    """How many there are, where that can be told without reading them."""
    return len(items) if isinstance(items, Sized) else None


def not_many(field: str, values: object) -> InvalidArgument:
    """The error for one item in the place of many, or for what holds no items."""
    message = f"needs a list or another iterable of items, not {type(values).__name__}"
    return InvalidArgument.of([FieldViolation(field, message, "WRONG_TYPE")])


def parent(fields: Fields, collection: object) -> str:
    """The collection's resource name from its id or from itself."""
    name = fields.text("collection", collection)
    return name if not name or name.startswith("collections/") else f"collections/{name}"


def claim(
    fields: Fields,
    value: str | Claim,
    speaker: str | None = None,
    prefix: str = "claim",
    as_of: date | None = None,
    narrowed: StatementFilter | None = None,
) -> check_service_pb2.Claim:
    """A claim; `speaker`, `as_of` and `narrowed` override the claim's own."""
    if isinstance(value, Claim):
        text, named = value.text, value.speaker if speaker is None else speaker
        moment: object = value.as_of if as_of is None else as_of
        narrowed = value.filter if narrowed is None else narrowed
    else:
        text, named, moment = value, speaker or "", as_of
    return check_service_pb2.Claim(
        text=fields.text(f"{prefix}.text", text),
        speaker=fields.text(f"{prefix}.speaker", named),
        as_of=fields.time(f"{prefix}.as_of", end_of_day(moment)),
        filter=statement_filter(fields, narrowed, f"{prefix}.filter"),
    )


def statement_filter(
    fields: Fields, value: StatementFilter | None, prefix: str = "filter"
) -> filter_pb2.StatementFilter | None:
    """A filter; None stays None."""
    if value is None:
        return None
    if not isinstance(value, StatementFilter):
        fields.bad(prefix, f"needs a StatementFilter, not {type(value).__name__}")
        return None
    return filter_pb2.StatementFilter(
        speakers=fields.texts(f"{prefix}.speakers", value.speakers),
        publishers=fields.texts(f"{prefix}.publishers", value.publishers),
        labels=fields.texts(f"{prefix}.labels", value.labels),
        stated_from=fields.time(f"{prefix}.stated_from", value.stated_from),
        stated_until=fields.time(f"{prefix}.stated_until", value.stated_until),
        states=[state(fields, item, f"{prefix}.states[{index}]") for index, item in enumerate(value.states)],
    )


def options(fields: Fields, value: CheckOptions | None) -> check_service_pb2.CheckOptions | None:
    """Options; None leaves all to the server."""
    if value is None:
        return None
    if not isinstance(value, CheckOptions):
        fields.bad("options", f"needs CheckOptions, not {type(value).__name__}")
        return None
    return check_service_pb2.CheckOptions(
        support_threshold=fields.number("options.support_threshold", value.support_threshold),
        contradiction_threshold=fields.number("options.contradiction_threshold", value.contradiction_threshold),
        contradiction_margin=fields.number("options.contradiction_margin", value.contradiction_margin),
        topic_threshold=fields.number("options.topic_threshold", value.topic_threshold),
        max_evidence=fields.count("options.max_evidence", value.max_evidence),
        explain=None if value.explain is None else bool(value.explain),
    )


def pair(fields: Fields, value: tuple[str, str], prefix: str) -> check_service_pb2.Pair:
    """A premise and a hypothesis."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        fields.bad(prefix, "needs (premise, hypothesis)")
        return check_service_pb2.Pair()
    return check_service_pb2.Pair(
        premise=fields.text(f"{prefix}.premise", value[0]), hypothesis=fields.text(f"{prefix}.hypothesis", value[1])
    )


def speaker(fields: Fields, value: Speaker, prefix: str) -> statement_pb2.Speaker:
    """Somebody statements are attributed to."""
    if not isinstance(value, Speaker):
        fields.bad(prefix, f"needs a Speaker, not {type(value).__name__}")
        return statement_pb2.Speaker()
    return statement_pb2.Speaker(
        name=fields.text(f"{prefix}.name", value.name), aliases=fields.texts(f"{prefix}.aliases", value.aliases)
    )


def stance(fields: Fields, value: Stance, field: str) -> statement_pb2.Stance.ValueType:
    """A stance, or its name."""
    try:
        return statement_pb2.Stance.Value(f"STANCE_{Stance(value).value}")
    except ValueError:
        fields.bad(field, f"needs a Stance, not {value!r}")
        return statement_pb2.STANCE_UNSPECIFIED


def state(fields: Fields, value: State, field: str) -> statement_pb2.State.ValueType:
    """A state, or its name."""
    try:
        return statement_pb2.State.Value(f"STATE_{State(value).value}")
    except ValueError:
        fields.bad(field, f"needs a State, not {value!r}")
        return statement_pb2.STATE_UNSPECIFIED


def source(fields: Fields, value: Source, prefix: str = "source") -> statement_pb2.Source:
    """Where something was published."""
    if not isinstance(value, Source):
        fields.bad(prefix, f"needs a Source, not {type(value).__name__}")
        return statement_pb2.Source()
    return statement_pb2.Source(
        uri=fields.text(f"{prefix}.uri", value.uri),
        title=fields.text(f"{prefix}.title", value.title),
        publisher=fields.text(f"{prefix}.publisher", value.publisher),
        publish_time=fields.time(f"{prefix}.publish_time", value.publish_time),
    )


def statement(fields: Fields, value: Statement, prefix: str = "statement") -> statement_pb2.Statement:
    """A statement to put on the record; what only the server sets is left out."""
    return statement_pb2.Statement(
        name=fields.text(f"{prefix}.name", value.name),
        text=fields.text(f"{prefix}.text", value.text),
        context=fields.text(f"{prefix}.context", value.context),
        speaker=speaker(fields, value.speaker, f"{prefix}.speaker"),
        relayed_by=fields.text(f"{prefix}.relayed_by", value.relayed_by),
        stance=stance(fields, value.stance, f"{prefix}.stance"),
        source=source(fields, value.source, f"{prefix}.source"),
        stated_time=fields.time(f"{prefix}.stated_time", value.stated_time),
        valid_from=fields.time(f"{prefix}.valid_from", value.valid_from),
        valid_until=fields.time(f"{prefix}.valid_until", value.valid_until),
        labels=fields.texts(f"{prefix}.labels", value.labels),
        original=fields.text(f"{prefix}.original", value.original),
        state=state(fields, value.state, f"{prefix}.state"),
        superseded_by=fields.text(f"{prefix}.superseded_by", value.superseded_by),
        state_time=fields.time(f"{prefix}.state_time", value.state_time),
    )


def collection(fields: Fields, value: Collection) -> statement_pb2.Collection:
    """A collection; what only the server sets is left out."""
    if not isinstance(value, Collection):
        fields.bad("collection", f"needs a Collection, not {type(value).__name__}")
        return statement_pb2.Collection()
    return statement_pb2.Collection(
        name=parent(fields, value.name),
        display_name=fields.text("collection.display_name", value.display_name),
        description=fields.text("collection.description", value.description),
        etag=fields.text("collection.etag", value.etag),
    )


def mask(fields: Fields, value: object) -> FieldMask:
    """Paths of fields to change; one alone may be a str."""
    return FieldMask(paths=fields.texts("fields", (value,) if isinstance(value, str) else value))


def draft(value: str | Statement, speaker: str | Speaker | None) -> Statement:
    """A statement from its text and speaker, or as it is; `speaker` overrides the statement's own."""
    made = value if isinstance(value, Statement) else Statement(value)
    if speaker is None:
        return made
    return dataclasses.replace(made, speaker=speaker if isinstance(speaker, Speaker) else Speaker(speaker))


def end_of_day(value: object) -> object:
    """Of a date its last microsecond in UTC, for a record as of a day holds what was said on it; others as they are."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime.combine(value, time.max, UTC)
    return value


def day(fields: Fields, field: str, value: object) -> datetime | None:
    """A datetime as it is, a date as its midnight in UTC, None as None."""
    if value is None or isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    fields.bad(field, f"needs a date or a datetime, not {type(value).__name__}")
    return None

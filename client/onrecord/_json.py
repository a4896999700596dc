"""Statements from JSON, with every field of the wrong type named at once. No gRPC here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from onrecord.errors import FieldViolation, InvalidArgument
from onrecord.types import Source, Speaker, Stance, State, Statement


def parse_time(value: str) -> datetime:
    """A date ("2021-08-29", midnight UTC) or an RFC 3339 time with its offset. Raises ValueError saying so."""
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{value!r} is no date (2021-08-29) and no time (2021-08-29T12:00:00Z)") from None
    if parsed.tzinfo is None:
        if len(value.strip()) > len("2021-08-29"):
            raise ValueError(f"{value!r} has no offset; add Z for UTC")
        return parsed.replace(tzinfo=UTC)
    return parsed


def parse_as_of(value: str) -> datetime:
    """The same, but of a date its last microsecond: a record as of a day holds what was said on it."""
    parsed = parse_time(value)
    if len(value.strip()) <= len("2021-08-29"):
        return parsed.replace(hour=23, minute=59, second=59, microsecond=999_999)
    return parsed


class Reader:
    """Reads fields of one JSON object and collects what is wrong with them."""

    def __init__(self, data: Mapping[str, object], prefix: str, violations: list[FieldViolation]) -> None:
        self._data = data
        self._prefix = prefix
        self._violations = violations

    def bad(self, key: str, message: str) -> None:
        """Note a violation of this object's field."""
        self._violations.append(FieldViolation(f"{self._prefix}.{key}", message, "WRONG_TYPE"))

    def text(self, key: str) -> str:
        """A string; "" when it is absent or null."""
        value = self._data.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            self.bad(key, f"needs a string, not {_kind(value)}")
            return ""
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings."""
        value = self._data.get(key)
        if value is None:
            return ()
        if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
            self.bad(key, "needs a list of strings")
            return ()
        return tuple(value)

    def time(self, key: str) -> datetime | None:
        """A date or time as a string, or a datetime."""
        value = self._data.get(key)
        if value is None or value == "":
            return None
        if isinstance(value, datetime):
            return value
        if not isinstance(value, str):
            self.bad(key, f"needs a date or time as a string, not {_kind(value)}")
            return None
        try:
            return parse_time(value)
        except ValueError as error:
            self.bad(key, str(error))
            return None

    def stance(self, key: str) -> Stance:
        """One of the stances by name, any case; ASSERTED when absent."""
        value = self.text(key).strip().upper() or Stance.ASSERTED.value
        try:
            return Stance(value)
        except ValueError:
            self.bad(key, f"needs ASSERTED, DENIED or QUESTIONED, not {value!r}")
            return Stance.ASSERTED

    def state(self, key: str) -> State:
        """One of the states by name, any case; ACTIVE when absent."""
        value = self.text(key).strip().upper() or State.ACTIVE.value
        try:
            return State(value)
        except ValueError:
            self.bad(key, f"needs ACTIVE, RETRACTED or SUPERSEDED, not {value!r}")
            return State.ACTIVE

    def object(self, key: str) -> Reader:
        """A nested object, empty when it is absent."""
        value = self._data.get(key)
        if value is None:
            value = {}
        if not isinstance(value, Mapping):
            self.bad(key, f"needs an object, not {_kind(value)}")
            value = {}
        return Reader(value, f"{self._prefix}.{key}", self._violations)

    def holds(self, key: str, kind: type) -> bool:
        """Whether the field is of that type."""
        return isinstance(self._data.get(key), kind)


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, list | tuple):
        return "a list"
    if value is None:
        return "null"
    return "an object" if isinstance(value, Mapping) else type(value).__name__


def statement_from_dict(data: Mapping[str, object]) -> Statement:
    """See `Statement.from_dict`."""
    violations: list[FieldViolation] = []
    if not isinstance(data, Mapping):
        raise InvalidArgument.of([FieldViolation("statement", f"needs an object, not {_kind(data)}", "WRONG_TYPE")])
    fields = Reader(data, "statement", violations)
    if fields.holds("speaker", str):
        speaker = Speaker(fields.text("speaker"))
    else:
        nested = fields.object("speaker")
        speaker = Speaker(nested.text("name"), nested.texts("aliases"))
    source = fields.object("source")
    statement = Statement(
        text=fields.text("text"),
        name=fields.text("name"),
        context=fields.text("context"),
        speaker=speaker,
        relayed_by=fields.text("relayed_by"),
        stance=fields.stance("stance"),
        source=Source(source.text("uri"), source.text("title"), source.text("publisher"), source.time("publish_time")),
        stated_time=fields.time("stated_time"),
        valid_from=fields.time("valid_from"),
        valid_until=fields.time("valid_until"),
        labels=fields.texts("labels"),
        original=fields.text("original"),
        state=fields.state("state"),
        superseded_by=fields.text("superseded_by"),
        state_time=fields.time("state_time"),
    )
    if violations:
        raise InvalidArgument.of(violations)
    return statement

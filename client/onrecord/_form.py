"""The JSON form that every dataclass of `onrecord.types` has."""

from __future__ import annotations

import dataclasses
import enum
from datetime import UTC, datetime
from typing import cast

from onrecord.errors import OnrecordError


def format_time(value: datetime) -> str:
    """RFC 3339 in UTC, with a fraction only where there is one."""
    try:
        value = value.astimezone(UTC)
    except OverflowError:  # in the first or the last hours that a datetime holds: its own offset tells as much
        return value.isoformat()
    return value.isoformat().replace("+00:00", "Z")


def _json(value: object) -> object:
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, tuple):
        return [_json(item) for item in value]
    if isinstance(value, OnrecordError):
        return value.to_dict()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return value


class Record:
    """Gives a dataclass its JSON form."""

    __slots__ = ()

    def to_dict(self) -> dict[str, object]:
        """The JSON form: see `onrecord.types`."""
        return cast("dict[str, object]", _json(self))

"""Statements from JSON straight to messages of the contract: half the time of an import would go into dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeVar

from onrecord import _request
from onrecord._json import parse_time
from onrecord._request import Fields
from onrecord.errors import InvalidArgument
from onrecord.types import Statement
from onrecord.v1 import statement_pb2

_TEXTS = frozenset(("text", "name", "context", "relayed_by", "original", "superseded_by"))
_TIMES = frozenset(("stated_time", "valid_from", "valid_until", "state_time"))
_SOURCE_TEXTS = frozenset(("uri", "title", "publisher"))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STANCES = {kind.removeprefix("STANCE_"): value for kind, value in statement_pb2.Stance.items()}
_STATES = {kind.removeprefix("STATE_"): value for kind, value in statement_pb2.State.items()}


Member = TypeVar("Member", bound=int)


class _Slow(Exception):
    """Something here is not plain; the careful way says what, or knows how to read it."""


def fill(message: statement_pb2.Statement, data: Mapping[str, Any]) -> None:
    """Write a statement into an empty message, in its place in a larger one: so that nothing is copied.

    Raises InvalidArgument as `Statement.from_dict` does, for which whatever is not plain is left; the message then
    holds a part.
    """
    try:
        _quick(message, data)
    except (_Slow, UnicodeError, ValueError, TypeError, OverflowError):
        fields = Fields()
        read = _request.statement(fields, Statement.from_dict(data))
        if fields.violations:
            raise InvalidArgument.of(fields.violations) from None
        message.CopyFrom(read)


def _quick(message: statement_pb2.Statement, data: Mapping[str, Any]) -> None:
    for key, value in data.items():
        if not value:  # absent, null or empty: which of them is not plain is the careful way's business
            if value is not None and value != "" and key != "labels":
                raise _Slow
        elif key in _TEXTS:
            setattr(message, key, _text(value))
        elif key in _TIMES:
            seconds, nanos = _time(_text(value))
            moment = getattr(message, key)
            moment.seconds, moment.nanos = seconds, nanos
        elif key == "speaker":
            _speaker(message.speaker, value)
        elif key == "source":
            _source(message.source, value)
        elif key == "labels":
            message.labels.extend(_texts(value))
    message.stance = _member(_STANCES, data.get("stance"), "ASSERTED")
    message.state = _member(_STATES, data.get("state"), "ACTIVE")


def _text(value: object) -> str:
    if type(value) is not str:
        raise _Slow
    return value


def _texts(value: object) -> list[str]:
    if type(value) is not list:
        raise _Slow
    return [_text(item) for item in value]


def _speaker(message: statement_pb2.Speaker, value: object) -> None:
    if type(value) is str:
        message.name = value
        return
    if type(value) is not dict:
        raise _Slow
    message.name = _text(value.get("name") or "")
    message.aliases.extend(_texts(value.get("aliases") or []))


def _source(message: statement_pb2.Source, value: object) -> None:
    if type(value) is not dict:
        raise _Slow
    for key, given in value.items():
        if not given:
            continue
        if key == "publish_time":
            message.publish_time.seconds, message.publish_time.nanos = _time(_text(given))
        elif key in _SOURCE_TEXTS:
            setattr(message, key, _text(given))


def _member(known: Mapping[str, Member], value: object, otherwise: str) -> Member:
    found = known.get(value if type(value) is str else otherwise if value is None else "")
    if not found:  # unknown, in small letters, or unspecified
        raise _Slow
    return found


@lru_cache(4_096)
def _time(text: str) -> tuple[int, int]:
    """Seconds since 1970 and nanoseconds."""
    since = parse_time(text) - _EPOCH
    return since.days * 86_400 + since.seconds, since.microseconds * 1_000

"""Statements of any form straight into messages of the contract, in the place where they are sent from.

Half the time of an import would go into making other objects of them first, and into copying messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NoReturn, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from onrecord import _request
from onrecord._json import parse_time
from onrecord._request import Fields
from onrecord.errors import FieldViolation, InvalidArgument
from onrecord.types import Source, Speaker, Stance, State, Statement
from onrecord.v1 import statement_pb2

_TEXTS = frozenset(("text", "name", "context", "relayed_by", "original", "superseded_by"))
_TIMES = frozenset(("stated_time", "valid_from", "valid_until", "state_time"))
_SOURCE_TEXTS = frozenset(("uri", "title", "publisher"))
_NEVER_EMPTY = frozenset(("source", "labels", "stance", "state"))  # are no text that may be ""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STANCES = {kind.removeprefix("STANCE_"): value for kind, value in statement_pb2.Stance.items()}
_STATES = {kind.removeprefix("STATE_"): value for kind, value in statement_pb2.State.items()}


_ASSERTED, _ACTIVE = _STANCES[Stance.ASSERTED], _STATES[State.ACTIVE]
Member = TypeVar("Member", bound=int)


class _Slow(Exception):
    """Something here is not plain; the careful way says what, or knows how to read it."""


def fill(message: statement_pb2.Statement, given: object, place: str = "statement") -> None:
    """Write a statement, given as one, as its JSON form or as a text alone, into an empty message.

    Raises InvalidArgument, as `Statement.from_dict` does or with paths from `place`; the message then holds a part.
    """
    try:
        if type(given) is dict:
            _quick(message, given)
        elif type(given) is Statement:
            _quick_statement(message, given)
        elif type(given) is str:
            message.text = given
            message.stance, message.state = _ASSERTED, _ACTIVE
        else:
            raise _Slow
    except (_Slow, UnicodeError, ValueError, TypeError, OverflowError):
        fields = Fields()
        read = _request.statement(fields, as_statement(given), place)
        fields.check()
        message.CopyFrom(read)


def as_statement(given: object) -> Statement:
    """A statement from any of the forms that an import takes; InvalidArgument for any other."""
    if isinstance(given, Statement):
        return given
    if isinstance(given, str):
        return Statement(given)
    if isinstance(given, Mapping):
        return Statement.from_dict(given)
    kind = type(given).__name__
    raise InvalidArgument.of(
        [FieldViolation("statement", f"needs a Statement, a dict or a str, not {kind}", "WRONG_TYPE")]
    )


def _quick(message: statement_pb2.Statement, data: Mapping[str, Any]) -> None:
    for key, value in data.items():
        if value is None:
            continue
        if value == "":
            if key in _NEVER_EMPTY:
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


def _quick_statement(message: statement_pb2.Statement, given: Statement) -> None:
    for key in _TEXTS:
        if value := _text(getattr(given, key)):
            setattr(message, key, value)
    for key in _TIMES:
        if (moment := getattr(given, key)) is not None:
            _put_time(getattr(message, key), moment)
    speaker, source = given.speaker, given.source
    if type(speaker) is not Speaker or type(source) is not Source:
        raise _Slow
    if name := _text(speaker.name):
        message.speaker.name = name
    if speaker.aliases != ():
        message.speaker.aliases.extend(_several(speaker.aliases))
    for key in _SOURCE_TEXTS:
        if value := _text(getattr(source, key)):
            setattr(message.source, key, value)
    if source.publish_time is not None:
        _put_time(message.source.publish_time, source.publish_time)
    if given.labels != ():
        message.labels.extend(_several(given.labels))
    # members of an enum of str, or their names
    message.stance = _STANCES.get(given.stance) or _slow()
    message.state = _STATES.get(given.state) or _slow()


def _slow() -> NoReturn:
    raise _Slow


def _several(values: object) -> list[str]:
    return _texts(list(values) if type(values) is tuple else values)


def _put_time(message: Timestamp, moment: object) -> None:
    if type(moment) is not datetime or moment.utcoffset() is None:
        raise _Slow
    message.seconds, message.nanos = _since(moment)


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
    if (name := value.get("name")) is not None:
        message.name = _text(name)
    if (aliases := value.get("aliases")) is not None:
        message.aliases.extend(_texts(aliases))


def _source(message: statement_pb2.Source, value: object) -> None:
    if type(value) is not dict:
        raise _Slow
    for key, given in value.items():
        if given is None or given == "":
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
    return _since(parse_time(text))


def _since(moment: datetime) -> tuple[int, int]:
    since = moment - _EPOCH
    return since.days * 86_400 + since.seconds, since.microseconds * 1_000

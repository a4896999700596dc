"""Statements from JSON straight to messages of the contract: half the time of an import would go into dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from onrecord import _request
from onrecord._json import parse_time
from onrecord._request import Fields
from onrecord.errors import InvalidArgument
from onrecord.types import Statement
from onrecord.v1 import statement_pb2

_TEXTS = ("text", "name", "context", "relayed_by", "original", "superseded_by")
_TIMES = ("stated_time", "valid_from", "valid_until", "state_time")
_STANCES = {kind.removeprefix("STANCE_"): value for kind, value in statement_pb2.Stance.items()}
_STATES = {kind.removeprefix("STATE_"): value for kind, value in statement_pb2.State.items()}


class _Slow(Exception):
    """Something here is not plain; the careful way says what, or knows how to read it."""


def message_of(data: Mapping[str, Any]) -> statement_pb2.Statement:
    """The message; InvalidArgument as of `Statement.from_dict`, for which whatever is not plain is left."""
    try:
        return _quick(data)
    except (_Slow, UnicodeError, ValueError, TypeError, OverflowError):
        fields = Fields()
        message = _request.statement(fields, Statement.from_dict(data))
        if fields.violations:
            raise InvalidArgument.of(fields.violations) from None
        return message


def _quick(data: Mapping[str, Any]) -> statement_pb2.Statement:
    given: dict[str, Any] = {}
    for key in _TEXTS:
        if value := data.get(key):
            given[key] = _text(value)
    if (speaker := data.get("speaker")) is not None:
        given["speaker"] = _speaker(speaker)
    if source := data.get("source"):
        given["source"] = _source(source)
    for key in _TIMES:
        if value := data.get(key):
            given[key] = _time(_text(value))
    if labels := data.get("labels"):
        given["labels"] = _texts(labels)
    given["stance"] = _member(_STANCES, data.get("stance"), "ASSERTED")
    given["state"] = _member(_STATES, data.get("state"), "ACTIVE")
    return statement_pb2.Statement(**given)


def _text(value: object) -> str:
    if type(value) is not str:
        raise _Slow
    return value


def _texts(value: object) -> list[str]:
    if type(value) is not list:
        raise _Slow
    return [_text(item) for item in value]


def _speaker(value: object) -> statement_pb2.Speaker:
    if type(value) is str:
        return statement_pb2.Speaker(name=value)
    if type(value) is not dict:
        raise _Slow
    return statement_pb2.Speaker(name=_text(value.get("name") or ""), aliases=_texts(value.get("aliases") or []))


def _source(value: object) -> statement_pb2.Source:
    if type(value) is not dict:
        raise _Slow
    uri, title, publisher = (_text(value.get(key) or "") for key in ("uri", "title", "publisher"))
    made = statement_pb2.Source(uri=uri, title=title, publisher=publisher)
    if moment := value.get("publish_time"):
        made.publish_time.CopyFrom(_time(_text(moment)))
    return made


def _member(known: Mapping[str, int], value: object, otherwise: str) -> int:
    found = known.get(value if type(value) is str else otherwise if value is None else "")
    if not found:  # unknown, in small letters, or unspecified
        raise _Slow
    return found


@lru_cache(4_096)
def _time(text: str) -> Timestamp:
    moment: datetime = parse_time(text)
    made = Timestamp()
    made.FromDatetime(moment)
    return made

"""The quick way into a message and the careful one say the same, of good statements and of bad ones."""

from __future__ import annotations

from collections import UserDict
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onrecord import _request
from onrecord._fill import as_statement, fill
from onrecord._request import Fields
from onrecord.errors import InvalidArgument
from onrecord.types import Source, Speaker, Stance, State, Statement
from onrecord.v1 import statement_pb2

JUNK = st.sampled_from(
    ["", "x", "é 中", "\ud800", 0, 5, True, None, [], ["x"], [5], {}, {"name": "N"}, 1.5, "2021-08-29"]
)
TEXT = st.sampled_from(["", "x", "é 中"]) | JUNK
DATES = st.sampled_from(["2021-08-29", "2021-08-29T12:00:00.5+02:00", "0001-01-01", "soon"]) | JUNK
SPEAKERS = st.fixed_dictionaries({}, optional={"name": TEXT, "aliases": JUNK}) | TEXT
SOURCES = (
    st.fixed_dictionaries({}, optional={"uri": TEXT, "title": TEXT, "publisher": TEXT, "publish_time": DATES}) | JUNK
)
JSON = st.fixed_dictionaries(
    {"text": TEXT},
    optional={
        **dict.fromkeys(("name", "context", "relayed_by", "original", "superseded_by", "unknown", "etag"), TEXT),
        **dict.fromkeys(("stated_time", "valid_from", "valid_until", "state_time"), DATES),
        "speaker": SPEAKERS,
        "source": SOURCES,
        "labels": JUNK,
        "stance": st.sampled_from(["ASSERTED", "denied", "QUESTIONED", "UNSPECIFIED", "?", None, 3]),
        "state": st.sampled_from(["ACTIVE", "retracted", "SUPERSEDED", "?", None]),
    },
)
ANY = st.one_of(TEXT, DATES, st.just(datetime(2021, 8, 29, tzinfo=UTC)), st.just(datetime(2021, 8, 29)))
FIELDS: Any = {
    "text": ANY,
    "name": ANY,
    "speaker": st.builds(Speaker, ANY, st.sampled_from([(), ("a", "b"), ["a"], "ab", (5,)])) | ANY,
    "source": st.builds(Source, ANY, ANY, ANY, ANY) | ANY,
    "stated_time": ANY | st.none(),
    "labels": st.sampled_from([(), ("a",), ["a"], "ab", (None,)]),
    "stance": st.sampled_from([Stance.DENIED, "ASSERTED", "denied", 5, Stance.UNSPECIFIED]),
    "state": st.sampled_from([State.ACTIVE, State.RETRACTED, None]),
}


def quickly(given: object) -> object:
    message = statement_pb2.Statement()
    try:
        fill(message, given, "statements[7]")
    except InvalidArgument as error:
        return error.violations
    return _presence_aside(message)


def carefully(given: object) -> object:
    fields = Fields()
    try:
        message = _request.statement(fields, as_statement(given), "statements[7]")
        fields.check()
    except InvalidArgument as error:
        return error.violations
    return _presence_aside(message)


def _presence_aside(message: statement_pb2.Statement) -> statement_pb2.Statement:
    """An empty speaker or source is none."""
    message.speaker.SetInParent()
    message.source.SetInParent()
    return message


@given(JSON)
@settings(max_examples=400)
def test_json(data: dict[str, object]) -> None:
    assert quickly(data) == carefully(data)


@given(st.fixed_dictionaries({"text": FIELDS.pop("text")}, optional=FIELDS))
@settings(max_examples=400)
def test_statements(values: dict[str, Any]) -> None:
    made = Statement(**values)
    assert quickly(made) == carefully(made)


@pytest.mark.parametrize("given", ["plain", "", "\ud800", 7, None, UserDict({"text": "a"}), date(2021, 8, 29)])
def test_other_forms(given: object) -> None:
    assert quickly(given) == carefully(given)


@pytest.mark.parametrize("nothing", [None, "", {}, 0, False, frozenset(), [], ()])
def test_what_is_empty_and_no_sequence_is_refused_as_what_is_full(nothing: Any) -> None:
    for made in (Statement("x", labels=nothing), Statement("x", speaker=Speaker("N", nothing))):
        assert quickly(made) == carefully(made)

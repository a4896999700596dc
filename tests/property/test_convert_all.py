"""Every conversion there is, found by its name: values arrive whole, come back as they went, and no message makes one
raise. What a single conversion does with a certain value is in test_convert.py.
"""

from __future__ import annotations

import enum
import importlib.util
import inspect
import random
import types
import typing
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onrecord import _answer
from onrecord_server.domain.limits import ALL_LIMITS, Limit
from onrecord_server.domain.reasons import FIELD_REASONS
from onrecord_server.domain.types import NliScores, Reason, Span, StatementFilter
from onrecord_server.rpc import convert, convert_checks

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SPECIAL: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXT,
    bool: st.booleans(),
    int: st.integers(0, 2**31 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    datetime: st.datetimes(timezones=st.just(UTC)),
    Span: st.tuples(st.integers(0, 999), st.integers(0, 999)).map(lambda s: Span(*sorted(s))),
    NliScores: st.tuples(st.floats(0, 0.5), st.floats(0, 0.5)).map(lambda p: NliScores(p[0], p[1], 1 - p[0] - p[1])),
}
# fields of the domain that have another name on the wire, or none
RENAMED: dict[tuple[type, str], str | None] = {(Limit, "reason"): "error_reason", (Limit, "why"): None}


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a type of the domain, by its annotations."""
    if kind in SPECIAL:
        return SPECIAL[kind]
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return st.one_of([st.none() if a is type(None) else values(a) for a in arguments])
    if origin is not None:  # a tuple or another sequence of one kind
        return st.lists(values(arguments[0]), max_size=2).map(tuple)
    if issubclass(kind, enum.Enum):
        return st.sampled_from(kind)
    hints = typing.get_type_hints(kind)
    return st.builds(kind, **{item.name: values(hints[item.name]) for item in fields(kind) if item.init})


# one that lets everything through is read as none: see the conversion
SPECIAL[StatementFilter] = values(StatementFilter).filter(lambda chosen: chosen != StatementFilter())


def assert_same(domain: Any, wire: Any) -> None:
    """Every field of the dataclass stands in the message, with the same value."""
    for item in fields(domain):
        name = RENAMED.get((type(domain), item.name), item.name)
        if name is None:
            continue
        value, where = getattr(domain, item.name), f"{type(domain).__name__}.{item.name}"
        if value is None:
            assert not wire.HasField(name), where
            continue
        descriptor, sent = wire.DESCRIPTOR.fields_by_name[name], getattr(wire, name)
        many = isinstance(value, tuple)
        pairs = list(zip(value, sent, strict=True) if many else [(value, sent)])
        for one, other in pairs:
            if is_dataclass(one):
                assert_same(one, other)
            elif isinstance(one, datetime):
                assert other.ToDatetime(tzinfo=UTC) == one, where
            elif isinstance(one, enum.Enum):
                expected = "UNSPECIFIED" if one is Reason.NONE else one.name
                word = descriptor.enum_type.values_by_number[other].name
                assert word == f"{type(one).__name__.upper()}_{expected}", where
            else:
                assert one == other, where


def first_parameter(function: Callable[..., Any]) -> Any:
    """Type of what a function converts."""
    hints = typing.get_type_hints(function)
    return next(hints[name] for name in inspect.signature(function).parameters)


def found(suffix: str) -> dict[str, Callable[..., Any]]:
    """Functions of rpc/convert.py and rpc/convert_checks.py by what they convert."""
    mine = [found for module in (convert, convert_checks) for found in inspect.getmembers(module, inspect.isfunction)]
    return {name.removesuffix(suffix): f for name, f in mine if name.endswith(suffix) and not name.startswith("_")}


TO_WIRE = {name: f for name, f in found("_to_proto").items() if is_dataclass(first_parameter(f))}
FROM_WIRE = {
    name: f
    for name, f in found("_from_proto").items()
    if inspect.isclass(first_parameter(f))
    and issubclass(first_parameter(f), Message)
    and [*inspect.signature(f).parameters][1:] in ([], ["field", "violations"])
}
RETURNING = [  # and not those that make of a resource the draft of one
    name
    for name in sorted(TO_WIRE.keys() & FROM_WIRE.keys())
    if typing.get_type_hints(FROM_WIRE[name])["return"] is first_parameter(TO_WIRE[name])
]
ANSWERS = {
    name: f
    for name, f in inspect.getmembers(_answer, inspect.isfunction)
    if f.__module__ == _answer.__name__
    and len(inspect.signature(f).parameters) == 1
    and inspect.isclass(first_parameter(f))
    and issubclass(first_parameter(f), Message)
}
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]

_spec = importlib.util.spec_from_file_location("making", Path(__file__).parents[1] / "fuzz" / "making.py")
assert _spec is not None
assert _spec.loader is not None
making = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(making)


def any_message(kind: type[Message], seed: int) -> Message:
    """A message of the type that protobuf can carry, whatever is in it."""
    maker = making.Maker(random.Random(seed))
    maker.wildness = maker.chance.choice((0.1, 0.5, 0.9))
    sent = maker.message(kind.DESCRIPTOR).SerializeToString()
    return kind.FromString(sent)


def converted(name: str, message: Message) -> tuple[Any, list[Any]]:
    """What a conversion from the wire makes, and its complaints."""
    violations: list[Any] = []
    takes = len(inspect.signature(FROM_WIRE[name]).parameters)
    return FROM_WIRE[name](*(message, name, violations)[:takes]), violations


def test_conversions_are_found() -> None:
    assert len(TO_WIRE) >= 15
    assert len(FROM_WIRE) >= 5
    assert len(ANSWERS) >= 12
    assert len(RETURNING) >= 4


@pytest.mark.parametrize("name", TO_WIRE)
def test_values_arrive_whole(name: str) -> None:
    kind = first_parameter(TO_WIRE[name])

    @settings(max_examples=25, deadline=None, suppress_health_check=SLOW)
    @given(values(kind))
    def arrives(value: Any) -> None:
        message = TO_WIRE[name](value)
        assert_same(value, type(message).FromString(message.SerializeToString()))

    arrives()


@pytest.mark.parametrize("name", RETURNING)
def test_values_come_back(name: str) -> None:
    @settings(max_examples=50, deadline=None, suppress_health_check=SLOW)
    @given(values(first_parameter(TO_WIRE[name])))
    def returns(value: Any) -> None:
        assert converted(name, TO_WIRE[name](value)) == (value, [])

    returns()


@pytest.mark.parametrize("name", FROM_WIRE)
def test_no_message_makes_the_server_raise(name: str) -> None:
    known = {reason.name for reason in FIELD_REASONS} | {limit.reason for limit in ALL_LIMITS}

    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 2**32))
    def converts(seed: int) -> None:
        _, violations = converted(name, any_message(first_parameter(FROM_WIRE[name]), seed))
        assert all(v.field.startswith(name) and v.reason in known and v.message for v in violations)

    converts()


@pytest.mark.parametrize("name", ANSWERS)
def test_no_answer_makes_the_client_raise(name: str) -> None:
    """A newer server may send what this client does not know."""

    @settings(max_examples=40, deadline=None)
    @given(st.integers(0, 2**32))
    def converts(seed: int) -> None:
        made = ANSWERS[name](any_message(first_parameter(ANSWERS[name]), seed))
        if hasattr(made, "to_dict"):
            made.to_dict()

    converts()

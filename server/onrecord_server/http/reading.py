"""A message read of JSON, and in plain words what is wrong with JSON that does not fit it.

`json_format` does the reading. What it says of bad input is for its programmers ("'int' object is not iterable",
"SystemError: <method 'get' …"), so only the place is taken from it; what belongs there is told from the contract.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, TypeVar

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from onrecord_server.domain.errors import FieldViolation, InvalidInput

# Python refuses to read integers of more than 4,300 digits, and no field holds one of more than 309.
_MOST_DIGITS = 300

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")  # as JSON escapes it; UTF-8 has none
_HALF = re.compile("[\ud800-\udfff]")

# json_format nests its reasons: 'Failed to parse claim field: Failed to parse text field: WHY at Request.claim.text..'
_STEP = re.compile(r"^Failed to parse (\w+) field: ")
_UNKNOWN = re.compile(r'has no field named "(?P<name>.*?)" at "\w+(?P<path>[^"]*)"', re.DOTALL)
_NO_LIST = re.compile(r"^repeated field (?P<name>\w+) must be in \[\]")
_PLACE = re.compile(r" at \w+(?P<path>(?:\.\w+|\[\d+\])+)\.*$")
_INDEX = re.compile(r"\[\d+\]")

_NO_FIT = "does not fit the message; /openapi.json describes it"
_KINDS = {
    FieldDescriptor.CPPTYPE_STRING: "a string",
    FieldDescriptor.CPPTYPE_INT32: f"a whole number from -{2**31:,} to {2**31 - 1:,}",
    FieldDescriptor.CPPTYPE_UINT32: f"a whole number from 0 to {2**32 - 1:,}",
    FieldDescriptor.CPPTYPE_INT64: "a whole number of 64 bits",
    FieldDescriptor.CPPTYPE_UINT64: "a whole number from 0, of 64 bits",
    FieldDescriptor.CPPTYPE_DOUBLE: "a finite number",
    FieldDescriptor.CPPTYPE_FLOAT: "a finite number",
    FieldDescriptor.CPPTYPE_BOOL: "true or false",
}
_MESSAGES = {
    "google.protobuf.Timestamp": "a time; give one as 2021-08-29T00:00:00Z (RFC 3339)",
    "google.protobuf.FieldMask": 'a mask; give one string of lowerCamelCase paths, "text,source.title"',
}

_M = TypeVar("_M", bound=Message)


def from_json(kind: type[_M], body: bytes) -> _M:
    """The message in a body. InvalidInput: no UTF-8, no JSON object, an unknown field, a value that fits no field."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise _malformed("request", "the body is not UTF-8") from None
    if not text.lstrip().startswith("{"):  # json_format takes an empty list for an empty message
        raise _malformed("request", "the body is no JSON object; send {} for an empty message")
    try:
        tree = json.loads(text, object_pairs_hook=_object, parse_int=_integer)
        if _SURROGATE.search(text):
            for field in _halves(tree, ""):
                raise _malformed(field or "request", "holds half a character, an unpaired surrogate; send whole ones")
        return json_format.ParseDict(tree, kind())
    except json.JSONDecodeError as error:
        raise _malformed("request", f"the body is no JSON: {error}") from None
    except json_format.ParseError as error:
        raise _violation(kind, str(error)) from None
    except RecursionError:
        raise _malformed("request", "the body is nested too deep") from None
    except (
        ArithmeticError,
        SystemError,
        TypeError,
        ValueError,
    ):  # json_format lets it pass, as 1e999 for an enum
        raise _malformed("request", _NO_FIT) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, in which no name stands twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _malformed("request", f"the body names {twice!r} twice in one object; name it once")
    return found


def _integer(digits: str) -> int | float:
    """A whole number; one that fits no field becomes what says so in its place."""
    return int(digits) if len(digits) <= _MOST_DIGITS else float(digits)


def _halves(value: Any, path: str) -> Iterator[str]:
    """The places of strings and names that hold an unpaired surrogate."""
    if isinstance(value, str):
        if _HALF.search(value):
            yield path
    elif isinstance(value, dict):
        for name, inner in value.items():
            if _HALF.search(name):
                yield path
            yield from _halves(inner, f"{path}.{name}".lstrip("."))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _halves(inner, f"{path}[{place}]")


def _violation(kind: type[Message], why: str) -> InvalidInput:
    """What json_format refused, with the field in its place and in words of the contract."""
    if unknown := _UNKNOWN.search(why):
        field = f"{unknown['path']}.{unknown['name']}".lstrip(".") or "request"
        message = "the message has no such field; /openapi.json has the names of all"
        return InvalidInput([FieldViolation(field, "UNKNOWN_FIELD", message)])
    steps = []
    while step := _STEP.match(why):
        steps.append(step[1])
        why = why[step.end() :]
    field = ".".join(steps)
    if place := _PLACE.search(why):
        field, why = place["path"].lstrip("."), why[: place.start()]
    if no_list := _NO_LIST.match(why):
        field = f"{field}.{no_list['name']}".lstrip(".")
    found = _find(kind, field)
    if found is None:
        return _malformed(field or "request", _NO_FIT)
    if "null is not allowed" in why:
        return _malformed(field, "null, which is no item of a list; leave it out")
    return _malformed(field, f"not {_expected(found, one=field.endswith(']') or not found.is_repeated)}")


def _find(kind: type[Message], path: str) -> FieldDescriptor | None:
    """The field at a path such as claims[3].asOf."""
    found: FieldDescriptor | None = None
    inside: Any = kind.DESCRIPTOR
    for name in _INDEX.sub("", path).split("."):
        fields = () if inside is None else inside.fields
        found = next((field for field in fields if name in (field.json_name, field.name)), None)
        if found is None:
            return None
        inside = found.message_type
    return found


def _expected(field: FieldDescriptor, *, one: bool) -> str:
    """What a field holds; one: an item of it."""
    if not one:
        return f"a list in [], each item {_expected(field, one=True)}"
    if field.enum_type is not None:
        return f"one of {', '.join(value.name for value in field.enum_type.values)}"
    if field.message_type is not None:
        return _MESSAGES.get(field.message_type.full_name, "an object in {}")
    return _KINDS[field.cpp_type]


def _malformed(field: str, message: str) -> InvalidInput:
    return InvalidInput([FieldViolation(field, "MALFORMED_MESSAGE", message)])

"""Results that were kept, back into messages: a CheckResult, or its JSON form, whose names are the contract's own."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from onrecord._json import parse_time
from onrecord._request import Fields
from onrecord.types import CheckResult
from onrecord.v1 import check_service_pb2

_NUMBERS = (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT)


def check_result(fields: Fields, value: CheckResult | Mapping[str, object]) -> check_service_pb2.CheckResult:
    """The message of a result. Keys that are no field of one are not read; values of the wrong type are noted."""
    message = check_service_pb2.CheckResult()
    if isinstance(value, CheckResult | Mapping):
        _fill(fields, "result", value, message)
    else:
        fields.bad("result", f"needs a CheckResult or its JSON form, not {type(value).__name__}")
    return message


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from value.items()
    else:
        for field in dataclasses.fields(value):
            yield field.name, getattr(value, field.name)


def _fill(fields: Fields, path: str, value: Any, message: Message) -> None:
    known = message.DESCRIPTOR.fields_by_name
    for name, given in _items(value):
        field = known.get(name)
        if field is None or given is None:
            continue
        place = f"{path}.{name}"
        if not field.is_repeated:
            _set(fields, place, given, message, field)
        elif isinstance(given, Sequence) and not isinstance(given, str):
            for index, item in enumerate(given):
                _set(fields, f"{place}[{index}]", item, message, field)
        else:
            fields.bad(place, f"needs a list, not {type(given).__name__}")


def _set(fields: Fields, place: str, given: Any, message: Any, field: Any) -> None:
    if field.message_type is not None:
        _set_message(fields, place, given, message, field)
        return
    value = _plain(fields, place, given, field)
    if value is None:
        return
    try:
        if field.is_repeated:
            getattr(message, field.name).append(value)
        else:
            setattr(message, field.name, value)
    except (TypeError, ValueError):
        fields.bad(place, f"cannot be {given!r}")


def _set_message(fields: Fields, place: str, given: Any, message: Any, field: Any) -> None:
    if field.message_type.full_name == "google.protobuf.Timestamp":
        stamp = fields.time(place, _moment(given))
        if stamp is not None:
            getattr(message, field.name).CopyFrom(stamp)
    elif not isinstance(given, Mapping) and not dataclasses.is_dataclass(given):
        fields.bad(place, f"needs an object, not {type(given).__name__}")
    else:
        part = getattr(message, field.name)
        target = part.add() if field.is_repeated else part
        target.SetInParent()
        _fill(fields, place, given, target)


def _plain(fields: Fields, place: str, given: Any, field: Any) -> Any:
    if field.enum_type is not None:
        names = field.enum_type.values_by_name
        prefix = field.enum_type.values[0].name.removesuffix("UNSPECIFIED")
        found = names.get(f"{prefix}{given.value if isinstance(given, enum.Enum) else given}")
        if found is None:
            fields.bad(place, f"cannot be {given!r}")
        return None if found is None else found.number
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return fields.text(place, given)
    return fields.number(place, given) if field.cpp_type in _NUMBERS else given


def _moment(given: Any) -> Any:
    if isinstance(given, str):
        try:
            return parse_time(given)
        except ValueError:
            return given  # refused, for it is no datetime
    return given

"""Messages as they travel over HTTP: protobuf JSON, and protobuf for Connect clients that prefer it.

Read: lowerCamelCase and snake_case names; a field that the message does not have is an error, since it is a slip more
often than a newer client. Written: lowerCamelCase, every field without presence also where it has its default.

json_format is pure Python, so what is large is converted in a thread: the event loop has others to answer.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any, TypeVar

from google.protobuf import json_format
from google.protobuf.message import Message

from onrecord_server.domain.errors import FieldViolation, InvalidInput
from onrecord_server.rpc.interceptors import decode

JSON = "application/json"
PROTO = "application/proto"

# What takes about a millisecond to convert.
_INLINE_BYTES = 16 * 1024

# json_format nests its reasons: 'Failed to parse claim field: Failed to parse text field: WHY at Request.claim.text..'
_STEP = re.compile(r"^Failed to parse (\w+) field: ")
_UNKNOWN = re.compile(r'has no field named "(?P<name>.*?)" at "\w+(?P<path>[^"]*)"', re.DOTALL)
_BAD_TIME = re.compile(r"time data |.*timestamp", re.IGNORECASE)
_PLACE = re.compile(r" at \w+(?P<path>(?:\.\w+|\[\d+\])+)\.*$")

_T = TypeVar("_T")
_M = TypeVar("_M", bound=Message)


async def read_message(kind: type[_M], content_type: str, data: bytes) -> _M:
    """The message in a request's body. InvalidInput: too large, no message of this kind, an unknown field."""
    if content_type == PROTO:
        message: _M = decode(kind.FromString, data)
        return message
    return await _off_loop(len(data), lambda: decode(lambda body: _from_json(kind, body), data))


async def write_message(message: Message, content_type: str) -> bytes:
    """The body of a response."""
    if content_type == PROTO:
        return message.SerializeToString()
    return await _off_loop(message.ByteSize(), lambda: to_json(message).encode())


def to_json(message: Message) -> str:
    """One line of protobuf JSON."""
    return json_format.MessageToJson(
        message, indent=None, ensure_ascii=False, always_print_fields_with_no_presence=True
    )


async def _off_loop(size: int, convert: Callable[[], _T]) -> _T:
    return convert() if size <= _INLINE_BYTES else await asyncio.to_thread(convert)


def _from_json(kind: type[_M], body: bytes) -> _M:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise _malformed("request", "the body is not UTF-8") from None
    if not text.lstrip().startswith("{"):  # json_format takes an empty list for an empty message
        raise _malformed("request", "the body is no JSON object; send {} for an empty message")
    try:
        message: Any = json_format.Parse(text, kind())
    except json_format.ParseError as error:
        raise _violation(str(error)) from None
    except RecursionError:
        raise _malformed("request", "the body is nested too deep") from None
    except ValueError as error:  # a number of more digits than Python reads
        raise _malformed("request", str(error)) from None
    return message  # type: ignore[no-any-return]


def _violation(why: str) -> InvalidInput:
    """What json_format says, with the field in its place and without what only a programmer of it would read."""
    if unknown := _UNKNOWN.search(why):
        field = f"{unknown['path']}.{unknown['name']}".lstrip(".")
        message = "the message has no such field; /openapi.json has the names of all"
        return InvalidInput([FieldViolation(field, "UNKNOWN_FIELD", message)])
    steps = []
    while step := _STEP.match(why):
        steps.append(step[1])
        why = why[step.end() :]
    why = why.removeprefix("Failed to load JSON: ").rstrip(".")
    field = ".".join(steps) or "request"
    if place := _PLACE.search(why):
        field, why = place["path"].lstrip("."), why[: place.start()]
    if _BAD_TIME.match(why):
        why = "not a time; give one as 2021-08-29T00:00:00Z (RFC 3339)"
    return _malformed(field, why)


def _malformed(field: str, message: str) -> InvalidInput:
    return InvalidInput([FieldViolation(field, "MALFORMED_MESSAGE", message)])

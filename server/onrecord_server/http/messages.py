"""Messages as they travel over HTTP: protobuf JSON, and protobuf for Connect clients that prefer it.

Read: lowerCamelCase and snake_case names; a field that the message does not have is an error, since it is a slip more
often than a newer client. Written: lowerCamelCase, every field without presence also where it has its default.

json_format is pure Python, so what is large is converted in a thread: the event loop has others to answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from google.protobuf import json_format
from google.protobuf.message import Message

from onrecord_server.http.reading import from_json
from onrecord_server.rpc.interceptors import decode

JSON = "application/json"
PROTO = "application/proto"

# What takes about a millisecond to convert.
_INLINE_BYTES = 16 * 1024

_T = TypeVar("_T")
_M = TypeVar("_M", bound=Message)


async def read_message(kind: type[_M], content_type: str, data: bytes) -> _M:
    """The message in a request's body. InvalidInput: too large, no message of this kind, an unknown field."""
    if content_type == PROTO:
        message: _M = decode(kind.FromString, data)
        return message
    return await _off_loop(len(data), lambda: decode(lambda body: from_json(kind, body), data))


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

"""Page tokens: opaque, bound to a listing or a search of a record, and impossible to make up.

A listing has an order that writes do not change, so its tokens hold the last row given. What a search finds moves up
and down with every write; its tokens hold all rows given, at most 1,000: none is given twice and none passed over.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import hmac
import json
import struct
from collections.abc import Collection

from onrecord_server.domain import limits
from onrecord_server.domain.errors import FieldViolation, InvalidInput

DEFAULT_PAGE = 100

_FORM = struct.Struct(">BQ")  # form of the token, last row id given
_VERSION = 1
_GIVEN = 2  # the form of a search's token: this byte, then the distances between the row ids given, as varints
_TAG_BYTES = 12


def page_size(asked: int) -> int:
    """Rows of a page: 0 reads as 100, more than 1,000 as 1,000. Raises InvalidInput for less than nothing."""
    if asked < 0:
        message = f"is {asked}; choose 0 (the default, {DEFAULT_PAGE}) to {limits.PAGE_SIZE.value}"
        raise InvalidInput([FieldViolation("page_size", "OUT_OF_RANGE", message)])
    return min(asked or DEFAULT_PAGE, limits.PAGE_SIZE.value)


def make(key: bytes, scope: str, last_row: int) -> str:
    """A token for the page after `last_row`. scope: what is listed; the collection, and what else narrows it."""
    return _sealed(key, scope, _FORM.pack(_VERSION, last_row))


def read(key: bytes, scope: str, token: str) -> int:
    """The last row id given; 0 for the empty token. Raises InvalidInput for any token not made for this listing."""
    if not token:
        return 0
    body = _opened(key, scope, token)
    if len(body) != _FORM.size or body[0] != _VERSION:
        raise _foreign()
    _, last_row = _FORM.unpack(body)
    return int(last_row)


def make_given(key: bytes, scope: str, rows: Collection[int]) -> str:
    """A token for the page of a search after these rows. scope: a digest of all that the search asks for."""
    body = bytearray([_GIVEN])
    last = 0
    for row in sorted(rows):
        distance, last = row - last, row
        while distance > 0x7F:
            body.append(distance & 0x7F | 0x80)
            distance >>= 7
        body.append(distance)
    return _sealed(key, scope, bytes(body))


def read_given(key: bytes, scope: str, token: str) -> set[int]:
    """The rows given; none for the empty token. Raises InvalidInput for any token not made for this search."""
    if not token:
        return set()
    body = _opened(key, scope, token)
    if body[:1] != bytes([_GIVEN]):
        raise _foreign()
    rows: set[int] = set()
    last = distance = shift = 0
    for byte in body[1:]:
        distance |= (byte & 0x7F) << shift
        shift += 7
        if byte <= 0x7F:
            last += distance
            rows.add(last)
            distance = shift = 0
    return rows


def scope_of(*asked: str) -> str:
    """A digest of all that a search asks for."""
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


@functools.lru_cache(maxsize=8)  # every check tells it
def identity(key: bytes) -> str:
    """What tells records apart, as their keys do, without telling the key. 16 hex digits."""
    return hmac.digest(key, b"which record", hashlib.sha256).hex()[:16]


def _sealed(key: bytes, scope: str, body: bytes) -> str:
    return base64.urlsafe_b64encode(body + _tag(key, scope, body)).decode().rstrip("=")


def _opened(key: bytes, scope: str, token: str) -> bytes:
    """The body of a token that was made for this scope; InvalidInput for any other."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _foreign() from None
    body, tag = raw[:-_TAG_BYTES], raw[-_TAG_BYTES:]
    # sealed again it must read the same: base64 has more than one spelling of some bytes
    if not hmac.compare_digest(tag, _tag(key, scope, body)) or _sealed(key, scope, body) != token:
        raise _foreign()
    return body


def _foreign() -> InvalidInput:
    message = "is not a token of this listing; leave it empty to start from the first page"
    return InvalidInput([FieldViolation("page_token", "INVALID_PAGE_TOKEN", message)])


def _tag(key: bytes, scope: str, body: bytes) -> bytes:
    return hmac.digest(key, body + scope.encode("utf-8", "surrogatepass"), hashlib.sha256)[:_TAG_BYTES]

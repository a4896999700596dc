"""Page tokens: opaque, bound to a collection and a record, and impossible to make up."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct

from onrecord_server.domain import limits
from onrecord_server.domain.errors import FieldViolation, InvalidInput

DEFAULT_PAGE = 100

_FORM = struct.Struct(">BQ")  # form of the token, last row id given
_VERSION = 1
_TAG_BYTES = 12


def page_size(asked: int) -> int:
    """Rows of a page: 0 reads as 100, more than 1,000 as 1,000. Raises InvalidInput for less than nothing."""
    if asked < 0:
        message = f"is {asked}; choose 0 (the default, {DEFAULT_PAGE}) to {limits.PAGE_SIZE.value}"
        raise InvalidInput([FieldViolation("page_size", "OUT_OF_RANGE", message)])
    return min(asked or DEFAULT_PAGE, limits.PAGE_SIZE.value)


def make(key: bytes, parent: str, last_row: int) -> str:
    """A token for the page after `last_row`."""
    body = _FORM.pack(_VERSION, last_row)
    return base64.urlsafe_b64encode(body + _tag(key, parent, body)).decode().rstrip("=")


def read(key: bytes, parent: str, token: str) -> int:
    """The last row id given; 0 for the empty token. Raises InvalidInput for any token not made for this listing."""
    if not token:
        return 0
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        body, tag = raw[: _FORM.size], raw[_FORM.size :]
        genuine = hmac.compare_digest(tag, _tag(key, parent, body))
        version, last_row = _FORM.unpack(body)
    except (binascii.Error, ValueError, struct.error):
        genuine = False
    if not genuine or version != _VERSION or make(key, parent, last_row) != token:
        message = "is not a token of this listing; leave it empty to start from the first page"
        raise InvalidInput([FieldViolation("page_token", "INVALID_PAGE_TOKEN", message)])
    return int(last_row)


def _tag(key: bytes, parent: str, body: bytes) -> bytes:
    return hmac.digest(key, body + parent.encode(), hashlib.sha256)[:_TAG_BYTES]

"""Fields of a message renamed to where the caller knows them: position 3 of a message is position 259 of a list."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from onrecord.errors import InvalidArgument, OnrecordError

Error = TypeVar("Error", bound=OnrecordError)

_PARENT = re.compile(r"^parent(?=$|:)")
_ITEM = re.compile(r"\b(claim|statement)(?:s\[\d+\])?\.(?=\w)")


def renamed(error: Error, change: Callable[[str], str]) -> Error:
    """The same error, `change` made to its message and to the fields of its violations."""
    error.message = change(error.message)
    error.args = (error.message,)
    if isinstance(error, InvalidArgument):
        error.violations = tuple(replace(v, field=change(v.field)) for v in error.violations)
    return error


def at(error: Error, index: int) -> Error:
    """The error of one item of a message, its fields at the item's position among everything given."""
    return renamed(error, lambda text: _ITEM.sub(rf"\1s[{index}].", text))


def for_caller(error: Error) -> Error:
    """The error with a collection's name called what this package calls it; on the wire it is `parent`."""
    return renamed(error, lambda text: _PARENT.sub("collection", text))


def too_large(error: InvalidArgument) -> bool:
    """Whether the message was, as can only happen to one that holds a single huge item; the next may be fine."""
    return "MESSAGE_TOO_LARGE" in {error.reason, *(violation.reason for violation in error.violations)}

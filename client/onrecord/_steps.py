"""What a method of the client does, as steps that somebody else carries out: no call is made here.

A *plan* is a generator. It yields a step, is sent what came of it, and returns the method's result; a step that failed
is thrown into it. `onrecord._sync` and `onrecord._aio` carry the same plans out, by waiting and by awaiting.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

Result = TypeVar("Result")


@dataclass(slots=True)
class Call:
    """Call a method and wait for its answer, which is sent back."""

    service: Literal["checks", "record", "info"]
    method: str
    request: Any
    timeout: float | None


class Streamed(Call):
    """The same of a method that takes a stream; `request` is a list of its messages."""


@dataclass(slots=True)
class Health:
    """Watch the server's health for at most `timeout` seconds; its last word is sent back, "" when it had none."""

    timeout: float


@dataclass(slots=True)
class Pause:
    """Wait for that many seconds; None is sent back."""

    seconds: float


class Pull:
    """Read the caller's iterable; its next item is sent back, END after the last one."""


PULL: Final = Pull()
END: Final = object()

Step = Call | Health | Pause | Pull
Plan = Generator[Step, Any, Result]

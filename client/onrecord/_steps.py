"""What a method of the client does, as steps that somebody else carries out: no call is made here.

A *plan* is a generator. It yields a step, is sent what came of it, and returns the method's result; a step that failed
is thrown into it. `onrecord._sync` and `onrecord._aio` carry the same plans out, by waiting and by awaiting.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, TypeVar

Result = TypeVar("Result")


@dataclass(slots=True)
class Call:
    """Call a method and wait for its answer, which is sent back."""

    service: Literal["checks", "record", "info"]
    method: str
    request: Any
    timeout: float | None


class Exchange(Protocol):
    """A stream both ways. What is sent stands in a queue: whoever sends counts what has no answer yet."""

    pipelined: bool
    """Whether messages are worked on while others are sent; where not, each waits for the answer before it."""

    def send(self, request: Any) -> None:
        """Send a message, sooner or later. Does not wait."""
        ...

    def end(self) -> None:
        """Send no more."""
        ...


@dataclass(slots=True)
class Open:
    """Begin a stream both ways; its Exchange is sent back, whatever comes of it. hesitates: wait before the first
    message, for the server to say why it wants none.
    """

    service: Literal["checks", "record", "info"]
    method: str
    timeout: float | None
    hesitates: bool = False


@dataclass(slots=True)
class Receive:
    """Wait for the next answer of a stream, which is sent back; None at its end."""

    exchange: Any


@dataclass(slots=True)
class Close:
    """Be done with a stream, which is cancelled where it has not ended."""

    exchange: Any


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

Step = Call | Open | Receive | Close | Health | Pause | Pull
Plan = Generator[Step, Any, Result]

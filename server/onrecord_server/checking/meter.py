"""What the engine tells about itself while it works; rpc or app decide where it goes."""

from __future__ import annotations

from typing import Protocol


class Meter(Protocol):
    """Counts the engine's work.

    Methods are cheap, may be called from the event loop and the model's thread, and raise nothing.
    """

    def batch(self, kind: str, inputs: int, tokens: int, computed: int, seconds: float) -> None:
        """One forward of the model. kind: "pair" or "text"; tokens: real ones; computed: with padding."""
        ...

    def cache(self, hits: int, shared: int, misses: int) -> None:
        """Pairs asked for: found in the cache, already in flight for somebody else, new."""
        ...

    def dropped(self, reason: str, inputs: int) -> None:
        """Inputs that were admitted and not scored: "cancelled", "deadline", "shutdown" or "failed"."""
        ...

    def refused(self, reason: str) -> None:
        """A caller turned away before any work, by the reason that it was told, for example "OVERLOADED"."""
        ...

    def stage(self, name: str, seconds: float) -> None:
        """Time of one piece of work: "tokenise", "retrieval", "queue", "inference", "total"."""
        ...


class Silent:
    """Counts nothing."""

    def batch(self, kind: str, inputs: int, tokens: int, computed: int, seconds: float) -> None:
        """Nothing."""

    def cache(self, hits: int, shared: int, misses: int) -> None:
        """Nothing."""

    def dropped(self, reason: str, inputs: int) -> None:
        """Nothing."""

    def refused(self, reason: str) -> None:
        """Nothing."""

    def stage(self, name: str, seconds: float) -> None:
        """Nothing."""

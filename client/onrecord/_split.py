"""Splits what a caller gives into messages that a server takes: by number of items and by bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class Sized(Protocol):
    """A protobuf message."""

    def ByteSize(self) -> int:
        """Bytes on the wire, without tag and length."""
        ...


Item = TypeVar("Item", bound=Sized)
Message = TypeVar("Message", bound=Sized)


@dataclass(slots=True)
class Indexed(Generic[Message]):
    """A message with its position among everything that the caller gave."""

    index: int
    message: Message

    def ByteSize(self) -> int:
        """Bytes of the message."""
        return self.message.ByteSize()


_ENVELOPE = 8  # tag and length of a repeated field's item, at most


def chunks(items: Iterable[Item], *, most: int, budget: int) -> Iterator[list[Item]]:
    """Consecutive lists of at most `most` items and about `budget` bytes; an item over the budget goes alone."""
    chunk: list[Item] = []
    size = 0
    for item in items:
        cost = item.ByteSize() + _ENVELOPE
        if chunk and (len(chunk) == most or size + cost > budget):
            yield chunk
            chunk, size = [], 0
        chunk.append(item)
        size += cost
    if chunk:
        yield chunk

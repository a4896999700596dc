"""Packs what a caller gives into messages that a server takes: by number of items and by bytes."""

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


ENVELOPE = 8
"""Bytes of tag and length of a repeated field's item, at most."""


class Packer(Generic[Item]):
    """Fills chunks of at most `most` items and about `budget` bytes; an item over the budget goes alone."""

    def __init__(self, *, most: int, budget: int) -> None:
        self._most = most
        self._budget = budget
        self._chunk: list[Item] = []
        self._size = 0

    def add(self, item: Item) -> list[Item] | None:
        """Take an item; the chunk before it when that has no room for it."""
        cost = item.ByteSize() + ENVELOPE
        full = None
        if self._chunk and (len(self._chunk) == self._most or self._size + cost > self._budget):
            full = self.rest()
        self._chunk.append(item)
        self._size += cost
        return full

    def rest(self) -> list[Item]:
        """What is left, and forget it."""
        chunk, self._chunk, self._size = self._chunk, [], 0
        return chunk


def chunks(items: Iterable[Item], *, most: int, budget: int) -> Iterator[list[Item]]:
    """All of them, packed."""
    packer: Packer[Item] = Packer(most=most, budget=budget)
    for item in items:
        if full := packer.add(item):
            yield full
    if last := packer.rest():
        yield last

"""Splitting into messages: nothing lost, order kept, limits held."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from onrecord._split import chunks


@dataclass(frozen=True)
class Item:
    size: int

    def ByteSize(self) -> int:
        return self.size


@settings(deadline=None)
@given(sizes=st.lists(st.integers(0, 500), max_size=50), most=st.integers(1, 10), budget=st.integers(1, 1_000))
def test_chunks(sizes: list[int], most: int, budget: int) -> None:
    items = [Item(size) for size in sizes]
    made = list(chunks(iter(items), most=most, budget=budget))
    assert [item for chunk in made for item in chunk] == items
    for chunk in made:
        assert 1 <= len(chunk) <= most
        assert len(chunk) == 1 or sum(item.size for item in chunk) <= budget

"""A batch dealt out to threads comes back whole and in order."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from onrecord_server.nli.lanes import Lanes, deal


@given(st.lists(st.integers(1, 512), min_size=1, max_size=60), st.integers(1, 8))
def test_every_sequence_is_dealt_once_and_no_lane_has_much_more(lengths: list[int], lanes: int) -> None:
    hands = deal(lengths, lanes)
    assert sorted(i for hand in hands for i in hand) == list(range(len(lengths)))
    assert all(hands)
    tokens = [sum(lengths[i] for i in hand) for hand in hands]
    assert max(tokens) - min(tokens) <= max(lengths)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_rows_come_back_in_order(threads: int) -> None:
    lengths = [5, 9, 1, 7, 7, 2]
    seen = set()

    def compute(hand: Sequence[int]) -> torch.Tensor:
        seen.add(threading.current_thread().name)
        assert torch.is_inference_mode_enabled()
        return torch.tensor([[float(i), float(lengths[i])] for i in hand])

    rows = Lanes(threads).run(compute, lengths)
    assert rows.tolist() == [[float(i), float(n)] for i, n in enumerate(lengths)]
    assert len(seen) <= threads


def test_what_fails_in_a_lane_is_raised() -> None:
    def compute(hand: Sequence[int]) -> torch.Tensor:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        Lanes(2).run(compute, [1, 2, 3])

"""Sequences that attend together: none is lost, and little is padded."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from onrecord_server.nli.layout import lay_out, padded, round_up, row_counts


@given(st.lists(st.integers(1, 512), min_size=1, max_size=40))
def test_every_row_is_read_into_its_sequence_and_found_again(lengths: list[int]) -> None:
    layout = lay_out(lengths)
    assert [lengths[i] for i in layout.order] == layout.lengths.tolist() == sorted(lengths, reverse=True)
    matrix = torch.arange(sum(lengths))[:, None]
    end = sequence = 0
    for group in layout.groups:
        assert group.first == end
        table = padded(matrix, group).view(group.count, group.width)
        held = torch.ones_like(table, dtype=torch.bool) if group.mask is None else group.mask[:, 0, 0] == 0
        assert held.sum(dim=1).tolist() == layout.lengths[sequence : sequence + group.count].tolist()
        assert table[held].tolist() == list(range(group.first, group.last))
        if group.kept is not None:
            assert table.ravel()[group.kept].tolist() == list(range(group.first, group.last))
        end, sequence = group.last, sequence + group.count
    assert (end, sequence) == (sum(lengths), len(lengths))


@pytest.mark.parametrize(
    ("lengths", "most_groups", "most_padding"),
    [
        ([64] * 8, 1, 0.0),
        ([50] * 10, 1, 0.3),
        (list(range(40, 64)), 2, 0.3),
        ([500, *[20] * 20], 2, 0.5),
        ([512, *range(30, 120)], 8, 0.2),
    ],
    ids=["equal", "equal, no multiple", "like", "one long", "mixed"],
)
def test_few_groups_and_little_padding(lengths: list[int], most_groups: int, most_padding: float) -> None:
    groups = lay_out(lengths).groups
    assert len(groups) <= most_groups
    assert sum(g.count * g.width for g in groups) <= (1 + most_padding) * sum(lengths)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_every_number_of_rows_can_be_told_before(device: str) -> None:
    where = torch.device(device)
    assert row_counts(700, where) == sorted({round_up(n, where) for n in range(1, 701)})


def test_a_gpu_sees_fewer_still_and_pads_little_of_what_keeps_it_busy() -> None:
    gpu = torch.device("cuda")
    counts = row_counts(16_384, gpu)
    assert len(counts) <= 32
    assert counts[-1] == 16_384
    assert all(n <= round_up(n, gpu) <= 1.5 * n + 32 for n in range(1, 4_097))
    assert all(n <= round_up(n, gpu) <= n + n // 8 for n in range(4_097, 16_385, 97))


def test_products_see_few_numbers_of_rows() -> None:
    cpu = torch.device("cpu")
    rounded = [round_up(n, cpu) for n in range(1, 8_193)]
    assert len(set(rounded[:512])) <= 40  # each costs a compilation of every product, and its memory
    assert len(set(rounded)) <= 120
    assert all(n <= m <= n + max(15, n // 16) for n, m in enumerate(rounded, 1))
    assert lay_out([50] * 10).rows == lay_out([499]).rows == 512

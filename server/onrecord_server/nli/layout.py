"""How sequences lie end to end in one matrix, and which of them attend together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

# torch's attention takes a row of scores 16 at a time and what is left over one by one: 60 cost more than 64
_STEP = 16
# What one more group costs, in padded places: gathers, views and a dozen calls. A GPU does ten times as much meanwhile.
_CALL = 50
_CALL_CUDA = 500
_LOOKED_AT = 512  # a place in a sequence so long costs twice what it does in a short one: all others look at it


IntArray = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, slots=True)
class Group:
    """Sequences that attend together: rows first..last of the packed matrix, `count` of them, padded to `width`.

    `rows`: packed row of each padded place, shape (count * width), None when nothing is padded. `kept`: padded places
    that hold a token, in packed order. `mask`: shape (count, 1, 1, width), to be added to the scores: 0 where a token
    is, -inf elsewhere; in the states' format.
    """

    first: int
    last: int
    count: int
    width: int
    rows: Tensor | None
    kept: Tensor | None
    mask: Tensor | None


@dataclass(frozen=True, slots=True)
class Layout:
    """How a batch is packed: longest first. `order`: place in the batch of each packed sequence.

    `starts`, `lengths`: of each packed sequence, in rows. `order` and `lengths` are on the CPU, for numpy. `tokens`:
    rows that hold one. `rows`: with those that follow to make a round number (see round_up).
    """

    order: Tensor
    starts: Tensor
    lengths: Tensor
    groups: tuple[Group, ...]
    tokens: int
    rows: int


def lay_out(counts: Sequence[int], device: torch.device | None = None, states: torch.dtype = torch.float32) -> Layout:
    """How sequences of these lengths are packed. device, states: where the states will be and their format."""
    device = device or torch.device("cpu")
    unsorted = np.array(counts, dtype=np.int64)
    order = np.argsort(-unsorted, kind="stable")
    lengths = unsorted[order]
    starts = np.concatenate([[0], np.cumsum(lengths)])
    groups = []
    for i, k, width in _cut(lengths, _CALL_CUDA if device.type == "cuda" else _CALL):
        rows = kept = mask = None
        if lengths[k - 1] < width:
            held = np.arange(width) < lengths[i:k, None]
            # a padded place reads the sequence's first row: any finite numbers do, the mask hides them
            places = np.where(held, starts[i:k, None] + np.arange(width), starts[i:k, None])
            rows, kept = on(device, places.ravel()), on(device, np.flatnonzero(held))
            mask = on(device, np.where(held, np.float32(0), np.float32(-np.inf))).to(states)[:, None, None, :]
        groups.append(Group(int(starts[i]), int(starts[k]), k - i, width, rows, kept, mask))
    tokens = int(starts[-1])
    places = on(device, starts[:-1])
    return Layout(
        torch.from_numpy(order), places, torch.from_numpy(lengths), tuple(groups), tokens, round_up(tokens, device)
    )


def round_up(rows: int, device: torch.device) -> int:
    """Rows that a product is best given where there are so many: on a CPU up to 15 more, of many a sixteenth.

    Libraries prepare a product anew for each number of rows, so there are to be few such numbers. oneDNN compiles it:
    some 5 ms and 0.7 MiB, where 500 rows take 0.5 ms; multiples of 16 are the fastest ones. cuBLAS chooses and loads a
    kernel, which takes longer than a forward; up to 4,096 rows a GPU is waiting for its next kernel anyway.
    """
    octave = 1 << ((rows - 1).bit_length() - 1) if rows > 1 else 1  # the largest power of two below
    if device.type == "cuda":
        step = max(32, octave // (2 if rows <= 4_096 else 8))
    else:
        step = 8 if rows <= 64 else max(16, octave // 16)
    return -(-rows // step) * step


def row_counts(most: int, device: torch.device) -> list[int]:
    """Every number of rows that `round_up` makes of 1 to `most`, ascending."""
    counts = [round_up(1, device)]
    while counts[-1] < most:
        counts.append(round_up(counts[-1] + 1, device))
    return counts


def _cut(lengths: IntArray, call: int) -> list[tuple[int, int, int]]:
    """Groups of sequences that lie longest first, as (first, last + 1, width).

    Sequences of like width, rounded up, are a run; of all ways to join neighbouring runs the cheapest is found.
    """
    widths = -(-lengths // _STEP) * _STEP
    firsts = np.flatnonzero(np.diff(widths, prepend=0))
    run_widths = widths[firsts].tolist()
    ends = [*firsts.tolist(), len(lengths)]
    runs = len(run_widths)
    least = [0.0] + [float("inf")] * runs  # the cost of the first so many runs
    joined_from = [0] * (runs + 1)
    for i, width in enumerate(run_widths):
        place = width * (1 + width / _LOOKED_AT)
        for j in range(i + 1, runs + 1):
            cost = least[i] + call + (ends[j] - ends[i]) * place
            if cost < least[j]:
                least[j], joined_from[j] = cost, i
    groups = []
    j = runs
    while j:
        i = joined_from[j]
        groups.append((ends[i], ends[j], run_widths[i]))
        j = i
    return groups[::-1]


def padded(matrix: Tensor, group: Group) -> Tensor:
    """A group's rows of a packed matrix, shape (count * width, …)."""
    return matrix[group.first : group.last] if group.rows is None else matrix.index_select(0, group.rows)


def on(device: torch.device, array: np.ndarray[Any, Any]) -> Tensor:
    """The array there; a copy to CUDA waits for nothing, as it comes from pinned memory."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)

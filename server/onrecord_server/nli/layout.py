"""How sequences lie end to end in one matrix, and which of them attend together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

_LIKE_LENGTH = 0.9  # sequences at least this share of the longest attend together, padded to it


@dataclass(frozen=True, slots=True)
class Group:
    """Sequences that attend together: rows first..last of the packed matrix, `count` of them, padded to `width`.

    `rows`: packed row of each padded place, shape (count * width), None when nothing is padded. `kept`: padded places
    that hold a token, in packed order. `mask`: shape (count, 1, 1, width), true where a token is.
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

    `starts`, `lengths`: of each packed sequence, in rows. `order` and `lengths` are on the CPU, for numpy.
    """

    order: Tensor
    starts: Tensor
    lengths: Tensor
    groups: tuple[Group, ...]


def lay_out(counts: Sequence[int], device: torch.device | None = None) -> Layout:
    """How sequences of these lengths are packed. device: where the states will be, the CPU by default."""
    device = device or torch.device("cpu")
    unsorted = np.array(counts, dtype=np.int64)
    order = np.argsort(-unsorted, kind="stable")
    lengths = unsorted[order]
    starts = np.concatenate([[0], np.cumsum(lengths)])
    groups = []
    i = 0
    while i < len(lengths):
        width = int(lengths[i])
        k = i + int(np.count_nonzero(lengths[i:] >= width * _LIKE_LENGTH))
        rows = kept = mask = None
        if lengths[k - 1] < width:
            held = np.arange(width) < lengths[i:k, None]
            # a padded place reads the sequence's first row: any finite numbers do, the mask hides them
            places = np.where(held, starts[i:k, None] + np.arange(width), starts[i:k, None])
            rows, kept = on(device, places.ravel()), on(device, np.flatnonzero(held))
            mask = on(device, held)[:, None, None, :]
        groups.append(Group(int(starts[i]), int(starts[k]), k - i, width, rows, kept, mask))
        i = k
    return Layout(torch.from_numpy(order), on(device, starts[:-1]), torch.from_numpy(lengths), tuple(groups))


def padded(matrix: Tensor, group: Group) -> Tensor:
    """A group's rows of a packed matrix, shape (count * width, …)."""
    return matrix[group.first : group.last] if group.rows is None else matrix[group.rows]


def on(device: torch.device, array: np.ndarray[Any, Any]) -> Tensor:
    """The array there; a copy to CUDA waits for nothing, as it comes from pinned memory."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)

"""A batch on several cores: its sequences are dealt out to threads that compute with one core each.

When torch shares every matrix product among the cores, they wait for one another some hundred times a batch, the more
so when other processes want them. Lanes meet once, at the end: measured in docs/benchmarks.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from onrecord_server.nli.cores import cores

_SHORT = 32  # tokens; of fewer the threads that share a product would spend longer waiting for one another


def share_products(threads: int) -> None:
    """Let torch share each matrix product of the calling thread among so many cores. A setting of the thread, cheap."""
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)


class Lanes:
    """Threads with one core each. `threads`: how many; None takes all cores of this process."""

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads or cores()
        # the setting belongs to the thread that makes it, so each lane makes it for itself
        self._pool = ThreadPoolExecutor(self.threads, "lane", initializer=share_products, initargs=(1,))

    def run(self, compute: Callable[[Sequence[int]], Tensor], lengths: Sequence[int]) -> Tensor:
        """Rows for all sequences, shape (len(lengths), …), in their order.

        compute: rows for the sequences with these indices, in the order of the indices; called in several threads at
        once, each time with sequences of about the same number of tokens together.
        """
        if len(lengths) < 2 or self.threads < 2:
            share_products(self.threads if sum(lengths) > _SHORT else 1)
            return _inferring(compute, range(len(lengths)))
        hands = deal(lengths, self.threads)
        rows = torch.cat(list(self._pool.map(lambda hand: _inferring(compute, hand), hands)))
        out = torch.empty_like(rows)
        out[torch.tensor([i for hand in hands for i in hand])] = rows
        return out


def _inferring(compute: Callable[[Sequence[int]], Tensor], hand: Sequence[int]) -> Tensor:
    with torch.inference_mode():  # a setting of the thread, too
        return compute(hand)


def deal(lengths: Sequence[int], lanes: int) -> list[list[int]]:
    """Indices for each lane, none empty: the longest first, each to the lane that has the fewest tokens."""
    hands: list[list[int]] = [[] for _ in range(min(lanes, len(lengths)))]
    tokens = [0] * len(hands)
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        lane = tokens.index(min(tokens))
        hands[lane].append(i)
        tokens[lane] += lengths[i]
    return hands

"""One ranking from two: reciprocal rank fusion (Cormack, Clarke, Buettcher, SIGIR 2009)."""

from __future__ import annotations

from collections.abc import Sequence


def ranks(ids: Sequence[int]) -> dict[int, int]:
    """Place of each id, from 1."""
    return {row_id: place for place, row_id in enumerate(ids, start=1)}


def fuse(lexical: dict[int, int], vector: dict[int, int], *, k: int, vector_weight: float) -> list[tuple[int, float]]:
    """(id, score) by falling score; ties by id, so that the order does not depend on anything else.

    score = (1 - vector_weight) / (k + lexical rank) + vector_weight / (k + vector rank), a missing rank adding nothing.
    """
    scores: dict[int, float] = {}
    for places, weight in ((lexical, 1.0 - vector_weight), (vector, vector_weight)):
        for row_id, place in places.items():
            scores[row_id] = scores.get(row_id, 0.0) + weight / (k + place)
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))

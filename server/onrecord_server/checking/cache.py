"""Scores of pairs that were scored before."""

from __future__ import annotations

from collections import OrderedDict

from onrecord_server.domain.types import PairScore


class PairCache:
    """The latest scores of one model, least recently used forgotten first. `most`: how many; 0 remembers none."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._scores: OrderedDict[bytes, PairScore] = OrderedDict()

    def get(self, key: bytes) -> PairScore | None:
        """The score, which from now on is the one used last."""
        score = self._scores.get(key)
        if score is not None:
            self._scores.move_to_end(key)
        return score

    def put(self, key: bytes, score: PairScore) -> None:
        """Remember it."""
        self._scores[key] = score
        self._scores.move_to_end(key)
        while len(self._scores) > self._most:
            self._scores.popitem(last=False)

"""The worker and the store of a check, remembering: what was asked before is answered without the model."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from onrecord_server.checking.worker import InferenceWorker, PairOutcome, PairOutcomes, Priority, Seat
from onrecord_server.domain.types import NliScores, PairScore
from onrecord_server.evaluation.cache import RecordFile, key_of
from onrecord_server.nli.base import CalibratedScorer, FloatArray, TextEncoder
from onrecord_server.store import Hit, StatementStore

_BATCH_TOKENS = 2_048


class KeepingWorker(InferenceWorker):
    """A worker whose pair scores and vectors outlive the process.

    The model's own scores are kept and calibrated when they are read, so that another calibration needs no model.
    `asked`: distinct pairs that the model was asked for.
    """

    def __init__(self, scorer: CalibratedScorer, encoder: TextEncoder, pairs: RecordFile, vectors: RecordFile) -> None:
        super().__init__(scorer.uncalibrated(), encoder, max_batch_tokens=_BATCH_TOKENS, max_queue_tokens=10_000_000)
        self._calibration = scorer.calibration
        self.weighing = scorer.weighing
        self._pairs = pairs
        self._vectors = vectors
        self.asked = 0

    async def score_each(
        self, pairs: Sequence[tuple[str, str]], *, deadline: float | None = None, seat: Seat | None = None
    ) -> PairOutcomes:
        """As InferenceWorker.score_each, which `score` calls."""
        keys = [key_of(pair) for pair in pairs]
        missing = {key: pair for key, pair in zip(keys, pairs, strict=True) if key not in self._pairs}
        failed: dict[bytes, PairOutcome] = {}
        if missing:
            answer = await super().score_each(list(missing.values()), deadline=deadline, seat=seat)
            fresh: dict[bytes, PairScore] = {}
            for key, outcome in zip(missing, answer.outcomes, strict=True):
                if not isinstance(outcome, PairScore):
                    failed[key] = outcome
                elif key not in self._pairs:  # another claim may have asked for the same meanwhile
                    fresh[key] = outcome
            rows = [(*one.scores.as_tuple(), float(one.truncated)) for one in fresh.values()]
            self._pairs.add(list(fresh), np.array(rows, dtype=np.float32).reshape(-1, 4))
            self.asked += len(fresh)
        found = [key for key in keys if key not in failed]
        kept = self._pairs.get(found)
        scores = {
            key: PairScore(NliScores(*map(float, row)), cut == 1.0)
            for key, row, cut in zip(found, self._calibration.apply(kept[:, :3]), kept[:, 3].tolist(), strict=True)
        }
        return PairOutcomes([failed[key] if key in failed else scores[key] for key in keys], 0.0, 0.0)

    async def embed(
        self,
        texts: Sequence[str],
        *,
        deadline: float | None = None,
        seat: Seat | None = None,
        priority: Priority = Priority.INTERACTIVE,
    ) -> FloatArray:
        """As InferenceWorker.embed."""
        keys = [key_of((text,)) for text in texts]
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._vectors}
        if missing:
            vectors = await super().embed(list(missing.values()), deadline=deadline, seat=seat, priority=priority)
            self._vectors.add(list(missing), vectors)
        return self._vectors.get(keys)


class KeepingStore:
    """A store that answers a search it had before from memory: the same claims are checked many times.

    Everything else is the store's own.
    """

    def __init__(self, store: StatementStore) -> None:
        self._store = store
        self._found: dict[tuple[object, ...], list[Hit]] = {}
        self._lock = threading.Lock()

    def search(
        self, parent: str, text: str, vector: FloatArray, limit: int, *arguments: Any, **options: Any
    ) -> list[Hit]:
        """See StatementStore. A text has one vector, so the vector is no part of the question."""
        asked = (parent, text, limit, *map(repr, arguments), *sorted((k, repr(v)) for k, v in options.items()))
        with self._lock:
            if (found := self._found.get(asked)) is not None:
                return found
        hits = self._store.search(parent, text, vector, limit, *arguments, **options)
        with self._lock:
            self._found[asked] = hits
        return hits

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

"""Claims mode: verdicts on a record, end to end through the real Checker, with the record in memory."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from onrecord_server.checking.checker import Checker
from onrecord_server.checking.gathered import Gathered, Row
from onrecord_server.domain.errors import OnrecordError
from onrecord_server.domain.switches import Switches
from onrecord_server.domain.types import DEFAULT_COLLECTION, CheckOptions, Reason, StatementDraft, Verdict
from onrecord_server.domain.verdict import Thresholds
from onrecord_server.evaluation.cache import RecordFile, key_of
from onrecord_server.evaluation.data import LabelledClaim
from onrecord_server.evaluation.kept import KeepingStore, KeepingWorker
from onrecord_server.evaluation.scoring import Advance, embed_texts, vector_file
from onrecord_server.nli.base import CalibratedScorer, TextEncoder
from onrecord_server.store import StatementStore, open_store

Progress = Callable[[str, str, int], AbstractContextManager[Advance]]
"""(what is done, of what, how many) -> a context that gives a function to tell how many are done."""

_CHUNK = 500  # statements stored in one transaction
_IN_FLIGHT = 16  # claims
_STOP_SECONDS = 1.0
_LEAST_TOPIC = 0.2  # with a sweep, what is nearer than this is read by the model, so that the threshold can move


@dataclass(frozen=True, slots=True)
class Recorded:
    """A statement of the record under the id that gold evidence names it by."""

    id: str
    draft: StatementDraft


@dataclass(frozen=True, slots=True)
class Shown:
    """One candidate of a verdict, for a reader: whose words, what they do to the claim, and the model's word.

    weighed: the probabilities that decide, where the model comes with a weighing.
    """

    id: str
    speaker: str
    text: str
    relation: str
    probabilities: tuple[float, float, float]
    weighed: tuple[float, float, float] | None
    similarity: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came out for one claim. candidates: ids in the order of retrieval. shown: the first few, deciding first."""

    verdict: Verdict
    confidence: float
    reason: Reason
    candidates: tuple[str, ...]
    shown: tuple[Shown, ...]


class Bench:
    """A record in memory, and checks of many claims against it; made by `open_bench`."""

    def __init__(self, store: StatementStore, worker: KeepingWorker, ids: dict[str, str], progress: Progress) -> None:
        self._store = store
        self._worker = worker
        self._ids = ids
        self._progress = progress

    @property
    def asked(self) -> int:
        """Distinct pairs that the model was asked for so far."""
        return self._worker.asked

    async def gather(
        self, claims: Sequence[LabelledClaim], switches: Switches, label: str, *, every_topic: bool = False
    ) -> list[Gathered]:
        """What the rule needs, a claim each, in order; the rule itself costs nothing more.

        every_topic: have the model read candidates that the topic gate would leave out.
        """
        checker = Checker(self._store, self._worker, switches=switches, weighing=self._worker.weighing)
        options = CheckOptions(topic_threshold=_LEAST_TOPIC if every_topic else None)
        found: list[Gathered | None] = [None] * len(claims)
        waiting = iter(enumerate(claims))
        with self._progress(label, "claims", len(claims)) as advance:

            async def work() -> None:
                for i, one in waiting:
                    found[i] = await checker.gather(DEFAULT_COLLECTION, one.claim, options)
                    advance(1)

            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(min(_IN_FLIGHT, len(claims))):
                        group.create_task(work())
            except ExceptionGroup as failed:
                raise failed.exceptions[0] from None  # one is enough to end it
        return [one for one in found if one is not None]

    def outcome(self, gathered: Gathered, limits: Thresholds) -> Outcome:
        """The verdict under these thresholds."""
        found = gathered.outcome(limits)
        candidates = [s.hit.statement.name for one in (gathered, *gathered.parts) for s in one.scored]
        ids = tuple(self._ids.get(name, "") for name in dict.fromkeys(candidates))
        decision = found.decision
        return Outcome(decision.verdict, decision.confidence, decision.reason, ids, self._shown(found.rows))

    def _shown(self, found: Sequence[Row], most: int = 3) -> tuple[Shown, ...]:
        rows = [
            Shown(
                self._ids.get(row.scored.hit.statement.name, ""),
                row.scored.hit.statement.speaker.name,
                row.scored.premise.text,
                row.judgement.relation.name,
                row.scored.score.scores.as_tuple(),
                weighed.as_tuple() if (weighed := row.scored.candidate.weighed) else None,
                row.scored.hit.similarity,
            )
            for row in found
        ]
        rows.sort(key=lambda row: (row.relation == "NEUTRAL", -max(row.probabilities[0], row.probabilities[2])))
        return tuple(rows[:most])


def embed_record(
    encoder: TextEncoder, record: Sequence[Recorded], cache: Path | None, progress: Progress
) -> RecordFile:
    """The record's vectors, in the file where they are kept. Not on the event loop, so that Ctrl-C ends it at once."""
    kept = vector_file(cache, encoder)
    with progress("embedding", "statements", len(record)) as advance:
        embed_texts(encoder, [one.draft.text for one in record], kept, advance)
    return kept


@asynccontextmanager
async def open_bench(
    scorer: CalibratedScorer,
    encoder: TextEncoder,
    record: Sequence[Recorded],
    vectors_kept: RecordFile,
    pairs_kept: RecordFile,
    progress: Progress,
    *,
    again: bool = False,
) -> AsyncIterator[Bench]:
    """Store the record, start the worker; both are gone at the end.

    vectors_kept: holds the vectors of the record's texts (`embed_record`). again: the same claims will be checked
    several times. Raises the InvalidInput or StoreError of a statement that the store refuses.
    """
    store = open_store(":memory:", dimension=encoder.dimension, encoder_id=encoder.info.model_id)
    try:
        ids: dict[str, str] = {}
        for start in range(0, len(record), _CHUNK):
            part = record[start : start + _CHUNK]
            drafts = [one.draft for one in part]
            vectors = vectors_kept.get([key_of((draft.text,)) for draft in drafts])
            made = await asyncio.to_thread(store.create, DEFAULT_COLLECTION, drafts, vectors)
            for one, stored in zip(part, made, strict=True):
                if isinstance(stored, OnrecordError):
                    raise stored
                ids[stored.name] = one.id
        worker = KeepingWorker(scorer, encoder, pairs_kept, vectors_kept)
        await worker.start()
        try:
            asked = cast(StatementStore, KeepingStore(store)) if again else store
            yield Bench(asked, worker, ids, progress)
        finally:
            await worker.stop(_STOP_SECONDS)
    finally:
        store.close()


GRID: dict[str, tuple[float, ...]] = {
    "support": (0.4, 0.5, 0.6, 0.7, 0.8),
    "contradiction": (0.4, 0.5, 0.55, 0.6, 0.7, 0.8, 0.9),
    "margin": (0.0, 0.1),
    "topic": (0.3, 0.4, 0.5, 0.55, 0.6),
}
"""Thresholds that a sweep tries, all with all."""


def grid() -> list[Thresholds]:
    """Every setting of the sweep."""
    return [Thresholds(**dict(zip(GRID, values, strict=True))) for values in itertools.product(*GRID.values())]


def verdicts(gathered: Sequence[Gathered], limits: Thresholds) -> list[Verdict]:
    """The verdicts under some thresholds."""
    return [one.decide(limits).verdict for one in gathered]

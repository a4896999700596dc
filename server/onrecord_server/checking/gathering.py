"""Gathers what the rule needs to know of a claim: candidate statements, and the model's word on each.

What costs the model's time is asked in steps, each only where the verdict is still open: the whole claim
first; its parts when no statement supports the whole; two statements as one premise when none decides alone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from onrecord_server.checking.candidates import (
    ATTRIBUTED_POOL,
    CANDIDATES,
    SILENT_CANDIDATES,
    Scored,
    make_candidate,
    merge,
    most_telling,
    name_country,
    read_claim,
    select,
)
from onrecord_server.checking.gathered import Gathered, Joined, is_open
from onrecord_server.checking.indexing import fill
from onrecord_server.checking.joining import join
from onrecord_server.checking.premises import Premise, premises_for
from onrecord_server.checking.turns import Turns
from onrecord_server.checking.worker import InferenceWorker, ScoredPairs, Seat
from onrecord_server.domain.errors import ClaimTooLongForModel
from onrecord_server.domain.speakers import name_words
from onrecord_server.domain.standing import Standing, standing, withdrawal
from onrecord_server.domain.switches import Switches
from onrecord_server.domain.types import (
    AmbiguousName,
    Claim,
    ClaimAttribution,
    Horizon,
    NliScores,
    PairScore,
    Statement,
    StatementFilter,
    Timings,
    Verdict,
)
from onrecord_server.domain.verdict import Thresholds
from onrecord_server.domain.weighing import Weighing
from onrecord_server.ingest import ClaimPiece, split_claim
from onrecord_server.store.base import FloatArray, Hit, StatementStore

_UNREAD = PairScore(NliScores(0.0, 1.0, 0.0))
# Statements looked through for enough that speak at the time of the check; beyond it the claim makes do with fewer.
_LARGEST_POOL = 4096
_SEARCH_THREADS = 4


@dataclass(frozen=True, slots=True)
class Request:
    """One check as the steps need it: where, how, in which seat of the worker, and at what moment.

    switches: the parts of the rule that are on. filter, horizon: which statements are looked at; None: all.
    """

    parent: str
    limits: Thresholds
    seat: Seat
    as_of: datetime | None
    now: datetime
    switches: Switches
    filter: StatementFilter | None = None
    horizon: Horizon | None = None


class Gatherer:
    """Gathers for one store and one worker. Safe to use from many tasks of one event loop."""

    def __init__(self, store: StatementStore, worker: InferenceWorker, weighing: Weighing | None) -> None:
        self._store = store
        self._worker = worker
        self._weighing = weighing
        self._searching = Turns(_SEARCH_THREADS, "search")

    async def gather(self, claim: Claim, request: Request) -> Gathered:
        """All of it. Errors: ShuttingDown, DeadlineTooShort, ModelError, StoreError."""
        whole = await self._single(read_claim(claim), request)
        if whole.too_long:
            return whole
        decided = whole.decide(request.limits).verdict
        pieces = split_claim(claim) if request.switches.compounds and decided is not Verdict.SUPPORTED else ()
        if not pieces:
            return await self._settle(whole, request)

        async def one(piece: ClaimPiece) -> Gathered:
            part = await self._single(piece.attribution, request)
            return replace(await self._settle(part, request), span=piece.span)

        tasks = [asyncio.create_task(one(piece)) for piece in pieces]
        try:
            parts = tuple(await asyncio.gather(*tasks))
        finally:  # a part that fails fails the claim: the others need not cost anything more
            for task in tasks:
                task.cancel()
        return replace(whole, parts=parts, timings=_sum(whole.timings, *(part.timings for part in parts)))

    async def _single(self, attribution: ClaimAttribution, request: Request) -> Gathered:
        """Candidates for one claim, or one part, each read by itself."""
        started = time.perf_counter()
        vector = (await self._worker.embed([attribution.content], seat=request.seat))[0]
        revision, hits, ambiguous = await self._searching.run(
            request.seat.priority, self._find, attribution, vector, request
        )
        hits = await fill(hits, vector, partial(self._worker.embed, seat=request.seat))
        attribution = name_country(attribution, hits)
        hits = self._choose(hits, attribution, request)
        retrieval = time.perf_counter() - started
        self._worker.meter.stage("retrieval", retrieval)
        timings = Timings(retrieval_ms=1000 * retrieval)
        moment = request.as_of or request.now
        try:
            scored, timings = await self._score(hits, attribution, request, timings)
        except ClaimTooLongForModel:
            return Gathered(attribution, (), revision, timings, moment, too_long=True)
        return Gathered(attribution, tuple(scored), revision, timings, moment, ambiguous=ambiguous)

    async def _settle(self, gathered: Gathered, request: Request) -> Gathered:
        """Ask further where the verdict is open."""
        if request.switches.joined_premises and is_open(gathered.decide(request.limits)):
            gathered = await self._join(gathered, request)
        return gathered

    # -- finding -----------------------------------------------------------------------------------------------------

    def _find(
        self, attribution: ClaimAttribution, vector: FloatArray, request: Request
    ) -> tuple[int, list[Hit], tuple[AmbiguousName, ...]]:
        """The record's revision, the nearest statements, and names of the filter that several speakers go by.

        Blocks, so it runs in one hop to a thread.
        """
        revision, content = self._store.revision(), attribution.content
        pool = ATTRIBUTED_POOL if attribution.speaker else CANDIDATES
        hits = self._nearest(content, vector, request, pool)
        if attribution.speaker:
            words = name_words(attribution.speaker)
            hits = merge(hits, self._nearest(content, vector, request, CANDIDATES, words))
        if request.filter is None or not request.filter.speakers:
            return revision, hits, ()
        return revision, hits, self._store.ambiguous_names(request.parent, request.filter)

    def _nearest(
        self,
        content: str,
        vector: FloatArray,
        request: Request,
        pool: int,
        speaker_words: Sequence[str] = (),
    ) -> list[Hit]:
        """The nearest statements, as many as it takes for enough that speak at the time."""

        def search(most: int) -> list[Hit]:
            return self._store.search(
                request.parent,
                content,
                vector,
                most,
                speaker_words=speaker_words,
                chosen=request.filter,
                horizon=request.horizon,
            )

        hits = search(pool)
        while len(hits) == pool and pool < _LARGEST_POOL and self._too_silent(hits, request):
            pool = min(8 * pool, _LARGEST_POOL)
            hits = search(pool)
        return hits

    def _too_silent(self, hits: Sequence[Hit], request: Request) -> bool:
        """Do statements that do not speak at the time take places from those that do?"""
        silent = sum(self._standing(hit.statement, request) is not Standing.SPEAKS for hit in hits)
        return silent > 0 and len(hits) - silent < CANDIDATES

    def _choose(self, hits: Sequence[Hit], attribution: ClaimAttribution, request: Request) -> list[Hit]:
        """The hits that are read: those that speak, and a few of those that would have."""
        speaking: list[Hit] = []
        silent: list[Hit] = []
        for hit in hits:
            (speaking if self._standing(hit.statement, request) is Standing.SPEAKS else silent).append(hit)
        return [
            *select(speaking, attribution, switches=request.switches),
            *select(silent, attribution, SILENT_CANDIDATES, request.switches),
        ]

    def _standing(self, statement: Statement, request: Request) -> Standing:
        look = standing if request.switches.validity else withdrawal  # what was taken back is no matter of a rule
        return look(statement, request.as_of, request.now)

    # -- reading -----------------------------------------------------------------------------------------------------

    async def _score(
        self, hits: Sequence[Hit], attribution: ClaimAttribution, request: Request, timings: Timings
    ) -> tuple[list[Scored], Timings]:
        """Score every premise of every hit; off-topic hits cost the model nothing."""
        jobs = [
            (hit, premise)
            for hit in hits
            if hit.similarity >= request.limits.topic
            for premise in premises_for(hit.statement, attribution)
        ]
        scores: list[PairScore] = []
        if jobs:
            pairs = [(premise.text, attribution.content) for _, premise in jobs]
            answer = await self._worker.score(pairs, seat=request.seat)
            scores, timings = answer.scores, _waited(timings, answer)
        by_name: dict[str, list[Scored]] = {}
        for (hit, premise), score in zip(jobs, scores, strict=True):
            made = self._scored(hit, premise, score, attribution, request)
            by_name.setdefault(hit.statement.name, []).append(made)
        scored = []
        for hit in hits:
            if readings := by_name.get(hit.statement.name):
                scored.append(most_telling(readings, attribution, request.limits))
            else:
                premise = premises_for(hit.statement, attribution)[0]
                scored.append(self._scored(hit, premise, _UNREAD, attribution, request))
        return scored, timings

    def _scored(
        self, hit: Hit, premise: Premise, score: PairScore, attribution: ClaimAttribution, request: Request
    ) -> Scored:
        speaks = self._standing(hit.statement, request)
        weighing = None if score is _UNREAD else self._weighing
        candidate = make_candidate(hit, premise, score.scores, attribution, request.switches, speaks, weighing)
        return Scored(hit, premise, score, candidate)

    async def _join(self, gathered: Gathered, request: Request) -> Gathered:
        """Read the nearest two statements as one premise."""
        found = join(gathered.scored, request.limits)
        if found is None:
            return gathered
        places, premise = found
        pair = (premise.text, gathered.attribution.content)
        try:
            answer = await self._worker.score([pair], seat=request.seat)
        except ClaimTooLongForModel:
            return gathered
        nearest = max((gathered.scored[k].hit for k in places), key=lambda hit: hit.similarity)
        score = answer.scores[0]
        made = make_candidate(
            nearest, premise, score.scores, gathered.attribution, request.switches, weighing=self._weighing
        )
        return replace(gathered, joined=Joined(places, score, made), timings=_waited(gathered.timings, answer))


def _waited(timings: Timings, answer: ScoredPairs) -> Timings:
    return replace(
        timings,
        queue_ms=timings.queue_ms + answer.queue_ms,
        inference_ms=timings.inference_ms + answer.inference_ms,
    )


def _sum(*timings: Timings) -> Timings:
    return Timings(
        retrieval_ms=sum(t.retrieval_ms for t in timings),
        queue_ms=sum(t.queue_ms for t in timings),
        inference_ms=sum(t.inference_ms for t in timings),
    )

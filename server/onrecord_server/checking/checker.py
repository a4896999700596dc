"""The use case of the service: a claim in, a verdict with its evidence out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from onrecord_server.checking.explain import explain
from onrecord_server.checking.premises import Premise, premises_for
from onrecord_server.checking.worker import InferenceWorker
from onrecord_server.domain.errors import ClaimTooLongForModel, InvalidInput, OnrecordError
from onrecord_server.domain.guards import guards_for
from onrecord_server.domain.speakers import same_speaker
from onrecord_server.domain.types import (
    CheckOptions,
    CheckResult,
    Claim,
    ClaimAttribution,
    Evidence,
    NliScores,
    PairScore,
    Provenance,
    Reason,
    Relation,
    Statement,
    Timings,
    Verdict,
)
from onrecord_server.domain.validation import claim_violations, options_violations
from onrecord_server.domain.verdict import (
    DEFAULT_OPTIONS,
    Candidate,
    Decision,
    Judgement,
    Thresholds,
    decide,
    judge,
)
from onrecord_server.ingest import parse_claim
from onrecord_server.store.base import Hit, StatementStore

# Statements read by the model for one claim. More finds more evidence and more noise; docs/benchmarks.md has the curve.
CANDIDATES = 8
# Statements fetched when the claim names a speaker: enough that his own words are among them.
ATTRIBUTED_POOL = 64
# Of a batch, this many claims are in flight at once: enough to fill the model's batches, too few to fill its queue.
_BATCH_IN_FLIGHT = 64


@dataclass(frozen=True, slots=True)
class Scored:
    """A candidate statement with its best-deciding premise and the model's word on it."""

    hit: Hit
    premise: Premise
    score: PairScore
    candidate: Candidate


class Checker:
    """Checks claims against a store. Safe to call from many tasks of one event loop."""

    def __init__(
        self, store: StatementStore, worker: InferenceWorker, defaults: CheckOptions = DEFAULT_OPTIONS
    ) -> None:
        self._store = store
        self._worker = worker
        self._defaults = defaults

    @property
    def defaults(self) -> CheckOptions:
        """What a check uses where its options set nothing."""
        return self._defaults

    async def check(
        self, parent: str, claim: Claim, options: CheckOptions, *, deadline: float | None = None
    ) -> CheckResult:
        """The verdict on one claim. `parent`: a collection's resource name; `deadline`: an instant of loop.time().

        Errors: InvalidInput (claim, options), Overloaded, ShuttingDown, DeadlineTooShort, ModelError, StoreError.
        """
        violations = [*claim_violations(claim), *options_violations(options)]
        if violations:
            raise InvalidInput(violations)
        return await self._check(parent, claim, options, deadline)

    async def check_many(
        self, parent: str, claims: Sequence[Claim], options: CheckOptions, *, deadline: float | None = None
    ) -> list[CheckResult | OnrecordError]:
        """Verdicts in the order of the claims; a claim that cannot be checked yields its error in its place.

        Bad options are everybody's: they raise InvalidInput.
        """
        if violations := options_violations(options):
            raise InvalidInput(violations)
        room = asyncio.Semaphore(_BATCH_IN_FLIGHT)

        async def one(index: int, claim: Claim) -> CheckResult | OnrecordError:
            if bad := claim_violations(claim, prefix=f"claims[{index}]"):
                return InvalidInput(bad)
            async with room:
                try:
                    return await self._check(parent, claim, options, deadline)
                except OnrecordError as error:
                    return error

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(i, claim)) for i, claim in enumerate(claims)]
        return [task.result() for task in tasks]

    async def score_pairs(
        self, pairs: Sequence[tuple[str, str]], *, deadline: float | None = None
    ) -> list[PairScore]:
        """What the model alone says of (premise, hypothesis) pairs. Errors as for `check`."""
        return (await self._worker.score(pairs, deadline=deadline)).scores

    async def _check(
        self, parent: str, claim: Claim, options: CheckOptions, deadline: float | None
    ) -> CheckResult:
        started = time.perf_counter()
        limits = Thresholds.resolve(options, self._defaults)
        attribution = read_claim(claim)
        vector = (await self._worker.embed([attribution.content]))[0]
        pool = ATTRIBUTED_POOL if attribution.speaker else CANDIDATES
        revision = await asyncio.to_thread(self._store.revision)
        hits = await asyncio.to_thread(self._store.search, parent, attribution.content, vector, pool)
        hits = select(hits, attribution)
        found = time.perf_counter()

        provenance = Provenance(
            model_id=self._worker.scorer_info.model_id,
            model_revision=self._worker.scorer_info.revision,
            options=CheckOptions(
                support_threshold=limits.support,
                contradiction_threshold=limits.contradiction,
                contradiction_margin=limits.margin,
                topic_threshold=limits.topic,
                max_evidence=self._max_evidence(options),
            ),
            store_revision=revision,
        )
        timings = Timings(retrieval_ms=1000 * (found - started))
        try:
            scored, timings = await self._score(hits, attribution, limits, deadline, timings)
        except ClaimTooLongForModel:
            decision = Decision(Verdict.NOT_ENOUGH_EVIDENCE, 1.0, Reason.CLAIM_TOO_LONG, ())
            scored = []
        else:
            decision = decide(
                [s.candidate for s in scored],
                limits,
                claim_stance=attribution.stance,
                attributed=bool(attribution.speaker),
                exclusive=attribution.exclusive,
            )
        timings = replace(timings, total_ms=1000 * (time.perf_counter() - started))
        return build_result(scored, decision, attribution, provenance, timings)

    def _max_evidence(self, options: CheckOptions) -> int:
        for value in (options.max_evidence, self._defaults.max_evidence, DEFAULT_OPTIONS.max_evidence):
            if value is not None:
                return value
        raise ValueError("max_evidence has no default")

    async def _score(
        self,
        hits: Sequence[Hit],
        attribution: ClaimAttribution,
        limits: Thresholds,
        deadline: float | None,
        timings: Timings,
    ) -> tuple[list[Scored], Timings]:
        """Score every premise of every hit; off-topic hits cost the model nothing."""
        jobs = [
            (hit, premise)
            for hit in hits
            if hit.similarity >= limits.topic
            for premise in premises_for(hit.statement, attribution)
        ]
        scores: list[PairScore] = []
        if jobs:
            pairs = [(premise.text, attribution.content) for _, premise in jobs]
            answer = await self._worker.score(pairs, deadline=deadline)
            scores = answer.scores
            timings = replace(timings, queue_ms=answer.queue_ms, inference_ms=answer.inference_ms)
        by_name: dict[str, list[Scored]] = {}
        for (hit, premise), score in zip(jobs, scores, strict=True):
            by_name.setdefault(hit.statement.name, []).append(
                Scored(hit, premise, score, make_candidate(hit, premise, score.scores, attribution))
            )
        neutral = PairScore(NliScores(0.0, 1.0, 0.0))
        scored = []
        for hit in hits:
            if readings := by_name.get(hit.statement.name):
                scored.append(most_telling(readings, attribution, limits))
            else:
                premise = premises_for(hit.statement, attribution)[0]
                scored.append(
                    Scored(hit, premise, neutral, make_candidate(hit, premise, neutral.scores, attribution))
                )
        return scored, timings


def read_claim(claim: Claim) -> ClaimAttribution:
    """Who is claimed to have said what: from the caller when he says so, else from the words."""
    if claim.speaker.strip():
        return ClaimAttribution(content=claim.text.strip(), speaker=claim.speaker.strip())
    return parse_claim(claim.text)


def select(hits: Sequence[Hit], attribution: ClaimAttribution, limit: int = CANDIDATES) -> list[Hit]:
    """The hits that the model reads: the best, and for a claim that names a speaker the best of his own and of others'.

    Others' words never support such a claim, but tell who did say it; half the places are enough for them.
    """
    if not attribution.speaker:
        return list(hits[:limit])
    own = [h for h in hits if same_speaker(attribution.speaker, h.statement.speaker)]
    others = [h for h in hits if not same_speaker(attribution.speaker, h.statement.speaker)]
    return [*own[:limit], *others[: limit // 2]]


def make_candidate(
    hit: Hit, premise: Premise, scores: NliScores, attribution: ClaimAttribution
) -> Candidate:
    """The rule's view of one statement read one way."""
    statement = hit.statement
    return Candidate(
        scores=scores,
        similarity=hit.similarity,
        stance=statement.stance,
        by_claimed=not attribution.speaker or same_speaker(attribution.speaker, statement.speaker),
        by_excluded=any(same_speaker(name, statement.speaker) for name in attribution.excluded_speakers),
        guards=guards_for(premise.text, attribution.content),
    )


def most_telling(readings: Sequence[Scored], attribution: ClaimAttribution, limits: Thresholds) -> Scored:
    """Of several readings of one statement (windows, with and without its speaker), the one that decides most.

    A reading that supports wins over one that contradicts: a window cut from its context contradicts more easily than it
    entails.
    """
    rank = {Relation.SUPPORTS: 2, Relation.CONTRADICTS: 1, Relation.NEUTRAL: 0}

    def key(scored: Scored) -> tuple[int, float]:
        judgement = judge(scored.candidate, attribution.stance, limits)
        return (rank[judgement.relation], judgement.strength)

    return max(readings, key=key)


def build_result(
    scored: Sequence[Scored],
    decision: Decision,
    attribution: ClaimAttribution,
    provenance: Provenance,
    timings: Timings,
) -> CheckResult:
    """Put the decision and its evidence together, deciding statements first."""
    rows = list(zip(scored, decision.judgements, strict=True))
    supporting = _speakers(rows, Relation.SUPPORTS)
    contradicting = _speakers(rows, Relation.CONTRADICTS)

    def order(row: tuple[Scored, Judgement]) -> tuple[bool, bool, float]:
        candidate, judgement = row[0].candidate, row[1]
        decides = judgement.relation is not Relation.NEUTRAL
        return (decides and candidate.by_claimed, decides, judgement.strength if decides else candidate.similarity)

    rows.sort(key=order, reverse=True)
    evidence = tuple(_evidence(s, j) for s, j in rows[: provenance.options.max_evidence])
    return CheckResult(
        verdict=decision.verdict,
        confidence=min(1.0, max(0.0, decision.confidence)),
        reason=decision.reason,
        evidence=evidence,
        supporting_speakers=supporting,
        contradicting_speakers=contradicting,
        attribution=attribution,
        provenance=provenance,
        timings=timings,
        explanation=explain(decision.verdict, decision.reason, attribution, supporting, contradicting),
    )


def _speakers(rows: Sequence[tuple[Scored, Judgement]], relation: Relation) -> tuple[str, ...]:
    found = sorted(
        ((j.strength, s.hit.statement.speaker.name) for s, j in rows if j.relation is relation), reverse=True
    )
    return tuple(dict.fromkeys(name for _, name in found))


def _evidence(scored: Scored, judgement: Judgement) -> Evidence:
    statement: Statement = scored.hit.statement
    return Evidence(
        statement=statement,
        relation=judgement.relation,
        scores=scored.score.scores,
        similarity=max(-1.0, min(1.0, scored.hit.similarity)),
        quote=statement.text[scored.premise.span.start : scored.premise.span.end],
        quote_span=scored.premise.span,
        notes=judgement.notes,
        truncated=scored.score.truncated,
    )

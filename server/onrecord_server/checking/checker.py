"""The use case of the service: a claim in, a verdict with its evidence out."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from onrecord_server.checking.candidates import (
    ATTRIBUTED_POOL,
    CANDIDATES,
    Scored,
    make_candidate,
    merge,
    most_telling,
    name_country,
    read_claim,
    select,
)
from onrecord_server.checking.premises import Premise, premises_for
from onrecord_server.checking.result import build_result
from onrecord_server.checking.worker import InferenceWorker
from onrecord_server.domain.errors import ClaimTooLongForModel, InvalidInput, OnrecordError, Overloaded
from onrecord_server.domain.speakers import name_words
from onrecord_server.domain.switches import Switches
from onrecord_server.domain.types import (
    CheckOptions,
    CheckResult,
    Claim,
    ClaimAttribution,
    NliScores,
    PairScore,
    Provenance,
    Reason,
    Timings,
    Verdict,
)
from onrecord_server.domain.validation import claim_violations, options_violations
from onrecord_server.domain.verdict import DEFAULT_OPTIONS, Decision, Thresholds, decide
from onrecord_server.store.base import FloatArray, Hit, StatementStore

# Of a batch, this many claims are in flight at once: enough to fill the model's batches, and if they are short, too
# few to fill its queue.
_BATCH_IN_FLIGHT = 64
_OVERLOAD_TRIES = 20  # times that a claim of a batch asks for room when nothing limits its wait
_LONGEST_PAUSE = 10  # between two of them, in times of what the queue says


@dataclass(frozen=True, slots=True)
class Gathered:
    """What is known of a claim before the rule speaks. `too_long`: the model cannot read the claim at all."""

    attribution: ClaimAttribution
    scored: tuple[Scored, ...]
    store_revision: int
    timings: Timings
    too_long: bool = False

    def decide(self, limits: Thresholds) -> Decision:
        """The verdict under these thresholds; pure."""
        if self.too_long:
            return Decision(Verdict.NOT_ENOUGH_EVIDENCE, 1.0, Reason.CLAIM_TOO_LONG, ())
        return decide(
            [s.candidate for s in self.scored],
            limits,
            claim_stance=self.attribution.stance,
            attributed=bool(self.attribution.speaker),
            exclusive=self.attribution.exclusive,
        )


class Checker:
    """Checks claims against a store. Safe to call from many tasks of one event loop."""

    def __init__(
        self,
        store: StatementStore,
        worker: InferenceWorker,
        defaults: CheckOptions = DEFAULT_OPTIONS,
        switches: Switches = Switches(),  # noqa: B008 - frozen
    ) -> None:
        self._store = store
        self._worker = worker
        self._defaults = defaults
        self._switches = switches

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

        Bad options are everybody's: they raise InvalidInput. So does Overloaded, when no claim could be begun.
        """
        if violations := options_violations(options):
            raise InvalidInput(violations)
        room = asyncio.Semaphore(_BATCH_IN_FLIGHT)

        async def one(index: int, claim: Claim) -> CheckResult | OnrecordError:
            if bad := claim_violations(claim, prefix=f"claims[{index}]"):
                return InvalidInput(bad)
            async with room:
                try:
                    return await self._check_patiently(parent, claim, options, deadline)
                except OnrecordError as error:
                    return error

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(i, claim)) for i, claim in enumerate(claims)]
        outcomes = [task.result() for task in tasks]
        if outcomes and all(isinstance(outcome, Overloaded) for outcome in outcomes):
            raise outcomes[0]  # type: ignore[misc]  # nothing was done: the caller may send all of it again
        return outcomes

    async def _check_patiently(
        self, parent: str, claim: Claim, options: CheckOptions, deadline: float | None
    ) -> CheckResult:
        """Check, waiting for room in the queue as long as the deadline allows, or for some tries where there is none.

        The claims of one batch, if long, fill the queue by themselves; one that finds it full has only to wait for the
        others.
        """
        for tried in itertools.count(1):
            try:
                return await self._check(parent, claim, options, deadline)
            except Overloaded as busy:
                # others wait, too: who has been refused often comes back less often
                pause = busy.retry_after * min(tried, _LONGEST_PAUSE)
                now = asyncio.get_running_loop().time()
                if tried == _OVERLOAD_TRIES if deadline is None else now + pause >= deadline:
                    raise
                await asyncio.sleep(pause)
        raise AssertionError  # the loop above has no end of its own

    async def score_pairs(self, pairs: Sequence[tuple[str, str]], *, deadline: float | None = None) -> list[PairScore]:
        """What the model alone says of (premise, hypothesis) pairs. Errors as for `check`."""
        return (await self._worker.score(pairs, deadline=deadline)).scores

    async def gather(
        self, parent: str, claim: Claim, options: CheckOptions, *, deadline: float | None = None
    ) -> Gathered:
        """Everything the rule needs: how the claim reads, the candidate statements, the model's word on each."""
        started = time.perf_counter()
        limits = Thresholds.resolve(options, self._defaults)
        attribution = read_claim(claim)
        vector = (await self._worker.embed([attribution.content], deadline=deadline))[0]
        revision, hits = await asyncio.to_thread(self._find, parent, attribution, vector)
        attribution = name_country(attribution, hits)
        hits = select(hits, attribution)
        timings = Timings(retrieval_ms=1000 * (time.perf_counter() - started))
        try:
            scored, timings = await self._score(hits, attribution, limits, deadline, timings)
        except ClaimTooLongForModel:
            return Gathered(attribution, (), revision, timings, too_long=True)
        return Gathered(attribution, tuple(scored), revision, timings)

    def _find(self, parent: str, attribution: ClaimAttribution, vector: FloatArray) -> tuple[int, list[Hit]]:
        """The record's revision and the nearest statements; blocks, so it runs in one hop to a thread."""
        revision, content = self._store.revision(), attribution.content
        if not attribution.speaker:
            return revision, self._store.search(parent, content, vector, CANDIDATES)
        hits = self._store.search(parent, content, vector, ATTRIBUTED_POOL)
        words = name_words(attribution.speaker)
        return revision, merge(hits, self._store.search(parent, content, vector, CANDIDATES, speaker_words=words))

    async def _check(self, parent: str, claim: Claim, options: CheckOptions, deadline: float | None) -> CheckResult:
        started = time.perf_counter()
        limits = Thresholds.resolve(options, self._defaults)
        gathered = await self.gather(parent, claim, options, deadline=deadline)
        provenance = Provenance(
            model_id=self._worker.scorer.info.model_id,
            model_revision=self._worker.scorer.info.revision,
            options=CheckOptions(
                support_threshold=limits.support,
                contradiction_threshold=limits.contradiction,
                contradiction_margin=limits.margin,
                topic_threshold=limits.topic,
                max_evidence=self._max_evidence(options),
            ),
            store_revision=gathered.store_revision,
        )
        decision = gathered.decide(limits)
        timings = replace(gathered.timings, total_ms=1000 * (time.perf_counter() - started))
        return build_result(gathered.scored, decision, gathered.attribution, provenance, timings)

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
            by_name.setdefault(hit.statement.name, []).append(self._scored(hit, premise, score, attribution))
        neutral = PairScore(NliScores(0.0, 1.0, 0.0))
        scored = []
        for hit in hits:
            if readings := by_name.get(hit.statement.name):
                scored.append(most_telling(readings, attribution, limits))
            else:
                premise = premises_for(hit.statement, attribution)[0]
                scored.append(self._scored(hit, premise, neutral, attribution))
        return scored, timings

    def _scored(self, hit: Hit, premise: Premise, score: PairScore, attribution: ClaimAttribution) -> Scored:
        candidate = make_candidate(hit, premise, score.scores, attribution, self._switches)
        return Scored(hit, premise, score, candidate)

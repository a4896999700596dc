"""The use case of the service: a claim in, a verdict with its evidence out."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from onrecord_server.checking.candidates import CANDIDATES
from onrecord_server.checking.gathered import Gathered
from onrecord_server.checking.gathering import Gatherer, Request
from onrecord_server.checking.replaying import look_back
from onrecord_server.checking.result import build_result
from onrecord_server.checking.work import estimate_tokens
from onrecord_server.checking.worker import InferenceWorker, Priority, Seat
from onrecord_server.domain.errors import InvalidInput, OnrecordError, Overloaded
from onrecord_server.domain.replay import ChangeKind, PastCheck, Plan, Replay, compare, is_same
from onrecord_server.domain.replay import plan as make_plan
from onrecord_server.domain.switches import Switches
from onrecord_server.domain.types import CheckOptions, CheckResult, Claim, PairScore, Provenance
from onrecord_server.domain.validation import claim_violations, options_violations, past_violations
from onrecord_server.domain.verdict import DEFAULT_OPTIONS, WEIGHED_OPTIONS, Thresholds
from onrecord_server.domain.weighing import Weighing
from onrecord_server.store.base import StatementStore

__all__ = ["CANDIDATES", "Checker", "Gathered"]

# Of a batch, this many claims are in flight at once: enough to fill the model's batches, and if they are short, too
# few to fill its queue.
_BATCH_IN_FLIGHT = 64
_PATIENCE_SECONDS = 20.0  # that a claim of a batch waits for room when no deadline limits its wait
_SMALL_BATCH = 4  # claims up to which a batch is no bulk work
_FIRST_NEED = 400.0  # tokens of a check, until some were done: eight statements and the claim, eight times
_NEED_MEMORY = 0.95


def _utc_now() -> datetime:
    return datetime.now(UTC)


def default_options(weighing: Weighing | None, switches: Switches) -> CheckOptions:
    """What a check uses where nothing is set, with and without a weighing that is on."""
    return WEIGHED_OPTIONS if weighing is not None and switches.weighing else DEFAULT_OPTIONS


class Checker:
    """Checks claims against a store. Safe to call from many tasks of one event loop."""

    def __init__(
        self,
        store: StatementStore,
        worker: InferenceWorker,
        defaults: CheckOptions | None = None,
        switches: Switches = Switches(),  # noqa: B008 - frozen
        clock: Callable[[], datetime] = _utc_now,
        weighing: Weighing | None = None,
        calibration: str = "",
        version: str = "",
    ) -> None:
        """clock: the aware time now, for claims that name no `as_of`. weighing: the one that the model comes with.

        defaults: None takes those that suit the weighing, or its absence. calibration, version: for the provenance, the
        revision of the calibration in use and the server's version.
        """
        self._store = store
        self._worker = worker
        self._weighing = weighing
        self._calibration = calibration
        self._version = version
        self._defaults = defaults or default_options(weighing, switches)
        self._switches = switches
        self._clock = clock
        self._gatherer = Gatherer(store, worker, weighing)
        self._need = dict.fromkeys(Priority, _FIRST_NEED)  # tokens of a check, as lately seen

    @property
    def defaults(self) -> CheckOptions:
        """What a check uses where its options set nothing."""
        return self._defaults

    async def check(
        self,
        parent: str,
        claim: Claim,
        options: CheckOptions,
        *,
        deadline: float | None = None,
        priority: Priority = Priority.INTERACTIVE,
    ) -> CheckResult:
        """The verdict on one claim. `parent`: a collection's resource name; `deadline`: an instant of loop.time().

        Errors: InvalidInput (claim, options), StoreError, ModelError, DeadlineTooShort; before any work also
        Overloaded, DeadlineUnreachable, ShuttingDown.
        """
        violations = [*claim_violations(claim), *options_violations(options)]
        if violations:
            raise InvalidInput(violations)
        return await self._check(parent, claim, options, deadline, priority)

    async def check_patiently(
        self, parent: str, claim: Claim, options: CheckOptions, *, deadline: float | None = None
    ) -> CheckResult:
        """As `check`, as bulk work, and waiting for room in the queue, however long, where `check` is refused."""
        violations = [*claim_violations(claim), *options_violations(options)]
        if violations:
            raise InvalidInput(violations)
        return await self._check(parent, claim, options, deadline, Priority.BULK, patience=math.inf)

    async def check_many(
        self,
        parent: str,
        claims: Sequence[Claim | OnrecordError],
        options: CheckOptions,
        *,
        deadline: float | None = None,
    ) -> list[CheckResult | OnrecordError]:
        """Verdicts in the order of the claims; a claim that cannot be checked yields its error in its place.

        An error in the place of a claim is one already; it is handed on.

        Bad options are everybody's: they raise InvalidInput. So does Overloaded, when no claim could be begun.
        """
        if violations := options_violations(options):
            raise InvalidInput(violations)
        room = asyncio.Semaphore(_BATCH_IN_FLIGHT)
        priority = Priority.BULK if len(claims) > _SMALL_BATCH else Priority.INTERACTIVE
        patience = _PATIENCE_SECONDS if deadline is None else math.inf

        async def one(index: int, claim: Claim | OnrecordError) -> CheckResult | OnrecordError:
            if isinstance(claim, OnrecordError):
                return claim
            if bad := claim_violations(claim, prefix=f"claims[{index}]"):
                return InvalidInput(bad)
            async with room:
                try:
                    # the claims of one batch, if long, fill the queue by themselves, and have to wait for each other
                    return await self._check(parent, claim, options, deadline, priority, patience)
                except OnrecordError as error:
                    return error

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(i, claim)) for i, claim in enumerate(claims)]
        outcomes = [task.result() for task in tasks]
        if outcomes and all(isinstance(outcome, Overloaded) for outcome in outcomes):
            raise outcomes[0]  # type: ignore[misc]  # nothing was done: the caller may send all of it again
        return outcomes

    async def score_pairs(self, pairs: Sequence[tuple[str, str]], *, deadline: float | None = None) -> list[PairScore]:
        """What the model alone says of (premise, hypothesis) pairs. Errors as for `check`."""
        return (await self._worker.score(pairs, deadline=deadline)).scores

    async def gather(
        self, parent: str, claim: Claim, options: CheckOptions, *, deadline: float | None = None
    ) -> Gathered:
        """Everything the rule needs: how the claim reads, the candidate statements, the model's word on each."""
        plan = self._plan(parent, claim, options)
        return (await self._gather(plan, deadline, Priority.INTERACTIVE))[0]

    async def replay(
        self, parent: str, claim: Claim, past: PastCheck, *, present: bool = False, deadline: float | None = None
    ) -> Replay:
        """Check a claim again as it was checked then, and tell in what the two checks differ.

        parent: "" takes the collection of then. present: against the record as it is now, not as it was. Errors: as
        for `check`.
        """
        violations = [*claim_violations(claim), *past_violations(past, "result")]
        if violations:
            raise InvalidInput(violations)
        plan = make_plan(past, claim, parent, self._store.identity, present=present)
        result = await self._run(plan, deadline, Priority.INTERACTIVE)
        changes = [*compare(past, claim, result, self._defaults, self._switches)]
        if record := await asyncio.to_thread(look_back, self._store, plan, past, result):
            changes.append(record)
        order = list(ChangeKind)
        changes.sort(key=lambda change: order.index(change.kind))
        return Replay(result, is_same(past, result), tuple(changes))

    def _plan(self, parent: str, claim: Claim, options: CheckOptions) -> Plan:
        return Plan(parent, claim, options, options, self._switches, None, None)

    async def _gather(
        self, plan: Plan, deadline: float | None, priority: Priority, patience: float = 0.0
    ) -> tuple[Gathered, datetime]:
        """What the rule needs, and the time that it was looked up at."""
        claim = plan.claim
        limits = Thresholds.resolve(plan.options, self._defaults)
        expected = max(estimate_tokens(claim.text), round(self._need[priority]))
        async with self._seat(expected, deadline, priority, patience) as seat:
            now = plan.now or self._clock()
            request = Request(plan.parent, limits, seat, claim.as_of, now, plan.switches, claim.filter, plan.horizon)
            gathered = await self._gatherer.gather(claim, request)
            self._need[priority] = _NEED_MEMORY * self._need[priority] + (1 - _NEED_MEMORY) * seat.used
        return gathered, now

    @contextlib.asynccontextmanager
    async def _seat(
        self, tokens: int, deadline: float | None, priority: Priority, patience: float
    ) -> AsyncIterator[Seat]:
        """A seat; with patience, after a wait for it."""
        if patience > 0:
            waiting = self._worker.admit_patiently(tokens, deadline=deadline, priority=priority, patience=patience)
            async with waiting as seat:
                yield seat
        else:
            with self._worker.admit(tokens, deadline=deadline, priority=priority) as seat:
                yield seat

    async def _check(
        self,
        parent: str,
        claim: Claim,
        options: CheckOptions,
        deadline: float | None,
        priority: Priority,
        patience: float = 0.0,
    ) -> CheckResult:
        return await self._run(self._plan(parent, claim, options), deadline, priority, patience)

    async def _run(self, plan: Plan, deadline: float | None, priority: Priority, patience: float = 0.0) -> CheckResult:
        started = time.perf_counter()
        limits = Thresholds.resolve(plan.options, self._defaults)
        gathered, now = await self._gather(plan, deadline, priority, patience)
        provenance = self._provenance(plan, gathered, limits, now)
        total = time.perf_counter() - started
        self._worker.meter.stage("total", total)
        timings = replace(gathered.timings, total_ms=1000 * total)
        return build_result(gathered, gathered.outcome(limits), provenance, timings)

    def _provenance(self, plan: Plan, gathered: Gathered, limits: Thresholds, now: datetime) -> Provenance:
        model, encoder = self._worker.scorer.info, self._worker.encoder.info
        weighed = self._weighing is not None and plan.switches.weighing
        return Provenance(
            model_id=model.model_id,
            model_revision=model.revision,
            options=CheckOptions(
                support_threshold=limits.support,
                contradiction_threshold=limits.contradiction,
                contradiction_margin=limits.margin,
                topic_threshold=limits.topic,
                max_evidence=self._max_evidence(plan.options),
                explain=plan.options.explain is not False,
            ),
            store_revision=plan.horizon.revision if plan.horizon is not None else gathered.store_revision,
            as_of=gathered.as_of,
            switched_off=plan.switches.off,
            encoder_id=encoder.model_id,
            encoder_revision=encoder.revision,
            collection=plan.parent,
            filter=plan.claim.filter,
            calibration_revision=self._calibration,
            weighing_revision=self._weighing.revision if self._weighing is not None and weighed else "",
            switched_on=plan.switches.on,
            server_version=self._version,
            precision=model.precision,
            record_id=self._store.identity,
            check_time=now,
            requested_options=plan.requested,
        )

    def _max_evidence(self, options: CheckOptions) -> int:
        for value in (options.max_evidence, self._defaults.max_evidence, DEFAULT_OPTIONS.max_evidence):
            if value is not None:
                return value
        raise ValueError("max_evidence has no default")

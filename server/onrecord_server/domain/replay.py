"""Checking a claim again as it was checked then: what to set, what to compare, what to say of a difference. Pure."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime

from onrecord_server.domain.switches import Switches
from onrecord_server.domain.types import (
    DEFAULT_COLLECTION,
    CheckOptions,
    CheckResult,
    Claim,
    ClaimAttribution,
    Horizon,
    Provenance,
    Reason,
    State,
    Verdict,
)


class ChangeKind(enum.Enum):
    """In what respect a replay differs from the check of then; in this order they are told."""

    MODEL = "model"
    ENCODER = "encoder"
    CALIBRATION = "calibration"
    WEIGHING = "weighing"
    PRECISION = "precision"
    OPTIONS = "options"
    RULE = "rule"
    RECORD = "record"
    VERSION = "version"
    CLAIM = "claim"


class StatementChangeKind(enum.Enum):
    """What became of a statement since."""

    CHANGED = "changed"
    DELETED = "deleted"
    RETRACTED = "retracted"
    SUPERSEDED = "superseded"
    NEW = "new"


@dataclass(frozen=True, slots=True)
class StatementChange:
    """One statement that is not as it was, by its resource name."""

    name: str
    kind: StatementChangeKind


@dataclass(frozen=True, slots=True)
class ReplayChange:
    """One respect. `held`: the replay was made as then all the same. `statements`: of RECORD, else empty."""

    kind: ChangeKind
    detail: str
    held: bool = False
    statements: tuple[StatementChange, ...] = ()


@dataclass(frozen=True, slots=True)
class PastEvidence:
    """A statement that was evidence then. `etag` empty: not kept; then only its text is compared."""

    name: str
    etag: str
    text: str
    state: State


@dataclass(frozen=True, slots=True)
class PastCheck:
    """What is kept of a check. `parts`: the verdicts on its parts; `attribution`: None when it was not kept."""

    verdict: Verdict
    reason: Reason
    provenance: Provenance
    parts: tuple[Verdict, ...] = ()
    evidence: tuple[PastEvidence, ...] = ()
    attribution: ClaimAttribution | None = None


@dataclass(frozen=True, slots=True)
class Replay:
    """The result now, whether its verdict is that of then, and in what the two checks differ."""

    result: CheckResult
    same: bool
    changes: tuple[ReplayChange, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """How to check. `requested`: what of the options was asked for.

    `now`: stands for the time of the check; None: the time it is. `horizon`: None for none.
    """

    parent: str
    claim: Claim
    options: CheckOptions
    requested: CheckOptions
    switches: Switches
    now: datetime | None
    horizon: Horizon | None


def plan(past: PastCheck, claim: Claim, parent: str, record_id: str, *, present: bool) -> Plan:
    """What a check can be told, as it was told then. parent: "" takes that of then. present: the record as it is now.

    What the claim lacks is taken from the provenance: the filter, and as_of, which was given when it is not the time of
    the check.
    """
    then = past.provenance
    given = then.as_of if then.check_time is not None and then.as_of != then.check_time else None
    whole = replace(claim, filter=claim.filter or then.filter, as_of=claim.as_of or given)
    checked = then.check_time or (then.as_of if claim.as_of is None else None)
    horizon = None
    if not present and then.check_time is not None and then.record_id in ("", record_id):
        horizon = Horizon(then.store_revision, then.check_time)
    return Plan(
        parent=parent or then.collection or DEFAULT_COLLECTION,
        claim=whole,
        options=then.options,
        requested=then.requested_options,
        switches=switches_of(then)[0],
        now=None if present else checked,
        horizon=horizon,
    )


def switches_of(then: Provenance) -> tuple[Switches, int]:
    """The parts of the rule as they were, and how many names are of no part of this version."""
    known = {field.name for field in fields(Switches)}
    off, on = set(then.switched_off), set(then.switched_on)
    return Switches().without(off & known).including(on & known), len((off | on) - known)


def is_same(past: PastCheck, result: CheckResult) -> bool:
    """Verdict and reason as then, and the verdicts on the parts, where these were kept."""
    parts = tuple(part.verdict for part in result.parts)
    return (past.verdict, past.reason) == (result.verdict, result.reason) and past.parts in ((), parts)


def compare(
    past: PastCheck, claim: Claim, result: CheckResult, defaults: CheckOptions, switches: Switches
) -> Iterator[ReplayChange]:
    """Every respect but the record. defaults, switches: what the server checks with when nothing else is asked.

    What the provenance of then does not tell is not compared.
    """
    then, now = past.provenance, result.provenance
    if then.model_id and (then.model_id, then.model_revision) != (now.model_id, now.model_revision):
        yield _change(
            ChangeKind.MODEL, f"{then.model_id}@{then.model_revision}", f"{now.model_id}@{now.model_revision}"
        )
    if then.encoder_id and (then.encoder_id, then.encoder_revision) != (now.encoder_id, now.encoder_revision):
        was, is_now = (f"{one.encoder_id}@{one.encoder_revision}" for one in (then, now))
        yield _change(ChangeKind.ENCODER, was, is_now)
    if then.server_version:  # it tells of calibration and weighing; "" means none
        for kind, name in (
            (ChangeKind.CALIBRATION, "calibration_revision"),
            (ChangeKind.WEIGHING, "weighing_revision"),
        ):
            if getattr(then, name) != getattr(now, name):
                yield _change(kind, getattr(then, name) or "none", getattr(now, name) or "none")
    if then.precision and then.precision != now.precision:
        yield _change(ChangeKind.PRECISION, then.precision, now.precision)
    if then.server_version:
        yield from _options(then, defaults)
    yield from _rule(then, switches)
    if then.server_version and then.server_version != now.server_version:
        yield _change(ChangeKind.VERSION, then.server_version, now.server_version)
    yield from _claim(past, claim, result)


def _change(kind: ChangeKind, then: str, now: str) -> ReplayChange:
    return ReplayChange(kind, f"then {then}, now {now}")


def _options(then: Provenance, defaults: CheckOptions) -> Iterator[ReplayChange]:
    """Thresholds that were defaults, and are others now; max_evidence and explain change no verdict."""
    differ = []
    for name in ("support_threshold", "contradiction_threshold", "contradiction_margin", "topic_threshold"):
        was, default = getattr(then.options, name), getattr(defaults, name)
        if getattr(then.requested_options, name) is None and was is not None and was != default:
            differ.append(f"{name} {was:g}, here {default:g} by default")
    if differ:
        yield ReplayChange(ChangeKind.OPTIONS, f"then {'; '.join(differ)}; replayed as then", held=True)


def _rule(then: Provenance, here: Switches) -> Iterator[ReplayChange]:
    was, unknown = switches_of(then)
    names = [field.name for field in fields(Switches) if getattr(was, field.name) != getattr(here, field.name)]
    words = [f"{name} {'on' if getattr(was, name) else 'off'} then, not here" for name in names]
    if unknown:
        words.append(f"{unknown} names are of no part of the rule of this version")
    elif words:
        words.append("replayed as then")
    if words:
        yield ReplayChange(ChangeKind.RULE, "; ".join(words), held=not unknown)


def _claim(past: PastCheck, claim: Claim, result: CheckResult) -> Iterator[ReplayChange]:
    """Is it the claim of then? Its text is not in the result, but what was made of it is."""
    then, words = past.provenance, []
    if claim.filter is not None and then.server_version and claim.filter != then.filter:
        words.append("it has another filter than then")
    if claim.as_of is not None and then.as_of is not None and claim.as_of != then.as_of:
        words.append("it has another as_of than then")
    read = past.attribution
    if read is not None and (read.content, read.speaker) != (result.attribution.content, result.attribution.speaker):
        words.append("it reads otherwise than then: send the text and the speaker of then")
    if words:
        yield ReplayChange(ChangeKind.CLAIM, "; ".join(words))


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def record_change(
    plan: Plan,
    past: PastCheck,
    record_id: str,
    revision: int,
    statements: Sequence[StatementChange],
    *,
    still_heard: bool,
    came_since: int | None,
) -> ReplayChange | None:
    """What changed of the record, which is this one, at this revision. statements: those of the evidence.

    still_heard: what was withdrawn since speaks as it did. came_since: statements in scope that were put on the record
    later; None: not known.
    """
    then = past.provenance
    words = []
    held = plan.horizon is not None and still_heard
    if then.record_id and then.record_id != record_id:
        words.append(f"another record: then {then.record_id}, now {record_id}")
    elif then.store_revision != revision:
        writes = revision - then.store_revision
        since = f"{_counted(writes, 'write')} since, to any collection"
        words.append(since if writes > 0 else "an older state of the record than that of then")
        held = held and writes > 0
    if then.collection and then.collection != plan.parent:
        words.append(f"another collection: then {then.collection}, now {plan.parent}")
        held = False
    if not words:
        return None
    if came_since:
        looked = "not looked at" if plan.horizon is not None else "looked at, too"
        words.append(f"{_counted(came_since, 'statement')} in scope came since, {looked}")
    gone = sum(one.kind is not StatementChangeKind.NEW for one in statements)
    if gone:
        words.append(f"of the evidence of then {gone} of {len(past.evidence)} are not as they were")
    else:
        words.append("nothing of the evidence of then has changed")
    broken = any(one.kind in (StatementChangeKind.CHANGED, StatementChangeKind.DELETED) for one in statements)
    return ReplayChange(ChangeKind.RECORD, "; ".join(words), held and not broken, tuple(statements))

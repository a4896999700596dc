"""What is known of a claim before the rule speaks, and what the rule makes of it. Pure: no store, no model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from onrecord_server.checking.candidates import Scored
from onrecord_server.domain.compound import combine
from onrecord_server.domain.types import (
    AmbiguousName,
    ClaimAttribution,
    PairScore,
    Reason,
    Relation,
    Span,
    Timings,
    Verdict,
)
from onrecord_server.domain.verdict import Candidate, Decision, Judgement, Thresholds, decide

_OPEN = (Reason.EVIDENCE_NEUTRAL, Reason.LOW_MARGIN)
"""Why a claim may be undecided that several statements together could still decide."""


@dataclass(frozen=True, slots=True)
class Row:
    """One statement that was read, and what it does. `part`: number of the claim's part, from 1; 0: the whole claim."""

    scored: Scored
    judgement: Judgement
    part: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """The decision on a claim with the rows it rests on; for a compound claim also its parts, else none."""

    decision: Decision
    rows: tuple[Row, ...]
    parts: tuple[tuple[Gathered, Outcome], ...] = ()


@dataclass(frozen=True, slots=True)
class Joined:
    """Statements read together as one premise: places in `Gathered.scored`, and the model's word on all of them."""

    members: tuple[int, ...]
    score: PairScore
    candidate: Candidate


@dataclass(frozen=True, slots=True)
class Gathered:
    """Everything the rule needs. `too_long`: the model cannot read the claim at all.

    `as_of`: the moment the record was looked at. `parts`: what was gathered for each part of a compound claim whose
    whole no statement supports; `span` is then the part's place in the claim's text. `ambiguous`: names of the claim's
    filter that several speakers go by.
    """

    attribution: ClaimAttribution
    scored: tuple[Scored, ...]
    store_revision: int
    timings: Timings
    as_of: datetime
    too_long: bool = False
    joined: Joined | None = None
    parts: tuple[Gathered, ...] = ()
    span: Span | None = None
    ambiguous: tuple[AmbiguousName, ...] = ()

    def decide(self, limits: Thresholds) -> Decision:
        """The verdict under these thresholds; pure. Judgements: those of `scored`, none for a compound claim."""
        return self.outcome(limits).decision

    def outcome(self, limits: Thresholds) -> Outcome:
        """The verdict with what it rests on; pure."""
        if self.too_long:
            return Outcome(Decision(Verdict.NOT_ENOUGH_EVIDENCE, 1.0, Reason.CLAIM_TOO_LONG, ()), ())
        decision = self._from_single_statements(limits)
        if self.parts and decision.verdict is not Verdict.SUPPORTED:
            outcomes = [part.outcome(limits) for part in self.parts]
            rows = [replace(row, part=k) for k, one in enumerate(outcomes, start=1) for row in one.rows]
            whole = combine([one.decision for one in outcomes])
            return Outcome(whole, tuple(rows), tuple(zip(self.parts, outcomes, strict=True)))
        rows = [Row(s, j) for s, j in zip(self.scored, decision.judgements, strict=True)]
        if self.joined and is_open(decision) and (found := self._from_joined(self.joined, rows, limits)):
            return found
        return Outcome(decision, tuple(rows))

    def _from_single_statements(self, limits: Thresholds) -> Decision:
        return self._decide([s.candidate for s in self.scored], limits)

    def _from_joined(self, joined: Joined, rows: Sequence[Row], limits: Thresholds) -> Outcome | None:
        """Support by statements read together; each of them is evidence with what the model says of all."""
        together = self._decide([joined.candidate], limits)
        if together.verdict is not Verdict.SUPPORTED:
            return None
        judgement = Judgement(Relation.SUPPORTS, together.confidence, (*together.judgements[0].notes, "joined"))
        made = [
            Row(replace(row.scored, score=joined.score), judgement) if k in joined.members else row
            for k, row in enumerate(rows)
        ]
        judgements = tuple(row.judgement for row in made)
        return Outcome(replace(together, judgements=judgements), tuple(made))

    def _decide(self, candidates: Sequence[Candidate], limits: Thresholds) -> Decision:
        return decide(
            candidates,
            limits,
            claim_stance=self.attribution.stance,
            attributed=bool(self.attribution.speaker),
            exclusive=self.attribution.exclusive,
        )


def is_open(decision: Decision) -> bool:
    """Undecided, although statements are on the topic: several together may decide."""
    return decision.verdict is Verdict.NOT_ENOUGH_EVIDENCE and decision.reason in _OPEN

"""A decision and its evidence, put together as the result that users see."""

from __future__ import annotations

from collections.abc import Sequence

from onrecord_server.checking.explain import explain, explain_parts
from onrecord_server.checking.gathered import Gathered, Outcome, Row
from onrecord_server.domain.filters import MOST_SPEAKERS
from onrecord_server.domain.speakers import distinct_names, same_speaker
from onrecord_server.domain.types import (
    AmbiguousName,
    CheckResult,
    ClaimPart,
    Evidence,
    Provenance,
    Relation,
    Span,
    Statement,
    Timings,
)


def build_result(gathered: Gathered, outcome: Outcome, provenance: Provenance, timings: Timings) -> CheckResult:
    """Put the decision and its evidence together, deciding statements first."""
    decision = outcome.decision
    rows = sorted(outcome.rows, key=_order, reverse=True)
    if outcome.parts:
        rows = _each_part_first(rows, outcome)
    shown = rows[: provenance.options.max_evidence]
    supporting, contradicting = _speakers(rows, Relation.SUPPORTS), _speakers(rows, Relation.CONTRADICTS)
    parts = _parts(outcome, shown)
    own = [r for r in rows if r.judgement.relation is Relation.SUPPORTS and r.scored.candidate.by_claimed]
    explanation = (
        explain_parts(decision.verdict, parts)
        if parts
        else explain(
            decision.verdict,
            decision.reason,
            gathered.attribution,
            supporting,
            contradicting,
            relayed=bool(own) and all(row.scored.candidate.relayed for row in own),
        )
    )
    return CheckResult(
        verdict=decision.verdict,
        confidence=min(1.0, max(0.0, decision.confidence)),
        reason=decision.reason,
        evidence=tuple(_evidence(row) for row in shown),
        supporting_speakers=supporting,
        contradicting_speakers=contradicting,
        attribution=gathered.attribution,
        provenance=provenance,
        timings=timings,
        explanation=explanation if provenance.options.explain else "",
        parts=parts,
        ambiguous_names=_ambiguous(gathered),
    )


def _ambiguous(gathered: Gathered) -> tuple[AmbiguousName, ...]:
    """Names of the claim's filter and of its speakers that more than one speaker goes by."""
    found = {one.name: one for one in gathered.ambiguous}
    for one in (gathered, *gathered.parts):
        claimed = one.attribution.speaker
        if claimed and claimed not in found:
            speakers = [row.hit.statement.speaker for row in one.scored]
            meant = distinct_names(s.name for s in speakers if same_speaker(claimed, s))
            if len(meant) > 1:
                found[claimed] = AmbiguousName(claimed, meant[:MOST_SPEAKERS])
    return tuple(found.values())


def _order(row: Row) -> tuple[bool, bool, bool, float]:
    candidate, judgement = row.scored.candidate, row.judgement
    decides = judgement.relation is not Relation.NEUTRAL
    would = judgement.silenced is not Relation.NEUTRAL
    strength = judgement.strength if decides or would else candidate.similarity
    return (decides and candidate.by_claimed, decides, would, strength)


def _each_part_first(rows: Sequence[Row], outcome: Outcome) -> list[Row]:
    """The best row of each part before the others, so that no part goes without evidence when there is room for it.

    Parts on which the verdict rests come first.
    """
    firsts = {row.part: row for row in reversed(rows)}
    verdicts = [one.decision.verdict for _, one in outcome.parts]
    leading = [row for row in rows if firsts[row.part] is row]
    leading.sort(key=lambda row: verdicts[row.part - 1] is not outcome.decision.verdict)
    return [*leading, *(row for row in rows if firsts[row.part] is not row)]


def _parts(outcome: Outcome, shown: Sequence[Row]) -> tuple[ClaimPart, ...]:
    made = []
    for number, (gathered, one) in enumerate(outcome.parts, start=1):
        deciding = (
            place
            for place, row in enumerate(shown)
            if row.part == number and row.judgement.relation is not Relation.NEUTRAL
        )
        made.append(
            ClaimPart(
                text=gathered.attribution.content,
                span=gathered.span or Span(0, 0),
                attribution=gathered.attribution,
                verdict=one.decision.verdict,
                confidence=min(1.0, max(0.0, one.decision.confidence)),
                reason=one.decision.reason,
                deciding=tuple(deciding),
            )
        )
    return tuple(made)


def _speakers(rows: Sequence[Row], relation: Relation) -> tuple[str, ...]:
    found = sorted(
        ((r.judgement.strength, r.scored.hit.statement.speaker.name) for r in rows if r.judgement.relation is relation),
        reverse=True,
    )
    return tuple(dict.fromkeys(name for _, name in found))


def _evidence(row: Row) -> Evidence:
    scored = row.scored
    statement: Statement = scored.hit.statement
    span = scored.premise.span
    in_window = span.end - span.start < len(statement.text)
    return Evidence(
        statement=statement,
        relation=row.judgement.relation,
        scores=scored.score.scores,
        similarity=max(-1.0, min(1.0, scored.hit.similarity)),
        quote=statement.text[span.start : span.end],
        quote_span=span,
        notes=(*row.judgement.notes, "window") if in_window else row.judgement.notes,
        truncated=scored.score.truncated,
        weighed_scores=scored.candidate.weighed,
        part=row.part,
    )

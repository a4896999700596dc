"""A decision and its evidence, put together as the result that users see."""

from __future__ import annotations

from collections.abc import Sequence

from onrecord_server.checking.candidates import Scored
from onrecord_server.checking.explain import explain
from onrecord_server.domain.types import (
    CheckResult,
    ClaimAttribution,
    Evidence,
    Provenance,
    Relation,
    Statement,
    Timings,
)
from onrecord_server.domain.verdict import Decision, Judgement


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

"""From hits to candidates: which statements the model reads, and how the rule sees each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from onrecord_server.checking.premises import Premise
from onrecord_server.domain.guards import guards_for
from onrecord_server.domain.overlap import content_overlap
from onrecord_server.domain.relays import relays
from onrecord_server.domain.speakers import read_name, same_speaker
from onrecord_server.domain.standing import Standing
from onrecord_server.domain.switches import Switches
from onrecord_server.domain.types import (
    Claim,
    ClaimAttribution,
    NliScores,
    PairScore,
    Relation,
    StatementDraft,
)
from onrecord_server.domain.verdict import Candidate, Thresholds, judge
from onrecord_server.domain.weighing import Weighing, nearness
from onrecord_server.ingest import parse_claim
from onrecord_server.store.base import Hit

# Statements read by the model for one claim. More finds more evidence and more noise; docs/benchmarks.md has the curve.
CANDIDATES = 8
# Statements fetched when the claim names a speaker: enough that his own words are among them.
ATTRIBUTED_POOL = 64
# Statements read that do not speak at the time of the check: enough to tell that one would have decided.
SILENT_CANDIDATES = 2


@dataclass(frozen=True, slots=True)
class Scored:
    """A candidate statement with its best-deciding premise and the model's word on it."""

    hit: Hit
    premise: Premise
    score: PairScore
    candidate: Candidate


def read_claim(claim: Claim) -> ClaimAttribution:
    """Who is claimed to have said what: from the caller when he says so, else from the words."""
    if claim.speaker.strip():
        return ClaimAttribution(content=claim.text.strip(), speaker=claim.speaker.strip())
    return parse_claim(claim.text)


def merge(hits: Sequence[Hit], more: Sequence[Hit]) -> list[Hit]:
    """Both lists, each statement once, the first list first."""
    known = {hit.statement.name for hit in hits}
    return [*hits, *(hit for hit in more if hit.statement.name not in known)]


def select(
    hits: Sequence[Hit],
    attribution: ClaimAttribution,
    limit: int = CANDIDATES,
    switches: Switches = Switches(),  # noqa: B008 - frozen
) -> list[Hit]:
    """The hits that the model reads: the best, and for a claim that names a speaker the best of his own and of others'.

    Others' words never support such a claim, but tell who did say it; half the places are enough for them.
    """
    if not attribution.speaker:
        return list(hits[:limit])
    own: list[Hit] = []
    others: list[Hit] = []
    for hit in hits:
        statement = hit.statement
        his = same_speaker(attribution.speaker, statement.speaker) or (
            switches.relays and relays(attribution, statement)
        )
        (own if his else others).append(hit)
    return [*own[:limit], *others[: limit // 2]]


def name_country(attribution: ClaimAttribution, hits: Sequence[Hit]) -> ClaimAttribution:
    """ "Putin's country" in a claim's content by its name, when the record calls him, say, the Russian president.

    A claim alone does not tell whose country "his country" is; the speaker's aliases on the record often do.
    """
    if not attribution.speaker:
        return attribution
    own = re.compile(rf"\b{re.escape(attribution.speaker)}['’]s? country\b")
    if own.search(attribution.content) is None:
        return attribution
    speakers = [h.statement.speaker for h in hits if same_speaker(attribution.speaker, h.statement.speaker)]
    countries = {country for s in speakers for name in s.names if (country := read_name(name).country)}
    if len(countries) != 1:
        return attribution
    return replace(attribution, content=own.sub(countries.pop(), attribution.content))


def make_candidate(
    hit: Hit,
    premise: Premise,
    scores: NliScores,
    attribution: ClaimAttribution,
    switches: Switches,
    standing: Standing = Standing.SPEAKS,
    weighing: Weighing | None = None,
) -> Candidate:
    """The rule's view of one statement read one way. `weighing`: of the scores, None for a premise not read."""
    statement, weighed = hit.statement, None
    if weighing is not None and switches.weighing:
        weighed = weighing.weigh(scores, nearness(attribution.content, premise.text, hit.similarity))
    relayed = switches.relays and relays(attribution, statement)
    return Candidate(
        scores=scores,
        similarity=hit.similarity,
        stance=statement.stance,
        by_claimed=not attribution.speaker or relayed or same_speaker(attribution.speaker, statement.speaker),
        by_excluded=any(same_speaker(name, statement.speaker) for name in attribution.excluded_speakers),
        guards=guards_for(premise.text, attribution.content, switches, about=_about(statement)),
        overlap=content_overlap(attribution.content, premise.text) if switches.wording_gate else 1.0,
        relayed=relayed,
        standing=standing,
        weighed=weighed,
    )


def _about(statement: StatementDraft) -> str:
    """What names the subject of a statement beside its text."""
    return "\n".join(t for t in (statement.context, statement.source.title, *statement.speaker.names) if t)


def most_telling(readings: Sequence[Scored], attribution: ClaimAttribution, limits: Thresholds) -> Scored:
    """Of several readings of one statement (windows, with and without its speaker), the one that decides most.

    A reading that supports wins over one that contradicts: a window cut from its context contradicts more
    easily than it entails.
    """
    rank = {Relation.SUPPORTS: 2, Relation.CONTRADICTS: 1, Relation.NEUTRAL: 0}

    def key(scored: Scored) -> tuple[int, float]:
        judgement = judge(scored.candidate, attribution.stance, limits)
        return (rank[judgement.relation], judgement.strength)

    return max(readings, key=key)

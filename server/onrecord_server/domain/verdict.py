"""The verdict rule: a pure function of numbers and of who said what.

Three lessons shape it. Contradiction is looked at before entailment, with a margin, because a rule that asks for
entailment first hides most real contradictions. A statement must be on the claim's topic before a contradiction is
believed, because models "contradict" unrelated text. And reported speech is not assertion: who said it, and whether
they asserted, denied or asked it, is part of the verdict.

The order of candidates changes nothing, and a candidate that is judged neutral changes no verdict (property tests).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from onrecord_server.domain.standing import Standing
from onrecord_server.domain.types import CheckOptions, NliScores, Reason, Relation, Stance, Verdict

# Chosen on the development claims; docs/benchmarks.md has the curve each came from.
DEFAULT_OPTIONS = CheckOptions(
    support_threshold=0.5,
    contradiction_threshold=0.55,
    contradiction_margin=0.1,
    topic_threshold=0.55,
    max_evidence=5,
    explain=True,
)

# Where the model comes with a weighing (domain/weighing.py): the thresholds apply to weighed probabilities, which know
# of nearness, so that the topic gate is left with what is not worth the model's time.
WEIGHED_OPTIONS = CheckOptions(
    support_threshold=0.4,
    contradiction_threshold=0.6,
    contradiction_margin=0.0,
    topic_threshold=0.45,
    max_evidence=5,
    explain=True,
)

# Two sides are a conflict when the lighter one has at least this share of the heavier one's weight; else the heavier
# one decides. A statement weighs its probability times its similarity to the claim, so that a shaky contradiction from
# a statement about something near does not stand against a plain word on the very thing.
CONFLICT_RATIO = 0.8
WEIGHED_CONFLICT_RATIO = 0.9

# A statement that holds less than this share of the claim's content words cannot contradict it (domain/overlap.py).
CONTRADICTION_OVERLAP = 0.5

# From this probability on the model alone would have decided; that the weighing did not is noted.
_MOSTLY = 0.5

# An undecided claim is called LOW_MARGIN, not EVIDENCE_NEUTRAL, when the best label but neutral is at least this.
_LEANING = 0.4


@dataclass(frozen=True, slots=True)
class Thresholds:
    """CheckOptions with nothing left open. All finite."""

    support: float
    contradiction: float
    margin: float
    topic: float

    @classmethod
    def resolve(cls, options: CheckOptions, defaults: CheckOptions = DEFAULT_OPTIONS) -> Thresholds:
        """Fill what `options` leaves open from `defaults`. ValueError when a default is missing or not finite."""

        def pick(name: str) -> float:
            value = getattr(options, name)
            value = getattr(defaults, name) if value is None else value
            if value is None or not math.isfinite(value):
                raise ValueError(f"{name} has no finite value")
            return float(value)

        return cls(
            support=pick("support_threshold"),
            contradiction=pick("contradiction_threshold"),
            margin=pick("contradiction_margin"),
            topic=pick("topic_threshold"),
        )


@dataclass(frozen=True, slots=True)
class Guard:
    """A check beside the model that fired: its name, and what it makes of a statement that the model takes as `on`.

    `effect` NEUTRAL withdraws what the model says, CONTRADICTS turns support into a contradiction.
    """

    name: str
    effect: Relation
    on: tuple[Relation, ...] = (Relation.SUPPORTS,)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One statement as the rule sees it.

    `by_claimed`: said by the speaker the claim names (True when it names none). `by_excluded`: said by a speaker whom
    the claim says did not say it. `similarity`: cosine, -1 to 1. `overlap`: share of the claim's content words that the
    statement holds, 0 to 1. `relayed`: the speaker whom the claim names did not say it, but reported that somebody said
    it; that bears out that he reported it, and cannot refute it, for one may report both sides. `standing`: whether it
    speaks at all at the time of the check.
    `weighed`: the scores after weighing by nearness, where the model comes with one; they decide in place of `scores`,
    and the gate on `overlap`, which they know of, is open.
    """

    scores: NliScores
    similarity: float
    stance: Stance = Stance.ASSERTED
    by_claimed: bool = True
    by_excluded: bool = False
    guards: tuple[Guard, ...] = ()
    overlap: float = 1.0
    relayed: bool = False
    standing: Standing = Standing.SPEAKS
    weighed: NliScores | None = None

    @property
    def word(self) -> NliScores:
        """The probabilities that decide."""
        return self.scores if self.weighed is None else self.weighed

    @property
    def weight(self) -> float:
        """What a side's strength counts for beside the other side's: weighed probabilities have nearness in them."""
        return self.similarity if self.weighed is None else 1.0

    def __post_init__(self) -> None:
        if not math.isfinite(self.similarity) or not math.isfinite(self.overlap):
            raise ValueError(f"similarity or overlap is not a number: {self.similarity}, {self.overlap}")


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one statement does to the claim. `strength`: the probability behind the relation, 0 to 1.

    `silenced`: what it would do if it spoke at the time of the check; NEUTRAL when it speaks, or would do nothing.
    """

    relation: Relation
    strength: float
    notes: tuple[str, ...] = ()
    silenced: Relation = Relation.NEUTRAL


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict, how sure, why undecided, and a judgement a candidate, in the candidates' order."""

    verdict: Verdict
    confidence: float
    reason: Reason
    judgements: tuple[Judgement, ...]


def judge(candidate: Candidate, claim_stance: Stance, limits: Thresholds) -> Judgement:
    """What one statement does to a claim whose speaker asserts, denies or questions the content."""
    found = _if_it_speaks(candidate, claim_stance, limits)
    if candidate.standing is Standing.SPEAKS:
        return found
    notes = (*found.notes, candidate.standing.value)
    return Judgement(Relation.NEUTRAL, found.strength, notes, silenced=found.relation)


def _if_it_speaks(candidate: Candidate, claim_stance: Stance, limits: Thresholds) -> Judgement:
    relation, strength, notes = _content_relation(candidate, limits)
    if candidate.stance is Stance.QUESTIONED and relation is not Relation.NEUTRAL:
        return Judgement(Relation.NEUTRAL, strength, (*notes, "statement_not_asserted"))
    if candidate.stance is Stance.DENIED and relation is not Relation.NEUTRAL:
        # denying a text speaks against what the text supports; it says nothing on what the text contradicts
        flipped = Relation.CONTRADICTS if relation is Relation.SUPPORTS else Relation.NEUTRAL
        relation, notes = flipped, (*notes, "statement_denied")
    if claim_stance is Stance.DENIED and relation is not Relation.NEUTRAL:
        # a claim that somebody denied X is borne out by what contradicts X, and refuted by what supports it
        relation = Relation.CONTRADICTS if relation is Relation.SUPPORTS else Relation.SUPPORTS
        notes = (*notes, "claim_denies")
    if candidate.relayed and relation is not Relation.NEUTRAL:
        relation = Relation.SUPPORTS if relation is Relation.SUPPORTS else Relation.NEUTRAL
        notes = (*notes, "relayed")
    return Judgement(relation, strength, notes)


def _content_relation(candidate: Candidate, limits: Thresholds) -> tuple[Relation, float, tuple[str, ...]]:
    scores = candidate.word
    if candidate.similarity < limits.topic:
        return Relation.NEUTRAL, scores.neutral, ("off_topic",)
    margin = scores.contradiction - scores.entailment
    if scores.contradiction >= limits.contradiction and margin >= limits.margin:
        if candidate.weighed is None and candidate.overlap < CONTRADICTION_OVERLAP:
            return Relation.NEUTRAL, scores.neutral, ("low_overlap",)
        relation, notes = _guarded(Relation.CONTRADICTS, candidate.guards)
        return relation, scores.contradiction, notes
    if scores.entailment >= limits.support:
        relation, notes = _guarded(Relation.SUPPORTS, candidate.guards)
        return relation, scores.entailment, notes
    model_alone = max(candidate.scores.entailment, candidate.scores.contradiction)
    far = candidate.weighed is not None and model_alone >= _MOSTLY
    return Relation.NEUTRAL, scores.neutral, ("weighed_down",) if far else ()


def _guarded(relation: Relation, guards: Iterable[Guard]) -> tuple[Relation, tuple[str, ...]]:
    """What the guards leave of the model's word, and the names of those that have a say in it."""
    asked = [guard for guard in guards if relation in guard.on]
    if not asked:
        return relation, ()
    effects = {guard.effect for guard in asked}
    # a contradiction outweighs a mere withdrawal, whatever the order of the guards
    left = Relation.CONTRADICTS if Relation.CONTRADICTS in effects else Relation.NEUTRAL
    return left, tuple(guard.name for guard in asked)


def decide(
    candidates: Sequence[Candidate],
    limits: Thresholds,
    *,
    claim_stance: Stance = Stance.ASSERTED,
    attributed: bool = False,
    exclusive: bool = False,
) -> Decision:
    """The verdict on a claim.

    `attributed`: the claim names a speaker, so only candidates with `by_claimed` decide; the same content from somebody
    else leaves it undecided (OTHER_SPEAKER), or contradicts a claim that is `exclusive`.
    """
    judgements = tuple(judge(c, claim_stance, limits) for c in candidates)
    if not candidates:
        return Decision(Verdict.NOT_ENOUGH_EVIDENCE, 1.0, Reason.NO_STATEMENTS_IN_SCOPE, judgements)
    if claim_stance is Stance.QUESTIONED:
        return Decision(Verdict.NOT_ENOUGH_EVIDENCE, 1.0, Reason.NOT_ASSERTED, judgements)
    pairs = list(zip(candidates, judgements, strict=True))
    own_pairs = [(c, j) for c, j in pairs if c.by_claimed]
    own = [j for _, j in own_pairs]
    supports, contradicts = _strongest(own, Relation.SUPPORTS), _strongest(own, Relation.CONTRADICTS)

    if exclusive:
        # the words belong to somebody the claim rules out, or to others only
        excluded = _strongest([j for c, j in pairs if c.by_excluded], Relation.SUPPORTS)
        others = _strongest([j for c, j in pairs if not c.by_claimed], Relation.SUPPORTS)
        stolen = max(excluded, others if not supports else 0.0)
        if stolen:
            return Decision(Verdict.CONTRADICTED, stolen, Reason.EXCLUSIVE_ATTRIBUTION, judgements)
    if supports and contradicts:
        weights = [_heaviest(pairs, relation) for relation in (Relation.SUPPORTS, Relation.CONTRADICTS)]
        weighed = any(c.weighed is not None for c in candidates)
        if min(weights) >= (WEIGHED_CONFLICT_RATIO if weighed else CONFLICT_RATIO) * max(weights):
            return Decision(Verdict.CONFLICTING, min(supports, contradicts), Reason.NONE, judgements)
        if weights[0] > weights[1]:
            contradicts = 0.0
    if attributed and contradicts and not supports:
        rivals = [(c, j) for c, j in pairs if not c.by_claimed and j.relation is Relation.SUPPORTS]
        if _nearest_weight(own_pairs, Relation.CONTRADICTS) < CONFLICT_RATIO * _nearest_weight(
            rivals, Relation.SUPPORTS
        ):
            # the very words are somebody else's: what the claimed speaker said on something near does not refute them
            strongest = _strongest((j for _, j in rivals), Relation.SUPPORTS)
            return Decision(Verdict.NOT_ENOUGH_EVIDENCE, strongest, Reason.OTHER_SPEAKER, judgements)
    if contradicts:
        return Decision(Verdict.CONTRADICTED, contradicts, Reason.NONE, judgements)
    if supports:
        return Decision(Verdict.SUPPORTED, supports, Reason.NONE, judgements)
    silenced = max((j.strength for c, j in pairs if c.by_claimed and j.silenced is not Relation.NEUTRAL), default=0.0)
    if silenced:
        surest = [
            c.standing
            for c, j in pairs
            if c.by_claimed and j.silenced is not Relation.NEUTRAL and j.strength == silenced
        ]
        reason = Reason.RETRACTED if all(standing.withdrawn for standing in surest) else Reason.NOT_VALID_THEN
        return Decision(Verdict.NOT_ENOUGH_EVIDENCE, silenced, reason, judgements)
    if attributed:
        others = _strongest([j for c, j in pairs if not c.by_claimed], Relation.SUPPORTS)
        if others:
            return Decision(Verdict.NOT_ENOUGH_EVIDENCE, others, Reason.OTHER_SPEAKER, judgements)
    return _undecided(pairs, limits, judgements)


def _strongest(judgements: Iterable[Judgement], relation: Relation) -> float:
    """Largest strength among the judgements of that relation; 0 when there is none."""
    return max((j.strength for j in judgements if j.relation is relation), default=0.0)


def _heaviest(pairs: Iterable[tuple[Candidate, Judgement]], relation: Relation) -> float:
    """Largest weight, strength times nearness, among the claimed speaker's judgements of that relation."""
    return max((j.strength * c.weight for c, j in pairs if c.by_claimed and j.relation is relation), default=0.0)


def _nearest_weight(pairs: Iterable[tuple[Candidate, Judgement]], relation: Relation) -> float:
    """Largest strength times similarity among the judgements of that relation, weighed or not; 0 when there is none."""
    return max((j.strength * c.similarity for c, j in pairs if j.relation is relation), default=0.0)


def _undecided(
    pairs: Sequence[tuple[Candidate, Judgement]], limits: Thresholds, judgements: tuple[Judgement, ...]
) -> Decision:
    own = [c for c, _ in pairs if c.by_claimed and c.standing is Standing.SPEAKS]
    near = [c for c in own if c.similarity >= limits.topic]
    lean = max((max(c.word.entailment, c.word.contradiction) for c in near), default=0.0)
    if not near:
        # the gate is no proof: a statement just below it may well have decided
        nearest = max((c.similarity for c in own), default=0.0)
        confidence = 1.0 - min(1.0, max(0.0, nearest))
        return Decision(Verdict.NOT_ENOUGH_EVIDENCE, confidence, Reason.NO_RELEVANT_STATEMENT, judgements)
    reason = Reason.LOW_MARGIN if lean >= _LEANING else Reason.EVIDENCE_NEUTRAL
    return Decision(Verdict.NOT_ENOUGH_EVIDENCE, 1.0 - lean, reason, judgements)

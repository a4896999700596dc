"""The verdict rule under random candidates: what must hold whatever the numbers are."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from onrecord_server.domain.standing import Standing
from onrecord_server.domain.types import CheckOptions, NliScores, Reason, Relation, Stance, Verdict
from onrecord_server.domain.verdict import Candidate, Guard, Thresholds, decide, judge

LIMITS = Thresholds(support=0.5, contradiction=0.6, margin=0.3, topic=0.4)


@st.composite
def scores(draw: st.DrawFn) -> NliScores:
    a, b, c = (draw(st.floats(0.001, 1)) for _ in range(3))
    total = a + b + c
    return NliScores(a / total, b / total, c / total)


GUARDS = st.lists(
    st.builds(
        Guard,
        name=st.sampled_from(["number_mismatch", "name_missing"]),
        effect=st.sampled_from([Relation.NEUTRAL, Relation.CONTRADICTS]),
    ),
    max_size=2,
).map(tuple)
CANDIDATES = st.builds(
    Candidate,
    scores=scores(),
    similarity=st.floats(-1, 1),
    stance=st.sampled_from(Stance),
    by_claimed=st.booleans(),
    by_excluded=st.booleans(),
    guards=GUARDS,
    overlap=st.floats(0, 1),
    relayed=st.booleans(),
    standing=st.sampled_from(Standing),
)
CLAIMS = st.fixed_dictionaries(
    {"claim_stance": st.sampled_from(Stance), "attributed": st.booleans(), "exclusive": st.booleans()}
)


@given(st.lists(CANDIDATES, max_size=8), CLAIMS, st.randoms())
def test_order_of_statements_changes_nothing(candidates, claim, random) -> None:
    shuffled = list(candidates)
    random.shuffle(shuffled)
    first, second = decide(candidates, LIMITS, **claim), decide(shuffled, LIMITS, **claim)
    assert (first.verdict, first.reason) == (second.verdict, second.reason)
    assert math.isclose(first.confidence, second.confidence)


@given(st.lists(CANDIDATES, min_size=1, max_size=8), CANDIDATES, CLAIMS)
def test_a_neutral_statement_never_flips_a_verdict(candidates, extra, claim) -> None:
    assume(judge(extra, claim["claim_stance"], LIMITS).relation is Relation.NEUTRAL)
    before, after = decide(candidates, LIMITS, **claim), decide([*candidates, extra], LIMITS, **claim)
    assert before.verdict == after.verdict


@given(st.lists(CANDIDATES, max_size=8), CLAIMS)
def test_every_decision_is_whole(candidates, claim) -> None:
    decision = decide(candidates, LIMITS, **claim)
    assert len(decision.judgements) == len(candidates)
    assert 0.0 <= decision.confidence <= 1.0
    if decision.verdict is Verdict.NOT_ENOUGH_EVIDENCE:
        assert decision.reason is not Reason.NONE
    if decision.verdict in (Verdict.CONTRADICTED, Verdict.CONFLICTING):
        assert any(j.relation is not Relation.NEUTRAL for j in decision.judgements)
    if decision.verdict in (Verdict.SUPPORTED, Verdict.CONFLICTING):
        assert any(j.relation is Relation.SUPPORTS for j in decision.judgements)


@given(st.lists(CANDIDATES, min_size=1, max_size=8), st.booleans())
def test_other_speakers_never_support_a_claim_that_names_one(candidates, exclusive) -> None:
    others = [
        Candidate(c.scores, c.similarity, c.stance, by_claimed=False, by_excluded=c.by_excluded, guards=c.guards)
        for c in candidates
    ]
    decision = decide(others, LIMITS, attributed=True, exclusive=exclusive)
    assert decision.verdict in (Verdict.NOT_ENOUGH_EVIDENCE, Verdict.CONTRADICTED)
    assert decision.verdict is not Verdict.CONTRADICTED or exclusive


@given(st.lists(CANDIDATES, max_size=8), CANDIDATES, CLAIMS)
def test_what_does_not_speak_changes_no_verdict(candidates, extra, claim) -> None:
    silent = replace(extra, standing=Standing.NO_LONGER_VALID)
    before, after = decide(candidates, LIMITS, **claim), decide([*candidates, silent], LIMITS, **claim)
    assert before.verdict == after.verdict


@given(st.lists(CANDIDATES, min_size=1, max_size=8), CLAIMS)
def test_a_reporter_never_refutes(candidates, claim) -> None:
    reported = [replace(c, relayed=True, by_claimed=True) for c in candidates]
    assert not any(judge(c, claim["claim_stance"], LIMITS).relation is Relation.CONTRADICTS for c in reported)


def candidate(entailment: float, contradiction: float, **fields: object) -> Candidate:
    return Candidate(
        NliScores(entailment, 1 - entailment - contradiction, contradiction), **{"similarity": 0.8, **fields}
    )


@pytest.mark.parametrize(
    ("entailment", "contradiction", "similarity", "relation"),
    [
        (0.5, 0.1, 0.4, Relation.SUPPORTS),  # exactly at the support and topic thresholds
        (0.4999, 0.1, 0.4, Relation.NEUTRAL),
        (0.5, 0.1, 0.3999, Relation.NEUTRAL),
        (0.05, 0.6, 0.4, Relation.CONTRADICTS),  # exactly at the contradiction threshold
        (0.05, 0.5999, 0.4, Relation.NEUTRAL),
        (0.3125, 0.625, 0.4, Relation.CONTRADICTS),  # the margin is 0.3125
        (0.375, 0.625, 0.4, Relation.NEUTRAL),  # enough contradiction, too little margin
        (0.05, 0.95, 0.3999, Relation.NEUTRAL),  # sure of it, about something else
    ],
)
def test_thresholds_are_inclusive(
    entailment: float, contradiction: float, similarity: float, relation: Relation
) -> None:
    one = candidate(entailment, contradiction, similarity=similarity)
    assert judge(one, Stance.ASSERTED, LIMITS).relation is relation


def test_support_and_contradiction_together_are_a_conflict() -> None:
    decision = decide([candidate(0.9, 0.05), candidate(0.05, 0.9)], LIMITS)
    assert decision.verdict is Verdict.CONFLICTING


def test_denied_statements_speak_against_their_text() -> None:
    denied = candidate(0.9, 0.05, stance=Stance.DENIED)
    assert decide([denied], LIMITS).verdict is Verdict.CONTRADICTED
    # "X denied Y" bears out the claim that X denied Y, and refutes the claim that X said Y
    assert decide([denied], LIMITS, claim_stance=Stance.DENIED, attributed=True).verdict is Verdict.SUPPORTED
    # to deny what contradicts the claim does not assert the claim
    assert decide([candidate(0.05, 0.9, stance=Stance.DENIED)], LIMITS).verdict is Verdict.NOT_ENOUGH_EVIDENCE


def test_a_statement_that_shares_little_of_the_claim_cannot_contradict_it() -> None:
    assert decide([candidate(0.02, 0.95, overlap=0.5)], LIMITS).verdict is Verdict.CONTRADICTED
    gated = decide([candidate(0.02, 0.95, overlap=0.49)], LIMITS)
    assert gated.verdict is Verdict.NOT_ENOUGH_EVIDENCE
    assert gated.judgements[0].notes == ("low_overlap",)


def test_the_heavier_side_decides_unless_both_weigh_about_the_same() -> None:
    plain, shaky = candidate(0.95, 0.02, similarity=0.9), candidate(0.05, 0.7, similarity=0.5)
    assert decide([plain, shaky], LIMITS).verdict is Verdict.SUPPORTED
    assert decide([candidate(0.02, 0.95, similarity=0.9), candidate(0.55, 0.3)], LIMITS).verdict is Verdict.CONTRADICTED


def test_questions_decide_nothing() -> None:
    decision = decide([candidate(0.95, 0.02, stance=Stance.QUESTIONED)], LIMITS)
    assert decision.verdict is Verdict.NOT_ENOUGH_EVIDENCE
    assert decision.judgements[0].notes == ("statement_not_asserted",)


def test_the_wrong_speaker_leaves_it_open_and_an_exclusive_claim_falls() -> None:
    other = candidate(0.9, 0.05, by_claimed=False)
    assert decide([other], LIMITS, attributed=True).reason is Reason.OTHER_SPEAKER
    exclusive = decide([other], LIMITS, attributed=True, exclusive=True)
    assert (exclusive.verdict, exclusive.reason) == (Verdict.CONTRADICTED, Reason.EXCLUSIVE_ATTRIBUTION)


def test_reasons_of_undecided_claims() -> None:
    assert decide([], LIMITS).reason is Reason.NO_STATEMENTS_IN_SCOPE
    off_topic = decide([candidate(0.9, 0.05, similarity=0.3)], LIMITS)
    assert off_topic.reason is Reason.NO_RELEVANT_STATEMENT
    assert off_topic.confidence == pytest.approx(0.7)  # the nearer the nearest, the less sure
    assert decide([candidate(0.1, 0.1)], LIMITS).reason is Reason.EVIDENCE_NEUTRAL
    assert decide([candidate(0.1, 0.55)], LIMITS).reason is Reason.LOW_MARGIN


def test_what_would_have_decided_is_told() -> None:
    late = candidate(0.9, 0.05, standing=Standing.NOT_YET_STATED)
    decision = decide([late], LIMITS)
    assert (decision.verdict, decision.reason) == (Verdict.NOT_ENOUGH_EVIDENCE, Reason.NOT_VALID_THEN)
    assert decision.judgements[0].notes == ("not_yet_stated",)
    assert decision.judgements[0].silenced is Relation.SUPPORTS
    idle = candidate(0.1, 0.1, standing=Standing.NO_LONGER_VALID)
    assert decide([idle], LIMITS).reason is Reason.NO_RELEVANT_STATEMENT  # it would have decided nothing


def test_guards_withdraw_or_turn_support() -> None:
    withdrawn = candidate(0.9, 0.05, guards=(Guard("name_missing", Relation.NEUTRAL),))
    turned = candidate(
        0.9, 0.05, guards=(Guard("date_mismatch", Relation.CONTRADICTS), Guard("name_missing", Relation.NEUTRAL))
    )
    assert decide([withdrawn], LIMITS).verdict is Verdict.NOT_ENOUGH_EVIDENCE
    assert decide([turned], LIMITS).verdict is Verdict.CONTRADICTED
    assert judge(turned, Stance.ASSERTED, LIMITS).notes == ("date_mismatch", "name_missing")


@pytest.mark.parametrize("bad", [(math.nan, 0.5, 0.5), (0.5, 0.5, 0.5), (-0.1, 0.6, 0.5), (math.inf, 0, 0)])
def test_what_is_no_distribution_is_refused(bad: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="distribution"):
        NliScores(*bad)


def test_nan_thresholds_and_similarities_are_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        Thresholds.resolve(CheckOptions(support_threshold=math.nan))
    with pytest.raises(ValueError, match="similarity"):
        candidate(0.9, 0.05, similarity=math.nan)


def test_somebody_elses_very_words_outweigh_a_far_contradiction() -> None:
    own = Candidate(NliScores(0.1, 0.2, 0.7), 0.5)
    rival = Candidate(NliScores(0.95, 0.03, 0.02), 0.9, by_claimed=False)
    decision = decide([own, rival], LIMITS, attributed=True)
    assert (decision.verdict, decision.reason) == (Verdict.NOT_ENOUGH_EVIDENCE, Reason.OTHER_SPEAKER)
    near = replace(own, scores=NliScores(0.02, 0.03, 0.95), similarity=0.85)
    assert decide([near, rival], LIMITS, attributed=True).verdict is Verdict.CONTRADICTED
    assert decide([own], LIMITS, attributed=True).verdict is Verdict.CONTRADICTED

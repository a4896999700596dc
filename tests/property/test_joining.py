"""Which statements are read together when none decides alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from onrecord_server.checking.candidates import Scored
from onrecord_server.checking.joining import JOINED, join, joinable
from onrecord_server.checking.premises import WINDOW_CODE_POINTS, Premise
from onrecord_server.domain.standing import Standing
from onrecord_server.domain.types import NliScores, PairScore, Span, Stance, Statement
from onrecord_server.domain.verdict import Candidate, Thresholds
from onrecord_server.store.base import Hit

LIMITS = Thresholds(support=0.5, contradiction=0.6, margin=0.3, topic=0.4)
OPEN = NliScores(0.1, 0.8, 0.1)
FIRST = datetime(2021, 8, 29, tzinfo=UTC)


def scored(number: int, text: str, candidate: Candidate) -> Scored:
    statement = Statement(text=text, name=f"s{number}", create_time=FIRST + timedelta(seconds=number))
    hit = Hit(statement, candidate.similarity, 1.0, None, None)
    return Scored(hit, Premise(text, Span(0, len(text))), PairScore(OPEN), candidate)


CANDIDATES = st.builds(
    Candidate,
    scores=st.just(OPEN),
    similarity=st.floats(0, 1),
    stance=st.sampled_from(Stance),
    by_claimed=st.booleans(),
    relayed=st.booleans(),
    standing=st.sampled_from(Standing),
)
TEXTS = st.text("ab ", min_size=1, max_size=WINDOW_CODE_POINTS)
SCORED = st.lists(st.tuples(TEXTS, CANDIDATES), max_size=6).map(
    lambda found: [scored(number, text, candidate) for number, (text, candidate) in enumerate(found)]
)


@given(SCORED)
def test_only_own_asserted_words_on_the_topic_are_joined(found) -> None:
    for place in joinable(found, LIMITS):
        one = found[place].candidate
        assert one.similarity >= LIMITS.topic
        assert one.by_claimed
        assert not one.relayed
        assert (one.stance, one.standing) == (Stance.ASSERTED, Standing.SPEAKS)


@given(SCORED, st.randoms())
def test_the_order_in_which_statements_were_found_changes_no_premise(found, random) -> None:
    shuffled = list(found)
    random.shuffle(shuffled)
    first, second = join(found, LIMITS), join(shuffled, LIMITS)
    assert (first and first[1]) == (second and second[1])


@given(SCORED)
def test_what_is_joined_stands_in_the_order_of_the_record_and_fits_the_model(found) -> None:
    made = join(found, LIMITS)
    if made is not None:
        places, premise = made
        assert len(places) == JOINED
        assert list(places) == sorted(places)  # as they were made above, one second after the other
        assert premise.text == " ".join(found[place].premise.text for place in places)
        assert len(premise.text) <= WINDOW_CODE_POINTS


def test_the_nearest_are_joined_and_sentences_of_one_document_keep_its_order() -> None:
    near = Candidate(OPEN, 0.9)
    later, first, far = (
        scored(0, "Second sentence.", near),
        scored(1, "First sentence.", replace(near, similarity=0.8)),
        scored(2, "Far.", replace(near, similarity=0.5)),
    )
    at = {"Second sentence.": Span(50, 66), "First sentence.": Span(0, 15)}
    found = [
        replace(
            one,
            hit=replace(
                one.hit, statement=replace(one.hit.statement, create_time=FIRST, original_span=at[one.premise.text])
            ),
        )
        for one in (later, first)
    ]
    made = join([*found, far], LIMITS)
    assert made is not None
    assert made[1].text == "First sentence. Second sentence."

"""What is sent: texts in turn, never the same twice unless asked for."""

from __future__ import annotations

import re

import pytest

from onrecord._bench.material import Material, pairs_of
from onrecord._bench.synthetic import synthetic
from onrecord.errors import InvalidArgument
from onrecord.types import Claim

CLAIMS = [Claim("The bridge is open.", "Anna"), Claim("Is the sea deep?"), Claim("No stop")]


def material(claims: list[Claim] = CLAIMS, repeat: bool = False, max_evidence: int | None = None) -> Material:
    pairs = pairs_of(claims, ["The shop is open."])
    return Material(claims, pairs, collection="c", size=2, max_evidence=max_evidence, repeat=repeat)


def test_texts_come_in_turn_and_bear_marks_before_their_end() -> None:
    made = material()
    texts = [made.check().claim.text for _ in range(4)]
    marks = [re.fullmatch(r"(.*) \[([a-z]+)\](.?)", text) for text in texts]
    assert all(marks)
    assert [m[1] + m[3] for m in marks if m] == [
        "The bridge is open.", "Is the sea deep?", "No stop", "The bridge is open."
    ]  # fmt: skip


def test_no_text_is_ever_the_same_in_one_run_or_two() -> None:
    first, second = material(), material()
    texts = [made.check().claim.text for made in (first, second) for _ in range(3_000)]
    texts += [claim.text for _ in range(500) for claim in first.batch().claims]
    texts += [first.streamed().claim.text for _ in range(500)]
    assert len(set(texts)) == len(texts)
    hypotheses = [pair.hypothesis for _ in range(500) for pair in first.pairs().pairs]
    assert len(set(hypotheses)) == 1_000


def test_texts_stay_as_they_are_when_they_are_to_be_repeated() -> None:
    made = material(repeat=True, max_evidence=0)
    request = made.check()
    assert (request.claim.text, request.claim.speaker, request.parent) == (CLAIMS[0].text, "Anna", "collections/c")
    assert request.options.max_evidence == 0
    assert len(made.batch().claims) == 2
    assert made.pairs().pairs[0].premise == "The shop is open."


def test_a_claim_at_its_limit_stays_within_it() -> None:
    made = material([Claim("x" * 2_000)])
    assert len(made.check().claim.text) == 2_000


def test_what_the_wire_cannot_carry_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(InvalidArgument, match="lone surrogate"):
        material([Claim("\ud800")])


def test_claims_that_are_their_own_premises_do_not_meet_themselves() -> None:
    assert pairs_of([Claim("a"), Claim("b")], []) == [("b", "a"), ("a", "b")]


def test_made_up_texts_are_the_same_for_the_same_seed() -> None:
    statements, claims = synthetic(300, 400, 1)
    assert (statements, claims) == synthetic(300, 400, 1) != synthetic(300, 400, 2)
    assert (len(statements), len(claims)) == (300, 400)
    words = [len(statement.text.split()) for statement in statements]
    assert 8 <= min(words) < 12 <= max(words) <= 32
    assert len({claim.text for claim in claims}) > 200

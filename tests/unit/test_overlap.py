"""The wording that a statement shares with a claim."""

from __future__ import annotations

from onrecord_server.domain.overlap import content_overlap, content_words


def test_stop_words_case_and_endings_do_not_count() -> None:
    assert content_words("The Minister has resigned.") == {"minis", "resig"}
    assert content_overlap("The minister resigns", "MINISTERS who resigned on Monday") == 1.0


def test_the_share_is_of_the_claims_words() -> None:
    assert content_overlap("Paris hosted the summit", "The summit took place in Rome, and was a long one") == 1 / 3
    assert content_overlap("Paris hosted the summit", "Oil prices fell") == 0.0


def test_a_claim_without_content_words_is_on_any_topic() -> None:
    assert content_overlap("It is.", "Oil prices fell") == 1.0

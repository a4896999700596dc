"""Claims of several parts: where they are split, and what the verdicts on the parts make of the whole."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from onrecord_server.domain.compound import combine
from onrecord_server.domain.types import Claim, Reason, Verdict
from onrecord_server.domain.verdict import Decision
from onrecord_server.ingest import split_claim

DECISIONS = st.builds(
    Decision,
    verdict=st.sampled_from(Verdict),
    confidence=st.floats(0, 1),
    reason=st.sampled_from(Reason),
    judgements=st.just(()),
)
PARTS = st.lists(DECISIONS, min_size=1, max_size=4)
VOCABULARY = """
China Russia Xi Putin said that and but , ; . it he its the a policy trade supports opposes respects won was made is
between both if or who "talks" (in) 2021 not will oppose while According to
"""
WORDS = st.lists(st.sampled_from(sorted(set(VOCABULARY.split()))), max_size=24).map(" ".join)
SPLITS = st.sampled_from(
    ["Norway supports the plan and Chile opposes it.", "Xi says China rejects trade, and that it wins"]
)
# a claim that splits, with lines after it that are as short as sentences get
LINES = st.builds(
    "\n".join, st.tuples(SPLITS, st.sampled_from(["they", "it", "He.", "and that", "but", "\u00ad", "…"]))
)


@given(PARTS, st.randoms())
def test_the_order_of_the_parts_changes_nothing(parts, random) -> None:
    shuffled = list(parts)
    random.shuffle(shuffled)
    assert combine(parts) == combine(shuffled)


@given(PARTS)
def test_a_whole_falls_with_one_part_and_stands_with_all(parts) -> None:
    verdicts, whole = {part.verdict for part in parts}, combine(parts)
    assert (whole.verdict is Verdict.SUPPORTED) == (verdicts == {Verdict.SUPPORTED})
    assert (whole.verdict is Verdict.CONTRADICTED) == (Verdict.CONTRADICTED in verdicts)
    assert whole.verdict in verdicts
    assert min(p.confidence for p in parts) <= whole.confidence <= max(p.confidence for p in parts)


@given(st.lists(DECISIONS.filter(lambda d: d.verdict is Verdict.SUPPORTED), min_size=1), DECISIONS)
def test_a_supported_part_never_changes_an_unsupported_whole(supported, other) -> None:
    assert combine([*supported, other]).verdict is other.verdict


@given(st.one_of(st.text(max_size=200), WORDS, LINES), st.sampled_from(["", "Putin"]))
@example("Norway supports the plan and Chile opposes any delay.\nthey", "")
@example("Xi says China rejects trade, and that China opposes trade U.S.\nshe", "")
@example("Norway supports the plan and they", "")
def test_splitting_never_fails_and_its_spans_stand_in_order(text, speaker) -> None:
    pieces = split_claim(Claim(text, speaker))
    assert len(pieces) != 1
    at = 0
    for piece in pieces:
        assert at <= piece.span.start < piece.span.end <= len(text)
        at = piece.span.end
        assert piece.attribution.content


def parts(text: str, speaker: str = "") -> list[tuple[str, str, str]]:
    """(speaker, content, own words) of each part."""
    return [
        (p.attribution.speaker, p.attribution.content, text[p.span.start : p.span.end])
        for p in split_claim(Claim(text, speaker))
    ]


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        (
            "Norway supports the plan and Chile opposes any delay.",
            [
                ("", "Norway supports the plan.", "Norway supports the plan"),
                ("", "Chile opposes any delay.", "Chile opposes any delay"),
            ],
        ),
        (
            "The film was made in 1990 and won an Oscar.",
            [
                ("", "The film was made in 1990.", "The film was made in 1990"),
                ("", "The film won an Oscar.", "won an Oscar"),
            ],
        ),
        (
            "Ann Lee said that Norway rejects the tax and that Chile welcomes it all the same.",
            [],  # "it" points out of the part
        ),
        (
            "Ann Lee said that Norway rejects the tax and that she opposes delays.",
            [
                ("Ann Lee", "Norway rejects the tax.", "Norway rejects the tax"),
                ("Ann Lee", "Ann Lee opposes delays.", "opposes delays"),
            ],
        ),
        (
            "Ann Lee said that Norway rejects the tax, and Bo Roe said that Chile welcomes the tax.",
            [
                ("Ann Lee", "Norway rejects the tax.", "Norway rejects the tax"),
                ("Bo Roe", "Chile welcomes the tax.", "Chile welcomes the tax"),
            ],
        ),
        (
            "Norway pursues peace, rejects war and opposes delays.",
            [
                ("", "Norway pursues peace.", "Norway pursues peace"),
                ("", "Norway rejects war.", "rejects war"),
                ("", "Norway opposes delays.", "opposes delays"),
            ],
        ),
        (
            "The bridge is old, but it was painted in 2020.",
            [
                ("", "The bridge is old.", "The bridge is old"),
                ("", "The bridge was painted in 2020.", "was painted in 2020"),
            ],
        ),
        (
            "Norway rejects the tax. Chile welcomes the tax.",
            [
                ("", "Norway rejects the tax.", "Norway rejects the tax"),
                ("", "Chile welcomes the tax.", "Chile welcomes the tax"),
            ],
        ),
    ],
)
def test_parts_stand_alone_and_keep_their_speaker(claim: str, expected: list[tuple[str, str, str]]) -> None:
    assert parts(claim) == expected


@pytest.mark.parametrize(
    "claim",
    [
        "Norway promotes trade and investment.",
        "Ann Lee and Bo Roe met in Oslo.",
        "The company funds research and development.",
        "The talks between Norway and Chile were held in Oslo.",
        "She was inducted into the Rock and Roll Hall of Fame.",
        "The bridge was designed and built by Ann Lee.",
        "The government condemned the attack and organized crime.",
        "Norway believes Chile and Peru are partners.",
        "If Norway rejects the tax and Chile opposes the delay, the plan fails.",
        "Norway rejects the tax or opposes the delay.",
        "Ann Lee is a poet who lived in Oslo and won a prize.",
        "Norway trades with Chile and players based in Peru.",
        "Norway supports Mali and respects its borders.",
        "In 1990 the film won a prize and was shown in Oslo.",
        "Only Ann Lee said that Norway rejects the tax and that Chile opposes the delay.",
        "Norway never rejected the tax and opposed a delay.",
        "Ann Lee denied that Norway rejects the tax and opposes delays.",
    ],
)
def test_what_is_one_thing_or_unclear_stays_whole(claim: str) -> None:
    assert parts(claim) == []


def test_a_speaker_given_by_the_caller_is_kept_with_each_part() -> None:
    found = parts("Norway rejects the tax and Chile opposes the delay.", speaker="Ann Lee")
    assert [speaker for speaker, _, _ in found] == ["Ann Lee", "Ann Lee"]


def test_a_whole_without_parts_is_no_claim() -> None:
    with pytest.raises(ValueError, match="no parts"):
        combine([])

"""How claims are read."""

from __future__ import annotations

import pytest

from onrecord_server.domain.types import ClaimAttribution, Source, Stance
from onrecord_server.ingest import ingest_document, parse_claim

SAFE = "The bridge is safe."
CLOSED = "The bridge is closed."


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        ("Roe said that the bridge is safe.", ClaimAttribution(SAFE, "Roe")),
        ("Roe said the bridge is safe", ClaimAttribution(SAFE, "Roe")),
        ("According to Roe, the bridge is safe.", ClaimAttribution(SAFE, "Roe")),
        ("The bridge is safe, Roe said.", ClaimAttribution(SAFE, "Roe")),
        ("The bridge is safe, said Roe.", ClaimAttribution(SAFE, "Roe")),
        ("The bridge is safe, according to Roe.", ClaimAttribution(SAFE, "Roe")),
        ("“The bridge is safe,” Roe said.", ClaimAttribution(SAFE, "Roe")),
        ("The Polish president said that the bridge is safe.", ClaimAttribution(SAFE, "The Polish president")),
        ("China's foreign ministry said that the bridge is safe.", ClaimAttribution(SAFE, "China's foreign ministry")),
        ("It was Roe who said that the bridge is safe.", ClaimAttribution(SAFE, "Roe", exclusive=True)),
        ("Only Roe said that the bridge is safe.", ClaimAttribution(SAFE, "Roe", exclusive=True)),
        (
            "Roe, not Poe, said that the bridge is safe.",
            ClaimAttribution(SAFE, "Roe", exclusive=True, excluded_speakers=("Poe",)),
        ),
        (
            "It was not Poe but Roe who said that the bridge is safe.",
            ClaimAttribution(SAFE, "Roe", exclusive=True, excluded_speakers=("Poe",)),
        ),
        (
            "Poe did not say that the bridge is safe, Roe did.",
            ClaimAttribution(SAFE, "Roe", exclusive=True, excluded_speakers=("Poe",)),
        ),
        ("Roe denied that the bridge is closed.", ClaimAttribution(CLOSED, "Roe", Stance.DENIED)),
        ("Roe rejected the claim that the bridge is closed.", ClaimAttribution(CLOSED, "Roe", Stance.DENIED)),
        ("Roe asked whether the bridge is closed.", ClaimAttribution(CLOSED, "Roe", Stance.QUESTIONED)),
        ("The Arden Times reported that Roe said that the bridge is safe.", ClaimAttribution(SAFE, "Roe")),
        ("Roe said her country is safe.", ClaimAttribution("Roe’s country is safe.", "Roe")),
    ],
)
def test_an_attribution_is_taken_off(claim: str, expected: ClaimAttribution) -> None:
    assert parse_claim(claim) == expected


@pytest.mark.parametrize(
    "claim",
    [
        "China respects the treaty.",
        "Roe is 68.",
        "The book says nothing about money.",
        "Roe and Poe held a phone call.",
        "Paul Simon's song says that love is blind.",
        "Roe criticised Poe.",
        "Roe said nothing about the bridge.",
        "Roe did not say that the bridge is safe.",
        "He said that the bridge is safe.",
        "Star Wars: A New Hope is a film.",
        "Homer Poe has written best-selling memoirs.",
        "Arden, New York, had a population of 145,170 according to the 2010 United States Census.",
        "Finding Poe was written by Jane Roe.",
        "Roe hopes that the bridge is safe.",
    ],
)
def test_a_plain_claim_stays_whole(claim: str) -> None:
    assert parse_claim(claim) == ClaimAttribution(claim)


@pytest.mark.parametrize(
    ("document", "claim"),
    [
        ("Jane Roe called on Arden and Bern to expand trade.", "Roe called on Arden and Bern to expand trade."),
        ("Jane Roe urged drivers not to use the bridge.", "Roe urged drivers not to use the bridge."),
        ("Jane Roe reiterated Arden’s position of free trade.", "Roe reiterated Arden’s position of free trade."),
        ("Jane Roe said the bridge is safe.", "The bridge is safe, according to Roe."),
        ("Jane Roe denied that the bridge is closed.", "Roe denied the claim that the bridge is closed."),
        ("“The bridge is safe,” said Jane Roe.", "Roe said that the bridge is safe."),
        ("Jane Roe asked if the bridge is closed.", "Roe asked whether the bridge is closed."),
    ],
)
def test_statement_and_claim_come_out_alike(document: str, claim: str) -> None:
    draft = next(d for d in ingest_document(document, Source(publisher="P")).drafts if d.speaker.name == "Jane Roe")
    read = parse_claim(claim)
    assert (read.content, read.stance, read.speaker) == (draft.text, draft.stance, "Roe")


@pytest.mark.parametrize(
    "wrapped",
    [
        '"{}"',
        "“{}”",
        "«{}».",
        "({})",
        "'{}'",
        "‘{}’",
        "- {}",
        "* {}",
        "• {}",
        "> {}",
        "1. {}",
        "(2) {}",
        "\ufeff{}",
        "\u200b{}\u200b",
        '  - "{}"  ',
    ],
)
@pytest.mark.parametrize("claim", ["Xi said that China respects the treaty.", "It was Xi who said that it rains."])
def test_what_is_put_around_a_claim_does_not_hide_who_speaks(wrapped: str, claim: str) -> None:
    assert parse_claim(wrapped.format(claim)) == parse_claim(claim)
    assert parse_claim(claim).speaker == "Xi"


@pytest.mark.parametrize(
    "text",
    [
        "“China” is what “Xi” said.",
        '"Xi said that" is what "Putin claimed"',
        "(Xi) said nothing (at all)",
        "'",
        '"',
        "()",
        "- ",
        "1. ",
        "“”",
    ],
)
def test_signs_that_wrap_nothing_change_nothing(text: str) -> None:
    assert parse_claim(text).speaker in ("", "(Xi)")


@pytest.mark.parametrize("claim", ['"Xi said “China respects the treaty.”"', '"Xi said "China respects the treaty.""'])
def test_a_quotation_in_a_quotation(claim: str) -> None:
    assert parse_claim(claim) == parse_claim("Xi said that China respects the treaty.")


@pytest.mark.parametrize("quoted", ["'China respects the treaty.'", "‘China respects the treaty.’"])
def test_single_quotes_are_not_part_of_what_was_said(quoted: str) -> None:
    assert parse_claim(f"Xi said {quoted}").content == "China respects the treaty."


@pytest.mark.parametrize(
    "text",
    [
        "Jane Roe said “The bridge is safe.”",
        "Jane Roe said “The bridge is safe”.",
        'Jane Roe said "The bridge is safe."',
        "Jane Roe stressed “The bridge is safe.”",
        "Jane Roe said “that the bridge is safe”.",
    ],
)
def test_a_quotation_right_after_the_verb(text: str) -> None:
    """It was read as a part of the verb: nobody had said anything, in claims and documents alike."""
    assert (parse_claim(text).speaker, parse_claim(text).content) == ("Jane Roe", "The bridge is safe.")
    (draft,) = ingest_document(text, Source()).drafts
    assert (draft.speaker.name, draft.text) == ("Jane Roe", "The bridge is safe.")

"""Who said what, sentence by sentence. No rule may know the sample article; these texts are invented."""

from __future__ import annotations

import pytest

from onrecord_server.domain.types import Source, Stance
from onrecord_server.ingest import ingest_document

A, D, Q = Stance.ASSERTED, Stance.DENIED, Stance.QUESTIONED


def spoken(text: str, publisher: str = "The Herald") -> list[tuple[str, str, str, Stance]]:
    """(speaker, relayed_by, text, stance) of what is not the narrator's."""
    drafts = ingest_document(text, Source(publisher=publisher)).drafts
    return [(d.speaker.name, d.relayed_by, d.text, d.stance) for d in drafts if d.speaker.name != publisher]


def narrated(text: str) -> list[str]:
    """The narrator's statements."""
    drafts = ingest_document(text, Source(publisher="The Herald")).drafts
    return [d.text for d in drafts if d.speaker.name == "The Herald"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Jane Roe said that the bridge is safe.", ("Jane Roe", "", "The bridge is safe.", A)),
        ("Jane Roe said the bridge is safe.", ("Jane Roe", "", "The bridge is safe.", A)),
        ("The bridge is safe, Jane Roe said.", ("Jane Roe", "", "The bridge is safe.", A)),
        ("Only then did Jane Roe say that the bridge is safe.", ("Jane Roe", "", "The bridge is safe.", A)),
        ("The bridge is safe, said Jane Roe, the mayor of Arden.", ("Jane Roe", "", "The bridge is safe.", A)),
        ("According to Jane Roe, the bridge is safe.", ("Jane Roe", "", "The bridge is safe.", A)),
        ("The bridge is safe, according to Jane Roe.", ("Jane Roe", "", "The bridge is safe.", A)),
        ("“The bridge is safe,” Jane Roe said.", ("Jane Roe", "", "The bridge is safe.", A)),
        ('Jane Roe: "The bridge is safe."', ("Jane Roe", "", "The bridge is safe.", A)),
        ("Jane Roe told reporters on Friday that the bridge is safe.", ("Jane Roe", "", "The bridge is safe.", A)),
        ("Jane Roe denied that the bridge is closed.", ("Jane Roe", "", "The bridge is closed.", D)),
        ("Jane Roe rejected the claim that the bridge is closed.", ("Jane Roe", "", "The bridge is closed.", D)),
        (
            "Jane Roe dismissed reports that the bridge is closed as false.",
            ("Jane Roe", "", "The bridge is closed.", D),
        ),
        ("Jane Roe asked whether the bridge is closed.", ("Jane Roe", "", "The bridge is closed.", Q)),
        ("Jane Roe wondered if the bridge is closed.", ("Jane Roe", "", "The bridge is closed.", Q)),
        (
            "The Arden Times reported that Jane Roe reiterated that the bridge is safe.",
            ("Jane Roe", "Arden Times", "The bridge is safe.", A),
        ),
        (
            "Jane Roe called on the council to close the bridge.",
            ("Jane Roe", "", "The council should close the bridge.", A),
        ),
        ("Jane Roe urged drivers not to use the bridge.", ("Jane Roe", "", "Drivers should not use the bridge.", A)),
        ("Jane Roe vowed to repair the bridge.", ("Jane Roe", "", "Jane Roe will repair the bridge.", A)),
        (
            "Jane Roe reaffirmed the city’s policy of free travel.",
            ("Jane Roe", "", "The city’s policy is one of free travel.", A),
        ),
        ("Jane Roe said she was tired.", ("Jane Roe", "", "Jane Roe was tired.", A)),
    ],
)
def test_one_sentence_one_statement(text: str, expected: tuple[str, str, str, Stance]) -> None:
    assert spoken(text) == [expected]


@pytest.mark.parametrize(
    "text",
    [
        "Jane Roe did not say that the bridge is safe.",
        "Jane Roe would say that the bridge is safe.",
        "Jane Roe declined to say whether the bridge is safe.",
        "Jane Roe hopes that the bridge is safe.",
        "Jane Roe is expected to announce that the bridge is safe.",
        "Jane Roe criticised the council.",
        "Jane Roe said nothing about the bridge.",
        "Did Jane Roe say that the bridge is safe?",
        "Did Jane Roe say the bridge is safe?",
        "When did Jane Roe say that the bridge is safe?",
        "Has Jane Roe said that the bridge is safe?",
        "The bridge is 200 metres long.",
    ],
)
def test_what_was_not_said_stays_the_narrators_sentence(text: str) -> None:
    assert spoken(text) == []
    assert narrated(text) == [text]


def test_three_cues_in_one_sentence_give_three_statements() -> None:
    text = "Stressing that trade matters, Roe said that the port is full, calling on the council to build a second one."
    assert [(s, t) for s, _, t, _ in spoken(text)] == [
        ("Roe", "Trade matters."),
        ("Roe", "The port is full."),
        ("Roe", "The council should build a second one."),
    ]


def test_a_quotation_of_several_sentences_gives_one_statement_each_with_its_context() -> None:
    text = '"The bridge is safe. I crossed it today," Jane Roe said. "Nobody needs to worry."\n\n"The tests went well."'
    found = ingest_document(text, Source()).drafts
    assert [d.text for d in found] == [
        "The bridge is safe.",
        "I crossed it today.",
        "Nobody needs to worry.",
        "The tests went well.",
    ]
    assert {d.speaker.name for d in found} == {"Jane Roe"}
    assert all("Jane Roe said" in d.context for d in found)


def test_a_quotation_cut_in_two_by_its_attribution_is_joined() -> None:
    assert [t for _, _, t, _ in spoken('"The bridge," Jane Roe said, "is safe for all of us."')] == [
        "The bridge, is safe for all of us."
    ]


def test_pronouns_surnames_and_descriptions_mean_the_person_named_before() -> None:
    text = (
        "French President Marie Duval met her Polish counterpart Jan Kowal in Arden. "
        "Duval said that the talks were useful. She noted that more work is needed. "
        "On his part, Kowal said that the border is open. The French leader added that trade is growing."
    )
    assert [(s, t) for s, _, t, _ in spoken(text)] == [
        ("Marie Duval", "The talks were useful."),
        ("Marie Duval", "More work is needed."),
        ("Jan Kowal", "The border is open."),
        ("Marie Duval", "Trade is growing."),
    ]
    kowal = next(d.speaker for d in ingest_document(text, Source()).drafts if d.speaker.name == "Jan Kowal")
    assert {"Kowal", "the Polish president", "the Polish leader"} <= set(kowal.aliases)


def test_his_country_is_named_when_the_document_tells_which() -> None:
    named = "Polish President Jan Kowal arrived. Kowal said his country supports the plan."
    unnamed = "Jan Kowal arrived. Kowal said his country supports the plan."
    assert [t for *_, t, _ in spoken(named)] == ["Poland supports the plan."]
    assert [t for *_, t, _ in spoken(unnamed)] == ["Jan Kowal’s country supports the plan."]


def test_a_pronoun_that_may_mean_somebody_else_is_left_with_its_context() -> None:
    (draft,) = (d for d in ingest_document("Jane Roe said he was tired.", Source()).drafts if d.speaker.name)
    assert draft.text == "He was tired."
    assert draft.context == "Jane Roe said he was tired."


def test_facts_beside_the_attribution_are_the_narrators() -> None:
    text = (
        "During their talk, which was their first since the port was closed on May 3, Roe said that ships may return."
    )
    assert narrated(text) == ["Their talk was their first since the port was closed on May 3."]
    assert [(s, t) for s, _, t, _ in spoken(text)] == [("Roe", "Ships may return.")]
    assert narrated("After the port was closed on May 3, Roe said that ships may return.") == [
        "The port was closed on May 3."
    ]
    assert "Jane Roe is the mayor of Arden." in narrated("Jane Roe, the mayor of Arden, said that ships may return.")


def test_what_somebody_is_said_to_do_is_not_a_statement_of_theirs() -> None:
    text = "Roe said that Poland encourages all parties to talk and opposes violence."
    assert [(s, r, t) for s, r, t, _ in spoken(text)] == [
        ("Roe", "", "Poland encourages all parties to talk and opposes violence.")
    ]


def test_an_attribution_said_twice_is_one_statement() -> None:
    text = "Jane Roe spoke on Friday. The mayor noted that the bridge is safe, she said."
    assert len(spoken(text)) == 1


def test_without_a_publisher_the_narrator_has_no_name() -> None:
    (draft,) = ingest_document("The bridge was closed on Friday.", Source()).drafts
    assert draft.speaker.name == ""
    assert draft.relayed_by == ""


def test_headings_and_bylines_are_no_statements() -> None:
    assert narrated("Bridge news\n\nBy Sam Poe\n\nThe bridge was closed on Friday.") == [
        "The bridge was closed on Friday."
    ]


def test_who_is_quoted_by_another_does_not_become_he() -> None:
    text = "Sam Poe said on Monday that Jan Kowal has called for reform. He said the plan is sound."
    assert [(s, t) for s, _, t, _ in spoken(text)][-1] == ("Sam Poe", "The plan is sound.")


def test_the_two_countries_are_named_when_the_sentence_before_names_two() -> None:
    text = "Polish and Danish officials met in Arden. Jane Roe called on the two countries to open the border."
    assert [t for *_, t, _ in spoken(text)] == ["Poland and Denmark should open the border."]
    three = "Polish, Danish and Swedish officials met. Jane Roe called on the two countries to open the border."
    assert [t for *_, t, _ in spoken(three)] == ["The two countries should open the border."]

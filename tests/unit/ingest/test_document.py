"""The document around its statements: head, datelines, ids, bounds of sentences."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from onrecord_server.domain.types import Source
from onrecord_server.ingest import find_attributions, ingest_document
from onrecord_server.ingest.text import sentences

BODY = "The bridge was closed on Friday."


@pytest.mark.parametrize(
    ("head", "when"),
    [
        (" date 2021-08-29 ", datetime(2021, 8, 29, tzinfo=UTC)),
        ("2021-08-29T10:30:00Z\n\n", datetime(2021, 8, 29, 10, 30, tzinfo=UTC)),
        ("Published: Aug. 29, 2021\n", datetime(2021, 8, 29, tzinfo=UTC)),
        ("29 August 2021 — ", datetime(2021, 8, 29, tzinfo=UTC)),
        ("KABUL, Aug. 29 (Reuters) — ", None),
        ("WASHINGTON (AP) -- ", None),
        ("MOSCOW, August 29, 2021 /TASS/. ", datetime(2021, 8, 29, tzinfo=UTC)),
        ("", None),
    ],
)
def test_a_date_at_the_head_is_read_and_left_out(head: str, when: datetime | None) -> None:
    made = ingest_document(head + BODY, Source())
    assert made.publish_time == when
    assert [d.text for d in made.drafts] == [BODY]
    assert made.drafts[0].source.publish_time == when


def test_an_impossible_date_is_text() -> None:
    made = ingest_document("date 2021-13-45 was printed on the bridge.", Source())
    assert made.publish_time is None
    assert "2021-13-45" in made.drafts[0].text


def test_the_callers_publish_time_wins() -> None:
    given = datetime(2020, 1, 1, tzinfo=UTC)
    assert ingest_document("date 2021-08-29 " + BODY, Source(publish_time=given)).publish_time == given


def test_the_id_depends_on_the_text_alone() -> None:
    one, two = ingest_document(BODY, Source()), ingest_document(BODY, Source(publisher="P"))
    assert one.document == two.document
    assert one.document != ingest_document(BODY + " ", Source()).document
    assert {d.document for d in one.drafts} == {one.document}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"We won. It is over," Roe said. Poe left.', ['"We won. It is over," Roe said.', "Poe left."]),
        ('Roe said "no." Poe left the room at once.', ['Roe said "no."', "Poe left the room at once."]),
        ('"Never!" Roe said. "It is over."', ['"Never!" Roe said.', '"It is over."']),
        ("He came at 5 p.m. Tuesday. She left.", ["He came at 5 p.m. Tuesday.", "She left."]),
        ("Sen. Roe met Gov. Poe in the U.S. on Jan. 4.", ["Sen. Roe met Gov. Poe in the U.S. on Jan. 4."]),
        ("''It is bad. Very bad,'' said Roe. Poe left.", ["''It is bad. Very bad,'' said Roe.", "Poe left."]),
    ],
)
def test_sentences_keep_quotations_whole(text: str, expected: list[str]) -> None:
    assert [text[s.start : s.end] for s in sentences(text)] == expected


def test_a_turn_of_a_transcript_belongs_to_its_speaker() -> None:
    text = "ROE: The bridge is safe. It was tested twice.\n\nPOE: It is not."
    first, second = (a for a in find_attributions(text) if a.lemma == ":")
    assert [text[s.start : s.end] for s in first.content] == ["The bridge is safe", "It was tested twice."]
    assert [text[s.start : s.end] for s in second.content] == ["It is not"]

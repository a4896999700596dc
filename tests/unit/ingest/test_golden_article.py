"""The article, statement by statement: seeds/attribution.jsonl was read by eye; a change of it must be, too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from onrecord_server.domain.types import Source
from onrecord_server.ingest import Tagger, ingest_document
from onrecord_server.nli import find_tagger

SEEDS = Path(__file__).resolve().parents[3] / "seeds"
ARTICLE = (SEEDS / "article.txt").read_text("utf-8")
GOLDEN = [json.loads(line) for line in (SEEDS / "attribution.jsonl").read_text("utf-8").splitlines()]


def as_read(tagger: Tagger | None) -> list[dict[str, object]]:
    made = ingest_document(ARTICLE, Source(), tagger)
    assert made.publish_time is not None
    assert made.publish_time.date().isoformat() == "2021-08-29"
    return [
        {
            "speaker": d.speaker.name,
            "stance": d.stance.value,
            "relayed_by": d.relayed_by,
            "text": d.text,
            "span": [d.original_span.start, d.original_span.end] if d.original_span else None,
        }
        for d in made.drafts
    ]


def test_the_rules_find_the_statements_that_a_reader_finds() -> None:
    assert as_read(None) == GOLDEN


@pytest.mark.model
def test_with_the_tagger_they_find_the_same() -> None:
    tagger = find_tagger()
    assert tagger is not None, "the tagger's weights are part of the checkout"
    assert as_read(tagger) == GOLDEN


def test_the_two_presidents_are_known_by_their_descriptions() -> None:
    made = ingest_document(ARTICLE, Source())
    aliases = {d.speaker.name: set(d.speaker.aliases) for d in made.drafts}
    assert {"Putin", "the Russian president", "the Russian leader"} <= aliases["Vladimir Putin"]
    assert {"Xi", "President Xi", "the Chinese president"} <= aliases["Xi Jinping"]

"""The article in seeds/, statement by statement. The golden file was read by eye; a change of it must be, too."""

from __future__ import annotations

import json
from pathlib import Path

from onrecord_server.domain.types import Source
from onrecord_server.ingest import ingest_document

ARTICLE = Path(__file__).resolve().parents[3] / "seeds" / "article.txt"
GOLDEN = Path(__file__).with_name("golden_article.json")


def test_the_article_gives_the_statements_that_a_reader_finds() -> None:
    text = ARTICLE.read_text("utf-8")
    made = ingest_document(text, Source(publisher="The publisher"))
    found = [
        {
            "speaker": d.speaker.name,
            "relayed_by": d.relayed_by,
            "stance": d.stance.value,
            "text": d.text,
            "original": d.original,
        }
        for d in made.drafts
    ]
    assert found == json.loads(GOLDEN.read_text("utf-8"))
    assert made.publish_time is not None
    assert made.publish_time.date().isoformat() == "2021-08-29"


def test_the_two_presidents_are_known_by_their_descriptions() -> None:
    made = ingest_document(ARTICLE.read_text("utf-8"), Source())
    aliases = {d.speaker.name: set(d.speaker.aliases) for d in made.drafts}
    assert {"Putin", "the Russian president", "the Russian leader"} <= aliases["Vladimir Putin"]
    assert {"Xi", "President Xi", "the Chinese president"} <= aliases["Xi Jinping"]

"""What holds for any text: exact offsets, no exception, linear time."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onrecord_server.domain.limits import CONTEXT_CODE_POINTS, NAME_CODE_POINTS, STATEMENT_CODE_POINTS
from onrecord_server.domain.types import Source
from onrecord_server.ingest import find_attributions, ingest_document, parse_claim

_VOCABULARY = """
said that Roe Jane he She the president , . " “ ” '' : ; according to denied asked not and who was is told called
on urged safe bridge — ( ) ? ! Polish his country 2021-08-29 date ’s U.S. é 𝒳
"""
_WORDS = st.sampled_from([*_VOCABULARY.split(), "\n\n", "\ud800", "\x00"])
_PROSE = st.lists(_WORDS, max_size=60).map(" ".join)
_ANY = st.one_of(_PROSE, st.text(max_size=300))


@given(_ANY)
@settings(max_examples=300, deadline=None)
def test_every_original_is_an_exact_slice_and_every_draft_is_legal(text: str) -> None:
    for draft in ingest_document(text, Source(publisher="P")).drafts:
        span = draft.original_span
        assert span is not None
        assert 0 <= span.start < span.end <= len(text)
        assert text[span.start : span.end] == draft.original
        assert draft.text.strip()
        assert len(draft.text) <= STATEMENT_CODE_POINTS.value
        assert len(draft.context) <= CONTEXT_CODE_POINTS.value
        assert all(len(n) <= NAME_CODE_POINTS.value for n in (draft.relayed_by, *draft.speaker.names))
        assert "\ud800" not in draft.text + draft.context + draft.speaker.name


@given(_ANY)
@settings(max_examples=200, deadline=None)
def test_attributions_lie_inside_the_text(text: str) -> None:
    for found in find_attributions(text):
        for span in (found.cue, *found.content, *([found.source] if found.source else [])):
            assert 0 <= span.start < span.end <= len(text)


@given(_ANY)
@settings(max_examples=200, deadline=None)
def test_a_claim_is_always_read(text: str) -> None:
    read = parse_claim(text)
    assert read.content or not text
    if read.speaker:
        assert read.content[-1:] in ".?!…”\"'’)"
        assert not read.content[0].islower()


@given(_PROSE)
@settings(max_examples=50, deadline=None)
def test_reading_is_deterministic(text: str) -> None:
    assert ingest_document(text, Source()) == ingest_document(text, Source())


_HOSTILE = {
    "straight quotes": '"',
    "curly quotes": "“",
    "said that": "said that ",
    "one word": "a",
    "unclosed quotes": '"He said ',
    "relative clauses": "Roe, who said ",
    "according": "according to ",
    "names": "Roe and Poe ",
    "quoted sentences": '"A b." Roe left. ',
    "blank lines": " \n",
    "single quotes": "''",
    "datelines": "KABUL, ",
}


@pytest.mark.parametrize("unit", _HOSTILE.values(), ids=_HOSTILE.keys())
def test_hostile_text_takes_linear_time(unit: str) -> None:
    """Eight times the text takes at most thirty times as long; a quadratic rule would take 64 times."""
    short, long = _seconds(unit, 5_000), _seconds(unit, 40_000)
    assert long < max(30 * short, 1.5), f"{short:.2f} s for 5,000 code points, {long:.2f} s for 40,000"


@pytest.mark.parametrize("kind", ["straight quotes", "said that", "one word", "unclosed quotes"])
def test_the_longest_hostile_document_is_read(kind: str) -> None:
    assert _seconds(_HOSTILE[kind], 200_000) < 20


def _seconds(unit: str, size: int) -> float:
    text = (unit * (size // len(unit) + 1))[:size]
    began = time.process_time()
    ingest_document(text, Source())
    parse_claim(text)
    return time.process_time() - began

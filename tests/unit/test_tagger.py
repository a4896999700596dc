"""The tagger's forward pass is the one that is trained, and any text can be read."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onrecord_server.domain.types import Source, Span, TaggedAttribution
from onrecord_server.ingest import find_attributions, ingest_document
from onrecord_server.nli import Tagger, find_tagger
from onrecord_server.nli.lazy import LazyTagger

ARTICLE = (
    "WASHINGTON — The bridge was closed on Friday.\n\n"
    "“It is not safe,” Mayor Jane Roe said. “We will build a new one.”\n\n"
    "Her rival, John Poe, told reporters that the mayor had known of the cracks for years.\n\nPoe’s criticism of her "
    "handling of the matter was echoed by the council."
)


@pytest.fixture(scope="module")
def tagger() -> Tagger:
    found = find_tagger()
    assert found is not None, "the tagger's weights are part of the checkout"
    return found


_WORDS = st.sampled_from([*ARTICLE.split(), "\n\n", "\ud800", "\x00", "é𝒳", "ﬁ"])
_ANY = st.one_of(st.text(max_size=200), st.lists(_WORDS).map(" ".join))


def words(text: str, spans: Sequence[Span]) -> list[str]:
    return [text[s.start : s.end] for s in spans]


@pytest.mark.model
def test_speech_and_what_no_rule_knows_are_found(tagger: Tagger) -> None:
    found = find_attributions(ARTICLE, tagger)
    sources = [ARTICLE[a.source.start : a.source.end] if a.source else "" for a in found]
    contents = [" … ".join(words(ARTICLE, a.content)) for a in found]
    assert "Mayor Jane Roe" in sources
    assert any("not safe" in content for content in contents)
    assert any("had known of the cracks" in content for content in contents)


@pytest.mark.model
def test_what_is_in_the_batch_changes_nothing(tagger: Tagger) -> None:
    """What stands pages further down does not change what is found here."""
    page = "".join(f"\n\nThe road to town {i} was open all day and many cars went there." for i in range(30))
    some, more = find_attributions(ARTICLE + page, tagger), find_attributions(ARTICLE + 3 * page, tagger)
    here = [[(a.cue, a.source, a.content) for a in found if a.cue.end <= len(ARTICLE)] for found in (some, more)]
    assert here[0] == here[1]
    assert here[0]


class Remembering:
    """A tagger that reads the same text once."""

    def __init__(self, tagger: Tagger) -> None:
        self._tagger = tagger
        self._read: dict[object, Sequence[TaggedAttribution]] = {}

    def tag(
        self, text: str, sentences: Sequence[Span], hints: Sequence[TaggedAttribution]
    ) -> Sequence[TaggedAttribution]:
        key = (text, tuple(sentences), tuple(hints))
        if key not in self._read:
            self._read[key] = self._tagger.tag(text, sentences, hints)
        return self._read[key]


@pytest.mark.model
@given(_ANY)
@settings(max_examples=40, deadline=None)
def test_any_text_gives_spans_inside_it(tagger: Tagger, text: str) -> None:
    tagger = Remembering(tagger)
    for found in find_attributions(text, tagger):
        for span in (found.cue, *found.content, *([found.source] if found.source else [])):
            assert 0 <= span.start < span.end <= len(text)
    for draft in ingest_document(text, Source(publisher="P"), tagger).drafts:
        assert draft.original_span is not None
        assert text[draft.original_span.start : draft.original_span.end] == draft.original


def test_a_lazy_tagger_loads_once_and_tries_a_failed_load_again() -> None:
    loads: list[int] = []

    class Nothing:
        def tag(
            self, text: str, sentences: Sequence[Span], hints: Sequence[TaggedAttribution]
        ) -> list[TaggedAttribution]:
            return []

    def load() -> Nothing:
        loads.append(1)
        if len(loads) == 1:
            raise OSError("no such file")
        return Nothing()

    lazy = LazyTagger(load)
    with pytest.raises(OSError, match="no such file"):
        lazy.tag("", [], [])
    threads = [threading.Thread(target=lazy.tag, args=("", [], [])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loads) == 2

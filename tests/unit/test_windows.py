"""How the tagger's windows cover a document."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from onrecord_server.domain.types import Span, TaggedAttribution
from onrecord_server.nli.files import builtin_encoder
from onrecord_server.nli.tokens import read_tokenizer
from onrecord_server.nli.windows import around, own_hint, read_pieces, windows

MODEL_READS = 512


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    folder = builtin_encoder()
    assert folder is not None
    return read_tokenizer(folder)


def spans_of(sentences: list[str]) -> tuple[str, list[Span]]:
    text, spans = "", []
    for sentence in sentences:
        spans.append(Span(len(text), len(text) + len(sentence)))
        text += sentence + "\n\n"
    return text, spans


SENTENCES = st.lists(
    st.one_of(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60),
        st.integers(1, 700).map(lambda n: "said " * n + "x" * n),
    ),
    max_size=8,
)


@given(SENTENCES)
@settings(max_examples=60, deadline=None)
def test_every_piece_is_in_one_core_and_no_window_is_too_long(tokenizer: Tokenizer, sentences: list[str]) -> None:
    text, spans = spans_of(sentences)
    pieces = read_pieces(tokenizer, text, spans)
    every = list(windows(pieces))
    cores = [(w.core_first, w.core_last) for w in every]
    assert [a for a, _ in cores[:1]] == [0] * bool(cores)
    assert all(before[1] == after[0] for before, after in pairwise(cores))
    assert (cores[-1][1] if cores else 0) == len(pieces.ids)
    for w in every:
        assert w.first <= w.core_first < w.core_last <= w.last
        assert w.last - w.first + 2 <= MODEL_READS
        for k in range(w.core_first, w.core_last):
            low, high = around(pieces, (k, k + 1), (w.first, w.last))
            assert w.first <= low <= k < high <= w.last


@given(SENTENCES)
@settings(max_examples=60, deadline=None)
def test_words_are_slices_of_their_sentences(tokenizer: Tokenizer, sentences: list[str]) -> None:
    text, spans = spans_of(sentences)
    pieces = read_pieces(tokenizer, text, spans)
    for start, end in zip(pieces.starts, pieces.ends, strict=True):
        assert any(s.start <= start < end <= s.end for s in spans)


def test_features_tell_case_quotation_and_where_sentences_begin(tokenizer: Tokenizer) -> None:
    text, spans = spans_of(["He told NATO “no” twice.", "Roe left."])
    pieces = read_pieces(tokenizer, text, spans)
    words = [text[a:b] for a, b in zip(pieces.starts, pieces.ends, strict=True)]
    features = {word: tuple(pieces.features[at, :3].tolist()) for word, at in zip(words, pieces.first, strict=True)}
    assert features["He"] == (1, 0, 2)
    assert features["told"] == (0, 0, 0)
    assert features["NATO"] == (2, 0, 0)
    assert features["no"] == (0, 1, 0)
    assert features["“"][1] == features["”"][1] == 2
    assert features["Roe"] == (1, 0, 2)


def test_a_hint_marks_the_words_of_its_cue_source_and_content(tokenizer: Tokenizer) -> None:
    text, spans = spans_of(["Roe said no.", "Poe left."])
    hint = TaggedAttribution(Span(0, 3), Span(4, 8), (Span(9, 11),), 1.0)
    pieces = read_pieces(tokenizer, text, spans, [hint])
    assert pieces.features[:, 3:].tolist()[:4] == [[0, 1], [1, 0], [0, 2], [0, 0]]
    assert own_hint(pieces, (1, 2), (0, 4)).tolist() == [2, 1, 3, 1]
    assert own_hint(pieces, (4, 5), (0, 4)).tolist() == [0, 0, 0, 0]

"""What the server and its models' processes say to each other arrives as it was."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onrecord_server.domain.types import Span, TaggedAttribution
from onrecord_server.nli.base import EncodedPair
from onrecord_server.nli.processes.messages import (
    Document,
    Failure,
    pack_attributions,
    pack_document,
    pack_failure,
    pack_pairs,
    pack_rows,
    pack_texts,
    unpack_answer,
    unpack_attributions,
    unpack_document,
    unpack_request,
)

ids = st.lists(st.integers(0, 2**31 - 1), max_size=20).map(tuple)
pairs = st.lists(st.builds(EncodedPair, ids, st.integers(0, 512), st.just(False), st.booleans()), max_size=8)


@given(pairs)
def test_pairs(batch: list[EncodedPair]) -> None:
    request = unpack_request(pack_pairs(batch))
    assert request.texts is None
    assert request.pairs is not None
    for sent, came in zip(batch, request.pairs, strict=True):
        assert (sent.ids, sent.hypothesis_start, sent.unread) == (came.ids, came.hypothesis_start, came.unread)


@given(st.lists(st.text(st.characters()), max_size=8))  # with surrogates, which no encoding of a file takes
def test_texts(texts: list[str]) -> None:
    request = unpack_request(pack_texts(texts))
    assert request.pairs is None
    assert request.texts == texts


@pytest.mark.parametrize("shape", [(0, 3), (1, 3), (5, 384)])
def test_rows(shape: tuple[int, int]) -> None:
    sent = np.random.default_rng(1).standard_normal(shape, np.float32)
    answer = unpack_answer(pack_rows(sent, padding=7))
    assert not isinstance(answer, Failure)
    rows, padding = answer
    assert np.array_equal(rows, sent)
    assert padding == 7
    rows += 1  # whoever asked may write on it


spans = st.tuples(st.integers(0, 2**31), st.integers(0, 2**31)).map(lambda ends: Span(min(ends), max(ends)))
attributions = st.lists(
    st.builds(TaggedAttribution, st.none() | spans, spans, st.lists(spans, max_size=3).map(tuple), st.floats(0, 1)),
    max_size=4,
)


@given(st.text(st.characters()), st.lists(spans, max_size=4), attributions)
def test_documents_and_what_is_found_in_them(text: str, sentences: list[Span], hints: list[TaggedAttribution]) -> None:
    document = Document(text, sentences, hints)
    assert unpack_document(pack_document(document)) == document
    assert unpack_attributions(pack_attributions(hints)) == hints


def test_failure() -> None:
    failure = Failure("ModelError", "what \ud800 it was", "Traceback …")
    assert unpack_answer(pack_failure(failure)) == unpack_attributions(pack_failure(failure)) == failure

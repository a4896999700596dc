"""Tags of words become spans: legal ones, the likeliest, and none over the cue."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from onrecord_server.nli.decode import (
    B_CONTENT,
    B_SOURCE,
    I_CONTENT,
    I_SOURCE,
    O,
    argument_spans,
    best_tags,
    cue_spans,
)

LEGAL_BEFORE = {I_SOURCE: {B_SOURCE, I_SOURCE}, I_CONTENT: {B_CONTENT, I_CONTENT}}


def sure(*tags: int) -> np.ndarray:
    scores = np.full((len(tags), 5), -5.0)
    scores[range(len(tags)), tags] = -0.1
    return scores


def legal(tags: tuple[int, ...], cue: tuple[int, int]) -> bool:
    return all(
        (tag in (O,) if cue[0] <= k < cue[1] else True)
        and (tag not in LEGAL_BEFORE or (k > 0 and tags[k - 1] in LEGAL_BEFORE[tag]))
        for k, tag in enumerate(tags)
    )


def test_content_on_both_sides_of_its_attribution_is_two_stretches() -> None:
    #            "X      ,    "    he        said  "Y"
    tags = sure(B_CONTENT, I_CONTENT, I_CONTENT, B_SOURCE, O, B_CONTENT, I_CONTENT)
    assert argument_spans(best_tags(tags, (4, 5))) == ([(3, 4)], [(0, 3), (5, 7)])


def test_an_inside_without_a_beginning_is_mended_not_dropped() -> None:
    scores = np.log(
        np.array([[0.5, 0.01, 0.01, 0.4, 0.08], [0.05, 0.01, 0.01, 0.03, 0.9], [0.05, 0.01, 0.01, 0.03, 0.9]])
    )
    assert argument_spans(best_tags(scores, (3, 3)))[1] == [(0, 3)]


def test_neighbouring_cues_are_told_apart_by_where_one_begins() -> None:
    probabilities = np.array([[0.1, 0.8, 0.1], [0.2, 0.1, 0.7], [0.1, 0.7, 0.2], [0.9, 0.05, 0.05]])
    assert [span[:2] for span in cue_spans(probabilities, 0.5)] == [(0, 2), (2, 3)]


def test_a_lower_threshold_finds_more() -> None:
    probabilities = np.array([[0.7, 0.3, 0.0], [1.0, 0.0, 0.0], [0.1, 0.9, 0.0]])
    assert [span[:2] for span in cue_spans(probabilities, 0.5)] == [(2, 3)]
    assert [span[:2] for span in cue_spans(probabilities, 0.2)] == [(0, 1), (2, 3)]


def test_nothing_to_tag_is_no_span() -> None:
    assert cue_spans(np.zeros((0, 3)), 0.5) == []
    assert argument_spans(best_tags(np.zeros((0, 5)), (0, 0))) == ([], [])


@given(
    arrays(np.float64, st.tuples(st.integers(1, 5), st.just(5)), elements=st.floats(-20, 0)),
    st.integers(0, 4),
    st.integers(0, 2),
)
@settings(max_examples=60, deadline=None)
def test_the_tags_are_the_best_legal_ones(scores: np.ndarray, start: int, length: int) -> None:
    """Compared with trying all of them."""
    cue = (min(start, len(scores)), min(start + length, len(scores)))
    found = tuple(int(tag) for tag in best_tags(scores, cue))
    assert legal(found, cue)
    rows = range(len(scores))
    most = max(
        sum(scores[k, tag] for k, tag in zip(rows, tags, strict=True))
        for tags in itertools.product(range(5), repeat=len(scores))
        if legal(tags, cue)
    )
    assert abs(sum(scores[k, tag] for k, tag in zip(rows, found, strict=True)) - most) < 1e-9

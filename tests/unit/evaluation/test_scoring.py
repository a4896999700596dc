"""Scores are kept as they are made: what was done before is not done again, and gives the same figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from onrecord_server.domain.errors import ModelError
from onrecord_server.evaluation.cache import RecordFile, key_of
from onrecord_server.evaluation.scoring import embed_texts, pair_file, score_pairs, vector_file
from onrecord_server.nli import EncodedPair, FloatArray, load_encoder, load_scorer
from onrecord_server.nli.fake import FakeScorer

PAIRS = [(f"The shop has {i} rooms.", f"The shop has {i + i % 2} rooms.") for i in range(3000)]


class Counting(FakeScorer):
    """Counts the pairs it scores, and fails after some."""

    def __init__(self, most: int = 1_000_000) -> None:
        super().__init__()
        self.scored = 0
        self._most = most

    def score(self, batch: Sequence[EncodedPair]) -> FloatArray:
        """As FakeScorer."""
        if self.scored + len(batch) > self._most:
            raise ModelError("out of luck")
        self.scored += len(batch)
        return super().score(batch)


def test_a_run_that_broke_off_goes_on_where_it_was(tmp_path: Path) -> None:
    whole = Counting()
    expected = score_pairs(whole, PAIRS, pair_file(None, whole.info))
    broken = Counting(most=1_500)
    with pytest.raises(ModelError):
        score_pairs(broken, PAIRS, pair_file(tmp_path, broken.info))
    assert broken.scored > 0
    rest = Counting()
    told: list[int] = []
    found = score_pairs(rest, PAIRS, pair_file(tmp_path, rest.info), told.append)
    assert rest.scored == len(PAIRS) - broken.scored
    assert (found.probabilities == expected.probabilities).all()
    assert told[0] == broken.scored
    assert sum(told) == len(PAIRS)


def test_equal_pairs_are_scored_once_and_order_is_kept() -> None:
    scorer = Counting()
    pairs = [PAIRS[1], PAIRS[0], PAIRS[1], PAIRS[1]]
    scores = score_pairs(scorer, pairs, pair_file(None, scorer.info)).probabilities
    assert scorer.scored == 2
    assert (scores[0] == scores[2]).all()
    assert scores.argmax(axis=1).tolist() == [2, 0, 2, 2]


def test_a_hypothesis_that_fills_the_model_is_neutral_and_told() -> None:
    scorer = load_scorer("fake")
    pairs = [PAIRS[0], ("The shop is open.", "word " * 600), ("word " * 600, "The shop is open.")]
    scores = score_pairs(scorer, pairs, pair_file(None, scorer.info))
    assert scores.unreadable.tolist() == [False, True, False]
    assert scores.cut.tolist() == [False, False, True]
    assert scores.probabilities[1].tolist() == [0, 1, 0]


def test_a_file_that_ends_within_a_record_loses_that_record_alone(tmp_path: Path) -> None:
    info = load_scorer("fake").info
    kept = RecordFile(tmp_path, "rows", info, 4)
    keys = [key_of([str(i)]) for i in range(3)]
    kept.add(keys[:2], np.array([[1, 2, 3, 4], [5, 6, 7, 8]], dtype=np.float32))
    (file,) = tmp_path.glob("*.bin")
    file.write_bytes(file.read_bytes()[:-5])
    again = RecordFile(tmp_path, "rows", info, 4)
    assert keys[0] in again
    assert keys[1] not in again
    again.add(keys[1:], np.array([[5, 6, 7, 8], [9, 9, 9, 9]], dtype=np.float32))
    assert RecordFile(tmp_path, "rows", info, 4).get(keys).tolist() == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 9, 9, 9]]


@pytest.mark.parametrize("value", [5.0, 0.0, -1e30, np.nan])
def test_what_is_kept_and_is_no_probability_is_scored_again(tmp_path: Path, value: float) -> None:
    scorer = Counting()
    kept = pair_file(tmp_path, scorer.info)
    damaged = np.array([[value, value, value, 0.0]], dtype=np.float32)
    kept.add([key_of(PAIRS[0])], damaged)
    expected = score_pairs(scorer, PAIRS[:2], pair_file(None, scorer.info)).probabilities
    found = score_pairs(scorer, PAIRS[:2], pair_file(tmp_path, scorer.info)).probabilities
    assert found.tolist() == expected.tolist()


def test_models_and_kinds_have_files_of_their_own(tmp_path: Path) -> None:
    scorer, encoder = load_scorer("fake"), load_encoder("fake")
    vectors = vector_file(tmp_path, encoder)
    found = embed_texts(encoder, ["The shop.", "The sea.", "The shop."], vectors)
    assert (found[0] == found[2]).all()
    assert (found == encoder.encode(["The shop.", "The sea.", "The shop."])).all()
    assert len(vectors) == 2
    assert len(pair_file(tmp_path, scorer.info)) == 0
    assert len(RecordFile(tmp_path, "vectors", encoder.info, encoder.dimension)) == 2


def test_texts_that_join_to_the_same_have_keys_of_their_own() -> None:
    assert key_of(("ab", "c")) != key_of(("a", "bc"))
    assert key_of(("a", "")) != key_of(("a",))

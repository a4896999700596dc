"""The declared fakes: deterministic, readable, and without torch."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from onrecord_server.domain.errors import ClaimTooLongForModel
from onrecord_server.nli import PairScorer, TextEncoder, load_encoder, load_scorer

SAID = "The committee approved the budget of 40 million in March."


@pytest.fixture(scope="module")
def scorer() -> PairScorer:
    return load_scorer("fake")


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    return load_encoder("fake")


@pytest.mark.parametrize(
    ("premise", "hypothesis", "label"),
    [
        (SAID, SAID, "entailment"),
        (SAID, "The committee approved the budget.", "entailment"),
        (SAID, "The committee has not approved the budget.", "contradiction"),
        (SAID, "The committee approved the budget of 50 million.", "contradiction"),
        ("He won't go there.", "He will go there.", "contradiction"),
        ("Ships never enter the harbour.", "Ships enter the harbour.", "contradiction"),
        ("Ships do not never enter.", "Ships enter.", "entailment"),
        (SAID, "It rained all over Lisbon.", "neutral"),
        (SAID, "", "neutral"),
        ("", SAID, "neutral"),
    ],
)
def test_scorer_reads_words_negation_and_numbers(scorer: PairScorer, premise: str, hypothesis: str, label: str) -> None:
    probabilities = scorer.score(scorer.encode([(premise, hypothesis)]))
    assert probabilities.shape == (1, 3)
    assert probabilities.sum() == pytest.approx(1)
    assert scorer.info.labels[int(probabilities[0].argmax())] == label


def test_fakes_declare_themselves(scorer: PairScorer, encoder: TextEncoder) -> None:
    assert scorer.info.fake
    assert encoder.info.fake


def test_long_premise_is_cut_and_long_hypothesis_refused(scorer: PairScorer) -> None:
    (cut,) = scorer.encode([("word " * 600 + "Lisbon", "Lisbon")])
    assert cut.truncated
    assert len(cut) == scorer.info.max_tokens
    assert scorer.info.labels[int(scorer.score([cut])[0].argmax())] == "neutral"  # its Lisbon was cut away
    with pytest.raises(ClaimTooLongForModel, match="600 tokens"):
        scorer.encode([("a", "word " * 600)])


def test_encoder_gives_unit_vectors_and_similar_texts_are_near(encoder: TextEncoder) -> None:
    vectors = encoder.encode([SAID, "In March the committee approved a budget.", "It rained all over Lisbon.", "", "…"])
    assert vectors.shape == (5, encoder.dimension)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1)
    assert vectors[0] @ vectors[1] > 0.6
    assert abs(vectors[0] @ vectors[2]) < 0.3
    assert np.array_equal(vectors[:1], load_encoder("fake").encode([SAID]))


def test_fakes_and_the_package_import_no_torch() -> None:
    program = (
        "import sys; from onrecord_server.nli import load_encoder, load_scorer; "
        "load_scorer('fake'); load_encoder('fake'); import onrecord_server.checking.worker; "
        "print(sorted({'torch', 'transformers', 'tokenizers'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}; {program}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"

"""What holds of every figure and every calibration, whatever the data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from onrecord_server.evaluation import metrics
from onrecord_server.evaluation.fitting import FITS, folds_of
from onrecord_server.nli.calibration import parse_calibration, softmax

LOGITS = arrays.arrays(np.float32, st.tuples(st.integers(1, 60), st.just(3)), elements=st.floats(-40, 40, width=32))


def gold_for(logits: np.ndarray, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 3, size=len(logits))


@given(LOGITS, st.integers(0, 10))
def test_figures_are_shares_and_the_order_changes_nothing(logits: np.ndarray, seed: int) -> None:
    probabilities, gold = softmax(logits), gold_for(logits, seed)
    shuffled = np.random.default_rng(seed + 1).permutation(len(gold))

    def figures(rows: np.ndarray) -> list[float]:
        p, g = probabilities[rows], gold[rows]
        found, confidence = p.argmax(axis=1), p.max(axis=1)
        counts = metrics.confusion(g, found, 3)
        ece = metrics.calibration_error(confidence, found == g)
        curve = metrics.coverage_curve(confidence, found == g)
        assert curve[-1]["coverage"] == 1
        assert curve[-1]["accuracy"] == pytest.approx(metrics.accuracy(counts))
        summary = [float(f(counts)) for f in metrics.SUMMARY.values()]
        return [*summary, ece, *(x for point in curve for x in (point["coverage"], point["accuracy"]))]

    one, other = figures(np.arange(len(gold))), figures(shuffled)
    assert all(0 <= value <= 1 + 1e-9 for value in one)
    assert one == pytest.approx(other)
    assert ((metrics.brier(probabilities, gold) >= 0) & (metrics.brier(probabilities, gold) <= 2 + 1e-6)).all()


@given(LOGITS, st.sampled_from(sorted(FITS)), st.integers(0, 10))
def test_every_fitted_calibration_gives_distributions_and_can_be_stored(
    logits: np.ndarray, method: str, seed: int
) -> None:
    probabilities = softmax(logits)
    fitted = FITS[method](probabilities, gold_for(logits, seed))
    assert parse_calibration(fitted.to_json()) == fitted
    others = softmax(np.random.default_rng(seed).normal(scale=20, size=(50, 3)).astype(np.float32))
    for given_ in (probabilities, others):
        after = fitted.apply(given_)
        assert after.dtype == np.float32
        assert np.isfinite(after).all()
        assert (after >= 0).all()
        assert (after <= 1).all()
        assert after.sum(axis=1) == pytest.approx(np.ones(len(given_)), abs=1e-4)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=6), st.integers(2, 6), st.booleans())
def test_every_item_is_held_out_once(sizes: list[int], folds: int, whole: bool) -> None:
    ends = np.cumsum(sizes)
    groups = [np.arange(end - size, end) for size, end in zip(sizes, ends, strict=True)]
    fold = folds_of(groups, folds, whole=whole)
    assert len(fold) == sum(sizes)
    assert set(fold) <= set(range(folds))
    for group in groups:
        counts = np.bincount(fold[group], minlength=folds)
        assert (counts > 0).sum() <= 1 if whole else counts.max() - counts.min() <= 1

"""Figures against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from onrecord_server.evaluation import metrics

#                 answered:  a  b  c
COUNTS = np.array([[3, 1, 0], [1, 2, 1], [0, 0, 2]])


def test_figures_of_a_confusion_matrix() -> None:
    assert metrics.accuracy(COUNTS) == pytest.approx(7 / 10)
    assert metrics.recalls(COUNTS).tolist() == pytest.approx([3 / 4, 2 / 4, 1])
    assert metrics.precisions(COUNTS).tolist() == pytest.approx([3 / 4, 2 / 3, 2 / 3])
    assert metrics.balanced_accuracy(COUNTS) == pytest.approx((0.75 + 0.5 + 1) / 3)
    assert metrics.macro_f1(COUNTS) == pytest.approx((6 / 8 + 4 / 7 + 4 / 5) / 3)
    assert metrics.rate(1, 2)(COUNTS) == pytest.approx(1 / 4)
    assert metrics.answered(2)(COUNTS) == pytest.approx(3 / 10)


def test_counting_pairs_of_gold_and_answer() -> None:
    gold, found = np.array([0, 0, 1, 2]), np.array([0, 3, 1, 0])
    assert metrics.confusion(gold, found, 3, 4).tolist() == [[1, 0, 0, 1], [0, 1, 0, 0], [1, 0, 0, 0]]


def test_a_class_that_never_occurs_has_no_part_in_means_and_no_rate() -> None:
    counts = np.array([[2, 0, 0], [0, 0, 0], [1, 0, 1]])
    assert metrics.balanced_accuracy(counts) == pytest.approx((1 + 0.5) / 2)
    assert metrics.macro_f1(counts) == pytest.approx((4 / 5 + 2 / 3) / 2)
    undefined = metrics.figures(counts, {"rate": metrics.rate(1, 2)})
    assert undefined == {"rate": {"value": None, "interval": None}}


def test_an_answer_that_is_no_gold_class_is_an_error_of_its_row() -> None:
    counts = np.array([[2, 0, 2], [0, 4, 0]])
    assert metrics.accuracy(counts) == pytest.approx(6 / 8)
    assert metrics.recalls(counts).tolist() == pytest.approx([0.5, 1])
    assert metrics.precisions(counts).tolist() == pytest.approx([1, 1])


def test_calibration_error_of_fifteen_bins() -> None:
    confidence = np.array([0.9, 0.9, 0.5, 1.0])
    right = np.array([True, False, False, True])
    # 0.9 lies in the fourteenth bin, 1.0 in the last
    assert metrics.calibration_error(confidence, right) == pytest.approx((2 * 0.4 + 0.5 + 0) / 4)
    bins = metrics.reliability(confidence, right)
    assert [(b["count"], b["accuracy"]) for b in bins] == [(1, 0.0), (2, 0.5), (1, 1.0)]
    assert metrics.calibration_error(np.array([1.0, 1.0]), np.array([True, False])) == pytest.approx(0.5)


def test_brier_and_likelihood() -> None:
    probabilities = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.5, 0.3, 0.2]])
    gold = np.array([0, 0, 0])
    assert metrics.brier(probabilities, gold).tolist() == pytest.approx([0, 2, 0.25 + 0.09 + 0.04])
    assert metrics.surprise(probabilities, gold)[2] == pytest.approx(-np.log(0.5))


def test_coverage_keeps_the_surest() -> None:
    confidence = np.array([0.9, 0.8, 0.7, 0.6])
    right = np.array([True, True, False, False])
    curve = metrics.coverage_curve(confidence, right, points=4)
    assert [(p["coverage"], round(p["accuracy"], 3), p["confidence"]) for p in curve] == [
        (0.25, 1.0, 0.9),
        (0.5, 1.0, 0.8),
        (0.75, 0.667, 0.7),
        (1.0, 0.5, 0.6),
    ]


def test_intervals_are_those_of_the_binomial_and_the_same_each_time() -> None:
    counts = np.array([[160, 40], [40, 160]])
    figure = metrics.figures(counts, {"accuracy": metrics.accuracy})
    assert figure == metrics.figures(counts, {"accuracy": metrics.accuracy})
    low, high = figure["accuracy"]["interval"]  # type: ignore[index]
    # 400 draws at 0.8: standard deviation 0.02
    assert low == pytest.approx(0.8 - 1.96 * 0.02, abs=0.005)
    assert high == pytest.approx(0.8 + 1.96 * 0.02, abs=0.005)

"""Fitting on data whose right calibration is known, and what every calibration keeps."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onrecord_server.evaluation.fitting import FITS, choose, fit_isotonic, fit_temperature, fit_vector, held_out
from onrecord_server.evaluation.metrics import calibration_error, surprise
from onrecord_server.nli import load_scorer
from onrecord_server.nli.base import FloatArray
from onrecord_server.nli.calibration import Isotonic, Temperature, Vector, parse_calibration, softmax

PAIRS = [("The shop is open.", "The shop is open."), ("The shop is open.", "The shop is not open.")]


def draw(probabilities: FloatArray, seed: int = 0) -> np.ndarray:
    """Gold labels that come up as often as the probabilities say."""
    chance = np.random.default_rng(seed)
    drawn = (probabilities.cumsum(axis=1) < chance.random((len(probabilities), 1))).sum(axis=1)
    return np.minimum(drawn, 2).astype(np.int64)


def honest(count: int = 20_000) -> FloatArray:
    """Logits whose softmax is how likely each label is."""
    return np.random.default_rng(1).normal(scale=1.5, size=(count, 3)).astype(np.float32)


def ece(probabilities: FloatArray, gold: np.ndarray) -> float:
    return calibration_error(probabilities.max(axis=1), probabilities.argmax(axis=1) == gold)


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0])
def test_it_finds_by_how_much_logits_were_sharpened(sharpness: float) -> None:
    logits = honest()
    gold = draw(softmax(logits))
    sharpened = softmax(logits * np.float32(sharpness))
    fitted = fit_temperature(sharpened, gold)
    assert fitted.temperature == pytest.approx(sharpness, rel=0.05)
    assert ece(fitted.apply(sharpened), gold) < 0.01


def test_vector_scaling_finds_scales_and_biases() -> None:
    logits = honest()
    gold = draw(softmax(logits * np.array([1.0, 1.4, 0.8]) + np.array([0.5, -1.0, 0.5])))
    given = softmax(logits)
    fitted, one_number = fit_vector(given, gold), fit_temperature(given, gold)
    assert ece(fitted.apply(given), gold) < 0.015
    assert surprise(fitted.apply(given), gold).mean() < surprise(one_number.apply(given), gold).mean() - 0.05


def test_isotonic_curves_never_fall_and_mend_what_a_temperature_cannot() -> None:
    given = softmax(honest())
    bent = given**2 / (given**2 + 0.1)
    gold = draw(bent / bent.sum(axis=1, keepdims=True))
    fitted = fit_isotonic(given, gold)
    for x, y in fitted.knots:
        assert (np.diff(x) > 0).all()
        assert (np.diff(y) >= 0).all()
    assert ece(fitted.apply(given), gold) < 0.02
    assert parse_calibration(fitted.to_json()) == fitted


@pytest.mark.parametrize("method", list(FITS))
def test_what_is_held_out_takes_no_part_in_its_own_calibration(method: str) -> None:
    given = softmax(honest(300))
    gold = draw(given)
    fold = np.arange(len(gold)) % 3
    before = held_out(given, gold, fold, method)
    changed = gold.copy()
    changed[fold == 0] = (changed[fold == 0] + 1) % 3
    after = held_out(given, changed, fold, method)
    assert (before[fold == 0] == after[fold == 0]).all()


def test_a_method_that_is_less_simple_must_gain_more_than_chance() -> None:
    chance = np.random.default_rng(0)
    base = chance.normal(1.0, 0.5, 400)
    noise = chance.normal(0.0, 0.5, 400)
    noise -= noise.mean()
    assert choose({"none": base, "temperature": base + noise - 0.001}) == "none"
    assert choose({"none": base, "temperature": base - 0.1}) == "temperature"
    assert choose({"none": base, "temperature": base - 0.1, "vector": base - 0.1 + noise - 0.001}) == "temperature"
    assert choose({"none": base, "temperature": base + 0.1}) == "none"


@pytest.mark.parametrize(
    "calibration",
    [
        Temperature(2.0),
        Vector((1.0, 0.5, 2.0), (0.3, -0.3, 0.0)),
        Isotonic((((0.0, 1.0), (0.2, 0.8)),) * 3),
    ],
)
def test_a_certain_row_is_a_rule_and_stays(calibration: Temperature | Vector | Isotonic) -> None:
    given = np.array([[0.0, 1.0, 0.0], [0.2, 0.5, 0.3]], dtype=np.float32)
    after = calibration.apply(given)
    assert after[0].tolist() == [0.0, 1.0, 0.0]
    assert after[1].tolist() != given[1].tolist()
    assert after.sum(axis=1) == pytest.approx([1.0, 1.0], abs=1e-6)
    assert parse_calibration(json.loads(json.dumps(calibration.to_json()))) == calibration


def test_a_scorer_gives_its_own_scores_beside_the_calibrated_ones(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text('{"method": "temperature", "temperature": 4.0}')
    plain, calibrated = load_scorer("fake"), load_scorer("fake", calibration=str(file))
    raw = calibrated.uncalibrated()
    own = plain.score(plain.encode(PAIRS))
    assert raw.score(raw.encode(PAIRS)).tolist() == own.tolist()
    soft = calibrated.score(calibrated.encode(PAIRS))
    assert soft.max() < own.max()
    assert soft.argmax(axis=1).tolist() == own.argmax(axis=1).tolist()
    assert calibrated.calibration.apply(own) == pytest.approx(soft)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"temperature": 1e-300}, "above 0.001"),  # float32 has no such number, and would divide by zero
        ({"temperature": 10**400}, "at most 100"),  # nor has float64
        ({"temperature": float("nan")}, "must be a number"),
        ({"method": "vector", "scale": [1, 1, 10**400], "bias": [0, 0, 0]}, "scale[2]"),
        ({"method": "vector", "scale": [1, 1, 1], "bias": [0, 0, -(10**400)]}, "bias[2]"),
        ({"method": "x" * 5_000}, "must be none"),
        ({"temperature": "x" * 5_000}, "must be a number"),
    ],
)
def test_numbers_that_no_calibration_can_use_are_refused_in_a_line(data: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)) as caught:
        parse_calibration(data)
    assert len(str(caught.value)) < 200


def test_huge_logits_do_not_overflow() -> None:
    assert softmax(np.array([[1e30, 0.0, -1e30]], dtype=np.float32)).tolist() == [[1.0, 0.0, 0.0]]

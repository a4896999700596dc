"""Temperature fitting on data whose right temperature is known."""

from __future__ import annotations

import numpy as np
import pytest

from onrecord_server.nli.calibration import expected_calibration_error, fit_temperature, softmax


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0])
def test_it_finds_by_how_much_logits_were_sharpened(sharpness: float) -> None:
    chance = np.random.default_rng(0)
    honest = chance.normal(scale=1.5, size=(20_000, 3)).astype(np.float32)
    drawn = (softmax(honest).cumsum(axis=1) < chance.random((len(honest), 1))).sum(axis=1)
    gold = np.minimum(drawn, 2).astype(np.int64)
    sharpened = honest * np.float32(sharpness)
    temperature = fit_temperature(sharpened, gold)
    assert temperature == pytest.approx(sharpness, rel=0.05)
    assert expected_calibration_error(softmax(sharpened, temperature), gold) < 0.01


def test_ece_of_a_model_that_is_sure_and_half_wrong_is_a_half() -> None:
    sure = np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]], dtype=np.float32)
    assert expected_calibration_error(sure, np.array([0, 1])) == pytest.approx(0.5)


def test_huge_logits_do_not_overflow() -> None:
    assert softmax(np.array([[1e30, 0.0, -1e30]], dtype=np.float32)).tolist() == [[1.0, 0.0, 0.0]]

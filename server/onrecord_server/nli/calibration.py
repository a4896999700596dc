"""Temperature scaling: one number that makes probabilities mean what they say. It never changes which label wins.

Method: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017 (arXiv 1706.04599).
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

from onrecord_server.domain.errors import ModelUnusable
from onrecord_server.nli.base import FloatArray

FILE_NAME = "calibration.json"


def read_temperature(folder: Path) -> float:
    """The temperature in calibration.json beside the weights, {"temperature": t}; 1.0 without that file.

    Raises ModelUnusable when the file is there and holds no finite temperature above zero.
    """
    path = folder / FILE_NAME
    try:
        temperature = json.loads(path.read_text(encoding="utf-8"))["temperature"]
    except FileNotFoundError:
        return 1.0
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelUnusable(f'{path}: needs {{"temperature": number}} ({error})') from error
    numeric = isinstance(temperature, (int, float)) and not isinstance(temperature, bool)
    if not numeric or not math.isfinite(temperature) or temperature <= 0:
        raise ModelUnusable(f"{path}: temperature is {temperature!r}; it must be a number above zero")
    return float(temperature)


def softmax(logits: FloatArray, temperature: float = 1.0) -> FloatArray:
    """Probabilities along the last axis, float32."""
    scaled = logits.astype(np.float32) / np.float32(temperature)
    exponentials = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    probabilities: FloatArray = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return probabilities


def fit_temperature(logits: FloatArray, gold: npt.NDArray[np.int64], *, low: float = 0.2, high: float = 10.0) -> float:
    """The temperature between `low` and `high` that makes the gold labels most likely.

    logits: shape (n, classes). gold: shape (n,), columns of the right labels. The loss has one minimum in the
    temperature's logarithm, so golden-section search finds it (Kiefer 1953).
    """

    def loss(log_temperature: float) -> float:
        chosen = softmax(logits, math.exp(log_temperature))[np.arange(len(gold)), gold]
        return -float(np.log(np.maximum(chosen, 1e-12)).mean())

    shrink = (math.sqrt(5) - 1) / 2
    a, b = math.log(low), math.log(high)
    while b - a > 1e-4:
        left, right = b - shrink * (b - a), a + shrink * (b - a)
        if loss(left) < loss(right):
            b = right
        else:
            a = left
    return math.exp((a + b) / 2)


def expected_calibration_error(probabilities: FloatArray, gold: npt.NDArray[np.int64], bins: int = 15) -> float:
    """ECE, 0 to 1: mean gap between the top probability and how often it is right, over equal-width bins."""
    top = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == gold
    place = np.minimum((top * bins).astype(int), bins - 1)
    gaps = [abs(top[place == b].mean() - right[place == b].mean()) * (place == b).mean() for b in np.unique(place)]
    return float(sum(gaps))

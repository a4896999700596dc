"""Fitting calibrations, and choosing among them on pairs that they were not fitted on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from onrecord_server.evaluation import metrics
from onrecord_server.nli.base import FloatArray
from onrecord_server.nli.calibration import (
    LARGEST,
    Calibration,
    Isotonic,
    Temperature,
    Uncalibrated,
    Vector,
    is_certain,
    logarithms,
    softmax,
)

Ints = npt.NDArray[np.int64]
Wide = npt.NDArray[np.float64]

FOLDS = 5
_SEED = 20_170_619
_PENALTY = 1e-3  # pulls vector scaling towards the temperature, so that few pairs move it little
_ISOTONIC_BINS = 150  # of equal size, before pooling: at most two knots each
_DIGITS = 6


def fit_temperature(probabilities: FloatArray, gold: Ints, *, low: float = 0.2, high: float = 10.0) -> Temperature:
    """The temperature between `low` and `high` that makes the gold labels most likely.

    probabilities: the model's own, shape (n, classes). gold: shape (n,), columns of the right labels. The loss has one
    minimum in the temperature's logarithm, so golden-section search finds it (Kiefer 1953).
    """
    logs = logarithms(probabilities)

    def loss(log_temperature: float) -> float:
        return float(metrics.surprise(softmax(logs, math.exp(log_temperature)), gold).mean())

    shrink = (math.sqrt(5) - 1) / 2
    a, b = math.log(low), math.log(high)
    while b - a > 1e-4:
        left, right = b - shrink * (b - a), a + shrink * (b - a)
        if loss(left) < loss(right):
            b = right
        else:
            a = left
    return Temperature(round(math.exp((a + b) / 2), _DIGITS))


def fit_vector(probabilities: FloatArray, gold: Ints) -> Vector:
    """A scale and a bias for each label: mean negative log-likelihood plus a small penalty on leaving the temperature.

    The loss is convex in the six numbers, so Newton's method finds its minimum; a step that would not lower it is
    halved.
    """
    logs = logarithms(probabilities)
    count, classes = logs.shape
    start = np.concatenate([np.full(classes, 1 / fit_temperature(probabilities, gold).temperature), np.zeros(classes)])
    target = np.eye(classes)[gold]

    def scaled(weights: Wide) -> Wide:
        z = logs * weights[:classes] + weights[classes:]
        below_most: Wide = z - z.max(axis=1, keepdims=True)
        return below_most

    def loss(weights: Wide) -> float:
        z = scaled(weights)
        likelihood = (np.log(np.exp(z).sum(axis=1)) - z[np.arange(count), gold]).mean()
        return float(likelihood + _PENALTY * ((weights - start) ** 2).sum())

    weights = start.copy()
    for _ in range(50):
        p = np.exp(scaled(weights))
        p /= p.sum(axis=1, keepdims=True)
        off = p - target
        slope = np.concatenate([(off * logs).mean(axis=0), off.mean(axis=0)]) + 2 * _PENALTY * (weights - start)
        spread = p[:, :, None] * (np.eye(classes) - p[:, None, :])  # of the softmax, shape (n, classes, classes)
        by_scale = np.einsum("ni,nij,nj->ij", logs, spread, logs) / count
        crossed = np.einsum("ni,nij->ij", logs, spread) / count
        curve = np.block([[by_scale, crossed], [crossed.T, spread.mean(axis=0)]]) + 2 * _PENALTY * np.eye(2 * classes)
        step, size, here = np.linalg.solve(curve, slope), 1.0, loss(weights)
        while size > 1e-6 and loss(weights - size * step) > here:
            size /= 2
        weights = weights - size * step
        if np.abs(size * step).max() < 1e-7:
            break
    scale = np.clip(weights[:classes], 0.01, LARGEST)
    bias = np.clip(weights[classes:] - weights[classes:].mean(), -LARGEST + 1, LARGEST)
    return Vector(_rounded(scale), _rounded(bias))


def fit_isotonic(probabilities: FloatArray, gold: Ints) -> Isotonic:
    """For each label the curve that never falls and is nearest to how often the label is right."""
    return Isotonic(tuple(_curve(probabilities[:, k], gold == k) for k in range(probabilities.shape[1])))


def _curve(given: FloatArray, right: npt.NDArray[np.bool_]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Pool adjacent violators (Ayer et al. 1955) over bins of equal size; knots at both ends of each pooled block."""
    order = np.argsort(given, kind="stable")
    parts = np.array_split(order, min(_ISOTONIC_BINS, len(order)))
    blocks: list[tuple[float, float, float, int]] = []  # lowest and highest probability, sum of the right, size
    for part in parts:
        block = (float(given[part[0]]), float(given[part[-1]]), float(right[part].sum()), len(part))
        while blocks and blocks[-1][2] / blocks[-1][3] >= block[2] / block[3]:
            last = blocks.pop()
            block = (last[0], block[1], last[2] + block[2], last[3] + block[3])
        blocks.append(block)
    x: list[float] = []
    y: list[float] = []
    for low, high, total, size in blocks:
        for end in (low, high):
            if x and round(end, _DIGITS) <= x[-1]:  # equal probabilities lie on both sides of a bin's end
                y[-1] = round(total / size, _DIGITS)
            else:
                x.append(round(end, _DIGITS))
                y.append(round(total / size, _DIGITS))
    return tuple(x), tuple(y)


def _rounded(values: Wide) -> tuple[float, ...]:
    return tuple(round(float(v), _DIGITS) for v in values)


FITS: dict[str, Callable[[FloatArray, Ints], Calibration]] = {
    Uncalibrated.method: lambda probabilities, gold: Uncalibrated(),
    Temperature.method: fit_temperature,
    Vector.method: fit_vector,
    Isotonic.method: fit_isotonic,
}
"""How each method is fitted, simplest first."""


def folds_of(groups: Sequence[Ints], folds: int, *, whole: bool) -> Ints:
    """The fold of every item, shape (n,). groups: each set's items, as places among all.

    Every set is dealt out among the folds, or with `whole` stays in one.
    """
    chance = np.random.default_rng(_SEED)
    fold = np.zeros(sum(map(len, groups)), dtype=np.int64)
    for number, group in enumerate(groups):
        fold[group] = number % folds if whole else chance.permutation(len(group)) % folds
    return fold


def held_out(probabilities: FloatArray, gold: Ints, fold: Ints, method: str) -> FloatArray:
    """Calibrated probabilities of every item, by a calibration fitted on the other folds only."""
    out = np.empty_like(probabilities)
    for number in np.unique(fold):
        inside = fold == number
        fitting = ~inside & ~is_certain(probabilities)
        out[inside] = FITS[method](probabilities[fitting], gold[fitting]).apply(probabilities[inside])
    return out


def choose(losses: dict[str, Wide]) -> str:
    """The method with the lowest loss; one that is less simple must be better by more than a standard error.

    losses: negative log-likelihood of every held-out item by method, simplest first; items in the same order.
    """
    best = next(iter(losses))
    for method, loss in losses.items():
        gain = losses[best] - loss
        error = float(gain.std(ddof=1)) / math.sqrt(len(gain)) if len(gain) > 1 else math.inf
        if float(gain.mean()) > error:
            best = method
    return best


def compare(probabilities: FloatArray, gold: Ints, fold: Ints, methods: Sequence[str]) -> dict[str, Any]:
    """Held-out figures of each method: {"methods": {name: figures}, "chosen": name, "held_out": {name: array}}."""
    found: dict[str, FloatArray] = {method: held_out(probabilities, gold, fold, method) for method in methods}
    chosen = choose({method: metrics.surprise(values, gold) for method, values in found.items()})
    return {
        "methods": {method: summary(values, gold) for method, values in found.items()},
        "chosen": chosen,
        "held_out": found,
    }


def summary(probabilities: FloatArray, gold: Ints) -> dict[str, float]:
    """Accuracy, ECE, Brier and negative log-likelihood of some probabilities."""
    right = probabilities.argmax(axis=1) == gold
    return {
        "accuracy": float(right.mean()),
        "ece": metrics.calibration_error(probabilities.max(axis=1), right),
        "brier": float(metrics.brier(probabilities, gold).mean()),
        "nll": float(metrics.surprise(probabilities, gold).mean()),
    }

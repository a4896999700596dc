"""Figures of a classifier, from counts and from probabilities. Pure functions of numpy arrays; shares are 0 to 1.

A confusion matrix has gold classes in rows; its columns begin with the same classes, and may go on with answers that
no gold label is (a conflicting record). Every function of counts takes a stack of matrices, shape (…, C, D), so that
the bootstrap computes a thousand of them at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.int64]
Wide = npt.NDArray[np.float64]
OfCounts = Callable[[npt.NDArray[np.integer]], Wide]

BINS = 15
RESAMPLES = 1_000
_SEED = 20_170_619


def confusion(gold: Ints, found: Ints, classes: int, answers: int | None = None) -> Ints:
    """Counts, shape (classes, answers or classes); gold and found are column numbers, shape (n,)."""
    width = answers or classes
    counts: Ints = np.bincount(gold * width + found, minlength=classes * width).reshape(classes, width)
    return counts


def _share(part: npt.NDArray[np.number], whole: npt.NDArray[np.number]) -> Wide:
    """part / whole, 0 where the whole is 0."""
    out: Wide = np.divide(part, whole, out=np.zeros(np.broadcast(part, whole).shape), where=whole > 0)
    return out


def _right(counts: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
    """The diagonal, shape (…, C)."""
    return np.diagonal(counts, axis1=-2, axis2=-1)


def accuracy(counts: npt.NDArray[np.integer]) -> Wide:
    """Share of the right ones."""
    return _share(_right(counts).sum(-1), counts.sum((-2, -1)))


def recalls(counts: npt.NDArray[np.integer]) -> Wide:
    """Of each gold class, the share found; shape (…, C), 0 for a class that does not occur."""
    return _share(_right(counts), counts.sum(-1))


def precisions(counts: npt.NDArray[np.integer]) -> Wide:
    """Of each answer that is a gold class, the share that is right; shape (…, C)."""
    return _share(_right(counts), counts.sum(-2)[..., : counts.shape[-2]])


def f1s(counts: npt.NDArray[np.integer]) -> Wide:
    """Harmonic mean of precision and recall of each class, shape (…, C)."""
    return _share(2 * _right(counts), counts.sum(-1) + counts.sum(-2)[..., : counts.shape[-2]])


def _mean_over_gold(values: Wide, counts: npt.NDArray[np.integer]) -> Wide:
    """Mean over the classes that occur among the gold labels."""
    occurs = counts.sum(-1) > 0
    return _share((values * occurs).sum(-1), occurs.sum(-1))


def balanced_accuracy(counts: npt.NDArray[np.integer]) -> Wide:
    """Mean recall of the classes that occur."""
    return _mean_over_gold(recalls(counts), counts)


def macro_f1(counts: npt.NDArray[np.integer]) -> Wide:
    """Mean F1 of the classes that occur."""
    return _mean_over_gold(f1s(counts), counts)


def rate(gold: int, answer: int) -> OfCounts:
    """A figure: of the class `gold`, the share answered with `answer`; NaN where the class does not occur."""

    def figure(counts: npt.NDArray[np.integer]) -> Wide:
        whole = counts[..., gold, :].sum(-1)
        return np.where(whole > 0, _share(counts[..., gold, answer], whole), np.nan)

    return figure


def answered(answer: int) -> OfCounts:
    """A figure: the share of all that is answered with `answer`."""
    return lambda counts: _share(counts[..., answer].sum(-1), counts.sum((-2, -1)))


SUMMARY: Mapping[str, OfCounts] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "macro_f1": macro_f1,
}


def resampled_counts(counts: Ints, resamples: int = RESAMPLES) -> Ints:
    """What the matrix would be on other draws of as many items: shape (resamples, C, D).

    The bootstrap (Efron 1979): n items drawn with replacement fall into the cells by the multinomial distribution.
    """
    total = int(counts.sum())
    chances = counts.ravel() / max(total, 1)
    drawn = np.random.default_rng(_SEED).multinomial(total, chances if total else _first(counts.size), size=resamples)
    return drawn.reshape(resamples, *counts.shape).astype(np.int64)


def _first(size: int) -> Wide:
    chances = np.zeros(size)
    chances[0] = 1.0
    return chances


def interval(values: Wide) -> list[float]:
    """The middle 95 % of resampled values, percentiles 2.5 and 97.5; draws in which a figure is undefined left out."""
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return [float(low), float(high)]


def with_interval(value: float, resampled: Wide) -> dict[str, object]:
    """{"value", "interval"} as reports hold it; None for both when the figure is undefined here (NaN)."""
    if np.isnan(value):
        return {"value": None, "interval": None}
    return {"value": float(value), "interval": interval(resampled)}


def figures(counts: Ints, wanted: Mapping[str, OfCounts], resampled: Ints | None = None) -> dict[str, object]:
    """Each figure with its 95 % bootstrap interval."""
    draws = resampled_counts(counts) if resampled is None else resampled
    return {name: with_interval(float(figure(counts)), figure(draws)) for name, figure in wanted.items()}


def by_class(counts: Ints, classes: Sequence[str]) -> dict[str, dict[str, object]]:
    """Precision, recall, F1 and how often each class is gold and is answered."""
    columns = (precisions(counts), recalls(counts), f1s(counts), counts.sum(1), counts.sum(0))
    names = ("precision", "recall", "f1", "gold", "answered")
    return {
        label: {name: column[i].item() for name, column in zip(names, columns, strict=True)}
        for i, label in enumerate(classes)
    }


def resampled_mean(values: Floats, resamples: int = RESAMPLES) -> Wide:
    """Means of bootstrap draws of the values, shape (resamples,); memory stays within a few draws."""
    chance = np.random.default_rng(_SEED)
    values = values.astype(np.float64)
    if not len(values):
        return np.zeros(resamples)
    return np.array([values[chance.integers(len(values), size=len(values))].mean() for _ in range(resamples)])


def mean_figure(values: Floats) -> dict[str, object]:
    """The mean with its interval; 0 for no values."""
    return with_interval(float(values.mean()) if len(values) else 0.0, resampled_mean(values))


# -- probabilities -------------------------------------------------------------------------------------------------


def bin_of(confidence: Floats, bins: int = BINS) -> Ints:
    """The equal-width bin of each confidence; 1.0 is in the last."""
    return np.clip((confidence * bins).astype(np.int64), 0, bins - 1)


def calibration_error(confidence: Floats, right: npt.NDArray[np.bool_], bins: int = BINS) -> float:
    """Expected calibration error, 0 to 1: mean gap between confidence and how often it is right, over equal-width bins.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017 (arXiv 1706.04599), with their 15 bins.
    """
    if not len(confidence):
        return 0.0
    gaps = np.bincount(bin_of(confidence, bins), weights=confidence.astype(np.float64) - right, minlength=bins)
    return float(np.abs(gaps).sum() / len(confidence))


def calibration_error_figure(confidence: Floats, right: npt.NDArray[np.bool_]) -> dict[str, object]:
    """ECE with its bootstrap interval. A resampled ECE is biased upwards, more so with few items."""
    count = len(confidence)
    places, gaps = bin_of(confidence), confidence.astype(np.float64) - right
    chance = np.random.default_rng(_SEED)
    draws = np.zeros(RESAMPLES)
    for i in range(RESAMPLES if count else 0):
        drawn = chance.integers(count, size=count)
        draws[i] = np.abs(np.bincount(places[drawn], weights=gaps[drawn], minlength=BINS)).sum() / count
    return with_interval(calibration_error(confidence, right), draws)


def brier(probabilities: Floats, gold: Ints) -> Wide:
    """Multi-class Brier score of each row, 0 (right and sure) to 2 (wrong and sure); shape (n,). Brier 1950."""
    target = np.zeros(probabilities.shape)
    target[np.arange(len(gold)), gold] = 1.0
    squared: Wide = ((probabilities - target) ** 2).sum(axis=1)
    return squared


def surprise(probabilities: Floats, gold: Ints) -> Wide:
    """Negative log-likelihood of each row's gold label, in nats; shape (n,). A probability counts as 1e-12 at least."""
    chosen: Wide = -np.log(np.maximum(probabilities[np.arange(len(gold)), gold].astype(np.float64), 1e-12))
    return chosen


def reliability(confidence: Floats, right: npt.NDArray[np.bool_], bins: int = BINS) -> list[dict[str, float]]:
    """The bins of the reliability diagram that hold anything: low, high, count, confidence, accuracy."""
    place = bin_of(confidence, bins)
    return [
        {
            "low": b / bins,
            "high": (b + 1) / bins,
            "count": int((place == b).sum()),
            "confidence": float(confidence[place == b].mean()),
            "accuracy": float(right[place == b].mean()),
        }
        for b in np.unique(place).tolist()
    ]


def coverage_curve(confidence: Floats, right: npt.NDArray[np.bool_], points: int = 20) -> list[dict[str, float]]:
    """Accuracy of the surest ones, when the rest is not answered: coverage, accuracy, least confidence.

    Items of equal confidence count with their mean, so that their order changes nothing.
    """
    if not len(confidence):
        return []
    _, group, sizes = np.unique(-confidence.astype(np.float64), return_inverse=True, return_counts=True)
    shared = np.bincount(group, weights=right.astype(np.float64)) / sizes
    order = np.argsort(-confidence, kind="stable")
    running = np.cumsum(shared[group[order]])
    ends = np.unique(np.ceil(np.linspace(1 / points, 1.0, points) * len(confidence) - 1e-9).astype(int))
    return [
        {
            "coverage": int(end) / len(confidence),
            "accuracy": float(running[end - 1] / end),
            "confidence": float(confidence[order[end - 1]]),
        }
        for end in ends
        if end > 0
    ]

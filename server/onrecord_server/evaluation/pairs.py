"""Pairs mode: the model alone, on sets of labelled premises and hypotheses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from onrecord_server.evaluation import metrics
from onrecord_server.evaluation.cache import RecordFile
from onrecord_server.evaluation.data import PairSet
from onrecord_server.evaluation.scoring import Advance, Scores, score_pairs
from onrecord_server.nli.base import CalibratedScorer, FloatArray
from onrecord_server.nli.labels import LABELS

TWO_WAY = ("entailment", "not_entailment")
MISTAKES = 20
_SHOWN = 1_000  # code points of a text that a report repeats
_ENTAILMENT, _NEUTRAL, _CONTRADICTION = range(3)

_THREE_WAY_FIGURES = {
    **metrics.SUMMARY,
    "entailment_recall": metrics.rate(_ENTAILMENT, _ENTAILMENT),
    "contradiction_recall": metrics.rate(_CONTRADICTION, _CONTRADICTION),
    "false_contradiction": metrics.rate(_NEUTRAL, _CONTRADICTION),
}
_TWO_WAY_FIGURES = {**metrics.SUMMARY, "entailment_recall": metrics.rate(0, 0)}


@dataclass(frozen=True, slots=True, eq=False)
class _Judged:
    """One set's gold labels and probabilities, two or three columns, without and with calibration."""

    classes: tuple[str, ...]
    gold: metrics.Ints
    before: FloatArray
    after: FloatArray

    @property
    def found(self) -> metrics.Ints:
        """The likeliest label; of two-way ones entailment from one half on."""
        if len(self.classes) == 2:
            return (self.after[:, 0] < 0.5).astype(np.int64)
        likeliest: metrics.Ints = self.after.argmax(axis=1)
        return likeliest

    @property
    def counts(self) -> metrics.Ints:
        return metrics.confusion(self.gold, self.found, len(self.classes))


def evaluate_pairs(
    scorer: CalibratedScorer, sets: Sequence[PairSet], kept: RecordFile, advance: Advance = lambda done: None
) -> dict[str, Any]:
    """The report on some sets. `kept`: scoring.pair_file of this scorer. Raises ModelError.

    A two-way set (a label not_entailment occurs) is judged by whether the hypothesis follows. Sets in which all three
    labels occur are judged together as well, under "three_way".
    """
    raw = scorer.uncalibrated()
    judged: list[_Judged] = []
    reports, mistakes = [], []
    for one in sets:
        scores = score_pairs(raw, [(p.premise, p.hypothesis) for p in one.pairs], kept, advance)
        judged.append(_judge(one, scores, scorer.calibration.apply(scores.probabilities)))
        reports.append(_report(one.name, judged[-1]) | _notes(one, scores))
        mistakes += _mistakes(one, judged[-1])
    mistakes.sort(key=lambda m: -float(m["confidence"]))
    report: dict[str, Any] = {
        "kind": "pairs",
        "sets": reports,
        "mean": _mean_over_sets(judged),
        "mistakes": mistakes[:MISTAKES],
    }
    three_way = [j for one, j in zip(sets, judged, strict=True) if one.complete]
    if three_way:
        pooled = _Judged(
            LABELS,
            np.concatenate([j.gold for j in three_way]),
            np.concatenate([j.before for j in three_way]),
            np.concatenate([j.after for j in three_way]),
        )
        report["three_way"] = _report("all three-way", pooled) | {"set_count": len(three_way)}
    return report


def _judge(one: PairSet, scores: Scores, calibrated: FloatArray) -> _Judged:
    if not one.two_way:
        gold = np.array([LABELS.index(pair.label) for pair in one.pairs], dtype=np.int64)
        return _Judged(LABELS, gold, scores.probabilities, calibrated)
    gold = np.array([pair.label != "entailment" for pair in one.pairs], dtype=np.int64)
    return _Judged(TWO_WAY, gold, _collapsed(scores.probabilities), _collapsed(calibrated))


def _collapsed(probabilities: FloatArray) -> FloatArray:
    return np.stack([probabilities[:, 0], probabilities[:, 1:].sum(axis=1)], axis=1)


def _report(name: str, judged: _Judged) -> dict[str, Any]:
    counts = judged.counts
    right = judged.found == judged.gold
    confidence = judged.after.max(axis=1)
    before = judged.before.max(axis=1), judged.before.argmax(axis=1) == judged.gold
    wanted = _TWO_WAY_FIGURES if len(judged.classes) == 2 else _THREE_WAY_FIGURES
    return {
        "name": name,
        "pair_count": len(judged.gold),
        "classes": list(judged.classes),
        "figures": metrics.figures(counts, wanted),
        "by_class": metrics.by_class(counts, judged.classes),
        "confusion": counts.tolist(),
        "uncalibrated": _probabilities(judged.before, judged.gold, *before),
        "calibrated": _probabilities(judged.after, judged.gold, confidence, right),
        "coverage": metrics.coverage_curve(confidence, right),
    }


def _probabilities(
    probabilities: FloatArray, gold: metrics.Ints, confidence: metrics.Floats, right: Any
) -> dict[str, object]:
    return {
        "accuracy": float(right.mean()),
        "ece": metrics.calibration_error_figure(confidence, right),
        "brier": metrics.mean_figure(metrics.brier(probabilities, gold)),
        "nll": metrics.mean_figure(metrics.surprise(probabilities, gold)),
        "reliability": metrics.reliability(confidence, right),
    }


def _notes(one: PairSet, scores: Scores) -> dict[str, Any]:
    """Whether the set is among the pooled ones, and what the model did not read whole."""
    return {
        "complete": one.complete,
        "cut_premises": int(scores.cut.sum()),
        "unreadable_hypotheses": int(scores.unreadable.sum()),
    }


def _mean_over_sets(judged: Sequence[_Judged]) -> dict[str, object]:
    """Each set counts the same, whatever its size."""
    means: dict[str, object] = {"set_count": len(judged)}
    counts = [j.counts for j in judged]
    draws = [metrics.resampled_counts(c) for c in counts]
    for name, figure in metrics.SUMMARY.items():
        value = float(np.mean([figure(c) for c in counts]))
        means[name] = metrics.with_interval(value, np.mean([figure(d) for d in draws], axis=0))
    return means


def _mistakes(one: PairSet, judged: _Judged) -> list[dict[str, Any]]:
    """The surest wrong answers of a set."""
    found, confidence = judged.found, judged.after.max(axis=1)
    wrong = np.flatnonzero(found != judged.gold)
    chosen = wrong[np.argsort(-confidence[wrong], kind="stable")][:MISTAKES]
    return [
        {
            "set": one.name,
            "premise": one.pairs[i].premise[:_SHOWN],
            "hypothesis": one.pairs[i].hypothesis[:_SHOWN],
            "gold": one.pairs[i].label,
            "answer": judged.classes[found[i]],
            "confidence": float(confidence[i]),
            "probabilities": _by_label(judged, int(i)),
        }
        for i in chosen
    ]


def _by_label(judged: _Judged, i: int) -> Mapping[str, float]:
    return dict(zip(judged.classes, map(float, judged.after[i]), strict=True))

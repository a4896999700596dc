"""Make a calibration for a model from labelled pairs: fit, compare on pairs held out, choose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from onrecord_server.evaluation.cache import RecordFile
from onrecord_server.evaluation.data import PairSet
from onrecord_server.evaluation.fitting import FITS, FOLDS, compare, folds_of, summary
from onrecord_server.evaluation.scoring import Advance, score_pairs
from onrecord_server.nli.base import CalibratedScorer
from onrecord_server.nli.calibration import Calibration, is_certain
from onrecord_server.nli.labels import LABELS

LEAST_PAIRS = 50
"""Fewer say nothing on six numbers, let alone on a curve."""


class TooFewPairs(ValueError):
    """The pairs cannot carry a calibration; says what is missing."""


def usable(sets: Sequence[PairSet]) -> list[PairSet]:
    """The sets that can say what a probability means: those in which all three labels occur."""
    return [one for one in sets if one.complete]


def make_calibration(
    scorer: CalibratedScorer,
    sets: Sequence[PairSet],
    kept: RecordFile,
    advance: Advance = lambda done: None,
    *,
    method: str | None = None,
    folds: int = FOLDS,
    whole_sets: bool = False,
) -> tuple[Calibration, dict[str, Any]]:
    """The calibration, fitted on all pairs of the usable sets, and the report on how it was chosen.

    method: None takes the best on held-out pairs (fitting.choose), else the one named. whole_sets: hold out whole sets
    at a time, which tells how it carries over to text of another kind; needs two sets at least.

    Raises TooFewPairs, ModelError.
    """
    chosen_sets = usable(sets)
    count = sum(len(one.pairs) for one in chosen_sets)
    if count < LEAST_PAIRS:
        raise TooFewPairs(
            f"{count} pairs in sets with all three labels; a calibration needs {LEAST_PAIRS} at least, "
            "and some hundreds to be worth it"
        )
    if whole_sets and len(chosen_sets) < 2:
        raise TooFewPairs("to hold out whole sets, give two sets with all three labels at least")
    pairs = [(p.premise, p.hypothesis) for one in chosen_sets for p in one.pairs]
    gold = np.array([LABELS.index(p.label) for one in chosen_sets for p in one.pairs], dtype=np.int64)
    probabilities = score_pairs(scorer.uncalibrated(), pairs, kept, advance).probabilities
    ends = np.cumsum([len(one.pairs) for one in chosen_sets])
    groups = [np.arange(end - len(one.pairs), end) for one, end in zip(chosen_sets, ends, strict=True)]
    folds = min(folds, len(groups)) if whole_sets else folds
    compared = compare(probabilities, gold, folds_of(groups, folds, whole=whole_sets), list(FITS))
    name = method or compared["chosen"]
    fitting = ~is_certain(probabilities)
    calibration = FITS[name](probabilities[fitting], gold[fitting])
    after = compared["held_out"][name]
    report = {
        "kind": "calibration",
        "pair_count": count,
        "folds": folds,
        "hold_out": "sets" if whole_sets else "pairs",
        "methods": compared["methods"],
        "chosen": name,
        "sets": [
            {
                "name": one.name,
                "pair_count": len(one.pairs),
                "before": summary(probabilities[group], gold[group]),
                "after": summary(after[group], gold[group]),
            }
            for one, group in zip(chosen_sets, groups, strict=True)
        ],
        "left_out": [one.name for one in sets if not one.complete],
    }
    return calibration, report


def file_content(calibration: Calibration, report: dict[str, Any], scorer: CalibratedScorer) -> dict[str, object]:
    """What calibration.json holds: the map, and notes on where it comes from."""
    before, after = report["methods"]["none"], report["methods"][report["chosen"]]
    return {
        **calibration.to_json(),
        "labels": list(LABELS),
        "model": scorer.info.model_id.rpartition("/")[2],
        "model_revision": scorer.info.revision,
        "precision": scorer.info.precision,
        "pairs": report["pair_count"],
        "sets": [one["name"] for one in report["sets"]],
        "held_out": {"before": _rounded(before), "after": _rounded(after)},
    }


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in figures.items()}

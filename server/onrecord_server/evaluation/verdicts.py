"""The report on verdicts: figures, evidence recall, the gain of each part of the rule, the best thresholds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from onrecord_server.checking.checker import default_options
from onrecord_server.checking.gathered import Gathered
from onrecord_server.domain.switches import Switches
from onrecord_server.domain.types import Verdict
from onrecord_server.domain.verdict import Thresholds
from onrecord_server.domain.weighing import Weighing
from onrecord_server.evaluation import metrics
from onrecord_server.evaluation.claims import (
    Bench,
    Outcome,
    Progress,
    Recorded,
    embed_record,
    grid,
    open_bench,
    verdicts,
)
from onrecord_server.evaluation.data import LabelledClaim
from onrecord_server.evaluation.scoring import pair_file
from onrecord_server.nli.base import CalibratedScorer, TextEncoder

ANSWERS = ("SUPPORTED", "CONTRADICTED", "NOT_ENOUGH_EVIDENCE", "CONFLICTING")
_SUPPORTED, _CONTRADICTED, _UNDECIDED, _CONFLICTING = range(4)
_PLACE = {name: i for i, name in enumerate(ANSWERS)}
RECALL_AT = (1, 4, 8)
MISTAKES = 20
BEST = 12  # settings of a sweep that are reported
_SHOWN = 600  # code points of a text that a report repeats

FIGURES = {
    **metrics.SUMMARY,
    "false_contradiction": metrics.rate(_UNDECIDED, _CONTRADICTED),
    "false_support": metrics.rate(_UNDECIDED, _SUPPORTED),
    "contradiction_recall": metrics.rate(_CONTRADICTED, _CONTRADICTED),
    "support_recall": metrics.rate(_SUPPORTED, _SUPPORTED),
    "conflicting": metrics.answered(_CONFLICTING),
}


def evaluate_claims(
    scorer: CalibratedScorer,
    encoder: TextEncoder,
    claims: Sequence[LabelledClaim],
    record: Sequence[Recorded],
    *,
    cache: Path | None,
    progress: Progress,
    without: Sequence[str] = (),
    including: Sequence[str] = (),
    ablation: bool = False,
    sweep: float | None = None,
) -> dict[str, Any]:
    """Check every claim against the record, and compare. Runs an event loop of its own.

    cache: folder of kept scores and vectors; None keeps none. without, including: parts of the rule that are off, and
    that are on though off by default (domain/switches.py). ablation: also say what each part that is on gains, by
    checking again without it; scores and searches are remembered, so the model is asked only for what that part had
    spared it. sweep: also find the thresholds with the best macro-F1 whose rate of false contradictions is at most
    this, 0 to 1; for development data only.

    Raises ValueError for a part that is none, ModelError, StoreError, InvalidInput for a statement.
    """
    switches = Switches().including(including).without(without)
    vectors = embed_record(encoder, record, cache, progress)
    pairs = pair_file(cache, scorer.info)
    limits = Thresholds.resolve(default_options(scorer.weighing, switches))

    async def check() -> tuple[dict[str, Any], list[Gathered]]:
        again = ablation or sweep is not None
        async with open_bench(scorer, encoder, record, vectors, pairs, progress, again=again) as bench:
            gathered = await bench.gather(claims, switches, "checking")
            outcomes = [bench.outcome(one, limits) for one in gathered]
            report = _report(claims, outcomes)
            report["pairs_scored"] = bench.asked
            if ablation:
                report["ablation"] = await _ablation(bench, claims, outcomes, switches, scorer.weighing)
            if sweep is not None:
                gathered = await bench.gather(claims, switches, "reading more", every_topic=True)
            return report, gathered

    report, gathered = asyncio.run(check())
    report |= {
        "statement_count": len(record),
        "without": sorted(without),
        "including": sorted(including),
        "thresholds": asdict(limits),
    }
    if sweep is not None:
        report["sweep"] = _sweep(gathered, claims, sweep, progress)
    return report


def _gold(claims: Sequence[LabelledClaim]) -> metrics.Ints:
    return np.array([_PLACE[one.verdict] for one in claims], dtype=np.int64)


def _found(answers: Sequence[Verdict]) -> metrics.Ints:
    return np.array([_PLACE[verdict.name] for verdict in answers], dtype=np.int64)


def _counts(gold: metrics.Ints, found: metrics.Ints) -> metrics.Ints:
    """Confusion; a row for conflicting only where some claim's right verdict is that."""
    return metrics.confusion(gold, found, int(gold.max(initial=_UNDECIDED)) + 1, len(ANSWERS))


def _report(claims: Sequence[LabelledClaim], outcomes: Sequence[Outcome]) -> dict[str, Any]:
    gold, found = _gold(claims), _found([o.verdict for o in outcomes])
    counts = _counts(gold, found)
    confidence = np.array([o.confidence for o in outcomes], dtype=np.float64)
    right = gold == found
    return {
        "kind": "claims",
        "claim_count": len(claims),
        "classes": list(ANSWERS[: len(counts)]),
        "answers": list(ANSWERS),
        "figures": metrics.figures(counts, FIGURES),
        "by_class": metrics.by_class(counts, ANSWERS[: len(counts)]),
        "confusion": counts.tolist(),
        "evidence_recall": _evidence_recall(claims, outcomes),
        "confidence": {
            "ece": metrics.calibration_error_figure(confidence, right),
            "reliability": metrics.reliability(confidence, right),
        },
        "coverage": metrics.coverage_curve(confidence, right),
        "mistakes": _mistakes(claims, outcomes),
    }


def _evidence_recall(claims: Sequence[LabelledClaim], outcomes: Sequence[Outcome]) -> dict[str, object]:
    """Of the claims whose deciding statements are known, the share with one of these among the first k candidates."""
    known = [(one.gold, outcome.candidates) for one, outcome in zip(claims, outcomes, strict=True) if one.gold]
    if not known:
        return {}
    found: dict[str, object] = {"claim_count": len(known)}
    for k in RECALL_AT:
        found[f"at_{k}"] = metrics.mean_figure(
            np.array([bool(gold & set(candidates[:k])) for gold, candidates in known], dtype=np.float64)
        )
    return found


def _mistakes(claims: Sequence[LabelledClaim], outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """The surest wrong verdicts. What the record calls undecidable only because nothing was near says little: last."""
    wrong = [(c, o) for c, o in zip(claims, outcomes, strict=True) if c.verdict != o.verdict.name]
    wrong.sort(key=lambda pair: (pair[1].verdict is Verdict.NOT_ENOUGH_EVIDENCE, -pair[1].confidence))
    return [
        {
            "claim": one.claim.text[:_SHOWN],
            "speaker": one.claim.speaker,
            "gold": one.verdict,
            "answer": outcome.verdict.name,
            "confidence": outcome.confidence,
            "reason": outcome.reason.name,
            "evidence": [
                {
                    "id": shown.id,
                    "speaker": shown.speaker,
                    "text": shown.text[:_SHOWN],
                    "relation": shown.relation,
                    "entailment": shown.probabilities[0],
                    "contradiction": shown.probabilities[2],
                    "weighed": shown.weighed and {"entailment": shown.weighed[0], "contradiction": shown.weighed[2]},
                    "similarity": shown.similarity,
                    "gold": shown.id in one.gold,
                }
                for shown in outcome.shown
            ],
        }
        for one, outcome in wrong[:MISTAKES]
    ]


def _values(counts: metrics.Ints) -> dict[str, Any]:
    """The figures alone; None for those of a class that does not occur."""
    found = {name: float(compute(counts)) for name, compute in FIGURES.items()}
    return {name: None if np.isnan(value) else value for name, value in found.items()}


async def _ablation(
    bench: Bench,
    claims: Sequence[LabelledClaim],
    whole: Sequence[Outcome],
    switches: Switches,
    weighing: Weighing | None,
) -> list[dict[str, Any]]:
    """A row for each part that is on: the figures without it, and the verdicts that it turns."""
    gold, with_all = _gold(claims), _found([o.verdict for o in whole])
    rows = []
    for name in (f.name for f in fields(switches) if getattr(switches, f.name)):
        asked = bench.asked
        others = switches.without([name])
        gathered = await bench.gather(claims, others, f"without {name}")
        found = _found(verdicts(gathered, Thresholds.resolve(default_options(weighing, others))))
        counts = _counts(gold, found)
        rows.append(
            {
                "without": name,
                **_values(counts),
                "turned": int((found != with_all).sum()),
                "turned_right": int(((with_all == gold) & (found != gold)).sum()),
                "turned_wrong": int(((with_all != gold) & (found == gold)).sum()),
                "pairs_scored": bench.asked - asked,
            }
        )
    return rows


def _sweep(
    gathered: Sequence[Gathered], claims: Sequence[LabelledClaim], most_false: float, progress: Progress
) -> list[dict[str, Any]]:
    gold, rows = _gold(claims), []
    settings = grid()
    with progress("trying thresholds", "settings", len(settings)) as advance:
        for limits in settings:
            counts = _counts(gold, _found(verdicts(gathered, limits)))
            row = _values(counts)
            if (row["false_contradiction"] or 0.0) <= most_false:
                rows.append(asdict(limits) | row)
            advance(1)
    return sorted(rows, key=lambda row: -row["macro_f1"])[:BEST]

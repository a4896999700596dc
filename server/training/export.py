"""Turn trained weights into what the service loads: fp16 shards, tokenizer, calibration and a model card.

New weights earn their place: without a rise of the mean over the dev sets by --least points nothing is written.

Example: export.py RUN/model OUT --scores after.json --baseline before.json --logits after.npz --pack-log pack.log
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from evaluate import expected_calibration_error
from packed import NOT_ENTAILMENT, load_model, load_tokenizer, softmax

Logits = npt.NDArray[np.float32]
Labels = npt.NDArray[Any]


def negative_log_likelihood(logits: Logits, gold: Labels, temperature: float) -> float:
    """Mean loss of the gold class at a temperature."""
    p = softmax(logits, temperature)[np.arange(len(gold)), gold]
    return float(-np.log(np.maximum(p, 1e-12)).mean())


def fit_temperature(logits: Logits, gold: Labels) -> float:
    """The temperature of least loss, to the nearest hundredth: one number needs no optimiser."""
    grid = np.arange(0.5, 4.0, 0.01)
    return round(float(grid[int(np.argmin([negative_log_likelihood(logits, gold, t) for t in grid]))]), 2)


def three_way(path: Path, leave_out: Sequence[str]) -> tuple[Logits, Labels, list[str]]:
    """Logits and labels of the dev sets that have all three classes; others cannot say what a probability means."""
    with np.load(path, allow_pickle=False) as z:
        logits, y, src, names = z["logits"], z["y"], z["src"], [str(x) for x in z["names"]]
    used = [
        s
        for s, name in enumerate(names)
        if name not in leave_out and set(np.unique(y[src == s])) >= {0, 1, 2} and NOT_ENTAILMENT not in y[src == s]
    ]
    rows = np.concatenate([np.where(src == s)[0][:400] for s in used])
    return logits[rows], y[rows].astype(np.int64), [names[s] for s in used]


def calibrate(path: Path, leave_out: Sequence[str]) -> dict[str, Any]:
    """The temperature from all rows; the error reported is cross-fitted on halves, so that it is not its own judge."""
    logits, gold, used = three_way(path, leave_out)
    halves = [np.arange(len(gold)) % 2 == k for k in (0, 1)]
    after = np.concatenate([softmax(logits[h], fit_temperature(logits[~h], gold[~h])) for h in halves])
    order = np.concatenate([gold[h] for h in halves])
    return {
        "temperature": fit_temperature(logits, gold),
        "ece_before": expected_calibration_error(softmax(logits), gold),
        "ece_after_cross_fitted": expected_calibration_error(after, order),
        "rows": len(gold),
        "sets": used,
    }


def pack_counts(log: Path | None) -> list[str]:
    """Source lines of pack.py's log: name, pairs, labels."""
    if log is None:
        return []
    lines = [line.split(" dropped")[0] for line in log.read_text(encoding="utf-8").splitlines() if " dropped " in line]
    return [f"- {line.split(' ', 2)[0]}: {line.split(' ', 2)[1]}" for line in lines]


def card(scores: dict[str, Any], baseline: dict[str, Any], calibration: dict[str, Any], sources: list[str]) -> str:
    """The model card: figures before and after, sources, calibration."""
    rows = [f"| {k} | {baseline['sets'].get(k, '')} | {v} |" for k, v in scores["sets"].items()]
    longer = [f"| {k} rows | {baseline['longer'].get(k, '')} | {v} |" for k, v in scores.get("longer", {}).items()]
    record = [
        f"| record: {k.replace('_', ' ')} | {baseline.get('record', {}).get(k, '')} | {v} |"
        for k, v in scores.get("record", {}).items()
    ]
    return "\n".join(
        [
            "# NLI weights of onrecord",
            "",
            "BERT, 12 layers, 384 wide, from intfloat/e5-small-v2 (MIT). In: premise, hypothesis. Out: entailment,",
            "neutral or contradiction. English.",
            "",
            f"## Accuracy (first {scores['limit']} rows of each dev set, none of them trained on)",
            "| set | before | after |",
            "|---|---|---|",
            *rows,
            f"| **mean** | {baseline['mean']} | {scores['mean']} |",
            *longer,
            *record,
            "",
            "## Calibration",
            f"Temperature {calibration['temperature']}; calibration error (ECE) {calibration['ece_before']} % without,",
            f"{calibration['ece_after_cross_fitted']} % with it (cross-fitted), over {calibration['rows']} rows of "
            f"{', '.join(calibration['sets'])}.",
            "",
            "## Training pairs",
            *(sources or ["(see the pack's log)"]),
            "",
        ]
    )


def save_weights(model_path: Path, out: Path, shard: str) -> None:
    """fp16 shards small enough for hosts that limit a file's size, and the tokenizer."""
    model = load_model(model_path, torch.device("cpu"))
    model.config.hidden_dropout_prob = model.config.attention_probs_dropout_prob = 0.1  # the base's own values
    model.half().save_pretrained(out, max_shard_size=shard)
    load_tokenizer(model_path).save_pretrained(out)
    for path in out.glob("*.safetensors"):
        path.chmod(0o644)  # the library writes them for the owner alone


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="train.py's OUT/model")
    parser.add_argument("out", type=Path, help="folder to write")
    parser.add_argument("--scores", type=Path, required=True, help="evaluate.py --out of these weights")
    parser.add_argument("--baseline", type=Path, required=True, help="evaluate.py --out of the weights in use")
    parser.add_argument("--logits", type=Path, required=True, help="evaluate.py --logits of these weights")
    parser.add_argument("--pack-log", type=Path, help="pack.py's output, for the card's counts")
    parser.add_argument("--leave-out", nargs="*", default=["anli"], help="dev sets not used for the temperature")
    parser.add_argument("--least", type=float, default=1.0, help="points the mean over dev sets must rise by")
    parser.add_argument("--shard", default="45MB", help="largest shard")
    return parser.parse_args()


def main() -> None:
    """Check the rise, then write weights, calibration.json and README.md."""
    args = arguments()
    scores = json.loads(args.scores.read_text(encoding="utf-8"))
    baseline = json.loads(args.baseline.read_text(encoding="utf-8"))
    rise = scores["mean"] - baseline["mean"]
    print(f"mean over dev sets: {baseline['mean']} before, {scores['mean']} after")
    if rise < args.least:
        sys.exit(f"a rise of {rise:.2f} is less than {args.least}: nothing written")
    calibration = calibrate(args.logits, args.leave_out)
    save_weights(args.model, args.out, args.shard)
    (args.out / "calibration.json").write_text(json.dumps(calibration, indent=1) + "\n", encoding="utf-8")
    text = card(scores, baseline, calibration, pack_counts(args.pack_log))
    (args.out / "README.md").write_text(text, encoding="utf-8")
    print(f"written to {args.out}, temperature {calibration['temperature']}")


if __name__ == "__main__":
    main()

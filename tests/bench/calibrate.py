"""Fit the temperature of an NLI model, and show ECE before and after on pairs that were not used for the fit.

    python tests/bench/calibrate.py --pairs DEV.jsonl [DEV2.jsonl …] [--per-file 600] [--model FOLDER] [--write]

Lines {"premise", "hypothesis", "label"}; label is entailment, neutral or contradiction. Even lines fit, odd lines
test. `--write` stores calibration.json beside the weights, fitted on all.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
from pathlib import Path

import numpy as np

from onrecord_models import nli_path
from onrecord_server.nli import load_scorer
from onrecord_server.nli.calibration import FILE_NAME, expected_calibration_error, fit_temperature, softmax
from onrecord_server.nli.labels import LABELS

BATCH = 48  # pairs


def read(path: Path, limit: int) -> list[dict[str, str]]:
    """Up to `limit` three-way lines of a file, chosen by a fixed draw."""
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    rows = [row for row in map(json.loads, text.decode("utf-8").splitlines()) if row["label"] in LABELS]
    return random.Random(0).sample(rows, min(limit, len(rows)))


def main() -> None:
    """Fit, print, and write when asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path, nargs="+", required=True)
    parser.add_argument("--per-file", type=int, default=600)
    parser.add_argument("--model", type=Path, default=nli_path())
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    rows = [row for path in args.pairs for row in read(path, args.per_file)]
    scorer = load_scorer(str(args.model), threads=args.threads)
    current = (
        json.loads((args.model / FILE_NAME).read_text())["temperature"] if (args.model / FILE_NAME).exists() else 1
    )
    encoded = scorer.encode([(row["premise"], row["hypothesis"]) for row in rows])
    order = sorted(range(len(rows)), key=lambda i: len(encoded[i]))
    logits = np.zeros((len(rows), len(LABELS)), dtype=np.float32)
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        # log-probabilities are logits up to a constant a row, which softmax ignores; the file's temperature is undone
        logits[chosen] = np.log(np.maximum(scorer.score([encoded[i] for i in chosen]), 1e-12)) * current
    gold = np.array([LABELS.index(row["label"]) for row in rows])
    fit, held = slice(0, None, 2), slice(1, None, 2)
    temperature = fit_temperature(logits[fit], gold[fit])
    print(f"{len(rows)} pairs, accuracy {(logits.argmax(axis=1) == gold).mean():.3f}")
    print(f"temperature {temperature:.3f} (fitted on half)")
    for name, t in (("before", 1.0), ("after", temperature)):
        print(f"ECE {name} on the other half: {expected_calibration_error(softmax(logits[held], t), gold[held]):.3f}")
    if args.write:
        temperature = round(fit_temperature(logits, gold), 3)
        (args.model / FILE_NAME).write_text(json.dumps({"temperature": temperature}) + "\n", encoding="utf-8")
        print(f"wrote {args.model / FILE_NAME}: {temperature}")


if __name__ == "__main__":
    main()

"""Hold back some FEVER-style training claims, on which weigh.py fits what the weights must not have seen.

Example: hold.py DATA/train HELD.jsonl.gz --forbidden RECORD/claims_dev.jsonl.gz DATA/dev/*.jsonl.gz
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

from mine import load_claims
from packed import forbidden_claims, write_lines

VERDICTS = {"entailment": "SUPPORTED", "contradiction": "CONTRADICTED", "neutral": "NOT_ENOUGH_EVIDENCE"}


def main() -> None:
    """Write equally many claims of each verdict, in an order fixed by the seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path, help="folder with fever.jsonl.gz and fever_nei_retrieved.jsonl.gz")
    parser.add_argument("out", type=Path, help="the file to write, .jsonl.gz")
    parser.add_argument("--forbidden", type=Path, nargs="*", default=[], help="files whose claims must not be used")
    parser.add_argument("--each", type=int, default=1200, help="claims of each verdict")
    parser.add_argument("--seed", type=int, default=23)
    args = parser.parse_args()
    rng = random.Random(args.seed)  # noqa: S311
    claims = load_claims(args.train, forbidden_claims(args.forbidden))
    rows = []
    for label, verdict in VERDICTS.items():
        pool = [claim for claim in claims if claim.label == label]
        rows += [{"claim": c.text, "label": verdict} for c in rng.sample(pool, min(args.each, len(pool)))]
    rng.shuffle(rows)
    write_lines(args.out, rows)
    print(f"{len(rows)} claims")


if __name__ == "__main__":
    main()

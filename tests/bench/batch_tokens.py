"""Tokens a second against the size of a batch, for each number format: what a scheduler loses with small batches.

    python tests/bench/batch_tokens.py --pairs PAIRS.jsonl [--threads 1] [--tokens 128 256 512 1024 2048 4096]

PAIRS.jsonl holds lines {"premise": …, "hypothesis": …}. Pairs come in the file's order, as they would from callers;
`sorted` also shows batches of like lengths. Tokens are of a whole batch, all lanes together. CPU time where there is
one thread, else wall time; the best of several rounds with all contenders taking turns.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from onrecord_server.nli import EncodedPair, load_scorer

Batches = list[list[EncodedPair]]


def batches(encoded: list[EncodedPair], budget: int) -> Batches:
    """In the given order, at most `budget` tokens each (never fewer than one pair)."""
    out: Batches = []
    tokens = 0
    for pair in encoded:
        if not out or tokens + len(pair) > budget:
            out.append([])
            tokens = 0
        out[-1].append(pair)
        tokens += len(pair)
    return out


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=200, help="pairs to use (default 200)")
    parser.add_argument("--tokens", type=int, nargs="+", default=[64, 128, 256, 512, 1_024, 2_048, 4_096])
    parser.add_argument("--precision", nargs="+", default=["fp32", "bf16", "int8"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    rows = map(json.loads, args.pairs.read_text(encoding="utf-8").splitlines()[: args.limit])
    pairs = [(row["premise"], row["hypothesis"]) for row in rows]
    scorers = {name: load_scorer(precision=name, threads=args.threads, device="cpu") for name in args.precision}
    encoded = next(iter(scorers.values())).encode(pairs)
    tokens = sum(map(len, encoded))
    clock = time.process_time if args.threads == 1 else time.perf_counter
    cases = {
        (name, order, budget): batches(of, budget)
        for budget in args.tokens
        for order, of in (("as they come", encoded), ("sorted", sorted(encoded, key=len)))
        for name in scorers
    }
    took = dict.fromkeys(cases, float("inf"))
    for _ in range(args.rounds):
        for case, some in cases.items():
            began = clock()
            for batch in some:
                scorers[case[0]].score(batch)
            took[case] = min(took[case], clock() - began)
    print(
        f"{len(pairs)} pairs of {tokens / len(pairs):.0f} tokens, {args.threads} threads: tokens a second (of the best)"
    )
    print(f"{'':22}" + "".join(f"{budget:>15}" for budget in args.tokens))
    for name in scorers:
        for order in ("as they come", "sorted"):
            rates = [tokens / took[name, order, budget] for budget in args.tokens]
            cells = "".join(f"{rate:9.0f} ({rate / max(rates):4.0%})" for rate in rates)
            print(f"{name + ', ' + order:22}{cells}")


if __name__ == "__main__":
    main()

"""Measures attribution on annotated news: `python tests/bench/attribution_eval.py DATA.jsonl.gz [--misses N]`.

DATA: one JSON object a line, `{"id", "text", "attributions": [{"source": [[start, end], …], "cue": …, "content": …}]}`, spans
in code points, end exclusive. A predicted content is right when at least half of its words and half of the annotated
words are shared; pairs are matched greedily, largest overlap first, one to one. Given a right content, the source is
right when it overlaps by the same rule, or both are empty.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import re
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from onrecord_server.ingest.scan import find_attributions

_WORD = re.compile(r"\w+(?:[’'-]\w+)*")
Spans = Iterable[tuple[int, int]]


def words(text: str, spans: Spans) -> frozenset[int]:
    """Start offsets of the words in the spans."""
    return frozenset(start + m.start() for start, end in spans for m in _WORD.finditer(text[start:end]))


def agree(a: frozenset[int], b: frozenset[int]) -> bool:
    """At least half of the words of both; two empty sets agree."""
    if not a or not b:
        return not a and not b
    shared = len(a & b)
    return 2 * shared >= len(a) and 2 * shared >= len(b)


def matched(gold: list[frozenset[int]], found: list[frozenset[int]]) -> list[tuple[int, int]]:
    """One-to-one pairs (gold, found) that agree, largest overlap first."""
    pairs = sorted(
        (
            (len(g & f) / max(1, len(g | f)), i, j)
            for i, g in enumerate(gold)
            for j, f in enumerate(found)
            if g and agree(g, f)
        ),
        reverse=True,
    )
    used_gold: set[int] = set()
    used_found: set[int] = set()
    kept = []
    for _, i, j in pairs:
        if i not in used_gold and j not in used_found:
            used_gold.add(i)
            used_found.add(j)
            kept.append((i, j))
    return kept


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument(
        "--misses", type=int, default=0, help="print the commonest cues missed and wrongly found, with N samples"
    )
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with gzip.open(args.data, "rt", encoding="utf-8") as lines:
        articles = [json.loads(line) for line in lines]
    n_gold = n_found = n_right = n_source = 0
    by_kind: Counter[str] = Counter()
    right_by_kind: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    samples: list[str] = []
    characters = 0
    seconds = 0.0
    for article in articles:
        text = article["text"]
        characters += len(text)
        began = time.perf_counter()
        found = find_attributions(text)
        seconds += time.perf_counter() - began
        gold = article["attributions"]
        gold_words = [words(text, [tuple(s) for s in g["content"]]) for g in gold]
        found_words = [words(text, [(s.start, s.end) for s in f.content]) for f in found]
        pairs = matched(gold_words, found_words)
        n_gold += len(gold)
        n_found += len(found)
        n_right += len(pairs)
        for f in found:
            by_kind[f.kind.value] += 1
        for i, j in pairs:
            right_by_kind[found[j].kind.value] += 1
            source = found[j].source
            a = words(text, [tuple(s) for s in gold[i]["source"]])
            b = words(text, [(source.start, source.end)] if source else [])
            if agree(a, b):
                n_source += 1
            elif args.misses:
                samples.append(
                    f"SOURCE gold [{_show(text, gold[i]['source'])}] found [{text[source.start : source.end] if source else ''}] cue [{text[found[j].cue.start : found[j].cue.end]}] in: {text[found[j].cue.start - 80 : found[j].cue.end + 60]!r}"
                )
        hit_gold, hit_found = {i for i, _ in pairs}, {j for _, j in pairs}
        for i, g in enumerate(gold):
            if i not in hit_gold:
                missed[_show(text, g["cue"]).lower()] += 1
                samples.append(
                    f"MISSED S[{_show(text, g['source'])}] CUE[{_show(text, g['cue'])}] C[{_show(text, g['content'])}]"
                )
        for j, f in enumerate(found):
            if j not in hit_found:
                wrong[f"{f.lemma}/{f.kind.value}"] += 1
                s = f.source
                samples.append(
                    f"WRONG  S[{text[s.start : s.end] if s else ''}] CUE[{text[f.cue.start : f.cue.end]}] {f.kind.value} C[{_show(text, [(c.start, c.end) for c in f.content])}]"
                )
    precision, recall = n_right / max(1, n_found), n_right / max(1, n_gold)
    f1 = 2 * precision * recall / max(1e-9, precision + recall)
    print(
        f"articles {len(articles)}  annotated {n_gold}  found {n_found}  right {n_right}  {characters / 6 / seconds:,.0f} words/s"
    )
    print(f"content   P {100 * precision:.1f}  R {100 * recall:.1f}  F1 {100 * f1:.1f}")
    print(f"source given a right content  {100 * n_source / max(1, n_right):.1f}")
    for kind, count in by_kind.most_common():
        print(f"  {kind:<11} found {count:>6}  right {100 * right_by_kind[kind] / count:.1f} %")
    if args.misses:
        print("missed cues:", missed.most_common(80))
        print("wrong cues:", wrong.most_common(80))
        random.seed(args.seed)
        for prefix in ("MISSED", "WRONG", "SOURCE"):
            chosen = [s for s in samples if s.startswith(prefix)]
            for line in random.sample(chosen, min(args.misses, len(chosen))):
                print(line[:400])


def _show(text: str, spans: Spans) -> str:
    return " … ".join(text[a:b] for a, b in spans)


if __name__ == "__main__":
    main()

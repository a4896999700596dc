"""Measures attribution on annotated news: `python tests/bench/attribution_eval.py DATA.jsonl.gz [--misses N]`.

DATA: one JSON object a line, `{"id", "text", "attributions": [{"source", "cue", "content"}]}`, the three being
`[[start, end], …]` in code points, end exclusive. A predicted content is right when at least half of its words
and half of the annotated words are shared; pairs are matched greedily, largest overlap first, one to one. Given a right
content, the source is right when it overlaps by the same rule, or both are empty.
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


class Tally:
    """Counts over all articles, and what went wrong."""

    def __init__(self) -> None:
        self.gold = self.found = self.right = self.source_right = self.characters = 0
        self.seconds = 0.0
        self.by_kind: Counter[str] = Counter()
        self.right_by_kind: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()
        self.wrong: Counter[str] = Counter()
        self.samples: list[str] = []

    def add(self, text: str, gold: list[dict[str, list[list[int]]]]) -> None:
        """Count one article."""
        began = time.perf_counter()
        found = find_attributions(text)
        self.seconds += time.perf_counter() - began
        self.characters += len(text)
        pairs = matched(
            [words(text, ((a, b) for a, b in g["content"])) for g in gold],
            [words(text, ((s.start, s.end) for s in f.content)) for f in found],
        )
        self.gold += len(gold)
        self.found += len(found)
        self.right += len(pairs)
        self.by_kind.update(f.kind.value for f in found)
        for i, j in pairs:
            self.right_by_kind[found[j].kind.value] += 1
            source = found[j].source
            shown = text[source.start : source.end] if source else ""
            there = words(text, ((a, b) for a, b in gold[i]["source"]))
            if agree(there, words(text, [(source.start, source.end)] if source else [])):
                self.source_right += 1
            else:
                self.samples.append(f"SOURCE [{_show(text, gold[i]['source'])}] found [{shown}]")
        for i in set(range(len(gold))) - {i for i, _ in pairs}:
            g = gold[i]
            self.missed[_show(text, g["cue"]).lower()] += 1
            parts = (_show(text, g[key]) for key in ("source", "cue", "content"))
            self.samples.append("MISSED " + " | ".join(parts))
        for j in set(range(len(found))) - {j for _, j in pairs}:
            f = found[j]
            self.wrong[f"{f.lemma}/{f.kind.value}"] += 1
            source_words = text[f.source.start : f.source.end] if f.source else ""
            content = " … ".join(text[s.start : s.end] for s in f.content)
            self.samples.append(f"WRONG {source_words} | {text[f.cue.start : f.cue.end]} | {content}")

    def show(self, articles: int, misses: int, seed: int) -> None:
        """Print the table, and samples of what went wrong."""
        precision, recall = self.right / max(1, self.found), self.right / max(1, self.gold)
        f1 = 2 * precision * recall / max(1e-9, precision + recall)
        speed = self.characters / 6 / max(1e-9, self.seconds)
        print(
            f"articles {articles}  annotated {self.gold}  found {self.found}  right {self.right}  {speed:,.0f} words/s"
        )
        print(f"content   P {100 * precision:.1f}  R {100 * recall:.1f}  F1 {100 * f1:.1f}")
        print(f"source given a right content  {100 * self.source_right / max(1, self.right):.1f}")
        for kind, count in self.by_kind.most_common():
            print(f"  {kind:<11} found {count:>6}  right {100 * self.right_by_kind[kind] / count:.1f} %")
        if not misses:
            return
        print("missed cues:", self.missed.most_common(60))
        print("wrong cues:", self.wrong.most_common(60))
        shuffled = random.Random(seed)
        for prefix in ("MISSED", "WRONG", "SOURCE"):
            chosen = [s for s in self.samples if s.startswith(prefix)]
            for line in shuffled.sample(chosen, min(misses, len(chosen))):
                print(line[:400])


def main() -> None:
    """Read the data and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument(
        "--misses", type=int, default=0, help="print N samples each of what was missed, wrong, misattributed"
    )
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with gzip.open(args.data, "rt", encoding="utf-8") as lines:
        articles = [json.loads(line) for line in lines]
    tally = Tally()
    for article in articles:
        tally.add(article["text"], article["attributions"])
    tally.show(len(articles), args.misses, args.seed)


def _show(text: str, spans: list[list[int]]) -> str:
    return " … ".join(text[a:b] for a, b in spans)


if __name__ == "__main__":
    main()

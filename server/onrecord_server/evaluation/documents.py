"""Documents mode: who said what, found in texts with attributions by hand.

A predicted content is right when at least half of its words and half of the annotated words are shared; pairs are
matched greedily, largest overlap first, one to one. Given a right content, the source is right when it overlaps by the
same rule, or both are empty.
"""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from onrecord_server.evaluation import metrics
from onrecord_server.evaluation.data import AnnotatedDocument, Spans
from onrecord_server.evaluation.scoring import Advance
from onrecord_server.ingest import Tagger, find_attributions

SAMPLES = 20
_COMMON = 20  # cues listed
_SHOWN = 400
_WORD = re.compile(r"\w+(?:[’'-]\w+)*")
_SEED = 20_170_619


def words(text: str, spans: Iterable[tuple[int, int]]) -> frozenset[int]:
    """Start offsets of the words in the spans."""
    return frozenset(start + m.start() for start, end in spans for m in _WORD.finditer(text[start:end]))


def agree(a: frozenset[int], b: frozenset[int]) -> bool:
    """At least half of the words of both; two empty sets agree."""
    if not a or not b:
        return not a and not b
    shared = len(a & b)
    return 2 * shared >= len(a) and 2 * shared >= len(b)


def matched(gold: Sequence[frozenset[int]], found: Sequence[frozenset[int]]) -> list[tuple[int, int]]:
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


class _Tally:
    """Counts a document, shape (documents, 4): annotated, found, right, right with the right source."""

    def __init__(self, tagger: Tagger | None) -> None:
        self.tagger = tagger
        self.rows: list[tuple[int, int, int, int]] = []
        self.found_by_kind: Counter[str] = Counter()
        self.right_by_kind: Counter[str] = Counter()
        self.missed_cues: Counter[str] = Counter()
        self.wrong_cues: Counter[str] = Counter()
        self.samples: dict[str, list[dict[str, str]]] = {"missed": [], "wrong": [], "source": []}
        self.seconds = 0.0
        self.word_count = 0

    def add(self, document: AnnotatedDocument) -> None:
        """Count one document."""
        text, gold = document.text, document.attributions
        began = time.perf_counter()
        found = find_attributions(text, self.tagger)
        self.seconds += time.perf_counter() - began
        self.word_count += sum(1 for _ in _WORD.finditer(text))
        contents = [tuple((s.start, s.end) for s in f.content) for f in found]
        sources: list[Spans] = [((f.source.start, f.source.end),) if f.source else () for f in found]
        pairs = matched([words(text, g.content) for g in gold], [words(text, c) for c in contents])
        self.found_by_kind.update(f.kind.value for f in found)
        source_right = 0
        for i, j in pairs:
            self.right_by_kind[found[j].kind.value] += 1
            if agree(words(text, gold[i].source), words(text, sources[j])):
                source_right += 1
            else:
                self._note("source", document, gold[i].source, gold[i].cue, gold[i].content, sources[j])
        for i in sorted(set(range(len(gold))) - {i for i, _ in pairs}):
            self.missed_cues[_show(text, gold[i].cue).lower()] += 1
            self._note("missed", document, gold[i].source, gold[i].cue, gold[i].content)
        for j in sorted(set(range(len(found))) - {j for _, j in pairs}):
            self.wrong_cues[f"{found[j].lemma}/{found[j].kind.value}"] += 1
            cue = ((found[j].cue.start, found[j].cue.end),)
            self._note("wrong", document, sources[j], cue, contents[j])
        self.rows.append((len(gold), len(found), len(pairs), source_right))

    def _note(
        self, what: str, document: AnnotatedDocument, source: Spans, cue: Spans, content: Spans, found: Spans = ()
    ) -> None:
        sample = {
            "document": document.id,
            "source": _show(document.text, source),
            "cue": _show(document.text, cue),
            "content": _show(document.text, content),
        }
        if what == "source":
            sample["found_source"] = _show(document.text, found)
        self.samples[what].append(sample)


def evaluate_documents(
    documents: Sequence[AnnotatedDocument],
    advance: Advance = lambda done: None,
    *,
    samples: int = SAMPLES,
    tagger: Tagger | None = None,
) -> dict[str, Any]:
    """The report on annotated documents. Intervals: documents are drawn anew, not single attributions."""
    tally = _Tally(tagger)
    for document in documents:
        tally.add(document)
        advance(1)
    rows = np.array(tally.rows, dtype=np.int64).reshape(-1, 4)
    chance = np.random.default_rng(_SEED)
    draws = np.array(
        [rows[chance.integers(len(rows), size=len(rows))].sum(axis=0) for _ in range(metrics.RESAMPLES)]
        if len(rows)
        else np.zeros((1, 4))
    )
    totals = rows.sum(axis=0)
    shuffled = random.Random(_SEED)  # noqa: S311 - a sample to read, not a secret
    return {
        "kind": "documents",
        "attribution": "rules" if tagger is None else "tagger",
        "document_count": len(documents),
        "annotated_count": int(totals[0]),
        "found_count": int(totals[1]),
        "right_count": int(totals[2]),
        "words_per_second": round(tally.word_count / max(1e-9, tally.seconds)),
        "figures": {
            name: metrics.with_interval(float(figure(totals)), figure(draws)) for name, figure in _FIGURES.items()
        },
        "by_kind": [
            {"kind": kind, "found": count, "right": tally.right_by_kind[kind]}
            for kind, count in tally.found_by_kind.most_common()
        ],
        "missed_cues": [list(item) for item in tally.missed_cues.most_common(_COMMON)],
        "wrong_cues": [list(item) for item in tally.wrong_cues.most_common(_COMMON)],
        "mistakes": {
            what: shuffled.sample(listed, min(samples, len(listed))) for what, listed in tally.samples.items()
        },
    }


def _ratio(part: Any, whole: Any) -> Any:
    return part / np.maximum(1, whole)


_FIGURES: dict[str, Callable[[Any], Any]] = {
    "content_precision": lambda n: _ratio(n[..., 2], n[..., 1]),
    "content_recall": lambda n: _ratio(n[..., 2], n[..., 0]),
    "content_f1": lambda n: _ratio(2 * n[..., 2], n[..., 0] + n[..., 1]),
    "source_accuracy": lambda n: _ratio(n[..., 3], n[..., 2]),
}


def _show(text: str, spans: Spans) -> str:
    return " … ".join(text[a:b] for a, b in spans)[:_SHOWN]

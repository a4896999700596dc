"""Tags of words -> spans. Plain numpy; the tags are those of server/training/attribution.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]

O, B_SOURCE, I_SOURCE, B_CONTENT, I_CONTENT = range(5)  # noqa: E741
# may tag j follow tag i? An "inside" follows only its own kind.
_FOLLOWS = np.ones((5, 5), dtype=bool)
_FOLLOWS[:, I_SOURCE] = [False, True, True, False, False]
_FOLLOWS[:, I_CONTENT] = [False, False, False, True, True]


def cue_spans(probabilities: FloatArray, threshold: float) -> list[tuple[int, int, float]]:
    """Cues as (first word, last word + 1, confidence). probabilities: (words, 3), columns outside, begin, inside.

    A word belongs to a cue when it is outside with less than 1 - threshold. The cue's confidence is its surest word's.
    """
    inside = 1.0 - probabilities[:, 0] >= threshold
    begins = probabilities[:, 1] > probabilities[:, 2]
    spans: list[tuple[int, int, float]] = []
    start = -1
    for k in range(len(inside) + 1):
        here = k < len(inside) and bool(inside[k])
        if start >= 0 and (not here or begins[k]):
            spans.append((start, k, float(1.0 - probabilities[start:k, 0].min())))
            start = -1
        if here and start < 0:
            start = k
    return spans


def best_tags(scores: FloatArray, cue: tuple[int, int]) -> npt.NDArray[np.int64]:
    """The best legal tags (Viterbi). scores: (words, 5) log-probabilities. The cue [first, last) stays outside."""
    words = len(scores)
    if not words:
        return np.zeros(0, dtype=np.int64)
    held = scores.astype(np.float64, copy=True)
    held[cue[0] : cue[1], 1:] = -np.inf
    best = held[0].copy()
    best[[I_SOURCE, I_CONTENT]] = -np.inf
    back = np.zeros((words, 5), dtype=np.int64)
    barred = np.where(_FOLLOWS, 0.0, -np.inf)
    for k in range(1, words):
        # the words of a cue may stand inside what it cuts in two, so nothing is carried over them
        step = best[:, None] + barred
        back[k] = step.argmax(axis=0)
        best = step.max(axis=0) + held[k]
    tags = np.zeros(words, dtype=np.int64)
    tags[-1] = int(best.argmax())
    for k in range(words - 1, 0, -1):
        tags[k - 1] = back[k, tags[k]]
    return tags


def argument_spans(tags: npt.NDArray[np.int64]) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """(sources, contents) as word ranges, in order."""
    found: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
    for k, tag in enumerate(tags.tolist()):
        if tag in (B_SOURCE, B_CONTENT):
            found[tag == B_CONTENT].append((k, k + 1))
        elif tag in (I_SOURCE, I_CONTENT):
            spans = found[tag == I_CONTENT]
            spans[-1] = (spans[-1][0], k + 1)
    return found

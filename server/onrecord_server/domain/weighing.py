"""What a statement is worth for a claim: the model's word on the pair, weighed by how near the two are.

The model reads each pair as if somebody had put it there on purpose. A retriever puts eight statements before every
claim, and most decide nothing; how near one is says how far the model may be believed. The weighing is a logistic model
with one linear score for support and one for contradiction, neutral being zero, over what is known of a pair beside the
model's word. It is fitted on training claims checked against a record (server/training/weigh.py), where a claim's score
is the smooth maximum over its statements: only the verdict on the claim is known there, not what each statement does.

Belongs to the weights it was fitted with: `weighing.json` beside them. A model without it is judged by fixed gates.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from onrecord_server.domain.overlap import content_overlap
from onrecord_server.domain.types import NliScores

FEATURES = ("entailment", "contradiction", "similarity", "overlap", "names", "numbers", "words", "one")
"""Log-odds of two probabilities, cosine, three shares (0 to 1), the logarithm of the claim's length, and 1."""

_LARGEST = 100.0  # of a coefficient
_SHOWN = 40  # code points of a wrong value that a message repeats
_LEAST = 1e-3  # probabilities nearer to 0 or 1 say no more than this: the model is not that sure of anything
_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"\d[\d,.]*\d|\d")
# capitalised at the beginning of a sentence without being names
_OPENERS = frozenset(
    """
    the a an in on at of there it he she his her their its this that is was were are be from by for with as and or one
    some no not if when while all any both each they we you
    """.split()  # noqa: SIM905 -- a list of fifty quoted words is harder to read
)


@dataclass(frozen=True, slots=True)
class Nearness:
    """How near a statement is to a claim.

    similarity: cosine, -1 to 1. overlap: share of the claim's content words in the statement. names, numbers: shares of
    the claim's capitalised words and of its numerals; 1 where it has none. words: length of the claim.
    """

    similarity: float
    overlap: float
    names: float
    numbers: float
    words: int


@dataclass(frozen=True, slots=True)
class Weighing:
    """Coefficients in the order of FEATURES."""

    support: tuple[float, ...]
    contradiction: tuple[float, ...]

    @property
    def revision(self) -> str:
        """A hash of the coefficients, 12 hex digits."""
        return hashlib.sha256(json.dumps([self.support, self.contradiction]).encode()).hexdigest()[:12]

    def weigh(self, scores: NliScores, near: Nearness) -> NliScores:
        """Probabilities that the statement supports the claim, leaves it open, contradicts it."""
        x = features(scores, near)
        support, contradiction = (
            sum(w * value for w, value in zip(weights, x, strict=True))
            for weights in (self.support, self.contradiction)
        )
        top = max(support, contradiction, 0.0)
        parts = [math.exp(z - top) for z in (support, 0.0, contradiction)]
        total = sum(parts)
        return NliScores(*(part / total for part in parts))


def features(scores: NliScores, near: Nearness) -> tuple[float, ...]:
    """The values that FEATURES names; finite."""
    return (
        _log_odds(scores.entailment),
        _log_odds(scores.contradiction),
        near.similarity,
        near.overlap,
        near.names,
        near.numbers,
        math.log(max(1, near.words)),
        1.0,
    )


def nearness(claim: str, premise: str, similarity: float) -> Nearness:
    """Measure it; some microseconds."""
    known = {word.lower() for word in _WORD.findall(premise)}
    named = _names(claim)
    figures = set(_NUMBER.findall(claim))
    return Nearness(
        similarity=similarity,
        overlap=content_overlap(claim, premise),
        names=len(named & known) / len(named) if named else 1.0,
        numbers=len(figures & set(_NUMBER.findall(premise))) / len(figures) if figures else 1.0,
        words=len(claim.split()),
    )


def parse_weighing(data: object) -> Weighing:
    """The weighing in the content of a file; ValueError says what is wrong. Unknown keys are notes."""
    if not isinstance(data, Mapping):
        raise ValueError("not a JSON object")
    if tuple(data.get("features") or ()) != FEATURES:
        raise ValueError(f"features must be {', '.join(FEATURES)}, in this order")
    return Weighing(*(_coefficients(data.get(name), name) for name in ("support", "contradiction")))


def _coefficients(value: object, name: str) -> tuple[float, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != len(FEATURES):
        raise ValueError(f"{name} needs {len(FEATURES)} numbers")
    for item in value:
        if isinstance(item, bool) or not isinstance(item, int | float) or not abs(item) <= _LARGEST:
            raise ValueError(f"{name} holds {repr(item)[:_SHOWN]}; it must be a number within {_LARGEST:g} of zero")
    return tuple(float(item) for item in value)


def _log_odds(p: float) -> float:
    p = min(max(p, _LEAST), 1.0 - _LEAST)
    return math.log(p / (1.0 - p))


def _names(text: str) -> set[str]:
    words = [m for m in _WORD.finditer(text) if m.group()[0].isupper()]
    return {m.group().lower() for m in words if m.start() > 0 or m.group().lower() not in _OPENERS}

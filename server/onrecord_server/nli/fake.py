"""A declared fake of each model: deterministic, instant, no torch. For tests and for trying the server out.

What it decides is simple enough to read a test by: words shared, negation, numbers.
"""

from __future__ import annotations

import copy
import hashlib
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from onrecord_server.domain.errors import ClaimTooLongForModel
from onrecord_server.domain.types import ModelInfo
from onrecord_server.nli.base import EncodedPair, FloatArray
from onrecord_server.nli.calibration import Calibration, Uncalibrated, choose_calibration
from onrecord_server.nli.labels import LABELS

MAX_TOKENS = 512
DIMENSION = 384

ENTAILED = (0.96, 0.03, 0.01)
OPEN = (0.02, 0.96, 0.02)
CONTRADICTED = (0.01, 0.03, 0.96)

_OVERLAP_TO_SPEAK = 0.75  # share of the hypothesis' content words that the premise must hold
_WORD = re.compile(r"\w+(?:[.,]\d+)*(?:['’]\w+)?")
_NEGATIONS = frozenset({"not", "no", "never", "none", "nobody", "nothing", "neither", "nor", "cannot", "without"})
_FUNCTION_WORDS = frozenset(
    re.findall(
        r"\w+",
        "a an the of to in on at by for from with and or as that this these those is are was were be been "
        "being am do does did has have had will would shall should can could may might must it its he she "
        "they them his her their we our ",
    )
)


def _words(text: str) -> list[str]:
    return [w.lower().replace("’", "'") for w in _WORD.findall(text)]


def _is_negation(word: str) -> bool:
    return word in _NEGATIONS or word.endswith("n't")


def _is_number(word: str) -> bool:
    return word[0].isdigit()


def _stem(word: str) -> str:
    """Enough to let "respects" and "respect" meet."""
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def _judge(premise: Sequence[str], hypothesis: Sequence[str]) -> tuple[float, float, float]:
    def content(words: Sequence[str]) -> set[str]:
        return {_stem(w) for w in words if not (_is_negation(w) or _is_number(w) or w in _FUNCTION_WORDS)}

    said, asked = content(premise), content(hypothesis)
    if not asked or len(said & asked) / len(asked) < _OVERLAP_TO_SPEAK:
        return OPEN
    numbers_said = {w for w in premise if _is_number(w)}
    numbers_asked = {w for w in hypothesis if _is_number(w)}
    negated = sum(map(_is_negation, premise)) % 2 != sum(map(_is_negation, hypothesis)) % 2
    if negated or (numbers_said and not numbers_asked <= numbers_said):
        return CONTRADICTED
    return ENTAILED if asked <= said and numbers_asked <= numbers_said else OPEN


class FakeScorer:
    """Entailment when the premise holds every content word of the hypothesis; contradiction when it also differs in
    negation or numbers; neutral otherwise. One token a word."""

    def __init__(self, calibration: Calibration | None = None) -> None:
        self._info = ModelInfo("fake", "1", LABELS, max_tokens=MAX_TOKENS, fake=True)
        self._calibration = calibration or Uncalibrated()
        # ids index this list, so that `score` needs nothing but its batch; appending is atomic under the GIL
        self._vocabulary: list[str] = []
        self._ids: dict[str, int] = {}

    @property
    def info(self) -> ModelInfo:
        """Says that it is a fake."""
        return self._info

    @property
    def weighing(self) -> None:
        """The fake has none."""

    @property
    def calibration(self) -> Calibration:
        """What `score` applies."""
        return self._calibration

    def uncalibrated(self) -> FakeScorer:
        """The same, without calibration; words keep their ids."""
        twin = copy.copy(self)
        twin._calibration = Uncalibrated()
        return twin

    def encode(self, pairs: Sequence[tuple[str, str]]) -> list[EncodedPair]:
        """Split into words; the premise is cut to fit. ClaimTooLongForModel when a hypothesis fills the window."""
        encoded = []
        for premise, hypothesis in pairs:
            said, asked = self._to_ids(premise), self._to_ids(hypothesis)
            room = MAX_TOKENS - len(asked)
            if room < 1:
                raise ClaimTooLongForModel(
                    f"the hypothesis is {len(asked)} tokens and the model reads {MAX_TOKENS}; shorten it"
                )
            encoded.append(EncodedPair((*said[:room], *asked), min(len(said), room), len(said) > room))
        return encoded

    def score(self, batch: Sequence[EncodedPair]) -> FloatArray:
        """Probabilities, shape (len(batch), 3)."""
        rows = []
        for pair in batch:
            words = [self._vocabulary[i] for i in pair.ids]
            rows.append(_judge(words[: pair.hypothesis_start], words[pair.hypothesis_start :]))
        return self._calibration.apply(np.array(rows, dtype=np.float32).reshape(-1, 3))

    def _to_ids(self, text: str) -> list[int]:
        ids = []
        for word in _words(text):
            if word not in self._ids:
                self._vocabulary.append(word)
                # two threads may list a word twice; both entries read the same
                self._ids[word] = len(self._vocabulary) - 1
            ids.append(self._ids[word])
        return ids


def load_fake(calibration: str | None = None) -> FakeScorer:
    """The fake, with the calibration in a file when one is given. ModelUnusable when that holds none."""
    return FakeScorer(choose_calibration(calibration, FakeScorer().info.revision))


ENCODER = ModelInfo("fake", "1", max_tokens=MAX_TOKENS, fake=True)


class FakeEncoder:
    """Adds one pseudo-random vector a word (function words weigh little): texts that share words are near."""

    def __init__(self) -> None:
        self._info = ENCODER

    @property
    def info(self) -> ModelInfo:
        """Says that it is a fake."""
        return self._info

    @property
    def dimension(self) -> int:
        """384, as the built-in encoder."""
        return DIMENSION

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Unit vectors, shape (len(texts), 384)."""
        vectors = np.zeros((len(texts), DIMENSION), dtype=np.float32)
        for row, text in zip(vectors, texts, strict=True):
            for word, count in Counter(_words(text)[:MAX_TOKENS]).items():
                row += (0.1 if word in _FUNCTION_WORDS else 1.0) * count * _word_vector(_stem(word))
            if not row.any():  # no word at all still needs a direction
                row += _word_vector("")
            row /= np.linalg.norm(row)
        return vectors


def _word_vector(word: str) -> FloatArray:
    seed = int.from_bytes(hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
    return np.random.default_rng(seed).standard_normal(DIMENSION, dtype=np.float32)

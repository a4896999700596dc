"""The model's own word on many pairs, and vectors of many texts: once each, in long runs of like length, kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from onrecord_server.domain.errors import ClaimTooLongForModel, ModelError
from onrecord_server.domain.types import ModelInfo
from onrecord_server.evaluation.cache import RecordFile, key_of
from onrecord_server.nli.base import EncodedPair, FloatArray, PairScorer, TextEncoder

Advance = Callable[[int], None]

_CHUNK = 1_024  # pairs tokenised and sorted by length together: few enough that the time left can be told
_BATCH_TOKENS = 4_096
_TEXTS = 128
_READ, _CUT, _UNREADABLE = 0.0, 1.0, 2.0  # the fourth number of a pair's record


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """probabilities: the model's own, shape (n, 3). cut: the premise was truncated. unreadable: the hypothesis alone
    fills the model, and the pair counts as neutral. Both of shape (n,)."""

    probabilities: FloatArray
    cut: npt.NDArray[np.bool_]
    unreadable: npt.NDArray[np.bool_]


def pair_file(folder: Path | None, info: ModelInfo) -> RecordFile:
    """Where a model's pair scores are kept."""
    return RecordFile(folder, "pairs", info, 4, _are_scores)


def _are_scores(rows: FloatArray) -> npt.NDArray[np.bool_]:
    """Which rows hold three probabilities; a damaged file's others are scored again."""
    given = np.clip(rows[:, :3], -1.0, 2.0)
    sound: npt.NDArray[np.bool_] = (given >= 0).all(axis=1) & (np.abs(given.sum(axis=1) - 1.0) < 0.01)
    return sound


def vector_file(folder: Path | None, encoder: TextEncoder) -> RecordFile:
    """Where an encoder's vectors are kept."""
    return RecordFile(folder, "vectors", encoder.info, encoder.dimension)


def score_pairs(
    scorer: PairScorer, pairs: Sequence[tuple[str, str]], kept: RecordFile, advance: Advance = lambda done: None
) -> Scores:
    """Scores of (premise, hypothesis) pairs in their order. `scorer` is uncalibrated.

    Each distinct pair is scored once, and kept as soon as it is: an interrupted run goes on where it was. advance: told
    of every pair when it is done, those kept from before at once. Raises ModelError.
    """
    keys = [key_of(pair) for pair in pairs]
    missing = dict.fromkeys(i for i, key in enumerate(keys) if key not in kept)
    first = {keys[i]: i for i in reversed(missing)}
    advance(len(keys) - len(first))
    todo = sorted(first.values())
    for start in range(0, len(todo), _CHUNK):
        _score_chunk(scorer, [(keys[i], pairs[i]) for i in todo[start : start + _CHUNK]], kept, advance)
    rows = kept.get(keys)
    return Scores(rows[:, :3], rows[:, 3] == _CUT, rows[:, 3] == _UNREADABLE)


def _score_chunk(
    scorer: PairScorer, chunk: Sequence[tuple[bytes, tuple[str, str]]], kept: RecordFile, advance: Advance
) -> None:
    encoded: list[tuple[bytes, EncodedPair]] = []
    too_long: list[bytes] = []
    for (key, _), item in zip(chunk, _encode(scorer, [pair for _, pair in chunk]), strict=True):
        if item is None:
            too_long.append(key)
        else:
            encoded.append((key, item))
    if too_long:
        kept.add(too_long, np.tile(np.array([0.0, 1.0, 0.0, _UNREADABLE], np.float32), (len(too_long), 1)))
        advance(len(too_long))
    encoded.sort(key=lambda one: -len(one[1]))
    start = 0
    while start < len(encoded):
        end = start + max(1, _BATCH_TOKENS // len(encoded[start][1]))
        batch = encoded[start:end]
        rows = np.full((len(batch), 4), _READ, dtype=np.float32)
        rows[:, :3] = scorer.score([item for _, item in batch])
        rows[[item.truncated for _, item in batch], 3] = _CUT
        kept.add([key for key, _ in batch], rows)
        advance(len(batch))
        start = end


def _encode(scorer: PairScorer, pairs: Sequence[tuple[str, str]]) -> list[EncodedPair | None]:
    """None for a pair whose hypothesis fills the model alone."""
    try:
        return list(scorer.encode(pairs))
    except ClaimTooLongForModel:
        return [None] if len(pairs) == 1 else [_encode(scorer, [pair])[0] for pair in pairs]


def embed_texts(
    encoder: TextEncoder, texts: Sequence[str], kept: RecordFile, advance: Advance = lambda done: None
) -> FloatArray:
    """Unit vectors, shape (len(texts), dimension), each distinct text embedded once and kept. Raises ModelError."""
    keys = [key_of((text,)) for text in texts]
    first = {key: text for key, text in zip(keys, texts, strict=True) if key not in kept}
    advance(len(keys) - len(first))
    todo = list(first.items())
    for start in range(0, len(todo), _TEXTS):
        part = todo[start : start + _TEXTS]
        try:
            kept.add([key for key, _ in part], encoder.encode([text for _, text in part]))
        except ModelError as error:
            raise ModelError(f"{error.message} (among the texts from {part[0][1][:60]!r} on)") from error
        advance(len(part))
    return kept.get(keys)

"""What the threads do: tokenise, and run the models on one batch.

One outcome an input; a poisoned input fails alone.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from onrecord_server.checking.batching import TEXT, Job
from onrecord_server.domain.errors import ModelError, OnrecordError
from onrecord_server.domain.types import NliScores, PairScore
from onrecord_server.nli.base import EncodedPair, PairScorer, TextEncoder

_log = logging.getLogger(__name__)

_PANIC = "PanicException"  # how a tokeniser written in Rust fails on an input that it was not made for; no Exception


def encode(scorer: PairScorer, pairs: Sequence[tuple[str, str]]) -> Sequence[EncodedPair | OnrecordError]:
    """Tokenised pairs; in the place of one that cannot be, its error."""
    try:
        encoded = scorer.encode(pairs)
        if len(encoded) != len(pairs):
            raise ModelError(f"the tokeniser made {len(encoded)} of {len(pairs)} pairs")
        return encoded
    except BaseException as error:  # whatever it is: who waits for a pair that never comes out waits for ever
        return [_model_error(error)] if len(pairs) == 1 else [encode(scorer, [pair])[0] for pair in pairs]


def infer(scorer: PairScorer, encoder: TextEncoder, batch: Sequence[Job]) -> Sequence[object]:
    """A PairScore or vector a job, or its error. When the model fails on a batch, its inputs are tried one by one."""
    try:
        if batch[0].kind == TEXT:
            vectors = encoder.encode([job.item for job in batch])
            return [vector for vector, _ in zip(vectors, batch, strict=True)]
        rows = scorer.score([job.item for job in batch])
        return [
            PairScore(NliScores(*map(float, row)), job.item.truncated) for row, job in zip(rows, batch, strict=True)
        ]
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != _PANIC:
            raise
        if len(batch) > 1:
            return [infer(scorer, encoder, [job])[0] for job in batch]
        _log.exception("the model failed on one input")
        return [_model_error(error)]


def _model_error(error: BaseException) -> OnrecordError:
    return error if isinstance(error, OnrecordError) else ModelError("the model failed on this input; it is logged")

"""Padding that a model computes is counted, and nothing is counted for one that does not pad."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import pytest
import torch
from prometheus_client import CollectorRegistry
from transformers import BertConfig, BertModel, RobertaConfig, RobertaForSequenceClassification

from onrecord_server.checking.worker import InferenceWorker
from onrecord_server.domain.types import ModelInfo
from onrecord_server.nli import EncodedPair, load_encoder, load_scorer
from onrecord_server.nli.calibration import Uncalibrated
from onrecord_server.nli.encoder import SentenceEncoder
from onrecord_server.nli.hf import PaddedClassifier, PaddedTrunk
from onrecord_server.nli.labels import LABELS
from onrecord_server.nli.scorer import ClassifierScorer
from onrecord_server.nli.tokens import PairTokenizer
from onrecord_server.telemetry.engine_metrics import EngineMetrics

SIZES: dict[str, Any] = {
    "vocab_size": 50,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 70,
}
LENGTHS = (4, 9, 10, 30)  # of the pairs, in tokens: one batch, so each is filled up to 30
PADDING = 4 * 30 - sum(LENGTHS)
PAIRS = [("1" * (length - 1), "2") for length in LENGTHS]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Digits:
    """A token a digit."""

    max_tokens = 64

    def __call__(self, pairs: Sequence[tuple[str, str]]) -> list[EncodedPair]:
        return [EncodedPair(tuple(map(int, p + h)), len(p), False) for p, h in pairs]

    def encode_batch(self, texts: list[str]) -> list[Any]:
        class Encoding:
            def __init__(self, ids: list[int]) -> None:
                self.ids = ids

        return [Encoding(list(map(int, text))) for text in texts]


def padding_scorer() -> ClassifierScorer:
    """A small RoBERTa, which goes through `transformers`."""
    model = RobertaForSequenceClassification(RobertaConfig(**SIZES, num_labels=3)).eval()
    padded = PaddedClassifier(model, pad_id=1, segments=False, threads=1)
    info = ModelInfo("tiny", "1", LABELS)
    return ClassifierScorer(info, cast("PairTokenizer", Digits()), padded, (0, 1, 2), Uncalibrated())


def padding_encoder() -> SentenceEncoder:
    trunk = PaddedTrunk(BertModel(BertConfig(**SIZES)).eval(), 0)
    return SentenceEncoder(ModelInfo("tiny", "1", max_tokens=64), Digits(), trunk, 16)


def padding(registry: CollectorRegistry, kind: str) -> float | None:
    return registry.get_sample_value("onrecord_padding_tokens_total", {"kind": kind})


async def test_the_padding_of_a_hugging_face_model_is_counted() -> None:
    registry = CollectorRegistry()
    worker = InferenceWorker(padding_scorer(), padding_encoder(), cache_pairs=0, meter=EngineMetrics(registry))
    await worker.start()
    try:
        for times in (1, 2):
            await worker.score(PAIRS)
            assert padding(registry, "pair") == times * PADDING
        assert registry.get_sample_value("onrecord_tokens_total", {"kind": "pair"}) == 2 * sum(LENGTHS)
        assert padding(registry, "text") == 0
        await worker.embed(["1" * 5, "2" * 11])
        assert padding(registry, "text") == 6
        assert padding(registry, "pair") == 2 * PADDING
    finally:
        await worker.stop(10)


async def test_a_model_that_does_not_pad_counts_none() -> None:
    registry = CollectorRegistry()
    worker = InferenceWorker(load_scorer("fake"), load_encoder("fake"), meter=EngineMetrics(registry))
    await worker.start()
    try:
        await worker.score([("Ships enter the harbour.", "Ships enter."), ("It rained.", "No.")])
        assert padding(registry, "pair") == 0
    finally:
        await worker.stop(10)

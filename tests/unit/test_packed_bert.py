"""The unpadded forward computes what transformers computes."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, RobertaConfig, RobertaForSequenceClassification

from onrecord_server.nli import EncodedPair
from onrecord_server.nli.hf import PaddedClassifier, PaddedTrunk, length_parts
from onrecord_server.nli.lanes import Lanes
from onrecord_server.nli.packed import PackedBert, supports
from onrecord_server.nli.precision import arithmetic
from onrecord_server.nli.products import has_onednn, plain
from onrecord_server.nli.scorer import PackedClassifier

SIZES: dict[str, Any] = {
    "vocab_size": 50,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "initializer_range": 0.5,  # far from zero, so that a wrong layout would show
    "num_labels": 3,
}
TOLERANCE = 1e-4
FP32 = [plain("fp32", torch.float32), *([arithmetic("fp32")] if has_onednn() else [])]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # these models are so small that threads only wait for each other
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def bert() -> BertForSequenceClassification:
    torch.manual_seed(0)
    return BertForSequenceClassification(BertConfig(**SIZES)).eval()


def pair(length: int, chance: random.Random) -> EncodedPair:
    return EncodedPair(tuple(chance.choices(range(1, 50), k=length)), chance.randint(1, length), False)


def one_by_one(model: Any, batch: Sequence[EncodedPair]) -> np.ndarray[Any, Any]:
    rows = []
    for item in batch:
        types = [int(i >= item.hypothesis_start) for i in range(len(item))]
        inputs = {"input_ids": torch.tensor([item.ids]), "token_type_ids": torch.tensor([types])}
        rows.append(model(**inputs).logits[0].numpy())
    return np.stack(rows)


@pytest.mark.parametrize(
    "lengths",
    [[7], [7, 7, 7], [3, 40, 4, 39, 64, 5, 5], [1, 2, 64], list(range(1, 65))],
    ids=["one", "equal", "mixed", "extremes", "every length"],
)
def test_logits_are_those_of_each_pair_alone(bert: BertForSequenceClassification, lengths: list[int]) -> None:
    chance = random.Random(len(lengths))
    batch = [pair(length, chance) for length in lengths]
    padded = PaddedClassifier(bert, pad_id=0, segments=True)
    with torch.inference_mode():
        expected = one_by_one(bert, batch)
        for how in FP32:
            packed = PackedClassifier(bert.state_dict(), bert.config.to_dict(), how)
            assert packed.logits(batch) == pytest.approx(expected, abs=TOLERANCE)
        assert padded.logits(batch) == pytest.approx(expected, abs=TOLERANCE)


def test_packed_means_are_those_of_each_text_alone(bert: BertForSequenceClassification) -> None:
    chance = random.Random(1)
    ids = [pair(length, chance).ids for length in (9, 2, 33, 9, 1)]
    with torch.inference_mode():
        expected = torch.stack([bert.bert(torch.tensor([i])).last_hidden_state[0].mean(dim=0) for i in ids]).numpy()
        for how in FP32:
            packed = PackedBert(bert.state_dict(), bert.config.to_dict(), "bert.", how)
            assert packed.mean_states(ids).numpy() == pytest.approx(expected, abs=TOLERANCE)
        assert PaddedTrunk(bert.bert, 0).mean_states(ids).numpy() == pytest.approx(expected, abs=TOLERANCE)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_everything_is_on_the_device_it_was_given(bert: BertForSequenceClassification, dtype: torch.dtype) -> None:
    """The meta device computes no numbers, and refuses an operation that mixes in a tensor of another device."""
    chance = random.Random(4)
    ids = [pair(length, chance).ids for length in (9, 8, 33, 1)]
    elsewhere = PackedBert(bert.state_dict(), bert.config.to_dict(), "bert.", plain("", dtype, "meta"))
    with torch.inference_mode():
        for states in (elsewhere.first_states(ids, [1] * len(ids)), elsewhere.mean_states(ids)):
            assert (states.device.type, states.shape) == ("meta", (4, 32))


def test_another_architecture_without_token_types_goes_through_padding() -> None:
    torch.manual_seed(0)
    roberta = RobertaForSequenceClassification(RobertaConfig(**{**SIZES, "max_position_embeddings": 70})).eval()
    chance = random.Random(2)
    batch = [pair(length, chance) for length in (5, 60, 17, 17)]
    padded = PaddedClassifier(roberta, pad_id=1, segments=False)
    with torch.inference_mode():
        expected = np.stack([roberta(torch.tensor([item.ids])).logits[0].numpy() for item in batch])
        assert padded.logits(batch) == pytest.approx(expected, abs=TOLERANCE)


def test_only_what_it_computes_is_taken() -> None:
    config = BertConfig(**SIZES).to_dict()
    assert supports(config)
    assert not supports({**config, "hidden_act": "relu"})
    assert not supports({**config, "model_type": "roberta"})
    assert not supports({**config, "position_embedding_type": "relative_key"})


def test_parts_hold_the_budget_and_lose_nothing() -> None:
    lengths = [1, 2, 2, 5, 9, 30]
    parts = list(length_parts(lengths, 12))
    assert [i for part in parts for i in part] == list(range(len(lengths)))
    assert all(len(part) == 1 or max(lengths[i] for i in part) * len(part) <= 12 for part in parts)


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_a_smaller_number_format_stays_near(bert: BertForSequenceClassification, precision: str) -> None:
    if precision == "int8" and not has_onednn():
        pytest.skip("int8 is oneDNN's")
    chance = random.Random(3)
    batch = [pair(length, chance) for length in (9, 20, 20, 41)]
    config = {**bert.config.to_dict(), "num_hidden_layers": 1}
    with torch.inference_mode():
        exact = PackedClassifier(bert.state_dict(), config).logits(batch)
        rough = PackedClassifier(bert.state_dict(), config, arithmetic(precision)).logits(batch)
        alone = PackedClassifier(bert.state_dict(), config, arithmetic(precision)).logits(batch[1:2])
    assert not np.array_equal(exact, rough)
    assert np.abs(exact - rough).max() < 0.25 * np.abs(exact).max()
    assert alone == pytest.approx(
        rough[1:2], abs=0.02 * float(np.abs(exact).max())
    )  # no scale is shared with the batch


def test_on_one_core_it_computes_the_same(bert: BertForSequenceClassification) -> None:
    chance = random.Random(5)
    batch = [pair(n, chance) for n in (9, 3, 17, 4)]
    whole = PackedClassifier(bert.state_dict(), bert.config.to_dict(), None, Lanes(2))
    single = whole.on_cores(1)
    assert (whole.threads, single.threads) == (2, 1)
    assert np.allclose(whole.logits(batch), single.logits(batch), atol=TOLERANCE)

"""The training stages on a tiny model: data order, a stopped run against one that was not, what is kept out."""

from __future__ import annotations

import argparse
import random
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
ROOT = Path(__file__).resolve().parents[2]
TOKENIZER = ROOT / "server/models/onrecord_models/nli"


@pytest.fixture
def stages(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The training scripts, which import each other by bare name as they do when run from their folder."""
    monkeypatch.syspath_prepend(str(ROOT / "server/training"))
    import pack
    import packed
    import train

    return argparse.Namespace(pack=pack, packed=packed, train=train)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """An untrained classifier of two narrow layers with the built-in tokenizer."""
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    torch.manual_seed(3)
    config = BertConfig(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, num_labels=3)
    BertForSequenceClassification(config).save_pretrained(tmp_path / "tiny")
    AutoTokenizer.from_pretrained(TOKENIZER).save_pretrained(tmp_path / "tiny")
    return tmp_path / "tiny"


def make_pack(stages: Any, tiny: Path, path: Path) -> Path:
    words = ["the", "river", "rose", "in", "spring", "and", "the", "old", "bridge", "did", "not", "hold"]
    rng = random.Random(1)
    pairs = [
        {
            "premise": " ".join(rng.choices(words, k=rng.randint(4, 12))),
            "hypothesis": " ".join(rng.choices(words, k=5)),
            "label": rng.choice(["entailment", "neutral", "contradiction", "not_entailment"]),
        }
        for _ in range(96)
    ]
    stages.packed.encode(stages.packed.load_tokenizer(tiny), [("made", pairs)], 64, 32).save(path)
    return path


def run(stages: Any, monkeypatch: pytest.MonkeyPatch, tiny: Path, pack: Path, out: Path) -> None:
    line = f"train {tiny} {pack} {out} --epochs 2 --tokens 256 --warmup 1 --lr 1e-3 --freeze 0 --no-bf16 --device cpu"
    monkeypatch.setattr("sys.argv", line.split())
    stages.train.train(stages.train.arguments())


def test_a_run_stopped_and_resumed_ends_with_the_same_bytes(
    stages: Any, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = make_pack(stages, tiny, tmp_path / "pack.npz")
    run(stages, monkeypatch, tiny, pack, tmp_path / "whole")

    class StopAfterFive:
        steps = 0

        @property
        def asked(self) -> bool:
            self.steps += 1
            return self.steps == 5

    with monkeypatch.context() as patched:
        patched.setattr(stages.train, "Stop", StopAfterFive)
        run(stages, patched, tiny, pack, tmp_path / "parts")
    assert not (tmp_path / "parts/model").exists()
    run(stages, monkeypatch, tiny, pack, tmp_path / "parts")

    weights = [(tmp_path / name / "model/model.safetensors").read_bytes() for name in ("whole", "parts")]
    assert weights[0] == weights[1]
    assert weights[0] != (tiny / "model.safetensors").read_bytes()


def test_an_epoch_sees_every_pair_once_in_an_order_fixed_by_the_seed(stages: Any) -> None:
    import numpy as np

    lengths = np.random.default_rng(0).integers(5, 60, 500)
    epochs = [stages.train.epoch_batches(lengths, 512, 1, epoch) for epoch in (0, 0, 1)]
    assert sorted(np.concatenate(epochs[0])) == list(range(500))
    assert all(max(lengths[b]) * len(b) <= 512 for b in epochs[0])
    assert [list(b) for b in epochs[0]] == [list(b) for b in epochs[1]]
    assert [list(b) for b in epochs[0]] != [list(b) for b in epochs[2]]


def test_two_lanes_leave_the_gradients_of_one(stages: Any, tiny: Path) -> None:
    import numpy as np

    rng = np.random.default_rng(2)
    tokens = [np.array([101, *rng.integers(1000, 2000, n), 102, 1500, 102], np.uint16) for n in (4, 9, 6, 12, 5)]
    labels, found = [0, 1, 2, 3, 0], []
    for count in (1, 2):
        model = stages.packed.load_model(tiny, torch.device("cpu"))
        loss = stages.train.Lanes(count, False, torch.device("cpu")).step(model, tokens, [2] * 5, labels)
        found.append((loss, model.classifier.weight.grad))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-5)
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-4, atol=1e-6)


def test_a_forbidden_claim_is_in_no_source(stages: Any, tiny: Path, tmp_path: Path) -> None:
    lines = [
        {"premise": "The bridge opened in 1990.", "hypothesis": "The bridge opened in 1990!", "label": "entailment"},
        {"premise": "The bridge opened in 1990.", "hypothesis": "It is a bridge.", "label": "neutral"},
    ]
    stages.packed.write_lines(tmp_path / "train/fever_nei_retrieved.jsonl.gz", lines)
    stages.packed.write_lines(tmp_path / "held.jsonl.gz", [{"claim": "the bridge opened in 1990"}])
    args = argparse.Namespace(
        forbidden=[tmp_path / "held.jsonl.gz"],
        train=tmp_path / "train",
        extra=[],
        limit=9,
        numbers=9,
        mixture="afternoon",
        reported=1.0,
    )
    made = [pair for _, pairs in stages.pack.sources(args, random.Random(0)) for pair in pairs]
    assert made
    assert not [pair for pair in made if "1990" in pair["hypothesis"]]


def test_an_average_lies_between_its_parts_by_their_shares(
    stages: Any, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import average
    from transformers import BertForSequenceClassification

    other = BertForSequenceClassification.from_pretrained(tiny)
    with torch.no_grad():
        other.classifier.bias += 4.0
    other.save_pretrained(tmp_path / "other")
    monkeypatch.setattr("sys.argv", ["average", str(tmp_path / "out"), f"{tmp_path / 'other'}:0.5", f"{tiny}:1.5"])
    average.main()
    made = BertForSequenceClassification.from_pretrained(tmp_path / "out")
    first = BertForSequenceClassification.from_pretrained(tiny)
    assert torch.allclose(made.classifier.bias, first.classifier.bias + 1.0)
    assert torch.allclose(made.classifier.weight, first.classifier.weight)
    assert (tmp_path / "out" / "tokenizer.json").is_file()

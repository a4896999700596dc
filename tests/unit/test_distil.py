"""What a GPU run does with its data: batches, hard negatives, soft labels. Runs on the CPU here."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
ROOT = Path(__file__).resolve().parents[2]
CPU = torch.device("cpu")
WORDS = ["the", "river", "rose", "in", "spring", "and", "old", "bridge", "did", "not", "hold"]


@pytest.fixture
def distil(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The training script, imported as it is when run from its folder."""
    monkeypatch.syspath_prepend(str(ROOT / "server/training"))
    import distil

    return distil


def make_pack(distil: Any, sources: dict[str, list[tuple[str, str]]]) -> Any:
    import packed

    tokenizer = packed.load_tokenizer(ROOT / "server/models/onrecord_models/nli")
    rows = [
        (name, [{"premise": p, "hypothesis": h, "label": "neutral"} for p, h in pairs])
        for name, pairs in sources.items()
    ]
    return packed.encode(tokenizer, rows, 64, 32)


def random_pairs(count: int) -> list[tuple[str, str]]:
    rng = random.Random(5)
    return [
        (" ".join(rng.choices(WORDS, k=rng.randint(1, 40))), " ".join(rng.choices(WORDS, k=4))) for _ in range(count)
    ]


def test_a_pass_sees_every_row_once_within_the_budget(distil: Any) -> None:
    data = distil.OnDevice(make_pack(distil, {"made": random_pairs(200)}), CPU)
    rows = np.arange(0, 200, 2)
    seen: list[int] = []
    for batch, width in distil.batches(data, rows, 256, np.random.default_rng(1)):
        assert width * len(batch) <= 256
        assert width >= int(data.n[batch].max())
        seen += batch.tolist()
    assert sorted(seen) == rows.tolist()


def test_a_batch_cut_on_the_device_is_the_one_that_collate_makes(distil: Any) -> None:
    import packed

    pack = make_pack(distil, {"made": random_pairs(6)})
    inputs = distil.OnDevice(pack, CPU).inputs(torch.arange(6), int(pack.n.max()))
    expected = packed.collate([pack.row(i) for i in range(6)], [int(h) for h in pack.h], CPU)
    assert torch.equal(inputs["input_ids"].long(), expected["input_ids"])
    assert torch.equal(inputs["token_type_ids"].long(), expected["token_type_ids"])
    assert torch.equal(inputs["attention_mask"][:, 0, 0].long(), expected["attention_mask"])


def test_of_each_claim_the_worst_mistake_that_is_not_too_risky_is_chosen(distil: Any) -> None:
    pack = make_pack(
        distil,
        {
            "plain": [("the river rose", "it rose")],
            "candidates_refuted": [("a", "the bridge held"), ("b", "the bridge held"), ("c", "the bridge held")],
            "candidates_refuted_covered": [("d", "the bridge held")],
            "candidates_supported": [("e", "the river rose in spring")],
        },
    )
    candidates = distil.Candidates(pack)
    p = np.array(
        [[0.1, 0.3, 0.6], [0.05, 0.05, 0.9], [0.8, 0.1, 0.1], [0.0, 0.05, 0.95], [0.75, 0.2, 0.05]], np.float32
    )
    # row 3 repeats its claim too closely, row 4 most likely refutes it, row 5 most likely supports it
    assert candidates.vetoed(p).tolist() == [False, False, True, True, True]
    assert candidates.choose(p, 0.0, np.random.default_rng(1)).tolist() == [2]
    assert sorted(candidates.choose(p, 1.0, np.random.default_rng(1)).tolist()) == [1, 2]


def test_the_loss_follows_label_and_teacher_by_the_trust_in_each(distil: Any) -> None:
    data = distil.OnDevice(make_pack(distil, {"made": random_pairs(2)}), CPU)
    data.soft = torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    logits = torch.tensor([[2.0, 0.0, 0.0], [2.0, 0.0, 0.0]])
    log_p = torch.log_softmax(logits[0], 0)
    for trust, expected in ((0.0, -log_p[1]), (1.0, -log_p[0]), (0.25, -0.75 * log_p[1] - 0.25 * log_p[0])):
        data.trust = torch.full((2,), trust)
        assert distil.loss_of(logits, data, torch.arange(2)).item() == pytest.approx(expected.item(), abs=1e-6)

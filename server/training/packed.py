"""Shared by every stage: reading pairs, the packed format, batching and the model.

A pack is one .npz without pickled objects. All token rows lie end to end in one uint16 array, because a Python list of
half a million arrays costs more memory than the tokens themselves; `n` and `h` say where a row and its hypothesis end.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

CLS, SEP = 101, 102  # the uncased BERT vocabulary
ENTAILMENT, NEUTRAL, CONTRADICTION, NOT_ENTAILMENT = range(4)
LABELS = {"entailment": 0, "neutral": 1, "contradiction": 2, "not_entailment": 3}
CLASSES = ("entailment", "neutral", "contradiction")
IntArray = npt.NDArray[np.int64]


class Pair(TypedDict):
    """One line of a pair file; label is a key of LABELS."""

    premise: str
    hypothesis: str
    label: str


def read_lines(path: Path) -> list[Any]:
    """All objects of a gzipped JSON-lines file."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def write_lines(path: Path, rows: Iterable[object]) -> None:
    """Write gzipped JSON lines; the header gets neither name nor time, so that equal rows give equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as out:
        for row in rows:
            out.write((json.dumps(row, ensure_ascii=False) + "\n").encode())


def normalise(text: str) -> str:
    """Case, punctuation and spacing removed: how two claim texts are compared for leakage."""
    return " ".join(re.findall(r"\w+", text.lower()))


def forbidden_claims(paths: Sequence[Path]) -> set[str]:
    """Normalised claims (or hypotheses) of held-back files."""
    rows = [row for path in paths for row in read_lines(path)]
    return {normalise(row.get("claim") or row["hypothesis"]) for row in rows}


@dataclass
class Packed:
    """One split of a pack. Row i is [CLS] premise [SEP] hypothesis [SEP]."""

    ids: npt.NDArray[np.uint16]
    n: npt.NDArray[np.uint16]
    h: npt.NDArray[np.uint8]
    y: npt.NDArray[np.uint8]
    src: npt.NDArray[np.uint8]
    names: list[str]
    offsets: IntArray = field(init=False)

    def __post_init__(self) -> None:
        self.offsets = np.concatenate([[0], np.cumsum(self.n.astype(np.int64))])

    def __len__(self) -> int:
        return len(self.y)

    def row(self, i: int) -> npt.NDArray[np.uint16]:
        """The token ids of row i."""
        return self.ids[self.offsets[i] : self.offsets[i + 1]]

    def save(self, path: Path) -> None:
        """Write the pack."""
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, ids=self.ids, n=self.n, h=self.h, y=self.y, src=self.src, names=np.array(self.names))

    @classmethod
    def load(cls, path: Path) -> Packed:
        """Read a pack; numpy refuses pickled objects here."""
        with np.load(path, allow_pickle=False) as z:
            return cls(z["ids"], z["n"], z["h"], z["y"], z["src"], [str(x) for x in z["names"]])


def encode(
    tokenizer: Any, sources: Iterable[tuple[str, Sequence[Pair]]], max_premise: int, max_hypothesis: int
) -> Packed:
    """Tokenise named sources, in the given order, cutting premises and hypotheses at the given number of tokens."""
    ids: list[npt.NDArray[np.uint16]] = []
    n: list[int] = []
    h: list[int] = []
    y: list[int] = []
    src: list[int] = []
    names: list[str] = []
    for name, pairs in sources:
        for start in range(0, len(pairs), 4000):
            part = pairs[start : start + 4000]
            premises = tokenizer([p["premise"] for p in part], add_special_tokens=False, verbose=False)["input_ids"]
            hypotheses = tokenizer([p["hypothesis"] for p in part], add_special_tokens=False)["input_ids"]
            for p, q, pair in zip(premises, hypotheses, part, strict=True):
                row = [CLS, *p[:max_premise], SEP, *q[:max_hypothesis], SEP]
                ids.append(np.array(row, np.uint16))
                n.append(len(row))
                h.append(min(len(q), max_hypothesis) + 1)
                y.append(LABELS[pair["label"]])
                src.append(len(names))
        names.append(name)
    tokens = np.concatenate(ids) if ids else np.zeros(0, np.uint16)
    return Packed(
        tokens, np.array(n, np.uint16), np.array(h, np.uint8), np.array(y, np.uint8), np.array(src, np.uint8), names
    )


def collate(
    rows: Sequence[npt.NDArray[np.uint16]], hypothesis_lengths: Sequence[int], device: torch.device
) -> dict[str, Any]:
    """Pad rows to the longest of them. Without padding no mask is given, which lets attention take its fast path."""
    width = max(len(r) for r in rows)
    ids = np.zeros((len(rows), width), np.int64)
    types = np.zeros_like(ids)
    mask = np.zeros_like(ids)
    for r, (row, h) in enumerate(zip(rows, hypothesis_lengths, strict=True)):
        ids[r, : len(row)] = row
        types[r, len(row) - h : len(row)] = 1
        mask[r, : len(row)] = 1
    return {
        "input_ids": torch.from_numpy(ids).to(device),
        "token_type_ids": torch.from_numpy(types).to(device),
        "attention_mask": None if bool(mask.all()) else torch.from_numpy(mask).to(device),
    }


def token_batches(lengths: npt.NDArray[Any], order: IntArray, tokens: int, most: int) -> Iterator[IntArray]:
    """Cut `order` (sorted by length, ascending) into batches of at most `tokens` padded tokens and `most` rows."""
    i = 0
    while i < len(order):
        k, width = i, 0
        while k < len(order) and k - i < most:
            width = max(width, int(lengths[order[k]]))
            if k > i and width * (k - i + 1) > tokens:
                break
            k += 1
        yield order[i:k]
        i = k


def load_model(path: Path, device: torch.device) -> Any:
    """The classifier in fp32 without dropout: over less than a few passes dropout only costs time."""
    model = AutoModelForSequenceClassification.from_pretrained(
        path,
        num_labels=3,
        dtype=torch.float32,
        attn_implementation="sdpa",
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    model.config.id2label = dict(enumerate(CLASSES))
    model.config.label2id = {name: i for i, name in enumerate(CLASSES)}
    return model.to(device)


def load_tokenizer(path: Path) -> Any:
    """The fast tokenizer beside the weights."""
    return AutoTokenizer.from_pretrained(path)


def pick_device(name: str) -> torch.device:
    """`auto` takes CUDA where there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def half(device: torch.device) -> bool:
    """Whether to multiply in bf16: on CUDA, and on a CPU that has instructions for it (2.3 times fp32's rate there)."""
    return device.type == "cuda" or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


@torch.inference_mode()
def predict(model: Any, packed: Packed, device: torch.device, tokens: int = 4096) -> npt.NDArray[np.float32]:
    """Logits of every row, in row order; batches are bucketed by length since padding is wasted work."""
    model.eval()
    logits = np.zeros((len(packed), 3), np.float32)
    order = np.argsort(packed.n, kind="stable").astype(np.int64)
    for batch in token_batches(packed.n, order, tokens, 128):
        inputs = collate([packed.row(i) for i in batch], [int(packed.h[i]) for i in batch], device)
        with torch.autocast(device.type, torch.bfloat16, enabled=half(device)):
            logits[batch] = model(**inputs).logits.float().cpu().numpy()
    return logits


def softmax(logits: npt.NDArray[np.float32], temperature: float = 1.0) -> npt.NDArray[np.float64]:
    """Probabilities along the last axis."""
    z = logits.astype(np.float64) / temperature
    z = np.exp(z - z.max(-1, keepdims=True))
    return np.asarray(z / z.sum(-1, keepdims=True))

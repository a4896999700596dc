"""A sentence encoder for retrieval: mean of the last hidden states, unit length (as all-MiniLM-L6-v2 was trained)."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch

from onrecord_server.domain.errors import ModelError, ModelUnusable
from onrecord_server.domain.types import ModelInfo
from onrecord_server.nli.base import FloatArray, padding_tokens
from onrecord_server.nli.files import ModelFiles, find_encoder
from onrecord_server.nli.lanes import Lanes, share_products
from onrecord_server.nli.memory import give_back, keep_freed
from onrecord_server.nli.packed import PackedBert, supports
from onrecord_server.nli.precision import arithmetic, fastest, find_device
from onrecord_server.nli.scorer import read_tensors
from onrecord_server.nli.tokens import read_tokenizer, window

_BATCH_TOKENS = 4096


class _Trunk(Protocol):
    def mean_states(self, ids: Sequence[Sequence[int]]) -> torch.Tensor:
        """Mean last hidden state of each sequence, shape (len(ids), width)."""
        ...


@runtime_checkable
class _Spreads(Protocol):
    """A trunk that spreads its own work over the cores."""

    def on_cores(self, cores: int) -> _Trunk:
        """The same weights, computing on so many."""
        ...


class SentenceEncoder:
    """A TextEncoder on a trunk that gives mean hidden states."""

    def __init__(
        self, info: ModelInfo, tokenizer: Any, trunk: _Trunk, dimension: int, lanes: Lanes | None = None
    ) -> None:
        """lanes: None for a trunk that spreads its own work over the cores."""
        self._lanes = lanes
        self._info = info
        self._tokenizer = tokenizer
        self._trunk = trunk
        self._dimension = dimension

    @property
    def info(self) -> ModelInfo:
        """What is loaded."""
        return self._info

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._dimension

    @property
    def cores(self) -> int:
        """See Divisible."""
        return self._lanes.threads if self._lanes else 0

    def on_cores(self, cores: int) -> SentenceEncoder:
        """See Divisible."""
        twin = copy.copy(self)
        if isinstance(self._trunk, _Spreads):
            twin._trunk = self._trunk.on_cores(cores)
        else:
            twin._lanes = Lanes(cores)
        return twin

    def prepare(self, tokens: int) -> None:
        """See PackedBert.prepare; nothing for another trunk."""
        if self._lanes and isinstance(self._trunk, PackedBert):
            share_products(self._lanes.threads)
            self._trunk.prepare(tokens)

    @property
    def padding_tokens(self) -> int:
        """Padding that the trunk has computed so far; 0 for one that does not pad."""
        return padding_tokens(self._trunk)

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Unit vectors, shape (len(texts), dimension). A long text is cut to info.max_tokens tokens."""
        limit = self._info.max_tokens
        try:
            encodings = self._tokenizer.encode_batch(list(texts))
        except (TypeError, UnicodeError) as error:
            raise ModelError("a text holds characters that are not valid Unicode") from error
        # cut as the model's own tokenizer cuts: the end goes, the closing special token stays
        ids = [e.ids if len(e.ids) <= limit else [*e.ids[: limit - 1], e.ids[-1]] for e in encodings]
        vectors = np.zeros((len(texts), self._dimension), dtype=np.float32)
        for part in _parts(ids):
            vectors[part] = self._means([ids[i] for i in part]).numpy()
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not (np.isfinite(norms).all() and (norms > 0).all()):
            raise ModelError("the encoder's output is not a direction; its weights do not suit this input")
        vectors /= norms
        return vectors

    def _means(self, ids: Sequence[Sequence[int]]) -> torch.Tensor:
        if self._lanes is None:
            with torch.inference_mode():
                return self._trunk.mean_states(ids).cpu()
        return self._lanes.run(
            lambda hand: self._trunk.mean_states([ids[i] for i in hand]).cpu(), [len(i) for i in ids]
        )


def load_sentence_encoder(
    name: str, *, revision: str | None, precision: str = "auto", threads: int | None = None, device: str = "auto"
) -> SentenceEncoder:
    """See onrecord_server.nli.load_encoder."""
    where = find_device(device)
    keep_freed()
    files, dimension = find_encoder(name, revision)
    _refuse_other_pooling(files)
    if supports(files.config) and files.architecture == "BertModel":
        tokenizer, declared = read_tokenizer(files.folder), None
        share_products(1)  # laying out weights is no work to wait for one another over
        own = Lanes(threads if where.type == "cpu" else 1)
        tensors = read_tensors(files)
        if precision == "auto" and where.type == "cpu":
            how = fastest(files.model_id, tensors, files.config, "encoder.layer.0.", own, ("fp32", "bf16"))
        else:
            how = arithmetic(precision, where)
        trunk: _Trunk = PackedBert(tensors, files.config, "", how)
        lanes: Lanes | None = own
    else:
        from onrecord_server.nli import hf

        how = arithmetic("fp32", where)
        tokenizer, declared = hf.load_tokenizer(files)
        network = hf.load(files, "AutoModel").to(where)
        trunk = hf.PaddedTrunk(network, int(files.config.get("pad_token_id") or 0), threads)
        lanes = None
    limit = min(window(files.config, declared), _trained_length(files))
    info = ModelInfo(files.model_id, files.revision, precision=how.name, max_tokens=limit)
    encoder = SentenceEncoder(info, tokenizer, trunk, dimension, lanes)
    _try_canary(encoder)
    give_back()
    return encoder


def _side_file(files: ModelFiles, name: str) -> dict[str, Any]:
    """A sentence-transformers side file, {} when there is none."""
    path = files.folder / name
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ModelUnusable(f"{path}: cannot be read ({error})") from error
    return content if isinstance(content, dict) else {}


def _trained_length(files: ModelFiles) -> int:
    length = _side_file(files, "sentence_bert_config.json").get("max_seq_length")
    return length if isinstance(length, int) and length > 0 else 512


def _refuse_other_pooling(files: ModelFiles) -> None:
    pooling = _side_file(files, "1_Pooling/config.json")
    if pooling and not pooling.get("pooling_mode_mean_tokens", pooling.get("pooling_mode") == "mean"):
        raise ModelUnusable(f"{files.model_id}: pools otherwise than by mean; choose an encoder that pools by mean")


def _parts(ids: Sequence[Sequence[int]]) -> list[list[int]]:
    """Indices in batches of bounded tokens, like lengths together."""
    parts: list[list[int]] = []
    tokens = 0
    for i in sorted(range(len(ids)), key=lambda i: -len(ids[i])):
        if not parts or tokens + len(ids[i]) > _BATCH_TOKENS:
            parts.append([])
            tokens = 0
        parts[-1].append(i)
        tokens += len(ids[i])
    return parts


def _try_canary(encoder: SentenceEncoder) -> None:
    """ModelUnusable unless two ways to say one thing are nearer than two things."""
    try:
        one, same, other = encoder.encode(["The shop is open.", "The store is open.", "He plays the violin."])
    except Exception as error:
        raise ModelUnusable(f"{encoder.info.model_id}: fails on a plain text ({error})") from error
    if not one @ same > one @ other:
        raise ModelUnusable(f"{encoder.info.model_id}: finds unlike texts nearer than like ones; it is no encoder")

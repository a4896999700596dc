"""Any Hugging Face architecture, through `transformers`, padded: what packed.py does not compute itself.

`transformers` takes seconds to import, so this module is imported only when it is needed.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from onrecord_server.domain.errors import ModelUnusable
from onrecord_server.nli.base import EncodedPair, FloatArray
from onrecord_server.nli.cores import cores
from onrecord_server.nli.files import ModelFiles
from onrecord_server.nli.lanes import share_products
from onrecord_server.nli.layout import on
from onrecord_server.nli.tokens import bare

_PADDED_TOKENS = {"cpu": 2_048, "cuda": 32_768}  # of one forward; more gains nothing


@contextmanager
def _quietly() -> Iterator[None]:
    """transformers reports progress and advice on stderr; a server's own log says what matters."""
    from transformers.utils import logging as reports

    logging: Any = reports  # its functions carry no types
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def load(files: ModelFiles, auto_class: str) -> Any:
    """The model in fp32, ready to predict. auto_class: "AutoModel" or "AutoModelForSequenceClassification"."""
    import transformers

    with _quietly():
        try:
            model, report = getattr(transformers, auto_class).from_pretrained(
                files.folder,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
            )
        except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
            raise ModelUnusable(f"{files.model_id}: transformers cannot load it ({_line(error)})") from error
    if missing := sorted(report["missing_keys"]):
        raise ModelUnusable(
            f"{files.model_id}: the weights lack {missing[0]}"
            + (f" and {len(missing) - 1} more" if len(missing) > 1 else "")
            + ("; this is no sequence classifier" if auto_class != "AutoModel" else "")
        )
    return model.eval()


def load_tokenizer(files: ModelFiles) -> tuple[Tokenizer, int | None]:
    """The Rust tokenizer of any family, and the tokens that its model reads, where it says so."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import transformers

    with _quietly():
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(
                files.folder, local_files_only=True, trust_remote_code=False
            )
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise ModelUnusable(f"{files.model_id}: its tokenizer cannot be loaded ({_line(error)})") from error
    if not getattr(tokenizer, "is_fast", False):
        raise ModelUnusable(f"{files.model_id}: has no fast tokenizer (tokenizer.json)")
    declared = tokenizer.model_max_length
    return bare(tokenizer.backend_tokenizer), declared if 0 < declared < 1_000_000 else None


class PaddedClassifier:
    """Logits of a sequence classifier; batches are split by length so that little is padded.

    `padding_tokens`: padding computed so far.
    """

    def __init__(self, model: Any, *, pad_id: int, segments: bool, threads: int | None = None) -> None:
        self.padding_tokens = 0
        self._model = model
        self._threads = threads or cores()
        self._pad_id = pad_id
        self._segments = segments

    def on_cores(self, cores: int) -> PaddedClassifier:
        """The same weights, computing on so many cores."""
        twin = copy.copy(self)
        twin._threads = cores
        return twin

    def logits(self, batch: Sequence[EncodedPair]) -> FloatArray:
        """Shape (len(batch), outputs), columns as the model has them."""
        share_products(self._threads)
        order = sorted(range(len(batch)), key=lambda i: len(batch[i]))
        out: list[FloatArray | None] = [None] * len(batch)
        device = self._model.device
        for part in length_parts([len(batch[i]) for i in order], _PADDED_TOKENS.get(device.type, 2_048)):
            chosen = [order[i] for i in part]
            inputs = self.inputs([batch[i] for i in chosen])
            self.padding_tokens += inputs["input_ids"].numel() - sum(len(batch[i]) for i in chosen)
            rows = self._model(**inputs).logits.float().cpu().numpy()
            for i, row in zip(chosen, rows, strict=True):
                out[i] = row
        return np.stack([row for row in out if row is not None])

    def inputs(self, batch: Sequence[EncodedPair]) -> dict[str, Tensor]:
        """input_ids, attention_mask and, where the model has them, token_type_ids; shape (len(batch), longest).

        On the model's device.
        """
        device = self._model.device
        width = max(map(len, batch))
        ids = np.full((len(batch), width), self._pad_id, dtype=np.int64)
        mask = np.zeros_like(ids)
        types = np.zeros_like(ids)
        for i, pair in enumerate(batch):
            ids[i, : len(pair)] = pair.ids
            mask[i, : len(pair)] = 1
            types[i, pair.hypothesis_start : len(pair)] = 1
        inputs = {"input_ids": on(device, ids), "attention_mask": on(device, mask)}
        if self._segments:
            inputs["token_type_ids"] = on(device, types)
        return inputs


def length_parts(lengths: Sequence[int], budget: int) -> Iterator[range]:
    """Cut ascending lengths into runs of at most `budget` padded tokens (never fewer than one item)."""
    start = 0
    for end in range(1, len(lengths) + 1):
        if end == len(lengths) or lengths[end] * (end + 1 - start) > budget:
            yield range(start, end)
            start = end


def _line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]


class PaddedTrunk:
    """Mean hidden states of any encoder. `padding_tokens`: padding computed so far."""

    def __init__(self, model: Any, pad_id: int, threads: int | None = None) -> None:
        self._threads = threads or cores()
        self.padding_tokens = 0
        self._model = model
        self._pad_id = pad_id

    def on_cores(self, cores: int) -> PaddedTrunk:
        """The same weights, computing on so many cores."""
        twin = copy.copy(self)
        twin._threads = cores
        return twin

    def mean_states(self, ids: Sequence[Sequence[int]]) -> Tensor:
        """Mean of the last hidden states over each sequence's tokens, shape (len(ids), width)."""
        share_products(self._threads)
        width = max(map(len, ids))
        padded = torch.full((len(ids), width), self._pad_id, dtype=torch.int64)
        mask = torch.zeros_like(padded)
        for i, row in enumerate(ids):
            padded[i, : len(row)] = torch.tensor(row)
            mask[i, : len(row)] = 1
        self.padding_tokens += padded.numel() - sum(map(len, ids))
        device = self._model.device
        states = (
            self._model(input_ids=padded.to(device), attention_mask=mask.to(device)).last_hidden_state.float().cpu()
        )
        weights = mask.unsqueeze(-1).float()
        means: Tensor = (states * weights).sum(dim=1) / weights.sum(dim=1)
        return means

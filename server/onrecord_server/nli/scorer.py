"""An NLI classifier: weights, tokenizer, label order and calibration put together."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch

from onrecord_server.domain.errors import ModelError, ModelUnusable
from onrecord_server.domain.types import ModelInfo
from onrecord_server.domain.weighing import Weighing
from onrecord_server.nli.base import EncodedPair, FloatArray, padding_tokens
from onrecord_server.nli.calibration import Calibration, Uncalibrated, softmax
from onrecord_server.nli.files import ModelFiles
from onrecord_server.nli.labels import LABELS
from onrecord_server.nli.lanes import Lanes, share_products
from onrecord_server.nli.layout import round_up, row_counts
from onrecord_server.nli.packed import PackedBert, with_rows
from onrecord_server.nli.products import Arithmetic, plain
from onrecord_server.nli.tokens import PairTokenizer


class Classifier(Protocol):
    """Weights, ready to compute."""

    def on_cores(self, cores: int) -> Classifier:
        """The same weights, computing on so many cores."""
        ...

    def logits(self, batch: Sequence[EncodedPair]) -> FloatArray:
        """Shape (len(batch), outputs), columns as the model has them."""
        ...


class PackedClassifier:
    """A BERT sequence classifier on packed.py."""

    def __init__(
        self,
        tensors: Mapping[str, torch.Tensor],
        config: Mapping[str, Any],
        arithmetic: Arithmetic | None = None,
        lanes: Lanes | None = None,
    ) -> None:
        """arithmetic: None for plain fp32. lanes: None for the calling thread alone."""
        self._lanes = lanes or Lanes(1)
        how = arithmetic or plain("fp32", torch.float32)
        self.threads = self._lanes.threads
        self._trunk = PackedBert(tensors, config, "bert.", how)
        self._pooler, self._head = (
            (tensors[f"{name}.weight"].float().to(how.device), tensors[f"{name}.bias"].float().to(how.device))
            for name in ("bert.pooler.dense", "classifier")
        )

    def on_cores(self, cores: int) -> PackedClassifier:
        """The same weights, computing on so many cores; with 1, for several callers at once."""
        twin = copy.copy(self)
        twin._lanes, twin.threads = Lanes(cores), cores
        return twin

    def prepare(self, tokens: int) -> None:
        """See PackedBert.prepare."""
        share_products(self.threads)
        self._trunk.prepare(tokens)
        device, width = self._pooler[0].device, self._pooler[0].shape[1]
        with torch.inference_mode():
            for rows in row_counts(tokens // _FEWEST_TOKENS, device):
                self._outputs(torch.zeros(rows, width, device=device))

    def logits(self, batch: Sequence[EncodedPair]) -> FloatArray:
        """Shape (len(batch), outputs), columns as the model has them."""

        def compute(hand: Sequence[int]) -> torch.Tensor:
            pairs = [batch[i] for i in hand]
            first = self._trunk.first_states([p.ids for p in pairs], [p.hypothesis_start for p in pairs])
            return self._outputs(first).cpu()

        logits: FloatArray = self._lanes.run(compute, [len(pair) for pair in batch]).numpy()
        return logits

    def _outputs(self, first: torch.Tensor) -> torch.Tensor:
        """From the last states of the first tokens."""
        rows = with_rows(first, round_up(len(first), first.device), torch.float32)
        pooled = torch.tanh(torch.nn.functional.linear(rows, *self._pooler))
        return torch.nn.functional.linear(pooled, *self._head)[: len(first)]


_FEWEST_TOKENS = 8  # of a pair, usually: so many pairs a batch may have
_NEUTRAL = tuple(float(label == "neutral") for label in LABELS)


class ClassifierScorer:
    """A PairScorer on any classifier."""

    def __init__(
        self,
        info: ModelInfo,
        tokenizer: PairTokenizer,
        classifier: Classifier,
        columns: tuple[int, int, int],
        calibration: Calibration,
        weighing: Weighing | None = None,
    ) -> None:
        self._info = info
        self._tokenizer = tokenizer
        self._classifier = classifier
        self._columns = list(columns)
        self._calibration = calibration
        self._weighing = weighing

    @property
    def info(self) -> ModelInfo:
        """What is loaded."""
        return self._info

    @property
    def tokenizer(self) -> PairTokenizer:
        """What `encode` does."""
        return self._tokenizer

    @property
    def padding_tokens(self) -> int:
        """Padding that the classifier has computed so far; 0 for one that does not pad."""
        return padding_tokens(self._classifier)

    @property
    def weighing(self) -> Weighing | None:
        """From weighing.json beside the weights."""
        return self._weighing

    @property
    def calibration(self) -> Calibration:
        """What `score` applies to the model's own probabilities."""
        return self._calibration

    def uncalibrated(self) -> ClassifierScorer:
        """The same model without calibration; shares the weights."""
        twin = copy.copy(self)
        twin._calibration = Uncalibrated()
        return twin

    @property
    def cores(self) -> int:
        """See Divisible."""
        return self._classifier.threads if isinstance(self._classifier, PackedClassifier) else 0

    def on_cores(self, cores: int) -> ClassifierScorer:
        """See Divisible."""
        twin = copy.copy(self)
        twin._classifier = self._classifier.on_cores(cores)
        return twin

    def prepare(self, tokens: int) -> None:
        """See PackedBert.prepare; nothing for another classifier."""
        if isinstance(self._classifier, PackedClassifier):
            self._classifier.prepare(tokens)

    def encode(self, pairs: Sequence[tuple[str, str]]) -> list[EncodedPair]:
        """Tokenise; any thread may. ClaimTooLongForModel when a hypothesis fills the model's window alone."""
        return self._tokenizer(pairs)

    def score(self, batch: Sequence[EncodedPair]) -> FloatArray:
        """Calibrated probabilities, shape (len(batch), 3), columns entailment, neutral, contradiction.

        A pair that is `unread` is neutral. ModelError when the model's output is not finite.
        """
        if not batch:
            return np.zeros((0, len(LABELS)), dtype=np.float32)
        with torch.inference_mode():
            logits = self._classifier.logits(batch)[:, self._columns].astype(np.float32)
        if not np.isfinite(logits).all():
            raise ModelError("the model's output is not a number; its weights or precision do not suit this input")
        probabilities = softmax(logits)
        # two texts in a script that the model cannot read look alike to it, and were each other's proof
        probabilities[[pair.unread for pair in batch]] = _NEUTRAL
        return self._calibration.apply(probabilities)


def read_tensors(files: ModelFiles) -> dict[str, torch.Tensor]:
    """All tensors of the weights' files. ModelUnusable when one is damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    tensors: dict[str, torch.Tensor] = {}
    for path in files.weights:
        try:
            tensors.update(load_file(path))
        except (SafetensorError, OSError) as error:
            raise ModelUnusable(f"{path}: cannot be read as safetensors ({error})") from error
    return tensors

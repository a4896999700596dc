"""An NLI classifier: weights, tokenizer, label order and calibration put together, tried on canary pairs at load."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from onrecord_server.domain.errors import ConfigError, ModelError, ModelUnusable
from onrecord_server.domain.types import ModelInfo
from onrecord_server.domain.weighing import Weighing
from onrecord_server.nli.base import EncodedPair, FloatArray
from onrecord_server.nli.calibration import Calibration, Uncalibrated, choose_calibration, softmax
from onrecord_server.nli.files import ModelFiles, find_model, weighing_beside
from onrecord_server.nli.labels import LABELS, label_columns
from onrecord_server.nli.lanes import Lanes
from onrecord_server.nli.packed import PackedBert, supports
from onrecord_server.nli.precision import linear_for, resolve
from onrecord_server.nli.tokens import PairTokenizer, read_tokenizer, window

_CANARIES = (
    (("The shop opens at nine in the morning and closes at six.", "The shop opens at nine in the morning."), 0),
    (("The minister was in Paris on Friday.", "The minister was not in Paris on Friday."), 2),
)


class _Classifier(Protocol):
    def logits(self, batch: Sequence[EncodedPair]) -> FloatArray:
        """Shape (len(batch), outputs), columns as the model has them."""
        ...


class PackedClassifier:
    """A BERT sequence classifier on packed.py."""

    def __init__(
        self,
        tensors: Mapping[str, torch.Tensor],
        config: Mapping[str, Any],
        precision: str = "fp32",
        threads: int | None = 1,
    ) -> None:
        self._lanes = Lanes(threads)
        self._trunk = PackedBert(tensors, config, "bert.", linear_for(precision))
        self._pooler = tensors["bert.pooler.dense.weight"].float(), tensors["bert.pooler.dense.bias"].float()
        self._head = tensors["classifier.weight"].float(), tensors["classifier.bias"].float()

    def logits(self, batch: Sequence[EncodedPair]) -> FloatArray:
        """Shape (len(batch), outputs), columns as the model has them."""

        def compute(hand: Sequence[int]) -> torch.Tensor:
            pairs = [batch[i] for i in hand]
            first = self._trunk.first_states([p.ids for p in pairs], [p.hypothesis_start for p in pairs])
            pooled = torch.tanh(torch.nn.functional.linear(first, *self._pooler))
            return torch.nn.functional.linear(pooled, *self._head)

        logits: FloatArray = self._lanes.run(compute, [len(pair) for pair in batch]).numpy()
        return logits


_NEUTRAL = tuple(float(label == "neutral") for label in LABELS)


class ClassifierScorer:
    """A PairScorer on any classifier."""

    def __init__(
        self,
        info: ModelInfo,
        tokenizer: PairTokenizer,
        classifier: _Classifier,
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


def load_classifier(
    model: str, *, revision: str | None, precision: str, threads: int | None, calibration: str | None = None
) -> ClassifierScorer:
    """See onrecord_server.nli.load_scorer."""
    files = find_model(model, builtin=_builtin(), builtin_id="onrecord-nli-small", revision=revision)
    columns = label_columns(_id2label(files))
    chosen = choose_calibration(calibration, files.revision, files.folder)
    precision = resolve(precision)
    if supports(files.config) and files.architecture == "BertForSequenceClassification":
        tokenizer = PairTokenizer(read_tokenizer(files.folder), window(files.config))
        classifier: _Classifier = _packed(files, precision, threads)
    else:
        if precision == "int8":
            raise ConfigError(f"{files.model_id}: int8 is for BERT classifiers; choose fp32 or bf16 for this one")
        from onrecord_server.nli import hf

        rust, declared = hf.load_tokenizer(files)
        tokenizer = PairTokenizer(rust, window(files.config, declared))
        loaded = hf.load(files, "AutoModelForSequenceClassification")
        if precision == "bf16":
            loaded = loaded.bfloat16()
        pad_id = int(files.config.get("pad_token_id") or 0)
        classifier = hf.PaddedClassifier(loaded, pad_id=pad_id, segments=tokenizer.uses_segments(), threads=threads)
    info = ModelInfo(files.model_id, files.revision, LABELS, precision, tokenizer.max_tokens)
    # a weighing is of scores as they were when it was fitted: with another calibration it says nothing
    weighing = None if calibration is not None else weighing_beside(files.folder)
    scorer = ClassifierScorer(info, tokenizer, classifier, columns, chosen, weighing)
    _try_canaries(scorer)
    return scorer


def _packed(files: ModelFiles, precision: str, threads: int | None) -> PackedClassifier:
    try:
        return PackedClassifier(read_tensors(files), files.config, precision, threads)
    except (KeyError, RuntimeError, ValueError, TypeError) as error:
        raise ModelUnusable(f"{files.model_id}: the weights do not fit config.json ({error})") from error


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


def _builtin() -> Path | None:
    try:
        from onrecord_models import nli_path
    except ModuleNotFoundError:
        return None
    return nli_path()


def _id2label(files: ModelFiles) -> dict[int, str]:
    names = files.config.get("id2label")
    if not isinstance(names, dict) or not names:
        raise ModelUnusable(f"{files.model_id}: config.json has no id2label, so nobody knows which output is which")
    return {int(index): str(name) for index, name in names.items()}


def _try_canaries(scorer: ClassifierScorer) -> None:
    """ModelUnusable unless pairs that any NLI model gets right come out right: catches shuffled labels and the like."""
    pairs = [pair for pair, _ in _CANARIES]
    try:
        found = scorer.score(scorer.encode(pairs)).argmax(axis=1)
    except Exception as error:
        raise ModelUnusable(f"{scorer.info.model_id}: fails on a plain pair ({error})") from error
    for (pair, expected), label in zip(_CANARIES, found, strict=True):
        if label != expected:
            raise ModelUnusable(
                f"{scorer.info.model_id}: calls {pair[1]!r} after {pair[0]!r} {LABELS[label]}, not "
                f"{LABELS[expected]}; check the labels in its config.json"
            )

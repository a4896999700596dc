"""Loading an NLI classifier: files, format, device, and a trial on canary pairs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch

from onrecord_server.domain.errors import ConfigError, ModelUnusable
from onrecord_server.domain.types import ModelInfo
from onrecord_server.nli.calibration import choose_calibration
from onrecord_server.nli.files import ModelFiles, find_model, weighing_beside
from onrecord_server.nli.labels import LABELS, label_columns
from onrecord_server.nli.lanes import Lanes, share_products
from onrecord_server.nli.memory import give_back, keep_freed
from onrecord_server.nli.packed import supports
from onrecord_server.nli.precision import arithmetic, check, fastest, find_device
from onrecord_server.nli.products import Arithmetic, plain
from onrecord_server.nli.scorer import Classifier, ClassifierScorer, PackedClassifier, read_tensors
from onrecord_server.nli.tokens import PairTokenizer, read_tokenizer, window

_log = logging.getLogger(__name__)

_CANARIES = (
    (("The shop opens at nine in the morning and closes at six.", "The shop opens at nine in the morning."), 0),
    (("The minister was in Paris on Friday.", "The minister was not in Paris on Friday."), 2),
)
_CLOSE = 0.05  # a probability of a canary pair may differ by so much from what fp32 gives


def load_classifier(
    model: str,
    *,
    revision: str | None,
    precision: str,
    threads: int | None,
    calibration: str | None = None,
    device: str = "auto",
) -> ClassifierScorer:
    """See onrecord_server.nli.load_scorer."""
    check(precision)
    where = find_device(device)
    keep_freed()
    files = find_classifier(model, revision)
    columns = label_columns(_id2label(files))
    chosen = choose_calibration(calibration, files.revision, files.folder)
    # a weighing is of scores as they were when it was fitted: with another calibration it says nothing
    weighing = None if calibration is not None else weighing_beside(files.folder)

    def scorer(name: str, tokenizer: PairTokenizer, classifier: Classifier) -> ClassifierScorer:
        info = ModelInfo(files.model_id, files.revision, LABELS, name, tokenizer.max_tokens)
        return ClassifierScorer(info, tokenizer, classifier, columns, chosen, weighing)

    if supports(files.config) and files.architecture == "BertForSequenceClassification":
        tokenizer = PairTokenizer(read_tokenizer(files.folder), window(files.config))
        share_products(1)  # laying out weights is no work to wait for one another over
        tensors, lanes = read_tensors(files), Lanes(threads if where.type == "cpu" else 1)

        def packed(how: Arithmetic) -> ClassifierScorer:
            return scorer(how.name, tokenizer, _packed(files, tensors, how, lanes))

        if precision == "auto" and where.type == "cpu":
            loaded = _automatic(files, tensors, lanes, packed)
        else:
            loaded = packed(arithmetic(precision, where))
    else:
        how = arithmetic("fp32" if precision == "auto" and where.type == "cpu" else precision, where)
        if how.name == "int8":
            raise ConfigError(f"{files.model_id}: int8 is for BERT classifiers; choose fp32 or bf16 for this one")
        from onrecord_server.nli import hf

        rust, declared = hf.load_tokenizer(files)
        tokenizer = PairTokenizer(rust, window(files.config, declared))
        network = hf.load(files, "AutoModelForSequenceClassification").to(where, how.states)
        pad_id, segments = int(files.config.get("pad_token_id") or 0), tokenizer.uses_segments()
        padded = hf.PaddedClassifier(network, pad_id=pad_id, segments=segments, threads=threads)
        loaded = scorer(how.name, tokenizer, padded)
    _try_canaries(loaded)
    give_back()
    return loaded


def find_classifier(model: str, revision: str | None) -> ModelFiles:
    """The files of an NLI model. ModelUnusable."""
    return find_model(model, builtin=_builtin(), builtin_id="onrecord-nli-small", revision=revision)


def _automatic(
    files: ModelFiles,
    tensors: Mapping[str, torch.Tensor],
    lanes: Lanes,
    packed: Callable[[Arithmetic], ClassifierScorer],
) -> ClassifierScorer:
    """The fastest format, unless these weights do not bear it."""
    plain32 = plain("fp32", torch.float32)
    try:
        formats = ("fp32", "bf16", "int8")
        how = fastest(files.model_id, tensors, files.config, "bert.encoder.layer.0.", lanes, formats)
        if how.name == "fp32":
            return packed(how)
        scorer = packed(how)
        off = _distance(scorer, packed(plain32))
        if off <= _CLOSE:
            return scorer
        _log.warning("%s: %s moves a canary's probability by %.2f; computing in fp32", files.model_id, how.name, off)
    except Exception as error:  # a probe must not stop a start: what is wrong with the weights, fp32 will tell
        _log.warning("%s: no format but fp32 computes here (%s)", files.model_id, error)
    return packed(arithmetic("fp32"))


def _distance(one: ClassifierScorer, other: ClassifierScorer) -> float:
    """The greatest difference of a probability of a canary pair."""
    pairs = one.encode([pair for pair, _ in _CANARIES])
    return float(np.abs(one.uncalibrated().score(pairs) - other.uncalibrated().score(pairs)).max())


def _packed(files: ModelFiles, tensors: Mapping[str, torch.Tensor], how: Arithmetic, lanes: Lanes) -> PackedClassifier:
    try:
        return PackedClassifier(tensors, files.config, how, lanes)
    except (KeyError, RuntimeError, ValueError, TypeError) as error:
        raise ModelUnusable(f"{files.model_id}: the weights do not fit config.json ({error})") from error


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

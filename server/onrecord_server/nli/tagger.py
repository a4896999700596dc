"""The attribution tagger: cues, then the source and the content of each cue. How it is trained: server/training/.

One encoder reads windows of sentences. Its upper layers exist twice: one copy tags cues; the other reads the lower
layers' output around one cue, that cue marked, and tags its source and content. Word embeddings are the retrieval
encoder's own, which were not trained and are not stored twice.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from onrecord_server.domain.errors import ModelError, ModelUnusable
from onrecord_server.domain.types import ModelInfo, Span, TaggedAttribution
from onrecord_server.nli.cores import cores
from onrecord_server.nli.decode import argument_spans, best_tags, cue_spans
from onrecord_server.nli.files import builtin_encoder, find_model
from onrecord_server.nli.lanes import share_products
from onrecord_server.nli.layout import lay_out
from onrecord_server.nli.memory import give_back
from onrecord_server.nli.packed import Embeddings, PackedLayers, supports
from onrecord_server.nli.precision import arithmetic
from onrecord_server.nli.scorer import read_tensors
from onrecord_server.nli.tokens import read_tokenizer
from onrecord_server.nli.windows import CLS, FEATURES, SEP, Pieces, Window, around, own_hint, read_pieces, windows

_BATCH_PIECES = 1_024  # with more it is no faster, and what a batch needs is kept for the next


class AttributionTagger:
    """Reads a document. Safe to call from any thread; calls take turns."""

    def __init__(
        self, info: ModelInfo, tokenizer: Any, words: Embeddings, tensors: Mapping[str, Tensor], config: dict[str, Any]
    ) -> None:
        """words: the embeddings it was trained on. config: see `export` in server/training/attribution.py."""
        self.info = info
        self._tokenizer = tokenizer
        self._words = words
        self.threshold = float(config.get("threshold", 0.3))
        self._features = [tensors[f"features.{i}.weight"].float() for i in range(len(FEATURES))]
        self._marks, self._own = tensors["marks.weight"].float(), tensors["own.weight"].float()

        def layers(name: str, first: int, last: int) -> PackedLayers:
            return PackedLayers(tensors, config, [f"{name}.{i}." for i in range(first, last)], arithmetic("fp32"))

        plain, shared, upper = (int(config[key]) for key in ("features_after", "shared_layers", "upper_layers"))
        self._plain_layers = layers("trunk", 0, plain)
        self._shared_layers = layers("trunk", plain, shared)
        self._cue_layers = layers("cue_layers", 0, upper)
        self._argument_layers = layers("argument_layers", 0, upper)
        self._cue_head, self._argument_head = (
            (tensors[f"{name}.weight"].float(), tensors[f"{name}.bias"].float())
            for name in ("cue_head", "argument_head")
        )
        self._turn = threading.Lock()

    def tag(self, text: str, sentences: Sequence[Span], hints: Sequence[TaggedAttribution]) -> list[TaggedAttribution]:
        """The attributions of a text, by their cues' places. Linear in its length.

        sentences: in order, without overlap; a line end between two is a new paragraph. hints: what rules found.
        Raises ModelError.
        """
        try:
            pieces = read_pieces(self._tokenizer, text, sentences, hints)
        except (TypeError, UnicodeError) as error:
            raise ModelError("a text holds characters that are not valid Unicode") from error
        found: list[TaggedAttribution] = []
        with self._turn, torch.inference_mode():
            share_products(cores())
            for batch in _batches(windows(pieces)):
                found += self._read(pieces, batch)
        return found

    def _read(self, pieces: Pieces, batch: list[Window]) -> Iterator[TaggedAttribution]:
        ids = [[CLS, *pieces.ids[w.first : w.last].tolist(), SEP] for w in batch]
        layout = lay_out([len(i) for i in ids])
        states = self._plain_layers(self._words(layout, ids, [len(i) for i in ids]), layout)
        nothing = np.zeros((1, len(FEATURES)), dtype=np.int64)
        order = layout.order.tolist()
        features = np.concatenate(
            [part for k in order for part in (nothing, pieces.features[batch[k].first : batch[k].last], nothing)]
        )
        for number, table in enumerate(self._features):
            states = states + table[torch.from_numpy(features[:, number])]
        states = self._shared_layers(states, layout)
        probabilities = functional.linear(self._cue_layers(states, layout), *self._cue_head).softmax(-1).numpy()
        if not np.isfinite(probabilities).all():
            raise ModelError("the tagger's output is not a number; its weights do not suit this input")
        cues: list[tuple[int, int, float]] = []  # words of the document
        bounds: list[tuple[int, int]] = []  # pieces around each cue
        rows: list[int] = []  # packed row of the first of them
        begins = dict(zip(order, layout.starts.tolist(), strict=True))
        for k, window in enumerate(batch):
            words = np.unique(pieces.word[window.core_first : window.core_last])
            words = words[pieces.first[words] >= window.core_first]
            at = begins[k] + 1 + pieces.first[words] - window.first
            for first, last, confidence in cue_spans(probabilities[at], self.threshold):
                cue = int(words[first]), int(words[last - 1]) + 1
                low, high = around(pieces, _pieces_of(pieces, cue), (window.first, window.last))
                cues.append((*cue, confidence))
                bounds.append((low, high))
                rows.append(begins[k] + 1 + low - window.first)
        for some in _parts([high - low for low, high in bounds]):
            yield from self._arguments(pieces, states, [(cues[i], bounds[i], rows[i]) for i in some])

    def _arguments(
        self, pieces: Pieces, states: Tensor, some: list[tuple[tuple[int, int, float], tuple[int, int], int]]
    ) -> Iterator[TaggedAttribution]:
        layout = lay_out([high - low for _, (low, high), _ in some])
        rows, marks, own = [], [], []
        for k in layout.order.tolist():
            (first, last, _), (low, high), row = some[k]
            start, end = _pieces_of(pieces, (first, last))
            rows.append(np.arange(row, row + high - low))
            marks.append(np.repeat([0, 1, 2], [start - low, end - start, high - end]))
            own.append(own_hint(pieces, (first, last), (low, high)))
        around_cues = states[torch.from_numpy(np.concatenate(rows))]
        around_cues = around_cues + self._marks[torch.from_numpy(np.concatenate(marks))]
        around_cues = around_cues + self._own[torch.from_numpy(np.concatenate(own))]
        logits = functional.linear(self._argument_layers(around_cues, layout), *self._argument_head)
        scores = logits.log_softmax(-1).numpy()
        begins = dict(zip(layout.order.tolist(), layout.starts.tolist(), strict=True))
        for k, ((first, last, confidence), (low, high), _) in enumerate(some):
            words = np.unique(pieces.word[low:high])
            words = words[pieces.first[words] >= low]
            held = scores[begins[k] + pieces.first[words] - low]
            tags = best_tags(held, (int(np.searchsorted(words, first)), int(np.searchsorted(words, last))))
            sources, contents = argument_spans(tags)
            if contents:
                base = int(words[0])
                source = max(sources, key=lambda s: s[1] - s[0], default=None)
                yield TaggedAttribution(
                    _span(pieces, base, source) if source else None,
                    _span(pieces, 0, (first, last)),
                    tuple(_span(pieces, base, c) for c in contents),
                    confidence,
                )


def _pieces_of(pieces: Pieces, words: tuple[int, int]) -> tuple[int, int]:
    first, last = words
    return int(pieces.first[first]), int(pieces.first[last]) if last < len(pieces.first) else len(pieces.ids)


def _span(pieces: Pieces, base: int, words: tuple[int, int]) -> Span:
    return Span(int(pieces.starts[base + words[0]]), int(pieces.ends[base + words[1] - 1]))


def _batches(every: Iterator[Window]) -> Iterator[list[Window]]:
    held: list[Window] = []
    for window in every:
        if held and sum(w.last - w.first for w in held) + window.last - window.first > _BATCH_PIECES:
            yield held
            held = []
        held.append(window)
    if held:
        yield held


def _parts(lengths: list[int]) -> Iterator[list[int]]:
    """Indices in order, in runs of bounded length together."""
    total = np.cumsum(np.array(lengths, dtype=np.int64)) // _BATCH_PIECES
    for _, run in itertools.groupby(range(len(lengths)), key=lambda i: int(total[i])):
        yield list(run)


def read_tagger(folder: Path, model_id: str = "") -> AttributionTagger:
    """A tagger from its folder (config.json, model.safetensors), on the built-in encoder's embeddings.

    model_id: what it calls itself; the folder by default. Raises ModelUnusable.
    """
    files = find_model(str(folder), builtin=None, builtin_id="", revision=None)
    encoder = find_model("builtin", builtin=builtin_encoder(), builtin_id="all-MiniLM-L6-v2", revision=None)
    if not supports(files.config):
        raise ModelUnusable(f"{files.folder}: config.json describes no BERT; reinstall onrecord-models")
    try:
        eps = float(encoder.config["layer_norm_eps"])
        words = Embeddings(read_tensors(encoder), "embeddings.", eps, mapped=True)
        info = ModelInfo(model_id or files.model_id, files.revision)
        tagger = AttributionTagger(info, read_tokenizer(encoder.folder), words, read_tensors(files), files.config)
    except (KeyError, RuntimeError, ValueError, TypeError) as error:
        raise ModelUnusable(f"{files.folder}: the weights do not fit config.json ({error})") from error
    give_back()
    return tagger

"""BERT without padding: the sequences of a batch lie end to end and every matrix product runs over real tokens only
(and a few rows that make their number round, see layout.py).

The arithmetic is that of `transformers` BertModel (tests hold it to 1e-4). Three things are saved: padding, the
last layer's work on tokens that nobody reads (a classifier looks at the first token alone), and the import of
`transformers`, which costs more than loading the weights. Only attention needs to know where a sequence ends;
it is a few per cent of the operations, so it may pad, among sequences of like length.

Source of the method: "Effective Transformer" / "ByteTransformer" (Zhai et al., IPDPS 2023, arXiv 2210.03052).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from onrecord_server.nli.layout import Group, Layout, lay_out, on, padded, round_up, row_counts
from onrecord_server.nli.products import Arithmetic, Linear


def supports(config: Mapping[str, Any]) -> bool:
    """Whether this module computes what the config describes: BERT with absolute positions and exact GELU."""
    return (
        config.get("model_type") == "bert"
        and config.get("hidden_act") == "gelu"
        and config.get("position_embedding_type", "absolute") == "absolute"
        and not config.get("is_decoder", False)
        and not config.get("add_cross_attention", False)
    )


@dataclass(frozen=True, slots=True)
class _Layer:
    """One layer. `project` gives queries, keys and values side by side from one product."""

    project: Linear
    attention_out: Linear
    attention_norm: tuple[Tensor, Tensor]
    up: Linear
    down: Linear
    norm: tuple[Tensor, Tensor]


class PackedLayers:
    """Encoder layers over packed sequences. `names`: what the tensors' names of each layer begin with.

    Layouts and states belong on the arithmetic's device.
    """

    def __init__(
        self, tensors: Mapping[str, Tensor], config: Mapping[str, Any], names: Sequence[str], arithmetic: Arithmetic
    ) -> None:
        self._heads = int(config["num_attention_heads"])
        self._width = int(config["hidden_size"])
        self._eps = float(config["layer_norm_eps"])
        self._device, self._format = arithmetic.device, arithmetic.states
        self._layers = [_read_layer(tensors, name, arithmetic) for name in names]

    def __call__(self, states: Tensor, layout: Layout) -> Tensor:
        """The last layer's output for every token, shape of `states`, in the arithmetic's format."""
        tall = with_rows(states, layout.rows, self._format)
        for layer in self._layers:
            tall = self._run(layer, tall, layout)
        return tall[: layout.tokens]

    def first(self, states: Tensor, layout: Layout) -> Tensor:
        """The last layer's output for each sequence's first token, in packed order."""
        tall = with_rows(states, layout.rows, self._format)
        for layer in self._layers[:-1]:
            tall = self._run(layer, tall, layout)
        return self._run(self._layers[-1], tall, layout, first_only=True)[: len(layout.starts)]

    def prepare(self, tokens: int) -> None:
        """Compute a layer on every number of rows that so many tokens make, and on fewer.

        What libraries make for each of them (see round_up) is made then; all layers are of one shape.
        """
        for rows in row_counts(tokens, self._device):
            whole, rest = divmod(rows, _USUAL_TOKENS)
            lengths = [_USUAL_TOKENS] * whole + ([rest] if rest else [])
            states = torch.zeros(rows, self._width, dtype=self._format, device=self._device)
            self._run(self._layers[0], states, lay_out(lengths, self._device, self._format))

    def _run(self, layer: _Layer, states: Tensor, layout: Layout, *, first_only: bool = False) -> Tensor:
        """One layer, of layout.rows. first_only: just for each sequence's first token, and some rows after these."""
        qkv = layer.project(states)
        if first_only:
            # of all other tokens only keys and values are looked at; the rest of this layer is not computed for them
            rows = round_up(len(layout.starts), states.device)
            states = with_rows(states.index_select(0, layout.starts), rows, states.dtype)
            mixed = with_rows(self._attend_first(qkv, layout), rows, states.dtype)
        else:
            mixed = self._attend(qkv, layout)
        states = normalised(layer.attention_out(mixed).add_(states), layer.attention_norm, self._eps)
        return normalised(layer.down(layer.up(states)).add_(states), layer.norm, self._eps)

    def _attend(self, qkv: Tensor, layout: Layout) -> Tensor:
        width = qkv.shape[1] // 3
        out = qkv.new_empty(layout.rows, width)
        out[layout.tokens :] = 0
        for group in layout.groups:
            q, k, v = self._split(padded(qkv, group), group)
            mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=group.mask)
            mixed = mixed.transpose(1, 2).reshape(group.count * group.width, width)
            rows = out[group.first : group.last]
            if group.kept is None:
                rows.copy_(mixed)
            else:
                torch.index_select(mixed, 0, group.kept, out=rows)
        return out

    def _attend_first(self, qkv: Tensor, layout: Layout) -> Tensor:
        parts = []
        for group in layout.groups:
            q, k, v = self._split(padded(qkv, group), group)
            mixed = functional.scaled_dot_product_attention(q[:, :, :1], k, v, attn_mask=group.mask)
            parts.append(mixed.transpose(1, 2).reshape(group.count, -1))
        return torch.cat(parts)

    def _split(self, qkv: Tensor, group: Group) -> tuple[Tensor, Tensor, Tensor]:
        """(count * width, 3 * model width) -> queries, keys, values of shape (count, heads, width, head width)."""
        parts: Tensor = qkv.view(group.count, group.width, 3, self._heads, -1).permute(2, 0, 3, 1, 4)
        queries, keys, values = parts
        return queries, keys, values


_USUAL_TOKENS = 64  # of a pair of sentences


class PackedBert:
    """A BERT trunk. `prefix`: what its tensors' names begin with ("bert." in a classifier)."""

    def __init__(
        self, tensors: Mapping[str, Tensor], config: Mapping[str, Any], prefix: str, arithmetic: Arithmetic
    ) -> None:
        self._device, self._format = arithmetic.device, arithmetic.states
        self._embeddings = Embeddings(tensors, prefix + "embeddings.", float(config["layer_norm_eps"]), self._device)
        names = [f"{prefix}encoder.layer.{i}." for i in range(int(config["num_hidden_layers"]))]
        self._layers = PackedLayers(tensors, config, names, arithmetic)

    def prepare(self, tokens: int) -> None:
        """Have ready what batches of up to so many tokens need: the first of each size costs no more than others."""
        with torch.inference_mode():
            self._layers.prepare(tokens)

    def first_states(self, ids: Sequence[Sequence[int]], second_starts: Sequence[int]) -> Tensor:
        """Last hidden state of each sequence's first token, shape (len(ids), width), in the order given.

        second_starts: index of the first token of type 1 in each sequence.
        """
        layout = lay_out([len(i) for i in ids], self._device, self._format)
        return _unsorted(self._layers.first(self._embeddings(layout, ids, second_starts), layout), layout)

    def mean_states(self, ids: Sequence[Sequence[int]]) -> Tensor:
        """Mean of the last hidden states over each sequence's tokens, shape (len(ids), width), in the order given."""
        lengths = [len(i) for i in ids]
        layout = lay_out(lengths, self._device, self._format)
        states = self._layers(self._embeddings(layout, ids, lengths), layout).float()
        means = torch.segment_reduce(states, "mean", lengths=layout.lengths.to(self._device), axis=0)
        return _unsorted(means, layout)


class Embeddings:
    """Word, position and segment embeddings. `prefix`: what the tensors' names begin with.

    `mapped`: leave the words in their file, of which only those that occur take memory. A file that is overwritten
    would take the process with it, so that is for what is installed.
    """

    def __init__(
        self,
        tensors: Mapping[str, Tensor],
        prefix: str,
        eps: float,
        device: torch.device | None = None,
        *,
        mapped: bool = False,
    ) -> None:
        self._device = device or torch.device("cpu")
        # a third of a small model: in the file's format, half of fp32
        words = tensors[f"{prefix}word_embeddings.weight"]
        self._words = words if mapped else _copy(words).to(self._device)
        self._positions, self._segments = (
            _get(tensors, f"{prefix}{name}_embeddings.weight").to(self._device) for name in ("position", "token_type")
        )
        weight, bias = _pair(tensors, f"{prefix}LayerNorm")
        self._norm = weight.to(self._device), bias.to(self._device)
        self._eps = eps

    def __call__(self, layout: Layout, ids: Sequence[Sequence[int]], second_starts: Sequence[int]) -> Tensor:
        """Packed states, shape (tokens, width). second_starts: index of each sequence's first token of type 1."""
        order = layout.order.numpy()
        lengths = layout.lengths.numpy()
        tokens = np.concatenate([np.asarray(ids[i], dtype=np.int64) for i in order])
        places = np.concatenate([np.arange(n) for n in lengths])
        second = places >= np.repeat(np.asarray(second_starts, dtype=np.int64)[order], lengths)
        tokens, places, second = (on(self._device, a) for a in (tokens, places, second.astype(np.int64)))
        states = self._words.index_select(0, tokens).float()
        states += self._positions.index_select(0, places)
        states += self._segments.index_select(0, second)
        return normalised(states, self._norm, self._eps)


def normalised(states: Tensor, norm: tuple[Tensor, Tensor], eps: float) -> Tensor:
    """Layer norm over the last axis."""
    return functional.layer_norm(states, states.shape[1:], *norm, eps)


def with_rows(states: Tensor, rows: int, dtype: torch.dtype) -> Tensor:
    """The states in a format, with zeros below them up to so many rows."""
    if len(states) == rows:
        return states.to(dtype)
    tall = states.new_zeros(rows, states.shape[1], dtype=dtype)
    tall[: len(states)] = states
    return tall


def _unsorted(rows: Tensor, layout: Layout) -> Tensor:
    """Rows in packed order -> rows in the batch's."""
    out = torch.empty_like(rows)
    out[layout.order.to(rows.device)] = rows
    return out


def _copy(tensor: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """In memory of its own: whatever is kept of a mapped file keeps all of it mapped."""
    return tensor.to(dtype or tensor.dtype, copy=True, memory_format=torch.contiguous_format)


def _get(tensors: Mapping[str, Tensor], name: str) -> Tensor:
    return _copy(tensors[name], torch.float32)


def _pair(tensors: Mapping[str, Tensor], name: str) -> tuple[Tensor, Tensor]:
    return _get(tensors, f"{name}.weight"), _get(tensors, f"{name}.bias")


def _read_layer(tensors: Mapping[str, Tensor], at: str, arithmetic: Arithmetic) -> _Layer:
    make_linear = arithmetic.linear

    def norm(name: str) -> tuple[Tensor, Tensor]:
        weight, bias = _pair(tensors, at + name)
        # on a CPU a norm takes fp32 weights with inputs of any format; on CUDA both must be alike
        dtype = torch.float32 if arithmetic.device.type == "cpu" else arithmetic.states
        return weight.to(arithmetic.device, dtype), bias.to(arithmetic.device, dtype)

    parts = [_pair(tensors, f"{at}attention.self.{name}") for name in ("query", "key", "value")]
    return _Layer(
        make_linear(torch.cat([w for w, _ in parts]), torch.cat([b for _, b in parts])),
        make_linear(*_pair(tensors, f"{at}attention.output.dense")),
        norm("attention.output.LayerNorm"),
        make_linear(*_pair(tensors, f"{at}intermediate.dense"), gelu=True),
        make_linear(*_pair(tensors, f"{at}output.dense"), after_gelu=True),
        norm("output.LayerNorm"),
    )

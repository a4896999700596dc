"""BERT without padding: the sequences of a batch lie end to end and every matrix product runs over real tokens only.

The arithmetic is that of `transformers` BertModel (tests hold it to 1e-4). Three things are saved: padding, the
last layer's work on tokens that nobody reads (a classifier looks at the first token alone), and the import of
`transformers`, which costs more than loading the weights. Only attention needs to know where a sequence ends;
it is a few per cent of the work, so it may pad, among sequences of like length.

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

from onrecord_server.nli.products import Arithmetic, Linear

_LIKE_LENGTH = 0.9  # sequences at least this share of the longest attend together, padded to it


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
class _Group:
    """Sequences that attend together: rows first..last of the packed matrix, `count` of them, padded to `width`.

    `rows`: packed row of each padded place, shape (count * width), None when nothing is padded. `kept`: padded places
    that hold a token, in packed order. `mask`: shape (count, 1, 1, width), true where a token is.
    """

    first: int
    last: int
    count: int
    width: int
    rows: Tensor | None
    kept: Tensor | None
    mask: Tensor | None


@dataclass(frozen=True, slots=True)
class Layout:
    """How a batch is packed: longest first. `order`: place in the batch of each packed sequence.

    `starts`, `lengths`: of each packed sequence, in rows.
    """

    order: Tensor
    starts: Tensor
    lengths: Tensor
    groups: tuple[_Group, ...]


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
    """Encoder layers over packed sequences. `names`: what the tensors' names of each layer begin with."""

    def __init__(
        self, tensors: Mapping[str, Tensor], config: Mapping[str, Any], names: Sequence[str], arithmetic: Arithmetic
    ) -> None:
        self._heads = int(config["num_attention_heads"])
        self._eps = float(config["layer_norm_eps"])
        self._arithmetic = arithmetic
        self._layers = [_read_layer(tensors, name, arithmetic) for name in names]

    def __call__(self, states: Tensor, layout: Layout) -> Tensor:
        """The last layer's output for every token, shape of `states`, in the arithmetic's format and on its device."""
        states = self._taken(states)
        for layer in self._layers:
            states = self._run(layer, states, layout)
        return states

    def first(self, states: Tensor, layout: Layout) -> Tensor:
        """The last layer's output for each sequence's first token, in packed order."""
        states = self._taken(states)
        for layer in self._layers[:-1]:
            states = self._run(layer, states, layout)
        return self._run(self._layers[-1], states, layout, first_only=True)

    def _taken(self, states: Tensor) -> Tensor:
        return states.to(self._arithmetic.device, self._arithmetic.states)

    def _run(self, layer: _Layer, states: Tensor, layout: Layout, *, first_only: bool = False) -> Tensor:
        """One layer. first_only: just for each sequence's first token, which then is all that comes back."""
        qkv = layer.project(states)
        if first_only:
            # of all other tokens only keys and values are looked at; the rest of this layer is not computed for them
            states = states[layout.starts]
            mixed = self._attend_first(qkv, layout)
        else:
            mixed = self._attend(qkv, layout)
        states = normalised(layer.attention_out(mixed, states), layer.attention_norm, self._eps)
        return normalised(layer.down(layer.up(states), states), layer.norm, self._eps)

    def _attend(self, qkv: Tensor, layout: Layout) -> Tensor:
        width = qkv.shape[1] // 3
        out = qkv.new_empty(qkv.shape[0], width)
        for group in layout.groups:
            q, k, v = self._split(_padded(qkv, group), group)
            mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=group.mask)
            mixed = mixed.transpose(1, 2).reshape(group.count * group.width, width)
            out[group.first : group.last] = mixed if group.kept is None else mixed[group.kept]
        return out

    def _attend_first(self, qkv: Tensor, layout: Layout) -> Tensor:
        parts = []
        for group in layout.groups:
            q, k, v = self._split(_padded(qkv, group), group)
            mixed = functional.scaled_dot_product_attention(q[:, :, :1], k, v, attn_mask=group.mask)
            parts.append(mixed.transpose(1, 2).reshape(group.count, -1))
        return torch.cat(parts)

    def _split(self, qkv: Tensor, group: _Group) -> tuple[Tensor, Tensor, Tensor]:
        """(count * width, 3 * model width) -> queries, keys, values of shape (count, heads, width, head width)."""
        parts: Tensor = qkv.view(group.count, group.width, 3, self._heads, -1).permute(2, 0, 3, 1, 4)
        queries, keys, values = parts
        return queries, keys, values


class PackedBert:
    """A BERT trunk. `prefix`: what its tensors' names begin with ("bert." in a classifier)."""

    def __init__(
        self, tensors: Mapping[str, Tensor], config: Mapping[str, Any], prefix: str, arithmetic: Arithmetic
    ) -> None:
        self._embeddings = Embeddings(tensors, prefix + "embeddings.", float(config["layer_norm_eps"]))
        names = [f"{prefix}encoder.layer.{i}." for i in range(int(config["num_hidden_layers"]))]
        self._layers = PackedLayers(tensors, config, names, arithmetic)

    def first_states(self, ids: Sequence[Sequence[int]], second_starts: Sequence[int]) -> Tensor:
        """Last hidden state of each sequence's first token, shape (len(ids), width), in the order given.

        second_starts: index of the first token of type 1 in each sequence.
        """
        layout = lay_out([len(i) for i in ids])
        first = self._layers.first(self._embeddings(layout, ids, second_starts), layout)
        out = torch.empty_like(first)
        out[layout.order] = first
        return out

    def mean_states(self, ids: Sequence[Sequence[int]]) -> Tensor:
        """Mean of the last hidden states over each sequence's tokens, shape (len(ids), width), in the order given."""
        lengths = [len(i) for i in ids]
        layout = lay_out(lengths)
        states = self._layers(self._embeddings(layout, ids, lengths), layout)
        sums = torch.segment_reduce(states, "mean", lengths=layout.lengths, axis=0)
        out = torch.empty_like(sums)
        out[layout.order] = sums
        return out


class Embeddings:
    """Word, position and segment embeddings. `prefix`: what the tensors' names begin with."""

    def __init__(self, tensors: Mapping[str, Tensor], prefix: str, eps: float) -> None:
        self._words, self._positions, self._segments = (
            _get(tensors, f"{prefix}{name}_embeddings.weight") for name in ("word", "position", "token_type")
        )
        self._norm = _pair(tensors, f"{prefix}LayerNorm")
        self._eps = eps

    def __call__(self, layout: Layout, ids: Sequence[Sequence[int]], second_starts: Sequence[int]) -> Tensor:
        """Packed states, shape (tokens, width). second_starts: index of each sequence's first token of type 1."""
        order = layout.order.numpy()
        lengths = layout.lengths.numpy()
        tokens = torch.from_numpy(np.concatenate([np.asarray(ids[i], dtype=np.int64) for i in order]))
        places = np.concatenate([np.arange(n) for n in lengths])
        second = places >= np.repeat(np.asarray(second_starts, dtype=np.int64)[order], lengths)
        states = self._words[tokens] + self._positions[torch.from_numpy(places)]
        states += self._segments[torch.from_numpy(second.astype(np.int64))]
        return normalised(states, self._norm, self._eps)


def normalised(states: Tensor, norm: tuple[Tensor, Tensor], eps: float) -> Tensor:
    """Layer norm over the last axis."""
    return functional.layer_norm(states, states.shape[1:], *norm, eps)


def _get(tensors: Mapping[str, Tensor], name: str) -> Tensor:
    return tensors[name].float().contiguous()


def _pair(tensors: Mapping[str, Tensor], name: str) -> tuple[Tensor, Tensor]:
    return _get(tensors, f"{name}.weight"), _get(tensors, f"{name}.bias")


def _read_layer(tensors: Mapping[str, Tensor], at: str, arithmetic: Arithmetic) -> _Layer:
    make_linear = arithmetic.linear
    parts = [_pair(tensors, f"{at}attention.self.{name}") for name in ("query", "key", "value")]
    return _Layer(
        make_linear(torch.cat([w for w, _ in parts]), torch.cat([b for _, b in parts])),
        make_linear(*_pair(tensors, f"{at}attention.output.dense")),
        _pair(tensors, f"{at}attention.output.LayerNorm"),
        make_linear(*_pair(tensors, f"{at}intermediate.dense"), gelu=True),
        make_linear(*_pair(tensors, f"{at}output.dense"), after_gelu=True),
        _pair(tensors, f"{at}output.LayerNorm"),
    )


def _padded(matrix: Tensor, group: _Group) -> Tensor:
    return matrix[group.first : group.last] if group.rows is None else matrix[group.rows]


def lay_out(counts: Sequence[int]) -> Layout:
    """How sequences of these lengths are packed."""
    unsorted = np.array(counts, dtype=np.int64)
    order = np.argsort(-unsorted, kind="stable")
    lengths = unsorted[order]
    starts = np.concatenate([[0], np.cumsum(lengths)])
    groups = []
    i = 0
    while i < len(lengths):
        width = int(lengths[i])
        k = i + int(np.count_nonzero(lengths[i:] >= width * _LIKE_LENGTH))
        rows = kept = mask = None
        if lengths[k - 1] < width:
            held = np.arange(width) < lengths[i:k, None]
            # a padded place reads the sequence's first row: any finite numbers do, the mask hides them
            places = np.where(held, starts[i:k, None] + np.arange(width), starts[i:k, None])
            rows, kept = torch.from_numpy(places.ravel()), torch.from_numpy(np.flatnonzero(held))
            mask = torch.from_numpy(held)[:, None, None, :]
        groups.append(_Group(int(starts[i]), int(starts[k]), k - i, width, rows, kept, mask))
        i = k
    return Layout(torch.from_numpy(order), torch.from_numpy(starts[:-1]), torch.from_numpy(lengths), tuple(groups))

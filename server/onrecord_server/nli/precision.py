"""Number formats that a BERT can be computed in, and which of them is the fastest here.

"auto" measures: one layer of the model in each format that costs no accuracy, on the cores that serve. CPUs differ by
more than can be read off their names: with bf16 units bf16 is twice as fast as fp32, without them several times slower.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from onrecord_server.domain.errors import ConfigError
from onrecord_server.nli.lanes import Lanes
from onrecord_server.nli.layout import lay_out
from onrecord_server.nli.packed import PackedLayers
from onrecord_server.nli.products import Arithmetic, eight_bits, has_onednn, plain, prepacked

PRECISIONS = ("auto", "fp32", "bf16", "int8")
DEVICES = ("auto", "cpu", "cuda")
CPU = torch.device("cpu")
_LENGTHS = (112, 80, 64, 56, 48, 48, 40, 32, 32)  # tokens of a lane's sequences in the probe: pairs of sentences
_ROUNDS = 5
_HOPELESS = 4.0  # a format that takes so many times as long as another on a few tokens is measured no further
_GAIN = 1.1  # a smaller format must be faster by this factor: below it the gain is noise

_log = logging.getLogger(__name__)


def check(precision: str) -> None:
    """ConfigError for an unknown --precision."""
    if precision not in PRECISIONS:
        raise ConfigError(f"precision is {precision!r}; it must be one of {', '.join(PRECISIONS)}")


def find_device(device: str) -> torch.device:
    """The device of a --device value. "auto" is CUDA where there is one. ConfigError."""
    if device not in DEVICES:
        raise ConfigError(f"device is {device!r}; it must be one of {', '.join(DEVICES)}")
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("--device cuda: PyTorch finds no CUDA device here; choose cpu, or install a build with CUDA")
    return torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")


def arithmetic(precision: str, device: torch.device = CPU) -> Arithmetic:
    """The way to compute in a format. precision: "fp32", "bf16", "int8" (CPU only), or on CUDA "auto".

    CUDA's "auto" is bf16, or fp16 on a device that has no bf16. ConfigError for what cannot be.
    """
    if device.type == "cuda":
        if precision == "int8":
            raise ConfigError("precision int8 is for CPUs; choose bf16 or fp32 on CUDA")
        if precision == "auto":
            precision = "bf16" if torch.cuda.is_bf16_supported() else "fp16"
        return plain(precision, {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision, torch.float32), device)
    if precision == "int8":
        if not has_onednn():
            raise ConfigError("precision int8: this build of PyTorch has no oneDNN; choose fp32 or bf16")
        return eight_bits("int8")
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    return prepacked(precision, dtype) if has_onednn(dtype) else plain(precision, dtype)


Trial = Callable[[Sequence[int]], float]
"""Seconds that a batch of sequences of these lengths, in tokens, takes."""

_found: dict[tuple[object, ...], Arithmetic] = {}  # what `fastest` found, by all that it depends on


def fastest(tensors: Mapping[str, Tensor], config: Mapping[str, Any], layer: str, lanes: Lanes) -> Arithmetic:
    """fp32 or bf16, by measuring one layer; takes some 0.2 s. What a format cannot do here rules it out, no more.

    tensors, config: the model. layer: what the names of one layer's tensors begin with. Models of one shape are
    measured once in a process.
    """
    shape = *(config[key] for key in ("hidden_size", "intermediate_size", "num_attention_heads")), lanes.threads
    if shape in _found:
        return _found[shape]
    candidates = [plain("fp32", torch.float32), *([arithmetic("fp32")] if has_onednn() else []), arithmetic("bf16")]

    def trial(candidate: Arithmetic) -> Trial:
        made: list[PackedLayers] = []

        def seconds(lengths: Sequence[int]) -> float:
            if not made:
                made.append(PackedLayers(tensors, config, [layer], candidate))
            ramp = torch.linspace(-2, 2, int(config["hidden_size"]))  # any plain numbers take the same time

            took: list[float] = []

            def compute(hand: Sequence[int]) -> Tensor:
                layout = lay_out([lengths[i] for i in hand])
                states = ramp.expand(sum(lengths[i] for i in hand), -1).contiguous()
                began = time.thread_time()  # what others take of the cores meanwhile is not the format's fault
                out = made[0](states, layout)[layout.starts]
                took.append(time.thread_time() - began)
                return out

            lanes.run(compute, lengths)
            return max(took)

        return seconds

    _found[shape] = choose([(candidate, trial(candidate)) for candidate in candidates], _LENGTHS * lanes.threads)
    return _found[shape]


def choose(trials: Sequence[tuple[Arithmetic, Trial]], lengths: Sequence[int]) -> Arithmetic:
    """The fastest of these on sequences of `lengths`, the first where none is better or can be measured.

    A format other than the first's must gain a tenth: below that it is noise. They take turns and the best of each
    counts, so that other work on the machine hits all alike.
    """
    first = trials[0][0]
    best: dict[int, float] = {}
    for number, (candidate, seconds) in enumerate(trials):
        try:
            seconds(lengths[:1])  # the first run makes what later ones use
            best[number] = seconds(lengths[:1])
        except Exception as error:  # whatever it is, there is a format that works
            _log.debug("%s by %s cannot compute here: %s", candidate.name, candidate.by, error)
    hopeless = _HOPELESS * min(best.values(), default=0)
    best = {number: float("inf") for number, took in best.items() if took <= hopeless}
    for _ in range(_ROUNDS):
        for number in best:
            best[number] = min(best[number], trials[number][1](lengths))
    if not best:
        return first
    plainest = min((number for number in best if trials[number][0].name == first.name), key=best.__getitem__, default=0)
    winner = min(best, key=best.__getitem__)
    if trials[winner][0].name != first.name and best[winner] * _GAIN > best.get(plainest, float("inf")):
        winner = plainest
    tokens = sum(lengths)
    _log.info(
        "precision %s: a layer reads %s thousand tokens a second",
        trials[winner][0].name,
        ", ".join(f"{tokens / best[n] / 1e3:.0f} ({trials[n][0].name}, {trials[n][0].by})" for n in best),
    )
    return trials[winner][0]

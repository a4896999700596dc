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
from onrecord_server.nli.products import Arithmetic, eight_bits, has_onednn, has_vnni, plain, prepacked

PRECISIONS = ("auto", "fp32", "bf16", "int8")
DEVICES = ("auto", "cpu", "cuda")
CPU = torch.device("cpu")
_LENGTHS = (72, 56, 48, 40, 40)  # tokens of a lane's sequences in the probe: pairs of sentences
_FEW = (8,)  # the same, for a first look
_ROUNDS = 5
_HOPELESS = 4.0  # a format that takes so many times as long as another on a few tokens is measured no further
# How many times as fast as fp32 a format must be to be taken: bf16 more than noise, int8 enough for what it costs
_WORTH = {"fp32": 1.0, "bf16": 1.1, "int8": 1.5}

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
        torch.backends.cuda.enable_cudnn_sdp(False)  # it makes a plan for each shape of a group, which takes longer
        return plain(precision, {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision, torch.float32), device)
    if precision == "int8":
        if not has_onednn():
            raise ConfigError("precision int8: this build of PyTorch has no oneDNN; choose fp32 or bf16")
        return eight_bits("int8")
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    return prepacked(precision, dtype) if has_onednn(dtype) else plain(precision, dtype)


Trial = Callable[[Sequence[int]], float]
"""Seconds that a batch of sequences of these lengths, in tokens, takes."""

Timings = Sequence[tuple[Arithmetic, float]]
"""Ways to compute, and the seconds each took for the same work."""

_measured: dict[tuple[object, ...], Timings] = {}  # by what they depend on


def fastest(
    model_id: str,
    tensors: Mapping[str, Tensor],
    config: Mapping[str, Any],
    layer: str,
    lanes: Lanes,
    formats: Sequence[str],
) -> Arithmetic:
    """The best of these formats on this CPU, by measuring one layer; takes some 0.2 s. A log line says what was found.

    model_id: named in it. tensors, config: the model. layer: what the names of one layer's tensors begin with. formats:
    with fp32 among them. What cannot be computed here is passed over. Models of one shape are measured once.
    """
    shape = *(config[key] for key in ("hidden_size", "intermediate_size", "num_attention_heads")), lanes.threads
    if shape not in _measured:
        candidates = [plain("fp32", torch.float32), arithmetic("bf16")]
        if has_onednn():
            candidates.append(arithmetic("fp32"))
            # without VNNI int8 keeps seven bits of what comes in, and is not worth what it then costs
            candidates += [arithmetic("int8")] if has_vnni() else []
        trials = [(candidate, _trial(tensors, config, layer, candidate, lanes)) for candidate in candidates]
        _measured[shape] = measure(trials, _LENGTHS * lanes.threads, _FEW * lanes.threads)
    timings = [(how, took) for how, took in _measured[shape] if how.name in formats]
    return pick(model_id, timings) or plain("fp32", torch.float32)


def _trial(
    tensors: Mapping[str, Tensor], config: Mapping[str, Any], layer: str, candidate: Arithmetic, lanes: Lanes
) -> Trial:
    made: list[PackedLayers] = []
    ramp = torch.linspace(-2, 2, int(config["hidden_size"]))  # any plain numbers take the same time

    def seconds(lengths: Sequence[int]) -> float:
        if not made:
            made.append(PackedLayers(tensors, config, [layer], candidate))
        took: list[float] = []

        def compute(hand: Sequence[int]) -> Tensor:
            layout = lay_out([lengths[i] for i in hand], states=candidate.states)
            states = ramp.expand(sum(lengths[i] for i in hand), -1).contiguous()
            began = time.thread_time()  # what others take of the cores meanwhile is not the format's fault
            out = made[0](states, layout)[layout.starts]
            took.append(time.thread_time() - began)
            return out

        lanes.run(compute, lengths)
        return max(took)

    return seconds


def measure(trials: Sequence[tuple[Arithmetic, Trial]], lengths: Sequence[int], few_tokens: Sequence[int]) -> Timings:
    """What each takes for sequences of `lengths`; what fails or is hopeless on `few_tokens` is not in it.

    They take turns and the best of each counts, so that other work on the machine hits all alike.
    """
    few = {}
    for how, seconds in trials:
        try:
            seconds(few_tokens)  # the first run makes what later ones use
            few[how] = seconds(few_tokens)
        except Exception as error:  # whatever it is, there is a format that works
            _log.debug("%s by %s cannot compute here: %s", how.name, how.by, error)
    limit = _HOPELESS * min(few.values(), default=0.0)
    running = [(how, seconds) for how, seconds in trials if how in few and few[how] <= limit]
    rounds = [[seconds(lengths) for _, seconds in running] for _ in range(_ROUNDS)]
    return [(how, min(took)) for (how, _), took in zip(running, zip(*rounds, strict=True), strict=True)]


def pick(model_id: str, timings: Timings) -> Arithmetic | None:
    """The fastest, where a smaller format must be as much faster as it is worth. None when there is none."""
    if not timings:
        return None
    winner, best = min(timings, key=lambda timing: timing[1] * _WORTH[timing[0].name])
    others = ", ".join(f"{how.name} ({how.by}) at {best / took:.2f}" for how, took in timings if how is not winner)
    speeds = others and f"; of its speed: {others}"
    _log.info("%s: computing in %s (%s)%s", model_id, winner.name, winner.by, speeds)
    return winner

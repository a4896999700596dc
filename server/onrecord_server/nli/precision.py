"""Number formats that a BERT's weights can be computed in. docs/benchmarks.md holds speed and accuracy of each."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor
from torch.nn import functional

from onrecord_server.domain.errors import ConfigError
from onrecord_server.nli.packed import Linear, MakeLinear

PRECISIONS = ("auto", "fp32", "bf16", "int8")


def resolve(precision: str) -> str:
    """ "fp32", "bf16" or "int8" for a --precision value; ConfigError for any other.

    "auto" is fp32. bf16 is for CPUs with bf16 units, and slower than fp32 elsewhere. int8 is faster everywhere and is
    a choice, never a default: it costs accuracy, and a pair's score then depends a little on its batch.
    """
    if precision not in PRECISIONS:
        raise ConfigError(f"precision is {precision!r}; it must be one of {', '.join(PRECISIONS)}")
    return "fp32" if precision == "auto" else precision


def linear_for(precision: str) -> MakeLinear:
    """How to multiply by a weight matrix. precision: "fp32", "bf16" or "int8"."""
    return {"fp32": plain_linear, "bf16": bf16_linear, "int8": int8_linear}[precision]


def plain_linear(weight: Tensor, bias: Tensor) -> Linear:
    """x -> x W' + b in the tensors' own format."""
    return lambda states: functional.linear(states, weight, bias)


def bf16_linear(weight: Tensor, bias: Tensor) -> Linear:
    """The product in bf16; states stay fp32 between products, so that sums and norms lose nothing."""
    weight, bias = weight.bfloat16(), bias.bfloat16()
    return lambda states: functional.linear(states.bfloat16(), weight, bias).float()


def int8_linear(weight: Tensor, bias: Tensor) -> Linear:
    """The product in int8: a scale for each output, and one for the whole batch of inputs, found as they come.

    Inputs keep 7 bits: without VNNI the CPU's 16-bit sums would overflow at 8.
    """
    quantized = torch.ops.quantized
    scales = weight.abs().amax(dim=1).clamp_min(1e-8).double() / 127
    with warnings.catch_warnings():
        # PyTorch means to move this to torchao one day; the pinned version has it, and torchao has no such CPU kernel
        warnings.simplefilter("ignore", UserWarning)
        rounded = torch.quantize_per_channel(
            weight, scales, torch.zeros(len(scales), dtype=torch.int64), 0, torch.qint8
        )
        packed = quantized.linear_prepack(rounded, bias)
    product: Linear = lambda states: quantized.linear_dynamic(states, packed, True)  # noqa: E731
    return product

"""Products with a weight matrix in each number format, and what happens to their result in the same pass.

Three quarters of a forward are these products. oneDNN computes them from weights laid out once for its kernels, and
applies GELU while the result is still in registers; docs/benchmarks.md has what each of it gives.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

_USUAL_ROWS = 1_024  # what oneDNN lays weights out for; other numbers of rows compute, too
_LEAST_GELU = 0.17  # GELU is never below -0.17


Linear = Callable[[Tensor], Tensor]
"""x, shape (rows, inputs), -> x W' + b, shape (rows, outputs), which is the caller's to write on."""


class MakeLinear(Protocol):
    """Makes a product of fp32 weights."""

    def __call__(self, weight: Tensor, bias: Tensor, *, gelu: bool = False, after_gelu: bool = False) -> Linear:
        """weight: shape (outputs, inputs). gelu: apply it to the result. after_gelu: the inputs are its results."""
        ...


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """How a model computes. `name`: as configured. `by`: whose products. `states`: format of what is between them."""

    name: str
    by: str
    states: torch.dtype
    linear: MakeLinear
    device: torch.device = torch.device("cpu")  # noqa: RUF009 - immutable


def plain(name: str, dtype: torch.dtype, device: torch.device | str = "cpu") -> Arithmetic:
    """torch's own product; any device."""
    device = torch.device(device)

    def make(weight: Tensor, bias: Tensor, *, gelu: bool = False, after_gelu: bool = False) -> Linear:
        weight, bias = weight.to(device, dtype), bias.to(device, dtype)

        def product(states: Tensor) -> Tensor:
            out = functional.linear(states, weight, bias)
            return torch.ops.aten.gelu_(out) if gelu else out

        return product

    return Arithmetic(name, "torch", dtype, make, device)


def prepacked(name: str, dtype: torch.dtype) -> Arithmetic:
    """oneDNN's product on weights in the layout of its kernels. CPU; fp32 or bf16. Only where `has_onednn()`."""
    onednn = torch.ops.mkldnn

    def make(weight: Tensor, bias: Tensor, *, gelu: bool = False, after_gelu: bool = False) -> Linear:
        laid = onednn._reorder_linear_weight(weight.to(dtype).contiguous(), _USUAL_ROWS)
        bias = bias.to(dtype)

        fused = "gelu" if gelu else "none"  # a residual added in the same pass costs more than one added after it
        product: Linear = lambda states: onednn._linear_pointwise(states, laid, bias, fused, [], "none")  # noqa: E731
        return product

    return Arithmetic(name, "oneDNN", dtype, make)


def eight_bits(name: str) -> Arithmetic:
    """oneDNN's int8 product: a scale for each output and, found as they come, one for each row of inputs.

    So a pair's score does not depend on its batch. Results of GELU are never much below zero and get all 255 steps
    above it; other inputs 127 on either side, 63 on CPUs without VNNI, where 16-bit sums would overflow. Only where
    `has_onednn()`.
    """
    onednn = torch.ops.onednn
    steps = 255 if has_vnni() else 127

    def make(weight: Tensor, bias: Tensor, *, gelu: bool = False, after_gelu: bool = False) -> Linear:
        weight, bias = weight.float(), bias.float()
        scales = weight.abs().amax(dim=1).clamp_min(1e-8) / 127
        rounded = (weight / scales[:, None]).round()
        laid = onednn.qlinear_prepack(rounded.to(torch.int8), None)
        zeros = torch.zeros(len(scales), dtype=torch.int64)
        middle = 0 if after_gelu else steps // 2 + 1
        middle_and_half = torch.tensor(middle + 0.5)
        if after_gelu:  # inputs are stored as their distance from the least; the bias takes that back
            bias = bias - _LEAST_GELU * (rounded * scales[:, None]).sum(dim=1)

        def product(states: Tensor) -> Tensor:
            if after_gelu:
                step = (states.amax(dim=1, keepdim=True) + _LEAST_GELU).div_(steps)
            else:
                step = states.abs().amax(dim=1, keepdim=True).clamp_min_(1e-8).div_(steps // 2)
            inverse = step.reciprocal()
            shift = inverse * _LEAST_GELU + 0.5 if after_gelu else middle_and_half
            stored = torch.addcmul(shift, states, inverse).to(torch.uint8)  # cutting what is positive rounds it
            out = onednn.qlinear_pointwise(
                stored, 1.0, middle, laid, scales, zeros, None, 1.0, 0, torch.float32, "none", [], ""
            )
            torch.addcmul(bias, out, step, out=out)
            return torch.ops.aten.gelu_(out) if gelu else out

        return product

    return Arithmetic(name, "oneDNN", torch.float32, make)


@functools.cache
def has_onednn(dtype: torch.dtype = torch.float32) -> bool:
    """Whether this build of torch has oneDNN's products, and they compute in this format on this CPU."""
    try:
        with torch.inference_mode():
            product = prepacked("", dtype).linear(torch.eye(16), torch.ones(16))
            return bool(torch.equal(product(torch.ones(2, 16, dtype=dtype)).float(), torch.full((2, 16), 2.0)))
    except (RuntimeError, AttributeError):
        return False


def has_vnni() -> bool:
    """Whether the CPU sums products of bytes in 32 bits."""
    supported = getattr(torch.cpu, "_is_vnni_supported", None)  # private, and of x86 alone
    return supported is not None and bool(supported())

"""Which number format is taken, with timings as given; what cannot compute is passed over."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest
import torch

from onrecord_server.domain.errors import ConfigError
from onrecord_server.nli.precision import Trial, check, choose
from onrecord_server.nli.products import Arithmetic, plain

FP32, FP32_FAST, BF16 = (
    Arithmetic(name, by, torch.float32, plain("", torch.float32).linear)
    for name, by in (("fp32", "torch"), ("fp32", "oneDNN"), ("bf16", "oneDNN"))
)
LENGTHS = [40, 30, 20]


def takes(*seconds: float) -> Trial:
    """A trial of a lone sequence takes the first of these, a whole batch the others in turn, then again the last."""
    whole = list(seconds[1:])

    def trial(lengths: Sequence[int]) -> float:
        if len(lengths) == 1:
            return seconds[0]
        return whole.pop(0) if len(whole) > 1 else whole[0]

    return trial


def fails(lengths: Sequence[int]) -> float:
    raise RuntimeError("no such instruction")


@pytest.mark.parametrize(
    ("plain32", "fast32", "bf16", "expected"),
    [
        (takes(1, 9), takes(1, 8), takes(1, 4), BF16),
        (takes(1, 9), takes(1, 8), takes(1, 7.9), FP32_FAST),  # a gain in the noise is none
        (takes(1, 8), takes(1, 9), takes(1, 9), FP32),
        (takes(1, 8), takes(1, 9), takes(1, 90, 90, 3, 90), BF16),  # the best round counts, not the noise
        (takes(1, 8), fails, fails, FP32),
        (fails, takes(1, 9), takes(1, 9), FP32_FAST),
        (fails, fails, takes(1, 9), BF16),
        (fails, fails, fails, FP32),
    ],
)
def test_the_fastest_is_taken(plain32: Trial, fast32: Trial, bf16: Trial, expected: Arithmetic) -> None:
    assert choose([(FP32, plain32), (FP32_FAST, fast32), (BF16, bf16)], LENGTHS) is expected


def test_a_hopeless_format_is_not_waited_for() -> None:
    def emulated(lengths: Sequence[int]) -> float:
        assert len(lengths) == 1, "a whole batch would take seconds"
        return 5.0

    assert choose([(FP32, takes(1, 8)), (BF16, emulated)], LENGTHS) is FP32


def test_one_line_tells_what_was_measured(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        choose([(FP32, takes(1, 0.009)), (BF16, takes(1, 0.003))], LENGTHS)
    (line,) = caplog.messages
    assert line == "precision bf16: a layer reads 10 (fp32, torch), 30 (bf16, oneDNN) thousand tokens a second"


def test_precision_is_checked() -> None:
    check("auto")
    with pytest.raises(ConfigError, match="fp16"):
        check("fp16")

"""Which number format is taken, with timings as given; what cannot compute is passed over."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest
import torch

from onrecord_server.domain.errors import ConfigError
from onrecord_server.nli import batch_tokens
from onrecord_server.nli.precision import Trial, arithmetic, check, find_device, measure, pick
from onrecord_server.nli.products import Arithmetic, plain

FP32, FP32_FAST, BF16, INT8 = (
    Arithmetic(name, by, torch.float32, plain("", torch.float32).linear)
    for name, by in (("fp32", "torch"), ("fp32", "oneDNN"), ("bf16", "oneDNN"), ("int8", "oneDNN"))
)
ALL = (FP32, FP32_FAST, BF16, INT8)
LENGTHS, FEW = [40, 30, 20], [8]


def takes(few: float, *whole: float) -> Trial:
    """A trial: `few` seconds for a lone sequence; for a whole batch `whole` in turn, then again the last."""
    left = list(whole)

    def trial(lengths: Sequence[int]) -> float:
        if len(lengths) == 1:
            return few
        return left.pop(0) if len(left) > 1 else left[0]

    return trial


def fails(lengths: Sequence[int]) -> float:
    raise RuntimeError("no such instruction")


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ((9.0, 8.0, 4.0, 3.5), BF16),  # what int8 gains is not worth what it costs
        ((9.0, 8.0, 4.0, 2.0), INT8),
        ((9.0, 8.0, 7.9, 7.8), FP32_FAST),  # a gain in the noise is none
        ((8.0, 9.0, 9.0, 9.0), FP32),
        ((9.0, 8.0, 30.0, 4.0), INT8),
        ((9.0, None, 30.0, None), FP32),
        ((None, None, 9.0, None), BF16),
        ((None, None, None, None), None),
    ],
)
def test_a_smaller_format_must_be_worth_it(seconds: Sequence[float | None], expected: Arithmetic | None) -> None:
    timings = [(how, took) for how, took in zip(ALL, seconds, strict=True) if took is not None]
    assert pick("a model", timings) is expected


def test_the_best_round_counts() -> None:
    trials = [(FP32, takes(1, 8)), (BF16, takes(1, 90, 90, 3, 90))]
    assert measure(trials, LENGTHS, FEW) == [(FP32, 8), (BF16, 3)]


def test_what_fails_is_passed_over() -> None:
    assert measure([(FP32, takes(1, 8)), (BF16, fails)], LENGTHS, FEW) == [(FP32, 8)]
    assert measure([(FP32, fails)], LENGTHS, FEW) == []


def test_a_hopeless_format_is_not_waited_for() -> None:
    def emulated(lengths: Sequence[int]) -> float:
        assert len(lengths) == 1, "a whole batch would take seconds"
        return 5.0

    assert measure([(FP32, takes(1, 8)), (BF16, emulated)], LENGTHS, FEW) == [(FP32, 8)]


def test_one_line_tells_what_was_measured(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        pick("a model", [(FP32, 0.009), (BF16, 0.003)])
    assert caplog.messages == ["a model: computing in bf16 (oneDNN); of its speed: fp32 (torch) at 0.33"]


def test_precision_and_device_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    check("auto")
    with pytest.raises(ConfigError, match="fp16"):
        check("fp16")
    with pytest.raises(ConfigError, match="tpu"):
        find_device("tpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert find_device("auto") == find_device("cpu") == torch.device("cpu")
    with pytest.raises(ConfigError, match="no CUDA device"):
        find_device("cuda")


def test_on_cuda_auto_is_the_half_precision_that_the_device_has(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = torch.device("cuda")
    for has_bf16, expected in ((True, ("bf16", torch.bfloat16)), (False, ("fp16", torch.float16))):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda has_bf16=has_bf16: has_bf16)
        how = arithmetic("auto", cuda)
        assert (how.name, how.states, how.device) == (*expected, cuda)
    with pytest.raises(ConfigError, match="int8"):
        arithmetic("int8", cuda)


def test_a_gpu_is_given_larger_batches_than_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    for there, tokens in ((True, 16_384), (False, 512)):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert batch_tokens(device="auto") == tokens
        assert batch_tokens(device="cpu") == batch_tokens("fake", "auto") == 512

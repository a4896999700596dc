"""The machine's own limit: the rate of the model's matrix products alone, and how near a whole layer comes to it.

    python tests/bench/matmul_limit.py [--rows 64 256 1024] [--rounds 8]

One thread, CPU time, the best of several rounds with all contenders taking turns. `layer` is a layer of the built-in
model as the server computes it, attention, GELU and norms included; its rate counts the products' operations only, so
that layer / products is the share of the limit reached.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable

import torch

from onrecord_models import nli_path
from onrecord_server.nli.files import find_model
from onrecord_server.nli.layout import lay_out
from onrecord_server.nli.memory import keep_freed
from onrecord_server.nli.packed import PackedLayers
from onrecord_server.nli.precision import arithmetic
from onrecord_server.nli.products import Arithmetic, has_onednn, plain
from onrecord_server.nli.scorer import read_tensors

LAYER = "bert.encoder.layer.0."
LIKE_PAIRS = (112, 80, 64, 56, 48, 48, 40, 32, 32)  # lengths, in tokens


def formats() -> dict[str, Arithmetic]:
    """What can compute here."""
    found = {"fp32, torch": plain("fp32", torch.float32)}
    if has_onednn():
        found["fp32, oneDNN"] = arithmetic("fp32")
        found["int8, oneDNN"] = arithmetic("int8")
    if has_onednn(torch.bfloat16):
        found["bf16, oneDNN"] = arithmetic("bf16")
    return found


def lengths(rows: int) -> list[int]:
    """Sequences of so many tokens together."""
    out: list[int] = []
    while (left := rows - sum(out)) > 0:
        out.append(min(left, LIKE_PAIRS[len(out) % len(LIKE_PAIRS)]))
    return out


def bare(how: Arithmetic, rows: int, outputs: int, inputs: int) -> Callable[[], object]:
    """The product alone: for int8 without the rounding of what comes in."""
    if how.name == "int8":
        onednn = torch.ops.onednn
        laid = onednn.qlinear_prepack(torch.ones(outputs, inputs, dtype=torch.int8), None)
        scales, zeros = torch.ones(outputs), torch.zeros(outputs, dtype=torch.int64)
        states = torch.ones(rows, inputs, dtype=torch.uint8)
        return lambda: onednn.qlinear_pointwise(
            states, 1.0, 0, laid, scales, zeros, None, 1.0, 0, torch.float32, "none", [], ""
        )
    product = how.linear(torch.randn(outputs, inputs), torch.randn(outputs))
    states = torch.randn(rows, inputs).to(how.states)
    return lambda: product(states)


def best(runs: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Least CPU seconds of each, taking turns."""
    took = dict.fromkeys(runs, float("inf"))
    for run in runs.values():
        run()
    for _ in range(rounds):
        for name, run in runs.items():
            began = time.thread_time()
            run()
            took[name] = min(took[name], time.thread_time() - began)
    return took


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[16, 64, 256, 1_024, 4_096], help="tokens of a batch")
    parser.add_argument("--rounds", type=int, default=8)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    keep_freed()
    files = find_model(str(nli_path()), builtin=None, builtin_id="", revision=None)
    tensors = read_tensors(files)
    width, inner = int(files.config["hidden_size"]), int(files.config["intermediate_size"])
    shapes = ((3 * width, width), (width, width), (inner, width), (width, inner))
    print("billion operations a second, one thread; GELU is in the third product but of int8\n")
    head = "".join(f"{f'{o}x{i}':>10}" for o, i in shapes)
    print(f"{'':14}{'tokens':>7}{head}{'products':>10}{'layer':>8}{'share':>7}")
    with torch.inference_mode():
        for rows in args.rows:
            layout = lay_out(lengths(rows))
            for name, how in formats().items():
                runs = {str(shape): bare(how, rows, *shape) for shape in shapes}
                layer, states = PackedLayers(tensors, files.config, [LAYER], how), torch.randn(rows, width)
                runs["layer"] = lambda layer=layer, states=states, layout=layout: layer(states, layout)  # type: ignore[misc]
                took = best(runs, args.rounds)
                work = [2e-9 * rows * outputs * inputs for outputs, inputs in shapes]
                rates = "".join(f"{w / took[str(s)]:10.0f}" for w, s in zip(work, shapes, strict=True))
                products = sum(work) / sum(took[str(s)] for s in shapes)
                whole = sum(work) / took["layer"]
                print(f"{name:14}{rows:7}{rates}{products:10.0f}{whole:8.0f}{whole / products:7.0%}")


if __name__ == "__main__":
    main()

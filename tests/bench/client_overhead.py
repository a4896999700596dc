"""What the Python clients cost: one check over the raw stub, and `check_many` over what the load generator reaches.

    python tests/bench/client_overhead.py [--checks 1500] [--claims 4000] [--rounds 5] [--seconds 8]

Serves the article of seeds/ with the declared fake model, so that the server has as little to do as it can. Checks: one
warm claim at a time over the raw stub, `Client.check` and `AsyncClient.check`, in turns, medians. Many: claims a second
of `check_many` of both clients, to the best that `onrecord bench` reaches in a closed loop (single checks, batches and
streams), in turns. Exit status 1 when a figure is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
import sys
import time
from collections.abc import Callable, Iterator

import grpc
from common import bench, figure, sample_claims, served

import onrecord
from onrecord.v1 import check_service_pb2, check_service_pb2_grpc

MODES = (
    ("--mix", "check=1", "--concurrency", "32"),
    ("--mix", "batch=1", "--size", "64", "--concurrency", "4"),
    ("--mix", "stream=1", "--size", "64", "--concurrency", "4"),
)


def timed(call: Callable[[], object]) -> float:
    """Seconds of one call."""
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def checks(address: str, count: int) -> dict[str, float]:
    """Median seconds of a check: by the raw stub, by Client, by AsyncClient."""
    claims = itertools.cycle(sample_claims())
    runner = asyncio.Runner()
    awaiting = onrecord.AsyncClient(address)
    times: dict[str, list[float]] = {"stub": [], "Client": [], "async stub": [], "AsyncClient": []}

    async def over_stub(claim: str) -> float:
        begun = time.perf_counter()
        await stub_awaiting.CheckClaim(
            check_service_pb2.CheckClaimRequest(claim=check_service_pb2.Claim(text=claim)), timeout=30
        )
        return time.perf_counter() - begun

    async def over_client(claim: str) -> float:
        begun = time.perf_counter()
        await awaiting.check(claim)
        return time.perf_counter() - begun

    async def connect() -> grpc.aio.Channel:
        return grpc.aio.insecure_channel(address)

    channel_awaiting = runner.run(connect())
    stub_awaiting = check_service_pb2_grpc.CheckServiceStub(channel_awaiting)
    with grpc.insecure_channel(address) as channel, onrecord.Client(address) as client:
        stub = check_service_pb2_grpc.CheckServiceStub(channel)
        for number in range(count + 100):
            claim = next(claims)
            request = check_service_pb2.CheckClaimRequest(claim=check_service_pb2.Claim(text=claim))
            ways: list[tuple[str, Callable[[], float]]] = [
                ("stub", lambda r=request: timed(lambda: stub.CheckClaim(r, timeout=30))),
                ("Client", lambda c=claim: timed(lambda: client.check(c))),
                ("async stub", lambda c=claim: runner.run(over_stub(c))),
                ("AsyncClient", lambda c=claim: runner.run(over_client(c))),
            ]
            shift = number % len(ways)  # nobody always goes first
            for name, way in ways[shift:] + ways[:shift]:
                took = way()
                if number >= 100:  # warm
                    times[name].append(took)
        runner.run(channel_awaiting.close())
        runner.run(awaiting.close())
    runner.close()
    return {name: statistics.median(values) for name, values in times.items()}


def marked(count: int) -> Iterator[str]:
    """Claims that no other has been: nothing is answered from memory."""
    claims = itertools.cycle(sample_claims())
    begin = time.perf_counter_ns()
    return (f"{next(claims)} [{begin + number:x}]." for number in range(count))


def many(address: str, count: int) -> float:
    """Claims a second of Client.check_many."""
    with onrecord.Client(address) as client:
        client.check("warm")
        begun = time.perf_counter()
        done = sum(isinstance(outcome, onrecord.CheckResult) for outcome in client.check_many(marked(count)))
        assert done == count
        return count / (time.perf_counter() - begun)


async def many_awaiting(address: str, count: int) -> float:
    """Claims a second of AsyncClient.check_many."""
    async with onrecord.AsyncClient(address) as client:
        await client.check("warm")
        begun = time.perf_counter()
        done = 0
        async for outcome in client.check_many(marked(count)):
            done += isinstance(outcome, onrecord.CheckResult)
        assert done == count
        return count / (time.perf_counter() - begun)


def closed_loop(address: str, mode: tuple[str, ...], seconds: float) -> float:
    """Items a second that the load generator reaches."""
    report = bench("--target", address, *mode, "--duration", seconds, "--warmup", 1)
    return max(float(kind["items_per_second"]) for row in report["rows"] for kind in row["calls"].values())


def main() -> int:
    parser = argparse.ArgumentParser(description="Time the Python clients.")
    parser.add_argument("--checks", type=int, default=1_500)
    parser.add_argument("--claims", type=int, default=4_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=8, help="of each run of the load generator")
    given = parser.parse_args()
    met = True
    with served("--model", "fake", "--encoder", "fake", "--cache-pairs", "0") as (address, _):
        took = checks(address, given.checks)
        for client, stub in (("Client", "stub"), ("AsyncClient", "async stub")):
            detail = f"{took[client] * 1e3:.2f} ms to {took[stub] * 1e3:.2f} ms, medians of {given.checks}"
            met &= figure(f"{client}.check to the raw stub", took[client] / took[stub], 1.1, 1.05, detail=detail)
        rates: dict[str, list[float]] = {}
        for _ in range(given.rounds):
            rates.setdefault("Client", []).append(many(address, given.claims))
            rates.setdefault("AsyncClient", []).append(asyncio.run(many_awaiting(address, given.claims)))
            for mode in MODES:
                rates.setdefault(mode[1], []).append(closed_loop(address, mode, given.seconds))
        medians = {name: statistics.median(values) for name, values in rates.items()}
        best = max(medians[mode[1]] for mode in MODES)
        shown = ", ".join(f"{name} {rate:.0f}/s" for name, rate in medians.items())
        for client in ("Client", "AsyncClient"):
            met &= figure(f"{client}.check_many to the generator", medians[client] / best, 0.95, 1.0, detail=shown)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())

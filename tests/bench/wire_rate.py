"""A batch of 256 claims over gRPC against the same in process: what the wire costs.

    python tests/bench/wire_rate.py [--rounds 5] [--claims 256]

One engine in this process and one in a server process, each with the article of seeds/ and without a memory of scores,
take turns at batches of different claims. Wire, messages and the process in between included; best round of each.
Exit status 1 when below 90 %.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

import grpc
from common import PARENT, article, different_claims, figure, model_options, serve_arguments, served

from onrecord.v1 import check_service_pb2 as pb
from onrecord.v1 import check_service_pb2_grpc
from onrecord_server.app import open_engine
from onrecord_server.config import ServerConfig
from onrecord_server.domain.types import CheckOptions, CheckResult, Claim, Source


async def measure(rounds: int, count: int, given: argparse.Namespace) -> tuple[float, float]:
    """Claims a second in process and over the wire, the best round of each."""
    config = ServerConfig(
        store=":memory:", model=given.model, encoder=given.encoder, precision=given.precision, cache_pairs=0
    )
    here = there = float("inf")
    with served(*serve_arguments(given)) as (address, _):
        async with (
            open_engine(config) as engine,
            grpc.aio.insecure_channel(address, options=[("grpc.max_receive_message_length", -1)]) as channel,
        ):
            await engine.record.ingest(PARENT, article(), Source(), dry_run=False)
            stub = check_service_pb2_grpc.CheckServiceStub(channel)
            for number in range(rounds + 1):  # the first one warms up
                claims = different_claims(count, number)
                began = time.perf_counter()
                outcomes = await engine.checker.check_many(PARENT, [Claim(c) for c in claims], CheckOptions())
                middle = time.perf_counter()
                # made again: the claims of the server are to be as new to it as they were to the engine here
                request = pb.BatchCheckClaimsRequest(claims=[pb.Claim(text=claim) for claim in claims])
                answer = await stub.BatchCheckClaims(request)
                ended = time.perf_counter()
                failed = sum(not isinstance(outcome, CheckResult) for outcome in outcomes)
                failed += sum(not item.HasField("result") for item in answer.items)
                if failed:
                    raise SystemExit(f"{failed} claims were not checked")
                if number:
                    here, there = min(here, middle - began), min(there, ended - middle)
                print(f"round {number}: {middle - began:.2f} s here, {ended - middle:.2f} s there", file=sys.stderr)
    return count / here, count / there


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--claims", type=int, default=256, help="claims of a batch, 256 at most")
    model_options(parser)
    given = parser.parse_args()
    here, there = asyncio.run(measure(given.rounds, given.claims, given))
    detail = f"{there:.1f} against {here:.1f} claims/s, batches of {given.claims}"
    return 0 if figure("gRPC batch against in process", 100 * there / here, 90, 97, "%", detail) else 1


if __name__ == "__main__":
    sys.exit(main())

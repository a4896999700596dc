"""Memory of the server and its models' processes after 1,000 different checks on the article of seeds/.

    python tests/bench/rss.py [--checks 1000] [--model builtin]

Reads proportional set sizes from /proc (Linux): what processes share counts once. The claims differ, so that each is
scored and the cache of pair scores fills as it would in use.
"""

from __future__ import annotations

import argparse
import sys
import time

import grpc
from common import memory, sample_claims, served

from onrecord.v1 import check_service_pb2, check_service_pb2_grpc


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--checks", type=int, default=1_000)
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--encoder", default="builtin")
    given = parser.parse_args()
    claims = sample_claims()
    with served("--model", given.model, "--encoder", given.encoder) as (address, process):
        print(f"serving      {memory(process):7.0f} MiB")
        with grpc.insecure_channel(address) as channel:
            stub = check_service_pb2_grpc.CheckServiceStub(channel)
            begun = time.perf_counter()
            for number in range(given.checks):
                text = claims[number % len(claims)]
                if number >= len(claims):  # the same claim in other words
                    text = f"In report {number} it says: {text}"
                stub.CheckClaim(check_service_pb2.CheckClaimRequest(claim=check_service_pb2.Claim(text=text)))
                if number + 1 in (100, given.checks):
                    print(f"{number + 1:5} checks {memory(process):7.0f} MiB")
            seconds = time.perf_counter() - begun
        print(f"{1_000 * seconds / given.checks:.1f} ms a check")
    return 0


if __name__ == "__main__":
    sys.exit(main())

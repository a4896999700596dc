"""Pairs per second of BatchCheckClaims against CrossEncoder.predict on the same weights and pairs, in one run.

    python tests/bench/batch_rate.py [--rounds 3] [--precision int8]

Serves the article of seeds/ in a second process, without a cache of pair scores, and checks all sample claims in one
BatchCheckClaims: parsing, embedding, search, model, rule and wire. In between, this process lets sentence-transformers
score the very pairs that the batch scores. They take turns; of each the best round counts. Target: 1.5 times.
Exit status 1 when missed.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

import grpc
import torch
from common import article, sample_claims, served
from overhead import pairs_of
from sentence_transformers import CrossEncoder

from onrecord.v1 import check_service_pb2 as pb
from onrecord.v1 import check_service_pb2_grpc
from onrecord_models import nli_path
from onrecord_server.app import open_engine
from onrecord_server.config import ServerConfig
from onrecord_server.domain.types import Source

TARGET = 1.5


async def scored_pairs(claims: list[str]) -> list[tuple[str, str]]:
    """The pairs that checks of the claims score, each once."""
    async with open_engine(ServerConfig(store=":memory:", cache_pairs=0)) as engine:
        await engine.record.ingest("collections/default", article(), Source(), dry_run=False)
        found = await pairs_of(engine.worker, engine.checker, claims)
    return list(dict.fromkeys(pair for pairs in found for pair in pairs))


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precision", default="auto", help="arithmetic of the server; CrossEncoder has fp32")
    args = parser.parse_args()
    claims = sample_claims()
    pairs = asyncio.run(scored_pairs(claims))
    # without dtype it would compute in the files' fp16, which a CPU does many times slower
    cross = CrossEncoder(str(nli_path()), device="cpu", max_length=512, model_kwargs={"dtype": torch.float32})
    request = pb.BatchCheckClaimsRequest(claims=[pb.Claim(text=claim) for claim in claims])
    best: dict[str, float] = {}

    def took(name: str, began: float) -> None:
        best[name] = min(best.get(name, float("inf")), time.perf_counter() - began)

    arguments = ("--cache-pairs", "0", "--precision", args.precision)
    with served(*arguments) as (address, _), grpc.insecure_channel(address) as channel:
        stub = check_service_pb2_grpc.CheckServiceStub(channel)
        stub.BatchCheckClaims(request)
        for _ in range(args.rounds):
            for size in (16, 32):
                began = time.perf_counter()
                cross.predict(pairs, batch_size=size, show_progress_bar=False)
                took(f"CrossEncoder.predict, batches of {size}", began)
            began = time.perf_counter()
            stub.BatchCheckClaims(request)
            took("BatchCheckClaims", began)
    anchor = min(seconds for name, seconds in best.items() if name.startswith("Cross"))
    print(f"{len(claims)} claims, {len(pairs)} pairs, {torch.get_num_threads()} threads, best of {args.rounds} rounds")
    for name, seconds in best.items():
        print(f"{name:40}{len(pairs) / seconds:8.1f} pairs/s{anchor / seconds:8.2f}x")
    return 0 if anchor / best["BatchCheckClaims"] >= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())

"""What the service costs over calling the model directly: one warm claim at a time, medians.

    python tests/bench/overhead.py [--rounds 5] [--model builtin]

Serves the article of seeds/ in a second process, without a cache of pair scores, and checks each sample claim over
gRPC. In between, this process scores the very same pairs of the same claim with the same model, tokenising included,
in one batch. The service also embeds the claim, searches the record and decides; target: at most 15 % or 10 ms more.
Exit status 1 when missed.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Sequence

import grpc
from common import article, sample_claims, served

from onrecord.v1 import check_service_pb2, check_service_pb2_grpc
from onrecord_server.app import open_engine
from onrecord_server.checking.worker import InferenceWorker
from onrecord_server.config import ServerConfig
from onrecord_server.domain.types import CheckOptions, Claim, Source
from onrecord_server.nli.base import EncodedPair, FloatArray, PairScorer

MAX_SHARE, MAX_MS = 0.15, 10.0


class Recording:
    """A scorer that remembers the pairs it was asked to encode."""

    def __init__(self, scorer: PairScorer) -> None:
        self._scorer = scorer
        self.info = scorer.info
        self.pairs: list[tuple[str, str]] = []

    def encode(self, pairs: Sequence[tuple[str, str]]) -> list[EncodedPair]:
        """Remember, then encode."""
        self.pairs += pairs
        return self._scorer.encode(pairs)

    def score(self, batch: Sequence[EncodedPair]) -> FloatArray:
        """Score."""
        return self._scorer.score(batch)


async def pairs_of(worker: InferenceWorker, checker: object, claims: Sequence[str]) -> list[list[tuple[str, str]]]:
    """The pairs that a check of each claim scores."""
    recording = Recording(worker.scorer)
    worker.scorer = recording
    found = []
    for claim in claims:
        recording.pairs = []
        await checker.check("collections/default", Claim(claim), CheckOptions())  # type: ignore[attr-defined]
        found.append(list(recording.pairs))
    return found


async def measure(rounds: int, arguments: Sequence[str], config: ServerConfig) -> tuple[list[float], list[float], int]:
    """Milliseconds a claim: the model called directly, and the service; and the number of pairs."""
    claims = sample_claims()
    async with open_engine(config) as engine:
        await engine.record.ingest("collections/default", article(), Source(), dry_run=False)
        scorer = engine.worker.scorer
        pairs = await pairs_of(engine.worker, engine.checker, claims)
    direct: list[list[float]] = [[] for _ in claims]
    service: list[list[float]] = [[] for _ in claims]
    with served(*arguments) as (address, _), grpc.insecure_channel(address) as channel:
        stub = check_service_pb2_grpc.CheckServiceStub(channel)
        for number in range(rounds + 1):  # the first one warms up
            for index, claim in enumerate(claims):
                if not pairs[index]:
                    continue
                begun = time.perf_counter()
                scorer.score(scorer.encode(pairs[index]))
                middle = time.perf_counter()
                stub.CheckClaim(check_service_pb2.CheckClaimRequest(claim=check_service_pb2.Claim(text=claim)))
                ended = time.perf_counter()
                if number:
                    direct[index].append(1_000 * (middle - begun))
                    service[index].append(1_000 * (ended - middle))
    scored = [i for i, times in enumerate(direct) if times]
    return (
        [statistics.median(direct[i]) for i in scored],
        [statistics.median(service[i]) for i in scored],
        sum(len(p) for p in pairs),
    )


def main() -> int:
    """Entry point. Exit status 1: more than the target."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds over all sample claims")
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--encoder", default="builtin")
    given = parser.parse_args()
    arguments = ["--model", given.model, "--encoder", given.encoder, "--cache-pairs", "0"]
    config = ServerConfig(
        store=":memory:", model=given.model, encoder=given.encoder, cache_pairs=0, inference="threads"
    )
    direct, service, pairs = asyncio.run(measure(given.rounds, arguments, config))
    model, whole = statistics.median(direct), statistics.median(service)
    more = statistics.median([s - d for s, d in zip(service, direct, strict=True)])
    print(f"{len(direct)} claims, {pairs / len(direct):.1f} pairs each, {given.rounds} rounds, medians")
    print(f"model directly {model:.1f} ms   service {whole:.1f} ms   more {more:.1f} ms ({100 * more / model:.0f} %)")
    return 0 if more <= MAX_MS or more <= MAX_SHARE * model else 1


if __name__ == "__main__":
    sys.exit(main())

"""Work done for callers that had already gone: tokens that the model read for nobody, as a share of all it read.

    python tests/bench/gone_callers.py [--seconds 30] [--abandon 0.5]

A server in this process, asked for more than it can do over gRPC; half of the callers cancel after a moment, the others
have a deadline of 1 s. Every claim bears a mark, so each text that reaches the model tells whose it is. A batch counts
as work for nobody as far as its texts' callers had cancelled, or were past their deadline, when the model began it; the
way of the cancellation to the server is on the server's account. Exit status 1 from 2 % on.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import grpc
from common import PARENT, article, figure, model_options, sample_claims

from onrecord._bench.calls import ABANDONED, Outcome, code_of
from onrecord._bench.driving import Driver, Plan, Row
from onrecord._bench.schedule import CHECK, Load
from onrecord.v1 import check_service_pb2 as pb
from onrecord.v1 import check_service_pb2_grpc
from onrecord_server.app import open_engine
from onrecord_server.config import ServerConfig
from onrecord_server.domain.types import Source
from onrecord_server.nli import Hand
from onrecord_server.rpc.backend import BackendSlot
from onrecord_server.rpc.interceptors import CallGuard
from onrecord_server.rpc.server import build_server

MARK = re.compile(r"\bmark([a-j]+)\b")
DIGITS = str.maketrans("0123456789", "abcdefghij")
DEADLINE = 1.0


class Ledger:
    """Who has gone when, and tokens read for whom. Methods that count may be called from the model's thread."""

    def __init__(self) -> None:
        self.gone: dict[str, float] = {}  # by mark, on the monotonic clock
        self.tokens = {"here": 0, "gone": 0, "unmarked": 0}
        self.marks: dict[int, tuple[object, str | None]] = {}  # pairs by identity, kept alive so that it stays theirs

    def read(self, mark: str | None, tokens: int, now: float) -> None:
        """The model begins to read a text of this caller."""
        whose = "unmarked" if mark is None else "gone" if self.gone.get(mark, now) < now else "here"
        self.tokens[whose] += tokens


class Watched:
    """A model that notes what it reads: a scorer of pairs or an encoder of texts."""

    def __init__(self, model: Any, ledger: Ledger) -> None:
        self._model, self._ledger = model, ledger

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def encode(self, inputs: Sequence[Any]) -> Any:
        """Of a scorer: remember whose pairs these are. Of an encoder: read texts."""
        made = self._model.encode(inputs)
        if inputs and isinstance(inputs[0], str):
            now = time.monotonic()
            for text in inputs:
                self._ledger.read(_mark(text), len(text.split()), now)
        else:
            for pair, encoded in zip(inputs, made, strict=True):
                self._ledger.marks[id(encoded)] = (encoded, _mark(pair[1]))
        return made

    def score(self, batch: Sequence[Any]) -> Any:
        """Read pairs."""
        now = time.monotonic()
        for encoded in batch:
            _, mark = self._ledger.marks.pop(id(encoded), (None, None))
            self._ledger.read(mark, len(encoded), now)
        return self._model.score(batch)


def _mark(text: str) -> str | None:
    found = MARK.search(text)
    return found[1] if found else None


class MarkedCaller:
    """Sends checks whose claims bear a mark, and enters into the ledger when each caller goes."""

    def __init__(self, channel: grpc.aio.Channel, ledger: Ledger) -> None:
        self._stub: Any = check_service_pb2_grpc.CheckServiceStub(channel)
        self._ledger = ledger
        self._claims = sample_claims()
        self._number = 0

    async def call(self, kind: str, due: float, deadline: float | None, leave_after: float | None) -> Outcome:
        """See `onrecord._bench.calls.Caller`."""
        loop = asyncio.get_running_loop()
        mark = str(self._number).translate(DIGITS)
        text = f"{self._claims[self._number % len(self._claims)].rstrip('.')} mark{mark}."
        self._number += 1
        outcome = Outcome(kind, due, loop.time(), 0.0, items=1)
        call = self._stub.CheckClaim(pb.CheckClaimRequest(claim=pb.Claim(text=text)), timeout=deadline)
        if deadline is not None:
            self._ledger.gone[mark] = time.monotonic() + deadline

        def leave() -> None:
            if call.cancel():
                self._ledger.gone[mark] = time.monotonic()

        leaving = None if leave_after is None else loop.call_later(leave_after, leave)
        try:
            await call
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if leaving is None or (task is not None and task.cancelling()):
                raise
            outcome.code = ABANDONED
        except grpc.aio.AioRpcError as error:
            outcome.code = code_of(error)
        finally:
            if leaving is not None:
                leaving.cancel()
        outcome.ended = loop.time()
        return outcome

    async def saturate(self, answered: Callable[[str], None]) -> None:
        """Not used here."""


async def measure(given: argparse.Namespace) -> tuple[Ledger, float, Row]:
    """The ledger of the measured load, its rate, and what came of the calls."""
    config = ServerConfig(
        store=":memory:", model=given.model, encoder=given.encoder, precision=given.precision, cache_pairs=0
    )
    async with open_engine(config) as engine:
        await engine.record.ingest(PARENT, article(), Source(), dry_run=False)
        server, health = build_server(BackendSlot(engine.backend), CallGuard())
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        await health.serving()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                stop = asyncio.Event()
                plan = Plan(mix={CHECK: 1.0}, duration=given.seconds, warmup=1.0, deadline=DEADLINE,
                            abandon=given.abandon, abandon_after=given.abandon_after)  # fmt: skip
                alone = Plan(mix={CHECK: 1.0}, duration=min(10.0, given.seconds), warmup=1.0)
                full = await Driver(MarkedCaller(channel, Ledger()), alone, stop).measure(Load(concurrency=16))
                rate = given.times * full.tally.good / full.seconds
                if not rate:
                    raise SystemExit("nothing was answered")
                ledger = Ledger()
                engine.worker.scorer = Watched(engine.worker.scorer, ledger)  # it tokenises
                for number, hand in enumerate(engine.worker.hands):
                    both = Watched(hand.scorer, ledger), Watched(hand.encoder, ledger)
                    engine.worker.hands[number] = Hand(*both, both)
                row = await Driver(MarkedCaller(channel, ledger), plan, stop).measure(Load(rate=rate))
        finally:
            await server.stop(1.0)
    return ledger, rate, row


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--times", type=float, default=2, help="offered load, in multiples of what 16 callers get")
    parser.add_argument("--abandon", type=float, default=0.5, help="share of callers who cancel")
    parser.add_argument("--abandon-after", type=float, default=0.1, help="seconds after which they do")
    model_options(parser)
    given = parser.parse_args()
    ledger, rate, row = asyncio.run(measure(given))
    total = sum(ledger.tokens.values())
    detail = (
        f"{ledger.tokens['gone']:,} of {total:,} tokens ({ledger.tokens['unmarked']:,} of nobody known), "
        f"{rate:.1f} calls/s, {dict(row.tally.kinds[CHECK].codes)}"
    )
    share = 100 * ledger.tokens["gone"] / max(1, total)
    return 0 if figure("work for callers that had gone", share, 2, 0.5, "%", detail) else 1


if __name__ == "__main__":
    sys.exit(main())

"""What one caller waits for, and what the model has to do for it. Plain records; worker.py moves them."""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from onrecord_server.checking.admission import Seat
from onrecord_server.checking.batching import PAIR, TEXT, Job, Priority
from onrecord_server.domain.errors import OnrecordError
from onrecord_server.domain.types import PairScore

_CODE_POINTS_PER_TOKEN = 4  # of English; only for admission, before anything is tokenised

PairOutcome = PairScore | OnrecordError


@dataclass(frozen=True, slots=True)
class ScoredPairs:
    """Scores in the order of the pairs. `queue_ms`: waiting; `inference_ms`: the model on the batches with these."""

    scores: list[PairScore]
    queue_ms: float
    inference_ms: float


@dataclass(frozen=True, slots=True)
class PairOutcomes:
    """As ScoredPairs, with an error in the place of each pair that failed."""

    outcomes: list[PairOutcome]
    queue_ms: float
    inference_ms: float


@dataclass(eq=False, slots=True)
class Request:
    """One wait of a caller. `open`: jobs still to come; `batches`: from when to when each that held one of them ran."""

    done: asyncio.Future[None]
    seat: Seat
    open: set[Work] = field(default_factory=set)
    batches: dict[int, tuple[float, float]] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class Work(Job):
    """A job with who waits for it and how it came out. `estimate`: tokens that it was admitted as, with `priority`."""

    estimate: int = 0
    key: bytes = b""
    priority: Priority = Priority.INTERACTIVE
    waiters: set[Request] = field(default_factory=set)
    outcome: Any = None

    def place(self) -> tuple[Priority, float]:
        """Where it stands in the queue: that of the most urgent who wait for it. Also brings `latest` up to date."""
        self.latest = max((math.inf if r.seat.deadline is None else r.seat.deadline) for r in self.waiters)
        return min((request.seat.priority, request.seat.due) for request in self.waiters)


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """Seconds that lie in at least one span (from, to): batches of several threads run at the same time."""
    total, until = 0.0, -math.inf
    for began, ended in sorted(spans):
        total += max(0.0, ended - max(began, until))
        until = max(until, ended)
    return total


def pair_key(pair: tuple[str, str]) -> bytes:
    """A short stand-in for the texts, so that the cache's size does not depend on theirs."""
    premise, hypothesis = (text.encode("utf-8", "surrogatepass") for text in pair)
    return hashlib.blake2b(b"%d " % len(premise) + premise + hypothesis, digest_size=16).digest()


def new_pair(key: bytes, pair: tuple[str, str]) -> Work:
    """A pair that is still to be tokenised: 0 tokens until it is."""
    return Work(PAIR, pair, 0, estimate=estimate_tokens(*pair), key=key)


def new_text(text: str, limit: int) -> Work:
    """A text for the encoder, which tokenises it itself and reads no more than `limit` tokens."""
    tokens = min(estimate_tokens(text), limit)
    return Work(TEXT, text, tokens, estimate=tokens)


def estimate_tokens(*texts: str) -> int:
    """Tokens of the texts together, specials included, without tokenising."""
    return sum(len(text) for text in texts) // _CODE_POINTS_PER_TOKEN + len(texts) + 1

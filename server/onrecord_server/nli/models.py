"""The two models of a server, loaded, and shared out among the threads that use them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from onrecord_server.nli.base import CalibratedScorer, Divisible, PairScorer, TextEncoder
from onrecord_server.nli.lazy import Tagger


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """Which models to load and how. Fields: see load_scorer and load_encoder; precision "fp32" is of both.

    batch_tokens: tokens of a batch that each hand will be given; None: what suits the device.
    """

    model: str
    encoder: str
    model_revision: str | None = None
    encoder_revision: str | None = None
    precision: str = "auto"
    threads: int | None = None
    calibration: str | None = None
    device: str = "auto"
    batch_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Hand:
    """Models for one of several threads, each with a core of its own.

    alone: the same two for a batch of one input while no other hand has anything to do, on the cores of all if they can
    (in threads; processes would have to agree on who computes, and lost more by it than they gained).
    """

    scorer: PairScorer
    encoder: TextEncoder
    alone: tuple[PairScorer, TextEncoder]


@dataclass(frozen=True, slots=True)
class Models:
    """What was loaded. `scorer` and `encoder` say what they are, and tokenise; `hands` compute: one at least.

    batch_tokens: tokens of a batch that each hand is given. processes: that hold the models, none for this one.
    tagger: the attribution tagger, where it has a process.
    """

    scorer: CalibratedScorer
    encoder: TextEncoder
    hands: Sequence[Hand]
    batch_tokens: int
    processes: Sequence[int] = ()
    tagger: Tagger | None = None


class ModelHost(Protocol):
    """Where models run. Its methods may be called from any thread."""

    def load(self) -> Models:
        """Wait until they are loaded. Once. Raises ConfigError, ModelUnusable."""
        ...

    def watch(self, on_death: Callable[[BaseException], None]) -> None:
        """Have it told, in a thread, when a process with models dies. At most once, and only after `load`."""
        ...

    def close(self) -> None:
        """End what was started, also while it loads. Idempotent."""
        ...


def hands(scorer: PairScorer, encoder: TextEncoder) -> Sequence[Hand]:
    """Models for several threads at once, each with a core of its own; one with both when they cannot be shared.

    They can when both are computed here, on a CPU: then nothing is copied. Two cores at two batches do more than two
    cores at one, as none waits for the other (docs/benchmarks.md, Speed).
    """
    whole = scorer, encoder
    cores = 0
    if isinstance(scorer, Divisible) and isinstance(encoder, Divisible):
        cores = min(scorer.cores, encoder.cores)
        if cores > 1:
            return [Hand(scorer.on_cores(1), encoder.on_cores(1), whole)] * cores
    return [Hand(scorer, encoder, whole)]


def load_both(choice: ModelChoice) -> tuple[CalibratedScorer, TextEncoder]:
    """Load the two in this process. Raises ConfigError, ModelUnusable."""
    from onrecord_server.nli import load_encoder, load_scorer

    encoder = load_encoder(
        choice.encoder,
        revision=choice.encoder_revision,
        precision="fp32" if choice.precision == "fp32" else "auto",
        threads=choice.threads,
        device=choice.device,
    )
    scorer = load_scorer(
        choice.model,
        revision=choice.model_revision,
        precision=choice.precision,
        threads=choice.threads,
        calibration=choice.calibration,
        device=choice.device,
    )
    return scorer, encoder


class Here:
    """A ModelHost that loads the models into this process and runs them in its threads."""

    def __init__(self, choice: ModelChoice) -> None:
        self._choice = choice

    def load(self) -> Models:
        """See ModelHost."""
        from onrecord_server.nli import batch_tokens

        scorer, encoder = load_both(self._choice)
        tokens = self._choice.batch_tokens or batch_tokens(self._choice.model, self._choice.device)
        return Models(scorer, encoder, hands(scorer, encoder), tokens)

    def watch(self, on_death: Callable[[BaseException], None]) -> None:
        """Nothing can die without the server."""

    def close(self) -> None:
        """Nothing was started."""

"""What the rest of the server knows of a model: two Protocols. Arrays are numpy; torch stays behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from onrecord_server.domain.types import ModelInfo

if TYPE_CHECKING:
    from onrecord_server.domain.weighing import Weighing
    from onrecord_server.nli.calibration import Calibration

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class EncodedPair:
    """A tokenised pair, ready for a batch.

    `ids`: token ids with specials. `hypothesis_start`: index of the first hypothesis token (token type 1 from there).
    `truncated`: the premise was cut from its end so that the whole hypothesis fits. `unread`: the hypothesis has words
    that the tokenizer knows nothing of and the premise does not have; to the model all such words are one and the same.
    """

    ids: tuple[int, ...]
    hypothesis_start: int
    truncated: bool
    unread: bool = False

    def __len__(self) -> int:
        return len(self.ids)


class PairScorer(Protocol):
    """An NLI model. Thread use: `encode` from any thread, `score` from one thread at a time."""

    @property
    def info(self) -> ModelInfo:
        """What is loaded; labels in output order, always entailment, neutral, contradiction after mapping by name."""
        ...

    def encode(self, pairs: Sequence[tuple[str, str]]) -> list[EncodedPair]:
        """Tokenise (premise, hypothesis) pairs. A hypothesis that fills the model alone raises ClaimTooLongForModel."""
        ...

    def score(self, batch: Sequence[EncodedPair]) -> FloatArray:
        """Calibrated probabilities, shape (len(batch), 3), columns entailment, neutral, contradiction.

        A pair that is `unread` is neutral.
        """
        ...


@runtime_checkable
class Pads(Protocol):
    """A PairScorer, a TextEncoder or a part of one that fills up short inputs, and counts what that costs."""

    @property
    def padding_tokens(self) -> int:
        """Padding computed so far, in tokens; only grows. Read it in the thread that computes."""
        ...


def padding_tokens(model: object) -> int:
    """What a model has padded so far, in tokens; 0 for one that does not pad."""
    return model.padding_tokens if isinstance(model, Pads) else 0


class CalibratedScorer(PairScorer, Protocol):
    """A scorer that tells its own scores from what is made of them."""

    @property
    def calibration(self) -> Calibration:
        """What `score` applies to the model's own probabilities."""
        ...

    @property
    def weighing(self) -> Weighing | None:
        """How its scores are weighed by nearness, where that was fitted for it."""
        ...

    def uncalibrated(self) -> PairScorer:
        """The same model, scoring with its own probabilities; shares the weights."""
        ...


@runtime_checkable
class Divisible(Protocol):
    """A scorer or encoder that computes on as many cores as it is told."""

    @property
    def cores(self) -> int:
        """How many it computes on; 0 when several threads may not use it at once in any case."""
        ...

    def on_cores(self, cores: int) -> Any:
        """One of its kind with the same weights that computes on so many.

        With 1, several threads may use it at once, unless `cores` is 0.
        """
        ...


class TextEncoder(Protocol):
    """A sentence encoder for retrieval."""

    @property
    def info(self) -> ModelInfo:
        """What is loaded."""
        ...

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        ...

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Unit vectors, shape (len(texts), dimension). Long texts are cut to what the encoder reads."""
        ...

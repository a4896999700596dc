"""NLI models and sentence encoders behind two Protocols. Importing it imports neither torch nor transformers."""

from __future__ import annotations

import os
import sys

from onrecord_server.domain.errors import ConfigError
from onrecord_server.nli.base import CalibratedScorer, EncodedPair, FloatArray, PairScorer, TextEncoder
from onrecord_server.nli.lazy import LazyTagger, Tagger
from onrecord_server.nli.models import Hand, Here, ModelChoice, ModelHost, Models, hands

__all__ = [
    "CalibratedScorer",
    "EncodedPair",
    "FloatArray",
    "Hand",
    "ModelChoice",
    "ModelHost",
    "Models",
    "PairScorer",
    "Tagger",
    "TextEncoder",
    "batch_tokens",
    "find_tagger",
    "hands",
    "identify_encoder",
    "load_encoder",
    "load_scorer",
    "start_models",
]

BUILTIN = "builtin"
FAKE = "fake"


def load_scorer(
    model: str = BUILTIN,
    *,
    revision: str | None = None,
    precision: str = "auto",
    threads: int | None = None,
    calibration: str | None = None,
    device: str = "auto",
) -> CalibratedScorer:
    """Load an NLI model and try it on canary pairs; ready to score when this returns.

    model: "builtin", "fake" (declared and deterministic, for tests), the folder of a Hugging Face sequence classifier,
    or a Hub id; local files are preferred to the network. revision: commit, branch or tag of a Hub id.
    precision: "auto" (measured: the fastest that costs no accuracy), "fp32", "bf16" or "int8". threads: cores for one
    batch; None takes all this process may use. device: "auto" (CUDA where there is one), "cpu" or "cuda".
    calibration: a file made by `onrecord calibrate`, or "none"; None takes calibration.json beside the weights, if
    there is one.

    Raises ConfigError for a precision or device that cannot be had, and ModelUnusable: not found, no safetensors,
    labels that are not entailment / neutral / contradiction, a canary pair that comes out wrong, a calibration that is
    none.
    """
    if model == FAKE:
        from onrecord_server.nli.fake import load_fake

        return load_fake(calibration)
    _sleep_at_barriers()
    from onrecord_server.nli.loading import load_classifier

    return load_classifier(
        model, revision=revision, precision=precision, threads=threads, calibration=calibration, device=device
    )


def identify_encoder(name: str = BUILTIN, *, revision: str | None = None) -> tuple[str, int]:
    """Which encoder `load_encoder` would load, as records remember it (id@revision), and the length of its vectors.

    Reads its files and loads nothing: a tenth of a second, unless a Hub id has to be downloaded. Raises ModelUnusable.
    """
    if name == FAKE:
        from onrecord_server.nli.fake import DIMENSION, ENCODER

        return f"{ENCODER.model_id}@{ENCODER.revision}", DIMENSION
    from onrecord_server.nli.files import find_encoder

    files, dimension = find_encoder(name, revision)
    return f"{files.model_id}@{files.revision}", dimension


def load_encoder(
    name: str = BUILTIN,
    *,
    revision: str | None = None,
    precision: str = "auto",
    threads: int | None = None,
    device: str = "auto",
) -> TextEncoder:
    """Load a sentence encoder (mean pooling, unit length).

    name: "builtin" (all-MiniLM-L6-v2), "fake", a folder, or a Hub id. precision: "auto", "fp32" or "bf16". threads,
    device: as for load_scorer. Raises ConfigError, ModelUnusable.
    """
    if name == FAKE:
        from onrecord_server.nli.fake import FakeEncoder

        return FakeEncoder()
    _sleep_at_barriers()
    from onrecord_server.nli.encoder import load_sentence_encoder

    return load_sentence_encoder(name, revision=revision, precision=precision, threads=threads, device=device)


def batch_tokens(model: str = BUILTIN, device: str = "auto") -> int:
    """Tokens of a batch that a model's device is best given, as docs/benchmarks.md measures it.

    A core is as fast with 512 as with more, and the shorter the batch, the sooner the next caller's turn. A GPU is four
    times as fast with 16,384. model, device: as for load_scorer. Raises ConfigError.
    """
    if model == FAKE or device == "cpu":
        return 512
    from onrecord_server.nli.precision import find_device

    return 16_384 if find_device(device).type == "cuda" else 512


def start_models(choice: ModelChoice, inference: str = "auto", *, tagger: bool = False) -> ModelHost:
    """Begin to load both models. inference: "processes" (Linux: of their own, one a core), "threads" (of this one).

    tagger: in processes, have one for the attribution tagger, too; it loads at the first document.

    "auto" is processes where they are to be had; fakes run in threads in any case, as they compute nothing to speak of.
    Raises ConfigError where there are no such processes.
    """
    can = sys.platform == "linux"  # elsewhere what torch computes with may not survive a fork
    if inference == "processes" and not can:
        raise ConfigError("--inference processes: is for Linux; choose threads")
    if inference == "threads" or not can or FAKE in (choice.model, choice.encoder):
        return Here(choice)
    from onrecord_server.nli.cores import cores
    from onrecord_server.nli.processes.host import Apart

    return Apart(choice, choice.threads or cores(), tagger=tagger)


def _sleep_at_barriers() -> None:
    """Have OpenMP's threads sleep where they wait for each other, unless the operator says otherwise.

    By default they spin, on cores that the event loop, the other lane or another program could use
    (docs/benchmarks.md, Speed). OpenMP reads it once, when torch is loaded.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def find_tagger() -> Tagger | None:
    """The built-in attribution tagger, loaded at its first use; None when its weights are not installed."""
    try:
        from onrecord_models import attribution_path
    except ImportError:
        return None
    if not (attribution_path() / "config.json").is_file():
        return None

    def load() -> Tagger:
        _sleep_at_barriers()
        from onrecord_server.nli.tagger import read_tagger

        return read_tagger(attribution_path(), "onrecord-attribution")

    return LazyTagger(load)

"""Calibration: maps that make a model's probabilities mean what they say. Made by `onrecord calibrate`.

Every map reads probabilities, not logits: what it needs of the logits is in the logarithm of their softmax, and so a
map can be tried on scores that were kept without it.

Methods: temperature and vector scaling (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, arXiv
1706.04599); isotonic regression for each class, renormalised (Zadrozny and Elkan, KDD 2002).
"""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from onrecord_server.domain.errors import ModelUnusable
from onrecord_server.nli.base import FloatArray
from onrecord_server.nli.labels import LABELS

_log = logging.getLogger(__name__)

FILE_NAME = "calibration.json"
MOST_BYTES = 1_000_000
MOST_KNOTS = 1_000
LARGEST = 100.0
"""Of a scale, a bias or a temperature: far beyond what any model needs."""
LEAST = 1e-3
"""Of a scale or a temperature, exclusive: less divides by what float32 cannot hold."""

_SHOWN = 40  # code points of a wrong value that a message repeats
_TINY = float(np.finfo(np.float32).tiny)
_LEAST = 1e-4  # no isotonic probability is smaller: a few hundred pairs never show that something is impossible

Wide = npt.NDArray[np.float64]


class Calibration(Protocol):
    """A map from probabilities to probabilities."""

    method: ClassVar[str]

    def apply(self, probabilities: FloatArray) -> FloatArray:
        """Shape (n, 3), columns as LABELS, rows sum to 1; the same for the result.

        A row that is exactly certain is no estimate (an unread pair is neutral by rule) and stays as it is.
        """
        ...

    def to_json(self) -> dict[str, object]:
        """The fields of calibration.json, "method" first."""
        ...


def revision_of(calibration: Calibration) -> str:
    """A hash of what a calibration does, 12 hex digits; "" for none."""
    if isinstance(calibration, Uncalibrated):
        return ""
    return hashlib.sha256(json.dumps(calibration.to_json(), sort_keys=True).encode()).hexdigest()[:12]


def softmax(logits: npt.NDArray[np.floating], temperature: float = 1.0) -> FloatArray:
    """Probabilities along the last axis, float32."""
    scaled = logits.astype(np.float32) / np.float32(temperature)
    exponentials = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    probabilities: FloatArray = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return probabilities


def logarithms(probabilities: npt.NDArray[np.floating]) -> Wide:
    """Natural logarithms, finite also of zero."""
    logs: Wide = np.log(np.maximum(probabilities.astype(np.float64), _TINY))
    return logs


def is_certain(probabilities: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
    """Which rows hold exactly one 1 and else 0; shape (n,)."""
    certain: npt.NDArray[np.bool_] = (probabilities.max(axis=-1) == 1.0) & ((probabilities > 0).sum(axis=-1) == 1)
    return certain


def _unless_certain(mapped: npt.NDArray[np.floating], given: FloatArray) -> FloatArray:
    return np.where(is_certain(given)[:, None], given, mapped).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Uncalibrated:
    """The model's own probabilities."""

    method: ClassVar[str] = "none"

    def apply(self, probabilities: FloatArray) -> FloatArray:
        """See Calibration."""
        return probabilities

    def to_json(self) -> dict[str, object]:
        """See Calibration."""
        return {"method": self.method}


@dataclass(frozen=True, slots=True)
class Temperature:
    """log p / temperature. One number; it never changes which label wins."""

    temperature: float
    method: ClassVar[str] = "temperature"

    def apply(self, probabilities: FloatArray) -> FloatArray:
        """See Calibration."""
        return _unless_certain(softmax(logarithms(probabilities), self.temperature), probabilities)

    def to_json(self) -> dict[str, object]:
        """See Calibration."""
        return {"method": self.method, "temperature": self.temperature}


@dataclass(frozen=True, slots=True)
class Vector:
    """scale * log p + bias, with a scale above zero and a bias for each label. Six numbers; a close call may turn."""

    scale: tuple[float, ...]
    bias: tuple[float, ...]
    method: ClassVar[str] = "vector"

    def apply(self, probabilities: FloatArray) -> FloatArray:
        """See Calibration."""
        scaled = logarithms(probabilities) * np.array(self.scale) + np.array(self.bias)
        return _unless_certain(softmax(scaled), probabilities)

    def to_json(self) -> dict[str, object]:
        """See Calibration."""
        return {"method": self.method, "scale": list(self.scale), "bias": list(self.bias)}


@dataclass(frozen=True, slots=True)
class Isotonic:
    """A curve for each label that never falls, straight between its knots; then the three are made to sum to 1.

    knots: for each label two rows of equal length, probabilities before (rising) and after (not falling).
    """

    knots: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...]
    method: ClassVar[str] = "isotonic"

    def apply(self, probabilities: FloatArray) -> FloatArray:
        """See Calibration."""
        columns = [np.interp(probabilities[:, i], x, y) for i, (x, y) in enumerate(self.knots)]
        raised = np.maximum(np.stack(columns, axis=1), _LEAST)
        return _unless_certain(raised / raised.sum(axis=1, keepdims=True), probabilities)

    def to_json(self) -> dict[str, object]:
        """See Calibration."""
        knots = {label: {"x": list(x), "y": list(y)} for label, (x, y) in zip(LABELS, self.knots, strict=True)}
        return {"method": self.method, "knots": knots}


def choose_calibration(given: str | None, revision: str, folder: Path | None = None) -> Calibration:
    """The calibration in the file given, or beside the weights in the folder; none for "none" or where there is none.

    revision: of the model. Raises ModelUnusable when a file is there and holds no calibration.
    """
    if given == Uncalibrated.method:
        return Uncalibrated()
    if given is not None:
        return read_calibration(Path(given), revision)
    path = folder / FILE_NAME if folder else None
    return read_calibration(path, revision) if path is not None and path.exists() else Uncalibrated()


def read_calibration(path: Path, revision: str = "") -> Calibration:
    """Read a calibration file. ModelUnusable when it cannot be read or holds no calibration.

    A file that says it was made for another revision than this is used, with a warning: a copy of the same weights may
    be called otherwise.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
        if len(raw) > MOST_BYTES:
            raise ValueError(f"larger than {MOST_BYTES:,} bytes")
        data = json.loads(raw)
        calibration = parse_calibration(data)
    except (OSError, ValueError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ModelUnusable(f"{path}: no calibration ({why}); make one with `onrecord calibrate`") from error
    made_for = data.get("model_revision") if isinstance(data, dict) else None
    if revision and isinstance(made_for, str) and made_for != revision:
        _log.warning("%s was made for revision %.40s of a model, and this is %s", path, made_for, revision)
    return calibration


def parse_calibration(data: object) -> Calibration:
    """The calibration in the content of a file; ValueError says what is wrong.

    A file without "method", {"temperature": t}, is of before there was a choice. Unknown keys are notes.
    """
    if not isinstance(data, Mapping):
        raise ValueError("not a JSON object")
    method = data.get("method", Temperature.method)
    if method == Uncalibrated.method:
        return Uncalibrated()
    if method == Temperature.method:
        return Temperature(_number(data.get("temperature"), "temperature", above=LEAST))
    if method == Vector.method:
        scale = _numbers(data.get("scale"), "scale", len(LABELS), above=LEAST)
        return Vector(scale, _numbers(data.get("bias"), "bias", len(LABELS), above=-LARGEST))
    if method == Isotonic.method:
        knots = data.get("knots")
        if not isinstance(knots, Mapping) or set(knots) != set(LABELS):
            raise ValueError(f"knots needs an object with {', '.join(LABELS)}")
        return Isotonic(tuple(_curve(knots[label], label) for label in LABELS))
    raise ValueError(f"method is {_shown(method)}; it must be none, temperature, vector or isotonic")


def _shown(value: object) -> str:
    """A wrong value as a message repeats it."""
    return repr(value)[:_SHOWN]


def _number(value: object, name: str, *, above: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise ValueError(f"{name} is {_shown(value)}; it must be a number")
    if not above < value <= LARGEST:  # no float of it before: a whole number may be too large for one
        raise ValueError(f"{name} is {_shown(value)}; it must be above {above:g} and at most {LARGEST:g}")
    return float(value)


def _numbers(value: object, name: str, count: int, *, above: float) -> tuple[float, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != count:
        raise ValueError(f"{name} needs {count} numbers")
    return tuple(_number(item, f"{name}[{i}]", above=above) for i, item in enumerate(value))


def _curve(value: object, label: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    at = f"knots.{label}"
    x, y = (value.get("x"), value.get("y")) if isinstance(value, Mapping) else (None, None)
    if not isinstance(x, list) or not isinstance(y, list) or len(x) != len(y) or not 1 <= len(x) <= MOST_KNOTS:
        raise ValueError(f"{at} needs x and y, equally many numbers, 1 to {MOST_KNOTS:,}")
    before = _numbers(x, f"{at}.x", len(x), above=-1.0)
    after = _numbers(y, f"{at}.y", len(y), above=-1.0)
    if not all(0 <= v <= 1 for v in (*before, *after)):
        raise ValueError(f"{at} needs probabilities, 0 to 1")
    if any(a >= b for a, b in itertools.pairwise(before)):
        raise ValueError(f"{at}.x must rise")
    if any(a > b for a, b in itertools.pairwise(after)):
        raise ValueError(f"{at}.y must not fall")
    return before, after

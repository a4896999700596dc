"""Results that cost the model time, kept on disk by content: appended as they come, so that an interruption loses none.

A file holds fixed-size records, a 16-byte key (BLAKE2b of the texts) and numbers; it is named after the model, its
revision and its precision, so a result is never taken for another model's. Numbers only: reading a file runs no code.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from onrecord_server.domain.types import ModelInfo
from onrecord_server.nli.base import FloatArray

KEY_BYTES = 16
_FORMAT = 1  # in the files' names; another layout takes another number


def key_of(texts: Iterable[str]) -> bytes:
    """A stand-in for some texts."""
    digest = hashlib.blake2b(digest_size=KEY_BYTES)
    for text in texts:
        raw = text.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(raw))
        digest.update(raw)
    return digest.digest()


class RecordFile:
    """Rows of `width` float32 numbers by key. Several processes may use one file.

    folder None keeps the rows in memory only. A file that ends in the middle of a record (a full disk, a crash) is read
    up to there and mended by the next write. Rows that are not finite, or not `valid` (rows -> a mask), are not taken.
    """

    def __init__(
        self,
        folder: Path | None,
        kind: str,
        info: ModelInfo,
        width: int,
        valid: Callable[[FloatArray], npt.NDArray[np.bool_]] | None = None,
    ) -> None:
        self._valid = valid
        self._dtype = np.dtype([("key", "V16"), ("row", "<f4", (width,))])
        self._rows: dict[bytes, FloatArray] = {}
        self.added = 0
        self._path: Path | None = None
        if folder is None:
            return
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{kind}-{_name(info)}.v{_FORMAT}.bin"
        self._lock = FileLock(f"{self._path}.lock")
        if self._path.exists():
            self._read(self._path)

    def _read(self, path: Path) -> None:
        records = np.fromfile(path, dtype=self._dtype, count=path.stat().st_size // self._dtype.itemsize)
        sound = np.isfinite(records["row"]).all(axis=1)
        if self._valid is not None:
            sound &= self._valid(records["row"])
        # one copy of all rows, and views into it
        rows, keys = records["row"][sound], records["key"][sound].tobytes()
        self._rows = {keys[i * KEY_BYTES : (i + 1) * KEY_BYTES]: row for i, row in enumerate(rows)}

    def __contains__(self, key: bytes) -> bool:
        return key in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, keys: Sequence[bytes]) -> FloatArray:
        """Rows of keys that are all there, shape (len(keys), width)."""
        found = np.empty((len(keys), self._dtype["row"].shape[0]), dtype=np.float32)
        for i, key in enumerate(keys):
            found[i] = self._rows[key]
        return found

    def add(self, keys: Sequence[bytes], rows: npt.NDArray[np.float32]) -> None:
        """Keep rows; when this returns they are in the file."""
        records = np.zeros(len(keys), dtype=self._dtype)
        records["key"] = np.frombuffer(b"".join(keys), dtype="V16")
        records["row"] = rows
        self._rows.update(zip(keys, np.array(rows, dtype=np.float32), strict=True))
        self.added += len(keys)
        if self._path is None:
            return
        with self._lock, self._path.open("ab") as file:
            file.truncate(file.tell() // self._dtype.itemsize * self._dtype.itemsize)
            file.write(records.tobytes())


def _name(info: ModelInfo) -> str:
    """Readable, and safe as a file's name."""
    short = re.sub(r"[^A-Za-z0-9]+", "-", Path(info.model_id).name).strip("-")[:40]
    revision = re.sub(r"[^A-Za-z0-9]+", "", info.revision)[:40]
    return f"{short}-{revision}-{info.precision}"

"""Small files in the user's state folder that let interrupted work go on with `--resume`."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

KEPT_SECONDS = 30 * 24 * 3_600
"""What is older is removed when other work of the same kind begins."""


class StateFile:
    """What is kept of the work on `path` under these circumstances. kind: name of the folder of such files."""

    def __init__(self, kind: str, path: str, *circumstances: object) -> None:
        import platformdirs

        whole = json.dumps([os.path.realpath(path), *map(str, circumstances)]).encode("utf-8", "surrogatepass")
        folder = platformdirs.user_state_path("onrecord", appauthor=False) / kind
        self.path: Path = folder / f"{hashlib.sha256(whole).hexdigest()[:32]}.json"

    def read(self) -> dict[str, Any] | None:
        """What is kept, if it can be read."""
        try:
            data = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return data if isinstance(data, dict) else None

    def write(self, data: Mapping[str, object]) -> None:
        """Keep it: whole or not at all. OSError when that cannot be."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(f".{os.getpid()}.draft")
        draft.write_text(json.dumps(data), encoding="utf-8")
        os.replace(draft, self.path)

    def clear_old(self) -> None:
        """Remove what nobody will resume."""
        with contextlib.suppress(OSError):
            for old in self.path.parent.iterdir():
                if old.stat().st_mtime < time.time() - KEPT_SECONDS:
                    old.unlink()


def signature(path: str) -> tuple[int, int]:
    """Size in bytes and time of the last change in ns: another one means another content."""
    there = os.stat(path)
    return there.st_size, there.st_mtime_ns

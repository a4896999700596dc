"""How far the import of a file has come, kept beside the user's other state, so that `--resume` can go on.

One small file an import: the key of its request ids and what the server has acknowledged. The key makes sending a
message again harmless: what was stored, but not acknowledged before the command was killed, is not stored twice.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
import uuid
from dataclasses import asdict, dataclass, fields
from pathlib import Path

KEPT_SECONDS = 30 * 24 * 3_600
"""What is older is removed when another import begins. A server remembers request ids for a day."""


@dataclass(slots=True)
class ImportState:
    """What is acknowledged: `messages`, with the lines up to `line`, of which so many were `created` and `failed`.

    options: the flags that a message's content depends on, as they were given.
    """

    key: str
    size: int
    modified: int
    options: str = ""
    messages: int = 0
    line: int = 0
    created: int = 0
    failed: int = 0
    finished: bool = False

    def is_of(self, path: str) -> bool:
        """Whether the file is as it was when this was begun."""
        return (self.size, self.modified) == _signature(path)


def new_state(path: str, options: str = "") -> ImportState:
    """Of an import that begins."""
    return ImportState(uuid.uuid4().hex, *_signature(path), options)


def _signature(path: str) -> tuple[int, int]:
    there = os.stat(path)
    return there.st_size, there.st_mtime_ns


class StateFile:
    """The file that keeps the state of the import of `path` to this server and collection."""

    def __init__(self, path: str, *circumstances: object) -> None:
        import platformdirs

        whole = json.dumps([os.path.realpath(path), *map(str, circumstances)]).encode("utf-8", "surrogatepass")
        folder = platformdirs.user_state_path("onrecord", appauthor=False) / "imports"
        self.path: Path = folder / f"{hashlib.sha256(whole).hexdigest()[:32]}.json"

    def read(self) -> ImportState | None:
        """What is kept, if anything can be read."""
        try:
            data = json.loads(self.path.read_text(encoding="utf-8"))
            return ImportState(**{field.name: data[field.name] for field in fields(ImportState)})
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, state: ImportState) -> None:
        """Keep it: whole or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(f".{os.getpid()}.draft")
        draft.write_text(json.dumps(asdict(state)), encoding="utf-8")
        os.replace(draft, self.path)

    def clear_old(self) -> None:
        """Remove what nobody will resume."""
        with contextlib.suppress(OSError):
            for old in self.path.parent.iterdir():
                if old.stat().st_mtime < time.time() - KEPT_SECONDS:
                    old.unlink()

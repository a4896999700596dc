"""How far the import of a file has come, kept beside the user's other state, so that `--resume` can go on.

One small file an import: the key of its request ids and what the server has acknowledged. The key makes sending a
message again harmless: what was stored, but not acknowledged before the command was killed, is not stored twice, as
a server remembers request ids for a day.
"""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass, fields

from onrecord.cli._state_file import StateFile, signature


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
        return (self.size, self.modified) == signature(path)


def new_state(path: str, options: str = "") -> ImportState:
    """Of an import that begins."""
    return ImportState(uuid.uuid4().hex, *signature(path), options)


class ImportStateFile:
    """The file that keeps the state of the import of `path` to this server and collection."""

    def __init__(self, path: str, *circumstances: object) -> None:
        self._file = StateFile("imports", path, *circumstances)
        self.path = self._file.path

    def read(self) -> ImportState | None:
        """What is kept, if anything can be read."""
        data = self._file.read() or {}
        try:
            return ImportState(**{field.name: data[field.name] for field in fields(ImportState)})
        except KeyError:
            return None

    def write(self, state: ImportState) -> None:
        """Keep it: whole or not at all."""
        self._file.write(asdict(state))

    def clear_old(self) -> None:
        """Remove what nobody will resume."""
        self._file.clear_old()

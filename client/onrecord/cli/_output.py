"""Writing the user's files: whole or not at all, or line by line so that nothing done is lost."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterable
from types import TracebackType
from typing import IO, Self

from onrecord.cli._report import InputError


def atomic_lines(path: str, lines: Iterable[str]) -> int:
    """Write the lines beside `path` and move them there at the end. Returns their number.

    InputError when the file cannot be written; after any error `path` is as it was.
    """
    folder = os.path.dirname(os.path.abspath(path))
    count = 0
    try:
        handle, draft = tempfile.mkstemp(prefix=f".{os.path.basename(path)}.", dir=folder)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    try:
        with open(handle, "wb") as stream:
            for line in lines:
                stream.write(line.encode() + b"\n")
                count += 1
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(draft, 0o666 & ~_umask())  # as open() would have made it
        os.replace(draft, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(draft)
        raise
    return count


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


class LineWriter:
    """A file that gets its lines as they come. "-" is stdout.

    It is opened for writing at once, so that a bad path is known before any work, and emptied with the first line, so
    that work that never begins leaves what was there.
    """

    def __init__(self, path: str) -> None:
        self.count = 0
        self._path = path
        self._begun = False
        self._made = path != "-" and not os.path.exists(path)
        if path == "-":
            self._stream: IO[bytes] = sys.stdout.buffer
            return
        try:
            self._stream = open(path, "ab")  # noqa: SIM115 -- closed by __exit__
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._path == "-":
            return
        self._stream.close()
        if self._made and not self._begun and error is not None:
            os.unlink(self._path)

    def write(self, line: str) -> None:
        """Append one line."""
        if not self._begun:
            self._begun = True
            if self._path != "-" and self._stream.seekable():
                self._stream.truncate(0)
        self._stream.write(line.encode() + b"\n")
        self.count += 1

    def flush(self) -> None:
        """Hand what was written to the system."""
        self._stream.flush()

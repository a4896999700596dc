"""Writing the user's files: whole or not at all, or line by line so that nothing done is lost."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import IO, Self

from onrecord.cli._files import PACKED
from onrecord.cli._report import InputError


def refuse_unwritable(*paths: str | None, inputs: Sequence[str] = ()) -> None:
    """InputError for a file that could not or should not be written at the end, before hours are spent.

    inputs: what is read. A report never takes the place of data: `--json` has a value here, and in front of the files
    it would swallow the first of them.
    """
    places = [os.path.realpath(path) for path in paths if path and path != "-"]
    for path in paths:
        if path is None or path == "-":
            continue
        if not path:
            raise InputError("the name of a file to write is empty")
        place = os.path.realpath(path)
        if places.count(place) > 1 and (os.path.isfile(place) or not os.path.exists(place)):
            raise InputError(f"{path}: named twice as a file to write")
        if place in (os.path.realpath(one) for one in inputs if one != "-"):
            raise InputError(f"{path}: is read and would be overwritten; name another file to write")
        if os.path.isfile(place) and path.removesuffix(PACKED).endswith(".jsonl"):
            raise InputError(f"{path}: is a file of data and would be overwritten; name another file to write")
        folder = os.path.dirname(os.path.abspath(path))
        if os.path.isdir(path) or not os.access(folder, os.W_OK):
            why = "is a folder" if os.path.isdir(path) else f"{folder} is no folder that can be written to"
            raise InputError(f"{path}: {why}")


def write_lines(path: str, lines: Iterable[str]) -> int:
    """Write the lines beside `path` and move them there at the end. Returns their number.

    InputError when the file cannot be made; after any error `path` is as it was. What is no regular file (a device, a
    pipe) is written to as it is, and a link's own target is replaced, not the link.
    """
    place = os.path.realpath(path)
    if os.path.lexists(place) and not os.path.isfile(place):
        with blamed_on(path), open(path, "wb") as stream:
            return _write(stream, lines)
    try:
        handle, draft = tempfile.mkstemp(prefix=f".{os.path.basename(place)}.", dir=os.path.dirname(place))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    try:
        with blamed_on(path):
            with open(handle, "wb") as stream:
                count = _write(stream, lines)
                stream.flush()
                os.fsync(stream.fileno())
            os.chmod(draft, 0o666 & ~_umask())  # as open() would have made it
            os.replace(draft, place)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(draft)
        raise
    return count


def _write(stream: IO[bytes], lines: Iterable[str]) -> int:
    count = 0
    for line in lines:
        stream.write(line.encode() + b"\n")
        count += 1
    return count


@contextlib.contextmanager
def blamed_on(path: str) -> Iterator[None]:
    """Errors of writing, which name no file themselves, name this one."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = "stdout" if path == "-" else path
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


class LineWriter:
    """A file that gets its lines as they come. "-" is stdout.

    It is opened for writing at once, so that a bad path is known before any work, and emptied with the first line, so
    that work that never begins leaves what was there. With `keep` its first bytes stay, what follows them is cut off
    at once, and lines go behind them.
    """

    def __init__(self, path: str, keep: int | None = None) -> None:
        self.count = 0
        self._path = path
        self._empty = keep is None and path != "-"
        self._made = path != "-" and not os.path.lexists(path)
        if path == "-":
            if sys.stdout is None:
                raise InputError("stdout is closed")
            self._stream: IO[bytes] = sys.stdout.buffer
            return
        try:
            self._stream = open(path, "ab")  # noqa: SIM115 -- closed by __exit__
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}") from None
        if keep is not None:
            with blamed_on(path):
                self._stream.truncate(keep)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._path == "-":
            return
        # what could not be written is not complained about twice
        with contextlib.suppress(OSError) if error else blamed_on(self._path):
            self._stream.close()
        if self._made and not self.count and error is not None:
            os.unlink(self._path)

    def write(self, line: str) -> None:
        """Append one line."""
        with blamed_on(self._path):
            if self._empty and os.path.isfile(self._path):
                self._stream.truncate(0)
            self._empty = False
            self._stream.write(line.encode() + b"\n")
        self.count += 1

    def flush(self) -> None:
        """Hand what was written to the system."""
        with blamed_on(self._path):
            self._stream.flush()

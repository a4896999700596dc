"""Reading the user's files: UTF-8 with or without a BOM, errors with the place in the file. "-" is stdin.

A file whose name ends in .gz is unpacked as it is read.
"""

from __future__ import annotations

import codecs
import contextlib
import gzip
import io
import json
import math
import os
import stat
import sys
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, cast

from onrecord.cli._report import InputError

STDIN = "-"
PACKED = ".gz"
_BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"
_SHOWN_KEY = 40  # code points of a key that a message repeats
_OTHER_ENCODINGS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


MOST_NESTED = 500
"""Lists and objects within one another. What one thread reads another writes, with less of the stack left."""
_TOO_DEEP = "not JSON that can be read: nested too deep"


class BadLine(Exception):
    """A line that is not what its file should hold; says why in one clause."""


@dataclass(slots=True)
class Line:
    """A line that is not blank: its number in the file, from 1, and its bytes."""

    number: int
    raw: bytes

    def json_object(self) -> dict[str, object]:
        """The line as a JSON object, or BadLine."""
        try:
            text = self.raw.decode()
        except UnicodeDecodeError as error:
            raise BadLine(f"not UTF-8 at byte {error.start} of the line") from None
        try:
            data = json.loads(text) if text.startswith(_BOM) else _decoder.decode(text)  # the former refuses it
        except json.JSONDecodeError as error:
            raise BadLine(f"not JSON: {error.msg[:1].lower()}{error.msg[1:]} at column {error.colno}") from None
        except ValueError as error:
            raise BadLine(f"not JSON: {error}") from None
        except RecursionError:
            raise BadLine(_TOO_DEEP) from None
        if not isinstance(data, dict):
            raise BadLine("not a JSON object ({…})")
        many = len(self.raw) > MOST_NESTED and self.raw.count(b"[") + self.raw.count(b"{") > MOST_NESTED
        if many and _depth(data) > MOST_NESTED:
            raise BadLine(_TOO_DEEP)
        return data


def _depth(data: object) -> int:
    """How many lists and objects stand within one another."""
    deepest, left = 0, [(data, 1)]
    while left:
        value, depth = left.pop()
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
        if inner is not None:
            deepest = max(deepest, depth)
            left += [(item, depth + 1) for item in inner]
    return deepest


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON value")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):  # 1e999 is JSON, but would come out as Infinity, which is none
        raise BadLine("a number in it is too large")
    return value


def _whole(digits: str) -> int:
    try:
        return int(digits)
    except ValueError:  # Python reads some thousands of digits and no more
        raise BadLine("a number in it has too many digits") from None


def _no_key_twice(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A key that stands twice has two values, one of which would be lost without a word."""
    found = dict(pairs)
    if len(found) < len(pairs):
        ((twice, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise BadLine(f"the key {twice[:_SHOWN_KEY]!r} stands in it twice")
    return found


# made once: that takes as long as reading a short line
_decoder = json.JSONDecoder(
    parse_constant=_no_constant, parse_float=_finite, parse_int=_whole, object_pairs_hook=_no_key_twice
)


def shown(path: str) -> str:
    """The path as messages name it."""
    return "stdin" if path == STDIN else path


def refuse_stdin_twice(paths: Sequence[str]) -> None:
    """Stdin is read once; a second reader would take it for an empty file."""
    if list(paths).count(STDIN) > 1:
        raise InputError('stdin ("-") can be read only once; give it once')


def _stdin() -> IO[bytes]:
    """Stdin, in a reader of its own.

    After Ctrl-C a thread may still wait in it; were it that of sys.stdin, Python would abort at its end.
    """
    try:
        return open(sys.stdin.fileno(), "rb", closefd=False)
    except io.UnsupportedOperation:  # no file of the system's
        return sys.stdin.buffer


@contextmanager
def opened(path: str) -> Iterator[IO[bytes]]:
    """The file, for reading bytes; InputError when it cannot be had."""
    if path == STDIN and sys.stdin is None:
        raise InputError("stdin is closed; name a file instead of -")
    try:
        stream: IO[bytes] = _stdin() if path == STDIN else open(path, "rb")  # noqa: SIM115 -- closed below
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except ValueError as error:  # a NUL in the name
        raise InputError(f"{path}: {error}") from None
    packed = stream if path.endswith(PACKED) else None
    if packed is not None:
        stream = cast(IO[bytes], gzip.GzipFile(fileobj=packed))
    try:
        yield stream
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        if packed is None:
            raise
        raise InputError(f"{path}: cannot be unpacked ({error})") from None
    except OSError as error:
        if error.filename is None and not isinstance(error, BrokenPipeError):
            raise InputError(f"{shown(path)}: {error.strerror}") from None
        raise
    finally:
        if path != STDIN:
            stream.close()
        if packed is not None:
            packed.close()  # the one that unpacks leaves it open


def probe(path: str, *, lines: bool = False) -> None:
    """InputError when the file cannot be had, before any work is done. What can be read only once is left alone.

    lines: also when it is to hold JSON, an object a line, and begins otherwise.
    """
    if path != STDIN:
        with contextlib.suppress(OSError, ValueError):  # `opened` has the words for these
            if stat.S_ISFIFO(os.stat(path).st_mode):
                return  # opened and closed here, its writer would find nobody to read it, and we nobody to write it
    with opened(path) as stream:
        if lines and path != STDIN:
            _refuse_other_json(path, stream.readline().removeprefix(codecs.BOM_UTF8))


def read_text(path: str) -> str:
    """A whole text file, line ends as \\n. InputError names the byte where it is not UTF-8."""
    with opened(path) as stream:
        data = stream.read()
    refuse_other_encodings(path, data)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{shown(path)}: not UTF-8 at byte {error.start:,} (line {line:,}); convert it, for example with "
            f"`iconv -f latin1 -t utf8`"
        ) from None
    return text.removeprefix(_BOM).replace("\r\n", "\n").replace("\r", "\n")


def read_lines(path: str) -> Iterator[Line]:
    """The lines of a file that are not blank."""
    with opened(path) as stream:
        for number, raw in enumerate(stream, start=1):
            if number == 1:
                refuse_other_encodings(path, raw)
                raw = raw.removeprefix(codecs.BOM_UTF8)
                _refuse_other_json(path, raw)
            if raw := raw.strip():
                yield Line(number, raw)


def _refuse_other_json(path: str, first: bytes) -> None:
    """InputError for a file that begins as one JSON value over all its lines does; they would all be bad ones."""
    head = first.strip()
    array = head.startswith(b"[") and head[1:].lstrip()[:1] in (b"", b"{")
    if array or head == b"{":
        how = "jq -c '.[]'" if array else "jq -c ."
        kind = "array" if array else "object over several lines"
        raise InputError(
            f"{shown(path)}: one JSON {kind}, not one object a line; convert it, for example with `{how} FILE > "
            "FILE.jsonl`"
        )


def count_lines(path: str) -> int | None:
    """Lines of a regular file that are not blank; None for what can be read only once."""
    if path == STDIN or not os.path.isfile(path):
        return None
    with opened(path) as stream:
        return sum(1 for raw in stream if raw.strip())


def refuse_other_encodings(path: str, data: bytes) -> None:
    """InputError for a file that begins as UTF-16 or UTF-32 does."""
    for mark, name in _OTHER_ENCODINGS:
        if data.startswith(mark):
            raise InputError(f"{shown(path)}: {name}, not UTF-8, at byte 0; convert it, for example with `iconv`")

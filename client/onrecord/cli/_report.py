"""Words on stderr, and JSON on stdout."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import TextIO

import click


class InputError(click.ClickException):
    """A file or value of the user's that cannot be used. Exit status 2."""

    exit_code = 2


# Python calls all format characters unprintable; without these, words of Persian, Hindi or emoji are others.
_PART_OF_WORDS = frozenset(
    "\N{SOFT HYPHEN}\N{ZERO WIDTH SPACE}\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}\N{WORD JOINER}"
)


def printable(text: str) -> str:
    """One line without control characters: what others wrote must not move the cursor or colour the terminal."""
    one_line = " ".join(text.split())
    if one_line.isprintable():
        return one_line
    return "".join(c if c.isprintable() or c in _PART_OF_WORDS else "\N{REPLACEMENT CHARACTER}" for c in one_line)


def complain(message: str) -> None:
    """One line on stderr, with the name of the program."""
    say(f"onrecord: {printable(message)}")


_above: Callable[[str], None] | None = None  # writes above a line that is kept at the foot of the terminal


def writing_below(above: Callable[[str], None] | None) -> None:
    """Told by who keeps a line at the foot of the terminal: how `say` is to write above it; None when it is gone."""
    global _above
    _above = above


def say(line: str, *, above: bool = True) -> None:
    """A line on stderr, if there is anybody to read it: the work goes on, and the exit status tells, in any case.

    above: a progress bar that is shown stays below it.
    """
    if sys.stderr is None:
        return
    if above and _above is not None:
        _above(line)
        return
    try:
        click.echo(line, err=True)
    except OSError:  # a full disk, a reader that has left
        discard(sys.stderr)


def discard(stream: TextIO) -> None:
    """What is still buffered for this stream goes nowhere, so that closing it at exit says nothing."""
    with contextlib.suppress(OSError, ValueError):  # a test's stand-in has no descriptor
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, stream.fileno())


def to_json(data: Mapping[str, object]) -> str:
    """One line of JSON. Text stays readable; what UTF-8 cannot carry (lone surrogates) is escaped."""
    line = json.dumps(data, ensure_ascii=False, separators=(", ", ": "))
    try:
        line.encode()
    except UnicodeEncodeError:
        return json.dumps(data)
    return line


def emit(data: Mapping[str, object]) -> None:
    """One line of JSON on stdout."""
    if sys.stdout is None:
        raise InputError("stdout is closed")
    line = to_json(data)
    if (sys.stdout.encoding or "").lower().replace("-", "") not in ("utf8", "utf_8"):
        line = json.dumps(data)  # a terminal that shows less than UTF-8 still gets valid JSON
    click.echo(line)

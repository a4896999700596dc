"""Files of comma-separated values as RFC 4180 has them: UTF-8, a line of column names, quotes doubled within quotes."""

from __future__ import annotations

import codecs
import csv
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from onrecord.cli._files import STDIN, opened, refuse_other_encodings, shown
from onrecord.cli._report import InputError

MOST_CELL = 4 * 1024 * 1024  # code points: a quote that is never closed must not swallow a whole file unnoticed
_PARTED = {";": "semicolons", "\t": "tabs", "|": "bars"}
_SHOWN = 8  # column names that a message repeats
_ERRORS = {"unexpected end of data": "a quote is opened and never closed"}


@dataclass(frozen=True, slots=True)
class Row:
    """One record: its first line in the file, its cells by column, or what is wrong with it and its raw text."""

    number: int
    cells: dict[str, object]
    raw: str = ""
    error: str | None = None


class Records:
    """Reads records and knows where each of them began and ended: `number`, `raw`, and `end`, bytes from the start."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self.number = 1
        self.end = 0
        self.raw = ""
        self._taken = 0
        self._lines = lines
        csv.field_size_limit(MOST_CELL)
        self._reader = csv.reader(self._texts(), strict=True)

    def _texts(self) -> Iterator[str]:
        for line in self._lines:
            self._taken += 1
            self.end += len(line)
            text = line.removeprefix(codecs.BOM_UTF8) if self._taken == 1 else line
            self.raw += text.decode(errors="backslashreplace")
            yield text.decode(errors="surrogateescape")  # refused cell by cell, so that one costs its row alone

    def next(self) -> list[str] | None:
        """The cells of the next record, empty for a blank line; None at the end. csv.Error for one that is broken."""
        self.number, self.raw = self._taken + 1, ""
        return next(self._reader, None)


def csv_table(path: str) -> tuple[list[str], Iterator[Row]]:
    """The names of the columns, and the records below them that are not blank, read as they are asked for.

    InputError when the file cannot be had, or has no column "claim".
    """
    names: list[str] = []
    rows = _rows(path, names)
    next(rows)  # reads the names
    return names, rows


def csv_count(path: str) -> int | None:
    """How many records there are below the header; None for what can be read only once."""
    if path == STDIN or not os.path.isfile(path):
        return None
    return sum(1 for _ in csv_table(path)[1])


def _rows(path: str, names: list[str]) -> Iterator[Row]:
    """Fills `names` before it yields anything: first a row that is none, for the names alone."""
    with opened(path) as stream:
        records = Records(_checked(path, stream))
        try:
            header = records.next()
            while header is not None and not header:
                header = records.next()
        except csv.Error as error:
            raise InputError(f"{shown(path)}: line {records.number}: not CSV: {error}") from None
        names += _names(path, header or [])
        yield Row(0, {})
        while True:
            try:
                cells = records.next()
            except csv.Error as error:
                yield Row(records.number, {}, records.raw.rstrip("\r\n"), f"not CSV: {_ERRORS.get(str(error), error)}")
                continue
            if cells is None:
                return
            if cells:
                yield _row(records, names, cells)


def _checked(path: str, stream: Iterator[bytes]) -> Iterator[bytes]:
    for number, line in enumerate(stream):
        if number == 0:
            refuse_other_encodings(path, line)
        yield line


def _names(path: str, header: Sequence[str]) -> list[str]:
    names = [name.strip() for name in header]
    listed = ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
    if "claim" not in names:
        if len(names) == 1 and (mark := next((mark for mark in ";\t|" if mark in names[0]), "")):
            raise InputError(
                f"{shown(path)}: its columns are parted by {_PARTED[mark]}; CSV has commas: save it with those"
            )
        raise InputError(
            f'{shown(path)}: no column "claim" in its first line' + (f"; there are {listed}" if names else "")
        )
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"{shown(path)}: two columns have the name {twice[0]!r}; rename one")
    return names


def _row(records: Records, header: Sequence[str], cells: Sequence[str]) -> Row:
    raw = records.raw.rstrip("\r\n")
    if len(cells) != len(header):
        return Row(records.number, {}, raw, f"has {len(cells)} cells, but there are {len(header)} columns")
    for name, cell in zip(header, cells, strict=True):
        try:
            cell.encode()
        except UnicodeEncodeError:
            return Row(records.number, {}, raw, f"not UTF-8 in the column {name!r}")
    return Row(records.number, dict(zip(header, cells, strict=True)))


def csv_line(cells: Sequence[str]) -> str:
    """One record, without its line end."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(cells)  # what is in it, it also quotes
    return out.getvalue().removesuffix("\r\n")

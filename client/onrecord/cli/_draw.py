"""Text in colours, wrapped by the cells that it takes on a terminal, and tables of it.

No library does it: the ones that do weigh more than all else that a caller installs, gRPC apart.
"""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator

import click

_CODES = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33, "cyan": 36}
_WORD = re.compile("[^ ]+ *|^ +")
_JOINER, _EMOJI = "\u200d", "\ufe0f"
_NO_WIDTH = frozenset(("Mn", "Me", "Cf"))
DEFAULT_WIDTH, MIN_WIDTH = 80, 40


def cells(text: str) -> int:
    """How many columns of a terminal the text takes: two for a character of East Asia, none for a mark on another."""
    return len(text) if text.isascii() else sum(width for _, width in _clusters(text))


def _clusters(text: str) -> Iterator[tuple[str, int]]:
    """Characters with what is written on them, which no line may part, and their cells."""
    found, width, joined = "", 0, False
    for char in text:
        own = _char_cells(char)
        if found and (own == 0 or joined):
            joined = char == _JOINER
            found += char
            width = max(width, 2) if char == _EMOJI else width or own
            continue
        if found:
            yield found, width
        found, width, joined = char, own, False
    if found:
        yield found, width


def _char_cells(char: str) -> int:
    if char.isascii():
        return 1
    if unicodedata.category(char) in _NO_WIDTH or "\u1160" <= char <= "\u11ff":
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


class Text:
    """One line, or several parted by line ends, of pieces that each have a style: words of `_CODES`."""

    __slots__ = ("pieces",)

    def __init__(self, text: str = "", style: str = "") -> None:
        self.pieces = [(text, style)] if text else []

    @classmethod
    def of(cls, *parts: str | Text | tuple[str, str]) -> Text:
        """The parts one behind the other: plain, or each with its style."""
        made = cls()
        for part in parts:
            made.append(*part) if isinstance(part, tuple) else made.append(part)
        return made

    def append(self, text: str | Text, style: str = "") -> None:
        """Add a piece at the end."""
        if isinstance(text, Text):
            self.pieces += text.pieces
        elif text:
            self.pieces.append((text, style))

    @property
    def plain(self) -> str:
        """Without colours."""
        return "".join(text for text, _ in self.pieces)

    def __bool__(self) -> bool:
        return bool(self.pieces)

    def width(self) -> int:
        """Cells of the longest line."""
        return max(map(cells, self.plain.split("\n")))

    def wrapped(self, width: int) -> list[Text]:
        """Lines of at most so many cells, parted between words; a longer word is folded. Nothing is cut away."""
        plain, lines, begin = self.plain, [], 0
        for line in plain.split("\n"):
            lines += [self._cut(begin + start, begin + end) for start, end in _breaks(line, max(width, 2))]
            begin += len(line) + 1
        return lines

    def _cut(self, start: int, end: int) -> Text:
        made, at = Text(), 0
        for text, style in self.pieces:
            made.append(text[max(start - at, 0) : max(end - at, 0)], style)
            at += len(text)
        return made

    def styled(self, style: str) -> Text:
        """With a style for the pieces that have none."""
        made = Text()
        made.pieces = [(text, own or style) for text, own in self.pieces]
        return made

    def padded(self, width: int, *, right: bool = False) -> Text:
        """With blanks at its end, or with `right` before it, until it is so many cells wide."""
        blanks = " " * (width - cells(self.plain))
        return Text.of(blanks, self) if right else Text.of(self, blanks)

    def render(self, colour: bool) -> str:
        """As it is written to the terminal; no blanks at the end of the line."""
        pieces = list(self.pieces)
        while pieces and not pieces[-1][0].strip(" "):
            pieces.pop()
        if pieces:
            pieces[-1] = (pieces[-1][0].rstrip(" "), pieces[-1][1])
        return "".join(_coloured(text, style) if colour else text for text, style in pieces)


def _coloured(text: str, style: str) -> str:
    codes = ";".join(str(_CODES[word]) for word in style.split())
    return f"\x1b[{codes}m{text}\x1b[0m" if codes else text


def _breaks(line: str, width: int) -> Iterator[tuple[int, int]]:
    """Where the lines begin and end that a line is parted into."""
    start = end = 0  # of the present one, blanks at its end left out
    taken = 0  # its cells, blanks included
    for found in _WORD.finditer(line):
        word = found[0].rstrip(" ")
        wide = cells(word)
        if taken and taken + wide > width:
            yield start, end
            start, taken = found.start(), 0
        if wide > width:
            at = found.start()
            for cluster, own in _clusters(word):
                if taken and taken + own > width:
                    yield start, at
                    start, taken = at, 0
                at, taken = at + len(cluster), taken + own
            wide = 0
        end = found.start() + len(word)
        taken += wide + len(found[0]) - len(word)
    yield start, end


class _Column:
    __slots__ = ("fixed", "head", "least", "most", "right", "style")

    def __init__(self, head: str, style: str, fixed: bool, right: bool, least: int, most: int | None) -> None:
        self.head, self.style, self.fixed = Text(head, "bold"), style, fixed
        self.right, self.least, self.most = right, least, most


class Table:
    """Rows in columns, parted by `gap` blanks, without lines; a row of bold heads if any column has one."""

    def __init__(self, gap: int = 2) -> None:
        self._gap = gap
        self._columns: list[_Column] = []
        self._rows: list[list[Text]] = []

    @property
    def row_count(self) -> int:
        """Rows below the heads."""
        return len(self._rows)

    def column(
        self,
        head: str = "",
        *,
        style: str = "",
        fixed: bool = False,
        right: bool = False,
        least: int = 1,
        most: int | None = None,
    ) -> None:
        """Add a column. fixed: gives way last where the terminal is narrow; right: its cells end below each other;
        least, most: cells of its width.
        """
        self._columns.append(_Column(head, style, fixed, right, least, most))

    def row(self, *texts: str | Text) -> None:
        """Add a row; cells that are missing at its end are empty."""
        made = [text if isinstance(text, Text) else Text(text) for text in texts]
        self._rows.append(made + [Text()] * (len(self._columns) - len(made)))

    def lines(self, width: int) -> Iterator[Text]:
        """The lines of the table, at most so wide where that is possible."""
        heads = [column.head for column in self._columns]
        widths = self._widths(width, heads)
        for row in [heads, *self._rows] if any(heads) else self._rows:
            wrapped = [text.wrapped(width) for text, width in zip(row, widths, strict=True)]
            for number in range(max(map(len, wrapped))):
                yield self._line([part[number] if number < len(part) else Text() for part in wrapped], widths)

    def _line(self, parts: list[Text], widths: list[int]) -> Text:
        line = Text()
        for index, (column, part, width) in enumerate(zip(self._columns, parts, widths, strict=True)):
            if index:
                line.append(" " * self._gap)
            line.append(part.styled(column.style).padded(width, right=column.right))
        return line

    def _widths(self, width: int, heads: list[Text]) -> list[int]:
        room = width - self._gap * (len(self._columns) - 1)
        widths = [
            min(max(max(text.width() for text in texts), column.least), column.most or room, max(room, 2))
            for column, texts in zip(self._columns, zip(heads, *self._rows, strict=True), strict=True)
        ]
        least = [widths[i] if column.fixed else max(column.least, 2) for i, column in enumerate(self._columns)]
        for floor in (least, [2] * len(widths)):
            while sum(widths) > room:
                giving = [i for i, own in enumerate(widths) if own > floor[i]]
                if not giving:
                    break
                widths[max(giving, key=widths.__getitem__)] -= 1
        return widths


def terminal_width() -> int:
    """Columns of the terminal; COLUMNS wins, and 80 are taken where there is none."""
    if (said := os.environ.get("COLUMNS", "")).isdecimal():
        return int(said)
    if os.environ.get("TERM") in ("dumb", "unknown"):
        return DEFAULT_WIDTH
    for stream in (sys.__stdin__, sys.__stdout__, sys.__stderr__):
        try:
            if stream is not None and (width := os.get_terminal_size(stream.fileno()).columns):
                return width
        except (OSError, ValueError):  # no terminal; closed, or a test's stand-in
            continue
    return DEFAULT_WIDTH


def has_colours() -> bool:
    """Whether stdout shows colours: a terminal that is not dumb, without NO_COLOR; FORCE_COLOR for any stdout."""
    if os.environ.get("NO_COLOR") or sys.stdout is None:
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return sys.stdout.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")


class Out:
    """stdout: as wide as the terminal, plain where it is none or NO_COLOR is set, no blanks at the ends of lines."""

    def __init__(self, most: int) -> None:
        # a terminal that says it is narrower (0, when it does not know) wraps itself
        self.width = min(max(terminal_width(), MIN_WIDTH), most)
        self._colour = has_colours()

    def print(self, shown: str | Text | Table = "", *, indent: int = 0) -> None:
        """Show something, wrapped to the width."""
        for line in self._lines(shown, self.width - indent):
            click.echo(Text.of(" " * indent, line).render(self._colour), color=True)  # what there is, was decided here

    def _lines(self, shown: str | Text | Table, width: int) -> Iterable[Text]:
        if isinstance(shown, Table):
            return shown.lines(width)
        return (shown if isinstance(shown, Text) else Text(shown)).wrapped(width)

"""The lines of a file of claims, whatever its format."""

from __future__ import annotations

import base64
import re
from collections.abc import Container, Iterator
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from functools import partial

from onrecord._json import parse_as_of
from onrecord._places import renamed
from onrecord.cli._columns import COLUMNS, RESULT_COLUMN
from onrecord.cli._csv import Row, csv_count, csv_table
from onrecord.cli._files import BadLine, Line, count_lines, read_lines
from onrecord.cli._formats import CSV, PARQUET, format_of
from onrecord.errors import InvalidArgument, OnrecordError
from onrecord.types import CheckResult, Claim, format_time

_FIELD = re.compile(r"\bclaims\[\d+\]\.(\w+)")
CLAIM_KEYS = ("claim", "speaker", "as_of")
RESULT_KEYS = frozenset(field.name for field in fields(CheckResult))
ERROR_KEY = "error"
SET_KEYS = RESULT_KEYS | {ERROR_KEY}
RAW_KEY = "input"
"""Under it stands what a line says that cannot be read."""
_RENAMED = "input_"  # begins the name under which a key of the input is kept that the output sets itself


@dataclass(frozen=True, slots=True)
class ClaimLine:
    """One line: its claim, or why there is none. `number`: its first line in the file, or its row, from 1."""

    number: int
    data: dict[str, object]
    claim: Claim | None
    error: InvalidArgument | None = None

    def kept(self) -> dict[str, object]:
        """What the output repeats. A key that the output sets itself is kept as input_KEY: a line's own "verdict", say,
        is the one to compare with. When the line is itself an output of before, its old outcome is left out.
        """
        old = self._old_outcome()
        return {renamed_key(key, self.data, SET_KEYS): value for key, value in self.data.items() if key not in old}

    def others(self) -> dict[str, object]:
        """What the line has beside the claim and who and when; an old outcome is left out."""
        old = self._old_outcome()
        return {key: value for key, value in self.data.items() if key not in old and key not in CLAIM_KEYS}

    def _old_outcome(self) -> frozenset[str]:
        """The keys that an earlier run has set."""
        if COLUMNS.keys() <= self.data.keys():  # a row of CSV or Parquet
            return frozenset({*COLUMNS, RESULT_COLUMN})
        provenance, error = self.data.get("provenance"), self.data.get(ERROR_KEY)
        if "verdict" in self.data and isinstance(provenance, dict) and "model_id" in provenance:
            return RESULT_KEYS
        if isinstance(error, dict) and {"line", "reason"} <= error.keys():
            return frozenset({ERROR_KEY})
        return frozenset()


def renamed_key(key: str, data: Container[str], taken: Container[str]) -> str:
    """The name under which a key of the input is kept beside those that are `taken`, and the others of its line."""
    name = key
    while name in taken or (name != key and name in data):
        name = _RENAMED + name
    return name


@dataclass(frozen=True, slots=True)
class Claims:
    """A file of claims. `as_of`: for lines that have none of their own."""

    path: str
    format: str
    as_of: datetime | None = None

    @property
    def unit(self) -> str:
        """What one of its places is called."""
        return "row" if self.format == PARQUET else "line"

    def count(self) -> int | None:
        """How many there are; None where that cannot be told without reading what can be read only once."""
        if self.format == PARQUET:
            from onrecord.cli._parquet import row_count

            return row_count(self.path)
        return csv_count(self.path) if self.format == CSV else count_lines(self.path)

    def open(self) -> tuple[list[str] | None, Iterator[ClaimLine]]:
        """Names of the columns, "claim" among them (None: JSON lines have none), and all lines that are not blank.

        InputError when there is no such column. The lines are read as they are asked for.
        """
        if self.format == CSV:
            names, records = csv_table(self.path)
            return names, map(self._csv, records)
        if self.format == PARQUET:
            from onrecord.cli._parquet import table

            names, rows = table(self.path)
            return names, (self._line(number, row) for number, row in enumerate(rows, start=1))
        return None, map(self._json, read_lines(self.path))

    def _csv(self, row: Row) -> ClaimLine:
        if row.error is None:
            return self._line(row.number, row.cells)
        return ClaimLine(row.number, {RAW_KEY: row.raw}, None, InvalidArgument(row.error, reason="BAD_LINE"))

    def _json(self, line: Line) -> ClaimLine:
        try:
            data = line.json_object()
        except BadLine as error:
            return ClaimLine(line.number, _raw(line), None, InvalidArgument(str(error), reason="BAD_LINE"))
        return self._line(line.number, data)

    def _line(self, number: int, data: dict[str, object]) -> ClaimLine:
        claim: Claim | None
        wrong: InvalidArgument | None
        try:
            claim = _claim(data, self.as_of)
        except BadLine as error:
            claim, wrong = None, InvalidArgument(str(error), reason="BAD_LINE")
        else:
            wrong = None
        return ClaimLine(number, _plain_values(data) if self.format == PARQUET else data, claim, wrong)


def claim_lines(path: str, as_of: datetime | None = None) -> Iterator[ClaimLine]:
    """Every line of the file that is not blank, by the file's ending. `as_of`: for lines that have none."""
    return Claims(path, format_of(path, None), as_of).open()[1]


def in_line(error: OnrecordError) -> OnrecordError:
    """The error with fields named as in the line ("speaker"), not as in the request ("claims[7].speaker")."""
    return renamed(error, partial(_FIELD.sub, lambda found: "claim" if found[1] == "text" else found[1]))


def _claim(data: dict[str, object], as_of: datetime | None) -> Claim:
    text = data.get("claim")
    if text is None:
        raise BadLine('no "claim"')
    if not isinstance(text, str):
        raise BadLine('"claim" is not a string')
    speaker = data.get("speaker")
    if speaker is not None and not isinstance(speaker, str):
        raise BadLine('"speaker" is not a string')
    moment = data.get("as_of")
    if moment is None or moment == "":
        return Claim(text, speaker or "", as_of)
    if isinstance(moment, date):
        return Claim(text, speaker or "", _moment(moment))
    if not isinstance(moment, str):
        raise BadLine('"as_of" is not a string')
    try:
        return Claim(text, speaker or "", parse_as_of(moment))
    except ValueError as error:
        raise BadLine(f'"as_of": {error}') from None


def _moment(value: date) -> datetime:
    """A date of Parquet is its end, in UTC; so is the zone of a time that has none."""
    if not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, 23, 59, 59, 999_999, UTC)
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _plain_values(data: dict[str, object]) -> dict[str, object]:
    """What JSON can carry: Parquet also holds times, bytes and decimals."""
    return {key: _plain(value) for key, value in data.items()}


def _plain(value: object) -> object:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return format_time(value) if value.tzinfo else value.isoformat()
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def _raw(line: Line) -> dict[str, object]:
    """What cannot be read is repeated as text, bytes that are not UTF-8 escaped."""
    return {RAW_KEY: line.raw.decode(errors="backslashreplace")}

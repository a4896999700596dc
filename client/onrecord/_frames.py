"""Claims out of a pandas or polars DataFrame, and outcomes into a new one. Neither library is imported unasked."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Sequence
from typing import Any

from onrecord._json import parse_as_of
from onrecord.errors import FieldViolation, InvalidArgument, OnrecordError
from onrecord.types import CheckResult, Claim

TEXT = ("verdict", "reason", "evidence", "evidence_speaker", "evidence_relation", "evidence_name", "error")
COLUMNS = ("verdict", "confidence", *TEXT[1:])


class Table:
    """One frame of either kind. InvalidArgument for what is none, for a column that is missing or in the way."""

    def __init__(
        self, frame: Any, column: str, speaker_column: str | None, as_of_column: str | None, prefix: str
    ) -> None:
        self._frame = frame
        self._kind = _kind(frame)
        self._prefix = prefix
        self._columns = {"column": column, "speaker_column": speaker_column, "as_of_column": as_of_column}
        there = list(frame.columns)
        bad = [
            FieldViolation(field, f"the frame has no column {name!r}", "NO_SUCH_COLUMN")
            for field, name in self._columns.items()
            if name is not None and name not in there
        ]
        taken = [name for name in self._names() if name in there]
        if taken:
            message = f"the frame has {', '.join(map(repr, taken))} already; give a prefix for the new columns"
            bad.append(FieldViolation("prefix", message, "COLUMN_EXISTS"))
        if bad:
            raise InvalidArgument.of(bad)

    def claims(self) -> Sequence[Any]:
        """A claim for each row; None where there is none, which is no claim and fails alone."""
        texts = self._values("column")
        speakers = self._values("speaker_column") or [None] * len(texts)
        times = self._values("as_of_column") or [None] * len(texts)
        return [
            None if text is None else Claim(text, speaker or "", _moment(time))
            for text, speaker, time in zip(texts, speakers, times, strict=True)
        ]

    def filled(self, outcomes: Sequence[CheckResult | OnrecordError]) -> Any:
        """The frame with what came of its rows."""
        rows = [_row(outcome) for outcome in outcomes]
        names = dict(zip(COLUMNS, self._names(), strict=True))
        if self._kind == "polars":
            polars = sys.modules["polars"]
            return self._frame.with_columns(
                polars.Series(
                    names[key],
                    [row.get(key) for row in rows],
                    dtype=polars.Float64 if key == "confidence" else polars.String,
                )
                for key in COLUMNS
            )
        pandas = sys.modules["pandas"]
        filled = self._frame.copy(deep=False)
        for key in COLUMNS:
            values = [row.get(key) for row in rows]
            filled[names[key]] = pandas.Series(
                values, index=filled.index, dtype="float64" if key == "confidence" else "string"
            )
        return filled

    def _names(self) -> list[str]:
        return [self._prefix + name for name in COLUMNS]

    def _values(self, field: str) -> list[Any]:
        """A column's values, missing ones as None; empty when no such column is asked for."""
        name = self._columns[field]
        if name is None:
            return []
        column = self._frame[name]
        if self._kind == "polars":
            return list(column.to_list())
        if getattr(column, "ndim", 1) != 1:
            raise InvalidArgument.of([FieldViolation(field, f"the frame has several columns {name!r}", "NOT_UNIQUE")])
        return [None if missing else value for value, missing in zip(column.tolist(), column.isna(), strict=True)]


def _kind(frame: object) -> str:
    """pandas or polars, by the module of the frame's class or of one that it comes from."""
    for base in type(frame).__mro__:
        root = base.__module__.partition(".")[0]
        if root in ("pandas", "polars") and base.__name__ == "DataFrame":
            return root
        if root == "polars" and base.__name__ == "LazyFrame":
            message = "is a polars LazyFrame; collect() it first"
            raise InvalidArgument.of([FieldViolation("frame", message, "WRONG_TYPE")])
    message = f"needs a pandas or polars DataFrame, not {type(frame).__name__}"
    raise InvalidArgument.of([FieldViolation("frame", message, "WRONG_TYPE")])


def _moment(value: Any) -> Any:
    """A time as it is, in UTC where it names no zone, a date as its end, their text read.

    What cannot be read is the row's error, later.
    """
    if isinstance(value, str):
        try:
            return parse_as_of(value)
        except ValueError:
            return value
    if hasattr(value, "to_pydatetime"):  # a pandas Timestamp, to the microsecond
        value = value.to_pydatetime(warn=False)
    if (
        isinstance(value, dt.datetime) and value.tzinfo is None
    ):  # frames' usual times have no zone: their midnight is a day
        return _moment(value.date()) if value.time() == dt.time.min else value.replace(tzinfo=dt.UTC)
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return dt.datetime.combine(value, dt.time.max, dt.UTC)
    return value


def _row(outcome: CheckResult | OnrecordError) -> dict[str, str | float]:
    """Values of the new columns; what is left out is missing."""
    if isinstance(outcome, OnrecordError):
        return {"error": outcome.message}
    row: dict[str, str | float] = {"verdict": outcome.verdict.value, "confidence": outcome.confidence}
    if outcome.reason is not None:
        row["reason"] = outcome.reason.value
    if outcome.evidence:
        top = outcome.evidence[0]
        row["evidence"] = top.quote or top.statement.text
        row["evidence_speaker"] = top.statement.speaker.name
        row["evidence_relation"] = top.relation.value
        row["evidence_name"] = top.statement.name
    return row

"""Where the results of `batch` go: JSON lines, CSV or Parquet, and what is there already when work is resumed."""

from __future__ import annotations

import contextlib
import csv
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any, Protocol

from onrecord.cli._batch import ERROR_KEY, RAW_KEY, SET_KEYS, ClaimLine, Claims
from onrecord.cli._columns import COLUMNS
from onrecord.cli._csv import Records, csv_line
from onrecord.cli._files import STDIN, shown
from onrecord.cli._flat import Layout, cells, flat, model_of
from onrecord.cli._formats import CSV, PARQUET
from onrecord.cli._output import LineWriter
from onrecord.cli._report import InputError, complain, to_json

JOURNAL = ".part.jsonl"
"""Added to the name of a Parquet file: there results stand until all are done, for half such a file is none."""


class Results(Protocol):
    """Takes the outcomes line by line; see `open_results`."""

    def write(self, line: ClaimLine, outcome: Mapping[str, Any]) -> None:
        """Add one line: a result, or an error under "error"."""
        ...

    def flush(self) -> None:
        """Hand what was written to the system."""
        ...


class Done:
    """What an interrupted run has left: how many lines, their outcomes, and how many bytes of the file they take."""

    def __init__(self) -> None:
        self.count = 0
        self.bytes = 0
        self.tally: Counter[str] = Counter()
        self.finished = False
        """Whether nothing is left to do, and what is there stands in a file that is not added to."""
        self.model: str | None = None
        """Model and revision of the last result."""

    def add(self, verdict: str | None, code: str | None, model: str | None, end: int) -> None:
        """One more line, which ends at this byte."""
        count_outcome(self.tally, verdict, code)
        self.model = model or self.model
        self.count, self.bytes = self.count + 1, end


def count_outcome(tally: Counter[str], verdict: str | None, code: str | None) -> None:
    """Count a line as checked, under its verdict, too; as bad; or as failed, which is the service's fault."""
    if verdict:
        tally["checked"] += 1
        tally[verdict] += 1
    else:
        tally["bad" if code in ("INVALID_ARGUMENT", "OUT_OF_RANGE") else "failed"] += 1


class _Jsonl:
    def __init__(self, writer: LineWriter) -> None:
        self._writer = writer

    def write(self, line: ClaimLine, outcome: Mapping[str, Any]) -> None:
        self._writer.write(to_json({**line.kept(), **outcome}))

    def flush(self) -> None:
        self._writer.flush()


class _Journal:
    """Results that a Parquet file is made of at the end: the cells of the input under "input", and the outcome."""

    def __init__(self, writer: LineWriter, layout: Layout) -> None:
        self._writer = writer
        self._layout = layout

    def write(self, line: ClaimLine, outcome: Mapping[str, Any]) -> None:
        self._writer.write(to_json({RAW_KEY: self._layout.input(line), **outcome}))

    def flush(self) -> None:
        self._writer.flush()


class _Csv:
    def __init__(self, writer: LineWriter, layout: Layout, *, begun: bool) -> None:
        self._writer = writer
        self._layout = layout
        self._begun = begun

    def write(self, line: ClaimLine, outcome: Mapping[str, Any]) -> None:
        if not self._begun:
            self._writer.write(csv_line([*self._layout.kept, *COLUMNS]))
            self._begun = True
        self._writer.write(csv_line([*cells(self._layout.input(line)), *cells(flat(outcome))]))

    def flush(self) -> None:
        self._writer.flush()


def place_of(output: str, kind: str) -> str:
    """The file that results are written to as they come."""
    return output + JOURNAL if kind == PARQUET and output != STDIN else output


@contextmanager
def open_results(
    claims: Claims, names: list[str] | None, output: str, kind: str, done: Done | None
) -> Iterator[Results]:
    """Where results go. At the end a Parquet file is made of them; after an error what is done stays where it is.

    done: what is there already, to go on behind it.
    """
    place = place_of(output, kind)
    with contextlib.ExitStack() as stack:
        if kind == PARQUET and output == STDIN:
            import tempfile

            place = os.path.join(stack.enter_context(tempfile.TemporaryDirectory()), "results" + JOURNAL)
        keep = done.bytes if done and done.bytes else None
        with LineWriter(place, keep) as writer:
            layout = Layout(names)
            if kind == CSV:
                yield _Csv(writer, layout, begun=keep is not None)
            else:
                yield _Journal(writer, layout) if kind == PARQUET else _Jsonl(writer)
        if kind == PARQUET:
            from onrecord.cli._parquet_out import write_parquet

            write_parquet(place, output, claims, layout)
            if output != STDIN:
                os.unlink(place)


def read_done(claims: Claims, names: list[str] | None, lines: Iterator[ClaimLine], output: str, kind: str) -> Done:
    """What a run of before has done, each of it compared with the input, which is read on as far.

    InputError when it does not belong to the input. A last line that was torn is not counted, and is to be cut off.
    """
    place = place_of(output, kind)
    done = Done()
    if kind == PARQUET and not os.path.exists(place) and os.path.exists(output):
        return _finished(claims, lines, output)
    if not os.path.lexists(place):
        return done
    if not os.path.isfile(place):
        raise InputError(f"{place}: is no regular file, and cannot be resumed")
    layout = Layout(names)
    with open(place, "rb") as stream:
        if kind == CSV:
            _done_csv(claims, layout, lines, place, stream, done)
        else:
            _done_jsonl(claims, layout if kind == PARQUET else None, lines, place, stream, done)
        if stream.seek(0, os.SEEK_END) > done.bytes:
            complain(f"{place}: the last line was torn, and is done again")
    return done


def _finished(claims: Claims, lines: Iterator[ClaimLine], output: str) -> Done:
    """What stands in a Parquet file of results; InputError when it is none, or not of as many lines."""
    from onrecord.cli._parquet import outcomes

    done = Done()
    for verdict, code, model in outcomes(output):
        _next_line(claims, lines, output)
        done.add(verdict, code, model, 0)
    if next(lines, None) is not None:
        raise InputError(
            f"{output}: is finished, with results of {done.count:,} lines, and {shown(claims.path)} has more; leave "
            "--resume out to begin anew"
        )
    done.finished = True
    return done


def _next_line(claims: Claims, lines: Iterator[ClaimLine], place: str) -> ClaimLine:
    line = next(lines, None)
    if line is None:
        raise InputError(f"{place}: has results of more lines than {shown(claims.path)}; it belongs to other claims")
    return line


def _other(claims: Claims, place: str, number: int, line: ClaimLine) -> InputError:
    return InputError(
        f"{place}: line {number} does not belong to {claims.unit} {line.number} of {shown(claims.path)}; resume "
        "with the claims and the format that it was begun with, or leave --resume out to begin anew"
    )


def _done_jsonl(
    claims: Claims, layout: Layout | None, lines: Iterator[ClaimLine], place: str, stream: IO[bytes], done: Done
) -> None:
    end = 0
    for number, raw in enumerate(stream, start=1):
        end += len(raw)
        if not raw.endswith(b"\n"):
            return
        try:
            data = json.loads(raw)
        except ValueError:
            data = None
        if not isinstance(data, dict) or ("verdict" in data) is (ERROR_KEY in data):
            raise InputError(f"{place}: line {number} is no result of `batch`; leave --resume out to begin anew")
        line = _next_line(claims, lines, place)
        kept = {key: value for key, value in data.items() if key not in SET_KEYS}
        expected = {RAW_KEY: layout.input(line)} if layout else line.kept()
        if kept != json.loads(to_json(expected)):
            raise _other(claims, place, number, line)
        code = data[ERROR_KEY].get("code") if ERROR_KEY in data else None
        done.add(data.get("verdict"), code, None if code else model_of(data), end)


def _done_csv(
    claims: Claims, layout: Layout, lines: Iterator[ClaimLine], place: str, stream: IO[bytes], done: Done
) -> None:
    header = [*layout.kept, *COLUMNS]
    whole = (raw for raw in stream if raw.endswith(b"\n"))
    records = Records(whole)
    begun = False
    while True:
        try:
            found = records.next()
        except csv.Error:  # torn within quotes
            return
        if found is None:
            return
        if not begun:
            if found != header:
                raise InputError(f"{place}: its columns are not those of such a run; leave --resume out to begin anew")
            begun, done.bytes = True, records.end
            continue
        line = _next_line(claims, lines, place)
        if found[: len(layout.kept)] != cells(layout.input(line)) or len(found) != len(header):
            raise _other(claims, place, records.number, line)
        outcome = dict(zip(COLUMNS, found[len(layout.kept) :], strict=True))
        done.add(outcome["verdict"], outcome["error_code"], outcome["model"], records.end)

"""A Parquet file made of finished results."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from itertools import islice
from typing import Any

from onrecord.cli._batch import RAW_KEY, SET_KEYS, Claims
from onrecord.cli._columns import COLUMNS, LISTS, NUMBERS, RESULT_COLUMN
from onrecord.cli._files import STDIN, read_lines
from onrecord.cli._flat import Layout, cells, flat
from onrecord.cli._formats import PARQUET, pyarrow
from onrecord.cli._output import blamed_on
from onrecord.cli._parquet import ROWS, draft_of, parquet_file
from onrecord.cli._report import to_json


def write_parquet(journal: str, output: str, claims: Claims, layout: Layout) -> None:
    """Write the results that stand in `journal`, JSON lines, to `output`: whole or not at all; "-" is stdout.

    Columns of a Parquet input come out in the types that they have there; those of other inputs are text.
    """
    arrow = pyarrow()
    with blamed_on(output):
        if output == STDIN:
            _write(arrow, sys.stdout.buffer, journal, claims, layout)
            sys.stdout.buffer.flush()
            return
        with draft_of(output) as draft, open(draft, "wb") as stream:
            _write(arrow, stream, journal, claims, layout)


def _write(arrow: Any, sink: Any, journal: str, claims: Claims, layout: Layout) -> None:
    results = map(json.loads, (line.raw for line in read_lines(journal)))
    text = arrow.string()
    types = dict.fromkeys(COLUMNS, text)
    types |= dict.fromkeys(NUMBERS, arrow.float64()) | dict.fromkeys(LISTS, arrow.list_(text))
    inputs, parts = _inputs(arrow, claims, layout, results)
    schema = arrow.schema([*inputs, *types.items(), (RESULT_COLUMN, text)])
    with arrow.parquet.ParquetWriter(sink, schema) as writer:
        for kept, rows in parts:
            outcomes = [{key: value for key, value in row.items() if key in SET_KEYS} for row in rows]
            listed = [flat(outcome) for outcome in outcomes]
            columns = [arrow.array([row[name] for row in listed], kind) for name, kind in types.items()]
            columns.append(arrow.array([to_json(outcome) for outcome in outcomes], text))
            writer.write_batch(arrow.record_batch([*kept, *columns], schema=schema))


def _inputs(arrow: Any, claims: Claims, layout: Layout, results: Iterator[Any]) -> tuple[list[Any], Iterator[Any]]:
    """Fields of the input's columns, and parts: their arrays with the results of the same rows."""
    if claims.format == PARQUET:
        with parquet_file(claims.path) as file:
            fields = [
                arrow.field(layout.renamed[field.name], field.type)
                for field in file.schema_arrow
                if field.name in layout.renamed
            ]
        return fields, _typed(claims.path, layout, results)
    fields = [arrow.field(name, arrow.string()) for name in layout.kept]
    return fields, _texts(arrow, layout, results)


def _typed(path: str, layout: Layout, results: Iterator[Any]) -> Iterator[Any]:
    with parquet_file(path) as file:
        for batch in file.iter_batches(batch_size=ROWS):
            names = [name for name in batch.schema.names if name in layout.renamed]
            yield [batch.column(name) for name in names], list(islice(results, batch.num_rows))


def _texts(arrow: Any, layout: Layout, results: Iterator[Any]) -> Iterator[Any]:
    while rows := list(islice(results, ROWS)):
        kept = [dict(zip(layout.kept, cells(row[RAW_KEY]), strict=True)) for row in rows]
        yield [arrow.array([row[name] or None for row in kept], arrow.string()) for name in layout.kept], rows

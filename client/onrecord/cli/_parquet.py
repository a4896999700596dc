"""Parquet files of claims and of results, through pyarrow (the extra `onrecord[parquet]`), some rows at a time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from onrecord.cli._formats import pyarrow
from onrecord.cli._report import InputError

ROWS = 1_024
"""Rows in memory at once."""


@contextmanager
def parquet_file(path: str) -> Iterator[Any]:
    """A pyarrow.parquet.ParquetFile; InputError when it is none, or cannot be read on."""
    arrow = pyarrow()
    try:
        with open(path, "rb") as stream:
            if os.fstat(stream.fileno()).st_size == 0:
                raise InputError(f"{path}: is empty, which no Parquet file is")
            try:
                yield arrow.parquet.ParquetFile(stream)
            except arrow.ArrowInvalid as error:
                raise InputError(f"{path}: no Parquet file that can be read: {_first_line(error)}") from None
    except OSError as error:
        if error.strerror is None:  # pyarrow's own, for what is broken inside
            raise InputError(f"{path}: no Parquet file that can be read: {_first_line(error)}") from None
        raise InputError(f"{path}: {error.strerror}") from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["unknown"])[0].rstrip(".")


def table(path: str) -> tuple[list[str], Iterator[dict[str, object]]]:
    """The names of the columns, and the rows. InputError when there is no column "claim"."""
    with parquet_file(path) as file:
        names = list(file.schema_arrow.names)
    if "claim" not in names:
        raise InputError(f'{path}: no column "claim"' + (f"; there are {', '.join(names[:8])}" if names else ""))
    if len(set(names)) < len(names):
        raise InputError(f"{path}: two columns have the same name; rename one")
    return names, _rows(path)


def _rows(path: str) -> Iterator[dict[str, object]]:
    with parquet_file(path) as file:
        for batch in file.iter_batches(batch_size=ROWS):
            yield from batch.to_pylist()


def outcomes(path: str) -> Iterator[tuple[str | None, str | None, str | None]]:
    """Of each row of results: the verdict, the code of the error, the model. InputError when it holds no results."""
    names = ["verdict", "error_code", "model"]
    with parquet_file(path) as file:
        if missing := [name for name in names if name not in file.schema_arrow.names]:
            raise InputError(f"{path}: no results of `batch`: it has no column {missing[0]}")
        for batch in file.iter_batches(batch_size=ROWS, columns=names):
            for row in batch.to_pylist():
                yield row["verdict"], row["error_code"], row["model"]


def row_count(path: str) -> int:
    """How many rows there are."""
    with parquet_file(path) as file:
        return int(file.metadata.num_rows)


@contextmanager
def draft_of(path: str) -> Iterator[str]:
    """A name beside `path` to write to; moved there at the end, removed when anything goes wrong."""
    place = os.path.realpath(path)
    draft = f"{place}.{os.getpid()}.draft"
    try:
        yield draft
        os.replace(draft, place)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(draft)
        raise

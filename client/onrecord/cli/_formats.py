"""Kinds of files of claims: JSON lines, CSV and Parquet. By the ending of the name, else by --format."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

import click

from onrecord.cli._files import PACKED, STDIN, shown
from onrecord.cli._report import InputError

JSONL, CSV, PARQUET = "jsonl", "csv", "parquet"
FORMATS = (JSONL, CSV, PARQUET)
_ENDINGS = {".jsonl": JSONL, ".ndjson": JSONL, ".csv": CSV, ".parquet": PARQUET, ".pq": PARQUET}


def format_of(path: str, otherwise: str | None) -> str:
    """What the file is by its name; `otherwise`, or JSON lines, where that does not tell."""
    known = None if path == STDIN else _ENDINGS.get(PurePath(path.removesuffix(PACKED)).suffix.lower())
    return known or otherwise or JSONL


def refuse_format(path: str, kind: str, *, writing: bool) -> None:
    """InputError for what cannot be read or written so; Parquet without its library is one."""
    if kind == PARQUET:
        pyarrow()
        if not writing and (path == STDIN or path.endswith(PACKED)):
            raise InputError(f"{shown(path)}: Parquet is read from a file as it is, not from a pipe or a packed one")
    if writing and path.endswith(PACKED):
        raise InputError(f"{path}: results are not written packed; name a file without {PACKED}")


def pyarrow() -> Any:
    """pyarrow with its Parquet module, or one line on how to get it."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        if error.name != "pyarrow":
            raise
        raise click.ClickException(
            "Parquet needs pyarrow, which is not installed: pip install 'onrecord[parquet]'"
        ) from None
    return pyarrow

"""Kinds of files of claims: JSON lines, CSV and Parquet. By the ending of the name, else by --format."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

import click

from onrecord._install import how_to_install
from onrecord.cli._files import PACKED, STDIN, shown
from onrecord.cli._report import InputError

JSONL, CSV, PARQUET = "jsonl", "csv", "parquet"
FORMATS = (JSONL, CSV, PARQUET)
_ENDINGS = {".jsonl": JSONL, ".ndjson": JSONL, ".csv": CSV, ".parquet": PARQUET, ".pq": PARQUET}


_JSON = ".json"  # JSON lines by a shorter name; an array is met when it is read
_HOW = {
    ".tsv": "tab-separated; save it as CSV, with commas",
    ".tab": "tab-separated; save it as CSV, with commas",
    ".xlsx": "a spreadsheet; save it as CSV (UTF-8)",
    ".xls": "a spreadsheet; save it as CSV (UTF-8)",
    ".ods": "a spreadsheet; save it as CSV (UTF-8)",
}
_FROM_CSV = """python -c 'import csv,json,sys; [print(json.dumps(r)) for r in csv.DictReader(sys.stdin)]' < FILE.csv"""


def ending_of(path: str) -> str:
    """The ending of the name in small letters, ".gz" left out; empty for stdin, devices and the like."""
    return "" if path == STDIN or path.startswith("/dev/") else PurePath(path.removesuffix(PACKED)).suffix.lower()


def format_of(path: str, otherwise: str | None) -> str:
    """What the file is by its name; where that does not tell, `otherwise`, or JSON lines for what has no ending.

    InputError for an ending of something else: read as JSON lines it would be nothing but bad lines.
    """
    ending = ending_of(path)
    if known := _ENDINGS.get(ending) or otherwise:
        return known
    if ending in ("", _JSON):
        return JSONL
    what = _HOW.get(ending, "of another kind by its ending; say with --format what it holds, or name it so")
    raise InputError(f"{path}: {what}; claims and results are .jsonl, .csv or .parquet")


def refuse_no_statements(path: str) -> None:
    """InputError for a file that is, by its ending, no file of statements a line each."""
    ending = ending_of(path)
    if ending in _ENDINGS and _ENDINGS[ending] != JSONL:
        how = f"; `{_FROM_CSV}` prints rows as such" if ending == ".csv" else ""
        raise InputError(f'{path}: statements are read from JSON lines (.jsonl), {{"text": "..."}} each{how}')
    if ending in _HOW:
        raise InputError(f"{path}: {_HOW[ending]}, and that as JSON lines (.jsonl), from which statements are read")


def refuse_no_document(path: str, how: str) -> None:
    """InputError for a file that is, by its ending, no text: a table or lines of JSON, read as prose, would say what
    nobody said. how: what to do with statements.
    """
    ending = ending_of(path)
    if ending in _ENDINGS or ending in _HOW or ending == _JSON:
        raise InputError(f"{path}: no document by its ending; {how}")


def refuse_no_results(path: str) -> None:
    """InputError for a file of results that does not hold them whole, a line each."""
    if _ENDINGS.get(ending_of(path), JSONL) != JSONL:
        raise InputError(f"{path}: whole results are read from JSON lines, as `batch -o FILE.jsonl` writes them")


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
            f"Parquet needs pyarrow, which is not installed: {how_to_install('parquet')}"
        ) from None
    return pyarrow

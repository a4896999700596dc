"""A client for `check` and `batch`: of a server, or of an engine in this process that has read some files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from onrecord.cli._files import STDIN, probe, read_text, shown
from onrecord.cli._options import connect
from onrecord.cli._progress import working
from onrecord.cli._report import InputError

if TYPE_CHECKING:
    from onrecord.client import Client

MOST_ALIKE = 5  # bad lines of the same fault that are reported one by one
STATEMENT_SUFFIXES = (".jsonl", ".ndjson")


@contextmanager
def open_client(
    target: str,
    timeout: float | None,
    against: tuple[str, ...],
    model: str,
    encoder: str,
    collection: str,
    calibration: str | None = None,
    without: tuple[str, ...] = (),
) -> Iterator[Client]:
    """The client; with `against` its record holds those files, and the rule goes without the parts named in `without`.

    Closed at the end.
    """
    if not against:
        with connect(target, timeout) as client:
            yield client
        return
    documents = {path: _document(path) for path in against}  # before seconds are spent on loading models
    from onrecord.cli._local import open_local

    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    with working("loading the models"):
        client = open_local(model, encoder, calibration, without)
    with client:
        for path, text in documents.items():
            if text is None:
                _import(client, path, collection)  # shows its own progress
            else:
                with working(f"reading {shown(path)}"):
                    _ingest(client, path, text, collection)
        yield client


def _document(path: str) -> str | None:
    """Text of a document; None for a file of statements, which is read line by line later."""
    if PurePath(path).suffix.lower() not in STATEMENT_SUFFIXES:
        return read_text(path)
    probe(path)
    return None


def _import(client: Client, path: str, collection: str) -> None:
    from onrecord.cli._statements_file import StatementFile, import_file

    file = StatementFile(path, collection, any_id=True, most_alike=MOST_ALIKE)
    if import_file(client, file, collection).created_count == 0:
        raise InputError(f"{shown(path)}: no statement in it")


def _ingest(client: Client, path: str, text: str, collection: str) -> None:
    from onrecord.errors import InvalidArgument

    try:
        client.ingest(text, uri="" if path == STDIN else Path(path).resolve().as_uri(), collection=collection)
    except InvalidArgument as error:
        raise InputError(f"{shown(path)}: {error.message}") from None

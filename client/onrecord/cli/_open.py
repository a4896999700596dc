"""A client for `check` and `batch`: of a server, or of an engine in this process that has read some files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from onrecord.cli._files import PACKED, STDIN, probe, read_text, shown
from onrecord.cli._formats import refuse_no_statements
from onrecord.cli._options import connect
from onrecord.cli._progress import working
from onrecord.cli._report import InputError

if TYPE_CHECKING:
    from onrecord.client import Client

STATEMENT_SUFFIXES = (".jsonl", ".ndjson", ".json")


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
    documents = _documents(against)  # before seconds are spent on loading models
    from onrecord.cli._local import open_local

    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    with working("loading the models"):
        client = open_local(model, encoder, calibration, without)
    with client:
        _add(client, documents, collection)
        yield client


def add_files(client: Client, paths: Sequence[str], collection: str) -> None:
    """Put files on the record: import statements, ingest documents. InputError for one that holds none."""
    _add(client, _documents(paths), collection)


def is_statements(path: str) -> bool:
    """Whether a file holds statements, a line each; others are documents."""
    return PurePath(path.removesuffix(PACKED)).suffix.lower() in STATEMENT_SUFFIXES


def _add(client: Client, documents: Mapping[str, str | None], collection: str) -> None:
    for path, text in documents.items():
        if text is None:
            _import(client, path, collection)  # shows its own progress
        else:
            with working(f"reading {shown(path)}"):
                _ingest(client, path, text, collection)


def _documents(paths: Sequence[str]) -> dict[str, str | None]:
    """Texts of documents; None for a file of statements, which is read line by line later.

    InputError for a table: statements come as JSON lines, here as for `statements import`.
    """
    found: dict[str, str | None] = {}
    for path in paths:
        refuse_no_statements(path)
        if is_statements(path):
            probe(path, lines=True)
        found[path] = None if is_statements(path) else read_text(path)
    return found


def _import(client: Client, path: str, collection: str) -> None:
    from onrecord.cli._statements_file import StatementFile, import_file

    file = StatementFile(path, collection, any_id=True)
    if import_file(client, file, collection).created_count == 0:
        raise InputError(f"{shown(path)}: no statement in it")


def _ingest(client: Client, path: str, text: str, collection: str) -> None:
    from onrecord.errors import InvalidArgument

    try:
        client.ingest(text, uri="" if path == STDIN else Path(path).resolve().as_uri(), collection=collection)
    except InvalidArgument as error:
        raise InputError(f"{shown(path)}: {error.message}") from None

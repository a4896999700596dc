"""A record in a file, for tests of what befalls files."""

from __future__ import annotations

import os
import sqlite3
import sys
from pathlib import Path

import numpy as np

from onrecord_server.domain.types import Statement, StatementDraft
from onrecord_server.store import FloatArray
from onrecord_server.store.sqlite import SqliteStore, open_store

DIMENSION = 8
PARENT = "collections/default"
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}


def reopen(path: Path, *, read_only: bool = False) -> SqliteStore:
    return open_store(path, dimension=DIMENSION, encoder_id="test@1", read_only=read_only)


def vectors(count: int) -> FloatArray:
    return np.eye(DIMENSION, dtype=np.float32)[np.arange(count) % DIMENSION]


def fill(store: SqliteStore, count: int = 3) -> list[Statement]:
    made = store.create(PARENT, [StatementDraft(f"statement {n} on tariffs") for n in range(count)], vectors(count))
    return [item for item in made if isinstance(item, Statement)]


def whole(path: Path) -> None:
    """The file is sound, and rows, vectors, words and counts agree."""
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        connection.execute("INSERT INTO statement_words (statement_words, rank) VALUES ('integrity-check', 1)")
        (rows,) = connection.execute("SELECT count(*) FROM statements").fetchone()
        assert connection.execute("SELECT count(*) FROM embeddings").fetchone() == (rows,)
        assert connection.execute("SELECT sum(statement_count) FROM collections").fetchone() == (rows,)
    connection.close()

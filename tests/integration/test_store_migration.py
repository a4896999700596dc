"""A record of the first schema opens, is brought up to date, and answers as before."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from onrecord_server.domain.types import Source, Speaker, Stance, State, StatementDraft
from onrecord_server.store import open_store, schema

PARENT = "collections/default"
DIMENSION = 8
CREATED = 1_700_000_000_123_456  # microseconds since 1970

# As the first version wrote it: the values of its 22 columns from collection_id on.
ROWS = [
    (1, 1, "a", "Tariffs were lowered in May.", "", "Xi Jinping", '["Xi"]', "", "asserted", "https://example.org/a",
     "A title", "A paper", 1_600_000_000_000_000, None, None, None, '["trade"]', "", "", None, None, CREATED, 1),
    (2, 1, "b", "Ministers denied the report.", "In June.", "Bo Lind", "[]", "The Courier", "denied", "", "", "", None,
     1_600_000_000_000_001, None, None, "[]", "d0c", "They denied it.", 3, 18, CREATED + 1, 2),
    (3, 2, "c", "Ice floats.", "", "", "[]", "", "questioned", "", "", "", None, None, None, None, "[]", "", "", None,
     None, CREATED + 2, 3),
]  # fmt: skip


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A file of schema 1 with three statements in two collections."""
    path = tmp_path / "record.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    latest, schema.MIGRATIONS = schema.MIGRATIONS, schema.MIGRATIONS[:1]
    try:
        schema.migrate(connection, 0, encoder_id="test@1", dimension=DIMENSION)
    finally:
        schema.MIGRATIONS = latest
    connection.execute("INSERT INTO collections VALUES (1, 'collections/default', 2), (2, 'collections/other', 1)")
    connection.execute("INSERT INTO collections VALUES (7, 'collections/empty', 0)")
    connection.executemany(f"INSERT INTO statements VALUES (?{', ?' * 22})", ROWS)
    for row in ROWS:
        blob = np.eye(DIMENSION, dtype="<f2")[row[0]].tobytes()
        connection.execute("INSERT INTO embeddings VALUES (?, ?)", (row[0], blob))
    connection.execute("UPDATE record SET revision = 3")
    connection.close()
    return path


def test_an_old_record_answers_as_before(old: Path) -> None:
    store = open_store(old, dimension=DIMENSION, encoder_id="test@1")
    first, second = store.list(PARENT, 10, "").statements
    assert (first.name, first.text, first.speaker) == (
        f"{PARENT}/statements/a",
        "Tariffs were lowered in May.",
        Speaker("Xi Jinping", ("Xi",)),
    )
    published = datetime(2020, 9, 13, 12, 26, 40, tzinfo=UTC)
    assert first.source == Source("https://example.org/a", "A title", "A paper", published)
    assert (first.labels, first.etag, first.state, first.update_time) == (
        ("trade",),
        "1",
        State.ACTIVE,
        first.create_time,
    )
    assert (second.stance, second.document, second.etag) == (Stance.DENIED, "d0c", "2")
    assert store.document_statements(PARENT, "d0c") == [second]
    assert (store.count(), store.revision(), store.pending_count()) == (3, 3, 0)
    for text, axis, name in (("tariffs lowered", 5, "a"), ("nothing of the kind", 2, "b")):
        hit = store.search(PARENT, text, np.eye(DIMENSION, dtype=np.float32)[axis], 1)[0]
        assert hit.statement.name == f"{PARENT}/statements/{name}"
    page = store.collections.list(10, "")
    assert [(c.name, c.statement_count) for c in page.collections] == [
        (PARENT, 2),
        ("collections/other", 1),
        ("collections/empty", 0),
    ]
    assert page.collections[0].create_time == first.create_time
    assert page.collections[2].create_time > first.create_time  # nothing tells when it began; the migration's moment
    store.close()


def test_an_old_record_is_written_to_as_a_new_one(old: Path) -> None:
    store = open_store(old, dimension=DIMENSION, encoder_id="test@1")
    axis = np.eye(DIMENSION, dtype=np.float32)
    first, second = store.list(PARENT, 10, "").statements
    store.replace(first.name, StatementDraft("Levies were raised.", name=first.name), axis[6], etag=first.etag)
    store.delete(second.name)
    store.put("collections/new", [StatementDraft("Quotas were kept.")], axis[:1])
    assert [h.statement.text for h in store.search(PARENT, "levies", axis[0], 5)] == ["Levies were raised."]
    assert store.search(PARENT, "levies", axis[6], 5)[0].similarity > 0.99
    assert [h.statement.text for h in store.search("collections/new", "quotas", axis[3], 5)] == ["Quotas were kept."]
    store.close()
    with sqlite3.connect(old) as connection:
        connection.execute("INSERT INTO statement_words (statement_words, rank) VALUES ('integrity-check', 1)")
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert connection.execute("SELECT id FROM collections WHERE name = 'collections/new'").fetchone() == (8,)
    connection.close()

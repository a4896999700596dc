"""Statements that wait for their embedding: which they are, and how one that was made meets its row."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from onrecord_server.store.base import FloatArray, Pending
from onrecord_server.store.damage import fetch
from onrecord_server.store.inserting import insert_vectors


def oldest(connection: sqlite3.Connection, limit: int, after: int) -> list[Pending]:
    """The oldest that wait, beyond a row id; a text that is damaged waits for ever."""
    while True:
        rows = fetch(
            connection,
            "SELECT p.id, s.revision, s.text FROM pending_embeddings p JOIN statements s ON s.id = p.id "
            "WHERE p.id > ? ORDER BY p.id LIMIT ?",
            (after, limit),
        )
        found = [Pending(*row) for row in rows if isinstance(row[2], str)]
        if found or not rows:
            return found
        after = rows[-1][0]


def settle(
    connection: sqlite3.Connection, done: Sequence[Pending], vectors: FloatArray
) -> dict[int, tuple[list[int], list[int]]]:
    """Store the embeddings of those that still wait and were not rewritten; by collection, their row ids and places."""
    marks = ",".join("?" * len(done))
    rows = connection.execute(
        "SELECT s.id, s.revision, s.collection_id FROM pending_embeddings p JOIN statements s ON s.id = p.id "  # noqa: S608
        f"WHERE p.id IN ({marks})",
        [one.row_id for one in done],
    )
    waiting = {row_id: (revision, collection) for row_id, revision, collection in rows}
    settled: dict[int, tuple[list[int], list[int]]] = {}
    for place, one in enumerate(done):
        revision, collection = waiting.get(one.row_id, (None, 0))
        if revision == one.revision:
            ids, places = settled.setdefault(collection, ([], []))
            ids.append(one.row_id)
            places.append(place)
    for collection, (ids, places) in settled.items():
        insert_vectors(connection, ids, vectors[places])
        forget(connection, collection, ids)
    return settled


def note(connection: sqlite3.Connection, rows: range) -> None:
    """These, just inserted, are still to be embedded. Counting them is the caller's (collections.count_added)."""
    connection.execute(
        "INSERT INTO pending_embeddings SELECT id FROM statements WHERE id BETWEEN ? AND ?", (rows[0], rows[-1])
    )


def renew(connection: sqlite3.Connection, collection: int, ids: Sequence[int]) -> None:
    """The embeddings of these are lost: they are to be embedded again."""
    connection.executemany("DELETE FROM embeddings WHERE id = ?", [(row_id,) for row_id in ids])
    connection.executemany("INSERT INTO pending_embeddings (id) VALUES (?)", [(row_id,) for row_id in ids])
    connection.execute("UPDATE collections SET pending_count = pending_count + ? WHERE id = ?", (len(ids), collection))


def forget(connection: sqlite3.Connection, collection: int, ids: Sequence[int]) -> None:
    """These wait no more: embedded, or about to be deleted. Those that did not wait are not counted."""
    marks = ",".join("?" * len(ids))
    gone = connection.execute(f"DELETE FROM pending_embeddings WHERE id IN ({marks})", list(ids)).rowcount  # noqa: S608
    if gone:
        connection.execute("UPDATE collections SET pending_count = pending_count - ? WHERE id = ?", (gone, collection))


def count(connection: sqlite3.Connection, parent: str | None) -> int:
    """How many wait in a collection, or in all."""
    where, values = ("", ()) if parent is None else (" WHERE name = ?", (parent,))
    (total,) = connection.execute(f"SELECT coalesce(sum(pending_count), 0) FROM collections{where}", values).fetchone()  # noqa: S608
    return int(total)

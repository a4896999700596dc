"""The vector indexes of a record, one for each collection: built of its rows, and what of them is lost."""

from __future__ import annotations

import sqlite3
import threading

from onrecord_server.store.collections import revision_of
from onrecord_server.store.vectors import VectorIndex, from_blobs


class Indexes:
    """In memory. Thread-safe. revision: the record's when they were built."""

    def __init__(self, dimension: int) -> None:
        self._dimension = dimension
        self._lock = threading.Lock()
        self._indexes: dict[int, VectorIndex] = {}
        self.revision = -1

    def of(self, collection: int) -> VectorIndex:
        """The vectors of a collection, by its row id."""
        with self._lock:
            return self._indexes.setdefault(collection, VectorIndex(self._dimension))

    def drop(self, collection: int) -> None:
        """Its collection is deleted."""
        with self._lock:
            self._indexes.pop(collection, None)

    def build(self, connection: sqlite3.Connection) -> dict[int, list[int]]:
        """Build all anew from the rows.

        By collection, the row ids of statements that should have an embedding and have none, or a damaged one. They are
        found by their words alone.
        """
        indexes: dict[int, VectorIndex] = {}
        lost: dict[int, list[int]] = {}
        for (collection,) in connection.execute("SELECT id FROM collections").fetchall():
            rows = connection.execute(
                "SELECT s.id, e.vector FROM statements s LEFT JOIN embeddings e ON e.id = s.id "
                "WHERE s.collection_id = ? AND s.id NOT IN (SELECT id FROM pending_embeddings) ORDER BY s.id",
                (collection,),
            ).fetchall()
            vectors, sound = from_blobs([row[1] for row in rows], self._dimension)
            ids = [rows[place][0] for place in sound]
            index = indexes[collection] = VectorIndex(self._dimension)
            index.add(ids, vectors)
            if len(ids) < len(rows):
                lost[collection] = sorted({row[0] for row in rows}.difference(ids))
        revision = revision_of(connection)
        with self._lock:
            self._indexes, self.revision = indexes, revision
        return lost

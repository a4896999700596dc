"""The record in one SQLite file: rows, full-text index and embeddings change together, in one transaction each.

One process writes to a file; others may open it for reading (see `open_store`).
"""

from __future__ import annotations

import base64
import builtins
import secrets
import sqlite3
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from onrecord_server.domain import limits, validation
from onrecord_server.domain.errors import (
    AlreadyExists,
    FieldViolation,
    InvalidInput,
    NotFound,
    OnrecordError,
    StoreError,
    StoreUnusable,
)
from onrecord_server.domain.types import Statement, StatementDraft
from onrecord_server.store import fusion, page_tokens
from onrecord_server.store.base import FloatArray, Hit, Page
from onrecord_server.store.connections import DAMAGED, Connections
from onrecord_server.store.lexical import WordCutter, match_expression
from onrecord_server.store.rows import COLUMNS, row_of, statement_of
from onrecord_server.store.vectors import VectorIndex, from_blobs, to_blob

_DEFAULT_PAGE = 100
_DEPTH = 50  # rows taken from each of the two rankings before they are fused
_RRF_K = 5  # chosen, as the weight, on development claims: tests/bench/retrieval_eval.py --variants
_VECTOR_WEIGHT = 0.5

# Constants, never input, are put into these texts.
_FIELDS = ", ".join(f"s.{column}" for column in COLUMNS)
_INSERT = (
    f"INSERT INTO statements (collection_id, {', '.join(COLUMNS)}) VALUES (?{', ?' * len(COLUMNS)}) "  # noqa: S608
    "ON CONFLICT (collection_id, statement_id) DO NOTHING RETURNING id"
)
_SELECT = f"SELECT s.id, {_FIELDS} FROM statements s JOIN collections c ON c.id = s.collection_id"  # noqa: S608


def open_store(path: str | Path, *, dimension: int, encoder_id: str, read_only: bool = False) -> SqliteStore:
    """Open the record at `path`, or create it; ":memory:" keeps it in this process and forgets it.

    dimension, encoder_id: of the encoder whose vectors the record holds; fixed when it is created. read_only: open an
    existing file for reading, even while another process writes to it. A file or folder without write permission is
    opened that way by itself.

    Raises StoreUnusable: not a record, from a newer version, made with another encoder, written to by another process,
    no access, no such folder.
    """
    connections = Connections(str(path), read_only=read_only, encoder_id=encoder_id, dimension=dimension)
    return SqliteStore(connections, dimension)


class SqliteStore:
    """A StatementStore in a SQLite file. Thread-safe; made by `open_store`."""

    kind = "sqlite"

    def __init__(self, connections: Connections, dimension: int) -> None:
        """Read the vectors into memory."""
        self._db = connections
        self._dimension = dimension
        self._cutter = WordCutter()
        self._index_lock = threading.Lock()
        try:
            with self._db.reading() as connection:
                (self._token_key,) = connection.execute("SELECT page_token_key FROM record").fetchone()
                self._load_vectors(connection)
        except StoreError as error:
            self.close()
            why = error.__cause__ or error.message  # for whoever starts the server, SQLite's own words help
            raise StoreUnusable(f"{connections.path}: cannot be read ({why}); restore it from a backup") from error
        except (TypeError, ValueError) as error:  # values that no onrecord wrote: not a row, not a vector of this width
            self.close()
            raise StoreUnusable(f"{connections.path}: {DAMAGED}") from error
        except BaseException:
            self.close()
            raise

    def create(
        self, parent: str, drafts: Sequence[StatementDraft], vectors: FloatArray, *, all_or_none: bool = False
    ) -> builtins.list[Statement | OnrecordError]:
        """See StatementStore.create."""
        if vectors.shape != (len(drafts), self._dimension):
            raise ValueError(f"vectors have the shape {vectors.shape}, not {(len(drafts), self._dimension)}")
        if not np.isfinite(vectors).all():
            raise ValueError("a vector holds NaN or infinity")
        if not drafts:
            return []
        now = datetime.now(UTC)
        results: builtins.list[Statement | OnrecordError] = []
        ids: builtins.list[int] = []
        kept: builtins.list[int] = []
        with self._db.exclusive():
            with self._db.writing() as connection:
                collection = _make_collection(connection, parent)
                revision = _revision(connection) + 1
                for position, draft in enumerate(drafts):
                    if draft.name and validation.parent_of(draft.name) != parent:
                        raise ValueError("a draft's name lies in another collection than the parent")
                    inserted = _insert(connection, collection, draft, now, revision)
                    if inserted is None:
                        if all_or_none:
                            raise AlreadyExists(draft.name)  # which undoes the transaction
                        results.append(AlreadyExists(draft.name))
                        continue
                    row_id, row = inserted
                    connection.execute("INSERT INTO embeddings VALUES (?, ?)", (row_id, to_blob(vectors[position])))
                    ids.append(row_id)
                    kept.append(position)
                    results.append(statement_of(parent, row))
                if ids:
                    _count_write(connection, collection, len(ids))
            self._index(collection).add(ids, np.asarray(vectors, np.float32)[kept])
        return results

    def get(self, name: str) -> Statement:
        """See StatementStore.get."""
        parent, statement_id = _split(name)
        with self._db.reading() as connection:
            row = connection.execute(
                f"{_SELECT} WHERE c.name = ? AND s.statement_id = ?", (parent, statement_id)
            ).fetchone()
        if row is None:
            raise NotFound(name)
        return statement_of(parent, row[1:])

    def list(self, parent: str, page_size: int, page_token: str) -> Page:
        """See StatementStore.list. page_size: 0 reads as 100, more than 1,000 as 1,000."""
        if page_size < 0:
            message = f"is {page_size}; choose 0 (the default, {_DEFAULT_PAGE}) to {limits.PAGE_SIZE.value}"
            raise InvalidInput([FieldViolation("page_size", "OUT_OF_RANGE", message)])
        size = min(page_size or _DEFAULT_PAGE, limits.PAGE_SIZE.value)
        after = page_tokens.read(self._token_key, parent, page_token)
        with self._db.reading() as connection:
            collection, total = _collection(connection, parent)
            rows = connection.execute(
                f"{_SELECT} WHERE s.collection_id = ? AND s.id > ? ORDER BY s.id LIMIT ?", (collection, after, size + 1)
            ).fetchall()
        more = len(rows) > size
        token = page_tokens.make(self._token_key, parent, rows[size - 1][0]) if more else ""
        return Page([statement_of(parent, row[1:]) for row in rows[:size]], token, total)

    def delete(self, name: str) -> None:
        """See StatementStore.delete."""
        parent, statement_id = _split(name)
        with self._db.exclusive():
            with self._db.writing() as connection:
                collection, _ = _collection(connection, parent)
                row = connection.execute(
                    "DELETE FROM statements WHERE collection_id = ? AND statement_id = ? RETURNING id",
                    (collection, statement_id),
                ).fetchone()
                if row is None:
                    raise NotFound(name)
                _count_write(connection, collection, -1)
            self._index(collection).remove(row[0])

    def document_statements(self, parent: str, document: str) -> builtins.list[Statement]:
        """See StatementStore.document_statements."""
        if not document:
            return []
        with self._db.reading() as connection:
            rows = connection.execute(
                f"{_SELECT} WHERE c.name = ? AND s.document = ? AND s.document <> '' ORDER BY s.id", (parent, document)
            ).fetchall()
        return [statement_of(parent, row[1:]) for row in rows]

    def search(
        self, parent: str, text: str, vector: FloatArray, limit: int, *, speaker_words: Sequence[str] = ()
    ) -> builtins.list[Hit]:
        """See StatementStore.search. Lexical and vector rankings, 50 deep or `limit`, fused by reciprocal rank."""
        if limit <= 0:
            return []
        depth = max(_DEPTH, limit)
        query = np.asarray(vector, np.float32).reshape(self._dimension)
        with self._db.reading() as connection:
            self._follow_writer(connection)
            collection, total = _collection(connection, parent)
            if total == 0:
                return []
            lexical = fusion.ranks(self._lexical(connection, collection, text, depth, speaker_words))
            nearest = {} if speaker_words else fusion.ranks(self._index(collection).search(query, depth))
            fused = fusion.fuse(lexical, nearest, k=_RRF_K, vector_weight=_VECTOR_WEIGHT)[:limit]
            marks = ",".join("?" * len(fused))
            rows = connection.execute(
                f"SELECT s.id, e.vector, {_FIELDS} FROM statements s JOIN embeddings e ON e.id = s.id "  # noqa: S608
                f"WHERE s.id IN ({marks})",
                [row_id for row_id, _ in fused],
            ).fetchall()
        if not rows:
            return []
        similarities = np.clip(from_blobs([row[1] for row in rows], self._dimension) @ query, -1.0, 1.0)
        found = {row[0]: (row, float(similarity)) for row, similarity in zip(rows, similarities, strict=True)}
        return [
            Hit(statement_of(parent, row[2:]), similarity, score, lexical.get(row_id), nearest.get(row_id))
            for row_id, score in fused
            if row_id in found  # else deleted since the index answered
            for row, similarity in [found[row_id]]
        ]

    def count(self, parent: str | None = None) -> int:
        """See StatementStore.count."""
        with self._db.reading() as connection:
            if parent is not None:
                return _collection(connection, parent)[1]
            (total,) = connection.execute("SELECT coalesce(sum(statement_count), 0) FROM collections").fetchone()
            return int(total)

    def revision(self) -> int:
        """See StatementStore.revision."""
        with self._db.reading() as connection:
            return _revision(connection)

    def close(self) -> None:
        """See StatementStore.close."""
        self._db.close()
        self._cutter.close()

    # ------------------------------------------------------------------ search

    def _lexical(
        self, connection: sqlite3.Connection, collection: int, text: str, depth: int, speaker_words: Sequence[str]
    ) -> builtins.list[int]:
        """Row ids by BM25, best first."""
        expression = match_expression(connection, self._cutter, text, speaker_words)
        if not expression:
            return []
        rows = connection.execute(
            "SELECT w.rowid FROM statement_words w CROSS JOIN statements s ON s.id = w.rowid "
            "WHERE w.statement_words MATCH ? AND s.collection_id = ? ORDER BY w.rank LIMIT ?",
            (expression, collection, depth),
        )
        return [row_id for (row_id,) in rows]

    def _index(self, collection: int) -> VectorIndex:
        with self._index_lock:
            return self._indexes.setdefault(collection, VectorIndex(self._dimension))

    def _load_vectors(self, connection: sqlite3.Connection) -> None:
        """Build the vector index of every collection from the rows."""
        indexes: dict[int, VectorIndex] = {}
        for (collection,) in connection.execute("SELECT id FROM collections").fetchall():
            rows = connection.execute(
                "SELECT s.id, e.vector FROM statements s JOIN embeddings e ON e.id = s.id "
                "WHERE s.collection_id = ? ORDER BY s.id",
                (collection,),
            ).fetchall()
            index = indexes[collection] = VectorIndex(self._dimension)
            index.add([row[0] for row in rows], from_blobs([row[1] for row in rows], self._dimension))
        revision = _revision(connection)
        with self._index_lock:
            self._indexes = indexes
            self._indexed_revision = revision

    def _follow_writer(self, connection: sqlite3.Connection) -> None:
        """Opened for reading, another process may have written: read the vectors again if it has."""
        if self._db.read_only and _revision(connection) != self._indexed_revision:
            self._load_vectors(connection)


def _split(name: str) -> tuple[str, str]:
    parent, _, statement_id = name.partition("/statements/")
    return parent, statement_id


def _collection(connection: sqlite3.Connection, parent: str) -> tuple[int, int]:
    """(row id, number of statements) of a collection; (0, 0) for one that does not exist."""
    row = connection.execute("SELECT id, statement_count FROM collections WHERE name = ?", (parent,)).fetchone()
    return (0, 0) if row is None else (row[0], row[1])


def _make_collection(connection: sqlite3.Connection, parent: str) -> int:
    connection.execute("INSERT INTO collections (name) VALUES (?) ON CONFLICT DO NOTHING", (parent,))
    return _collection(connection, parent)[0]


def _revision(connection: sqlite3.Connection) -> int:
    (revision,) = connection.execute("SELECT revision FROM record").fetchone()
    return int(revision)


def _count_write(connection: sqlite3.Connection, collection: int, added: int) -> None:
    """Keep the number of statements and the number of writes in step with a write."""
    connection.execute("UPDATE collections SET statement_count = statement_count + ? WHERE id = ?", (added, collection))
    connection.execute("UPDATE record SET revision = revision + 1")


def _insert(
    connection: sqlite3.Connection, collection: int, draft: StatementDraft, now: datetime, revision: int
) -> tuple[int, tuple[object, ...]] | None:
    """(row id, row) of the new statement; None when the draft's own name is taken."""
    while True:
        statement_id = _split(draft.name)[1] or _new_id()
        row = row_of(draft, statement_id=statement_id, create_time=now, revision=revision)
        inserted = connection.execute(_INSERT, (collection, *row)).fetchone()
        if inserted is not None:
            return inserted[0], row
        if draft.name:
            return None  # else: our own choice collided; choose again


def _new_id() -> str:
    """A fresh statement id: 16 characters of a-z and 2-7, 80 random bits."""
    return base64.b32encode(secrets.token_bytes(10)).decode().lower()

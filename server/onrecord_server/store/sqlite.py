"""The record in one SQLite file: rows, full-text index and embeddings change together, in one transaction each.

One process writes to a file; others may open it for reading (see `open_store`).
"""

from __future__ import annotations

import builtins
import logging
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from onrecord_server.domain import validation
from onrecord_server.domain.errors import OnrecordError, StoreError, StoreUnusable
from onrecord_server.domain.types import (
    RequestKey,
    Statement,
    StatementDraft,
    StatementFilter,
)
from onrecord_server.store import changing, collections, damage, page_tokens, pending, requests
from onrecord_server.store.base import FloatArray, Inspection, Page, Pending, Put, Stored
from onrecord_server.store.collections import CollectionTable
from onrecord_server.store.connections import DAMAGED, Connections, of_the_whole
from onrecord_server.store.damage import fetch, readable
from onrecord_server.store.filtering import Filters, digest
from onrecord_server.store.indexes import Indexes
from onrecord_server.store.lexical import WordCutter
from onrecord_server.store.mending import mended
from onrecord_server.store.putting import Embedded, Transaction, replayed
from onrecord_server.store.rows import COLUMNS, statement_of
from onrecord_server.store.searchable import Searchable
from onrecord_server.store.snapshot import Snapshot
from onrecord_server.store.vectors import VectorIndex
from onrecord_server.store.written import Written

logger = logging.getLogger(__name__)

# Constants, never input, are put into these texts.
_FIELDS = ", ".join(f"s.{column}" for column in COLUMNS)
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


class SqliteStore(Searchable):
    """A StatementStore in a SQLite file. Thread-safe; made by `open_store`."""

    kind = "sqlite"

    def __init__(self, connections: Connections, dimension: int) -> None:
        """Read the vectors into memory."""
        self._db = connections
        self._dimension = dimension
        self._cutter = WordCutter()
        self._indexes = Indexes(dimension)
        try:
            with self._db.reading() as connection:
                (self._token_key,) = connection.execute("SELECT page_token_key FROM record").fetchone()
                self._written = Written(None if self._db.read_only else collections.revision_of(connection))
                self._filters = Filters(self._written)
                lost = self._indexes.build(connection)
            self._renew_embeddings(lost)
            self.collections = CollectionTable(self._db, self._token_key, self._indexes.drop)
        except StoreError as error:
            self.close()
            why = error.__cause__ or error.message  # for whoever starts the server, SQLite's own words help
            raise StoreUnusable(f"{connections.path}: cannot be read ({why}); restore it from a backup") from error
        except (TypeError, ValueError) as error:  # values that no onrecord wrote, or a row that is not there
            self.close()
            raise StoreUnusable(f"{connections.path}: {DAMAGED}") from error
        except BaseException:
            self.close()
            raise

    def put(
        self,
        parent: str,
        drafts: Sequence[StatementDraft],
        vectors: FloatArray | None,
        *,
        all_or_none: bool = False,
        request: RequestKey | None = None,
        failed: Mapping[int, OnrecordError] | None = None,
    ) -> Stored:
        """See StatementStore.put."""
        one = Put(parent, drafts, vectors, request, failed or {})
        self._check(one)
        if not drafts and request is None:
            return Stored([], [], {}, datetime.now(UTC), self.revision(), False, self.pending_count(parent))
        (answer,) = self._put([one], all_or_none=all_or_none)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def put_many(self, puts: Sequence[Put]) -> builtins.list[Stored | Exception]:
        """See StatementStore.put_many."""
        for one in puts:
            self._check(one)
        try:
            return self._put(puts)
        except Exception as error:
            if len(puts) == 1 or of_the_whole(error):
                raise
        # together they were undone; alone each meets its own fate
        answers: builtins.list[Stored | Exception] = []
        for one in puts:
            try:
                answers += self._put([one])
            except Exception as error:
                answers.append(error)
        return answers

    @mended
    def _put(self, puts: Sequence[Put], *, all_or_none: bool = False) -> builtins.list[Stored | Exception]:
        """Their answers, or what undid them all."""
        with self._db.exclusive():
            with self._db.writing() as connection:
                transaction = Transaction(connection, self._written, all_or_none)
                transaction.run(puts)
            self._add_to_index(transaction.embedded)
        return transaction.answers

    def _check(self, put: Put) -> None:
        self._check_vectors(put.vectors, len(put.drafts))
        if any(draft.name and validation.parent_of(draft.name) != put.parent for draft in put.drafts):
            raise ValueError("a draft's name lies in another collection than the parent")

    def create(
        self, parent: str, drafts: Sequence[StatementDraft], vectors: FloatArray, *, all_or_none: bool = False
    ) -> builtins.list[Statement | OnrecordError]:
        """See StatementStore.create."""
        return self.put(parent, drafts, vectors, all_or_none=all_or_none).outcomes

    def replay(self, parent: str, drafts: Sequence[StatementDraft], request: RequestKey) -> Stored | None:
        """See StatementStore.replay."""
        with self._db.reading() as connection:
            answer = requests.look_up(connection, parent, request, datetime.now(UTC))
            if answer is None:
                return None
            return replayed(parent, drafts, answer, pending.count(connection, parent))

    def get(self, name: str) -> Statement:
        """See StatementStore.get."""
        with self._db.reading() as connection:
            return changing.find(connection, name).statement

    def list(self, parent: str, page_size: int, page_token: str, chosen: StatementFilter | None = None) -> Page:
        """See StatementStore.list. page_size: 0 reads as 100, more than 1,000 as 1,000."""
        size = page_tokens.page_size(page_size)
        scope = "\n".join(filter(None, (parent, digest(chosen))))
        after = page_tokens.read(self._token_key, scope, page_token)
        with self._db.reading() as connection:
            collection, total = collections.find(connection, parent)
            passing = self._passing(connection, collection, chosen)
            where, values = ("s.id > ?", [after]) if passing is None else passing.next_rows(after, size + 1)
            values = [collection, *values, size + 1]
            rows = fetch(connection, f"{_SELECT} WHERE s.collection_id = ? AND {where} ORDER BY s.id LIMIT ?", values)
        more = len(rows) > size
        token = page_tokens.make(self._token_key, scope, rows[size - 1][0]) if more else ""
        statements = readable(rows[:size], lambda row: statement_of(parent, row[1:]))
        if passing is None:
            return Page(statements, token, total)
        return Page(statements, token, len(passing), passing.ambiguous)

    @mended
    def replace(self, name: str, draft: StatementDraft, vector: FloatArray | None, *, etag: str) -> Statement:
        """See StatementStore.replace."""
        with self._db.exclusive():
            with self._db.writing() as connection:
                row = changing.find(connection, name)
                row.check(etag)
                made = changing.rewrite(connection, row, draft)
                if vector is not None:
                    changing.replace_vector(connection, row, vector)
                collections.count_write(connection)
                self._note(connection, row)
            if vector is not None:
                index = self._index(row.collection)
                index.remove(row.row_id)
                index.add([row.row_id], np.asarray(vector, np.float32).reshape(1, self._dimension))
        return made

    @mended
    def supersede(
        self,
        name: str,
        successor: str | StatementDraft,
        vector: FloatArray | None,
        *,
        etag: str = "",
        since: datetime | None = None,
    ) -> tuple[Statement, Statement]:
        """See StatementStore.supersede."""
        parent = validation.parent_of(name)
        with self._db.exclusive():
            with self._db.writing() as connection:
                row = changing.find(connection, name)
                row.check(etag)
                new = Transaction(connection, self._written, all_or_none=True)
                if isinstance(successor, str):
                    taken = changing.find_successor(connection, name, successor)
                else:
                    given = None if vector is None else vector.reshape(1, self._dimension)
                    taken = new.create(Put(parent, [successor], given))
                old = changing.supersede(connection, row, taken.name, since)
                self._note(connection, row)
            self._add_to_index(new.embedded)
        return old, taken

    @mended
    def delete(self, name: str, *, etag: str = "") -> None:
        """See StatementStore.delete."""
        with self._db.exclusive():
            with self._db.writing() as connection:
                row = changing.find(connection, name)
                row.check(etag)
                pending.forget(connection, row.collection, [row.row_id])
                connection.execute("DELETE FROM statements WHERE id = ?", (row.row_id,))
                collections.count_write(connection, row.collection, -1)
                self._note(connection, row)
            self._index(row.collection).remove(row.row_id)

    def document_statements(self, parent: str, document: str) -> builtins.list[Statement]:
        """See StatementStore.document_statements."""
        if not document:
            return []
        with self._db.reading() as connection:
            where = "c.name = ? AND s.document = ? AND s.document <> ''"
            rows = fetch(connection, f"{_SELECT} WHERE {where} ORDER BY s.id", (parent, document))
        return readable(rows, lambda row: statement_of(parent, row[1:]))

    def export(self, parent: str, chosen: StatementFilter | None = None) -> Snapshot:
        """See StatementStore.export."""
        return Snapshot(self._db, parent, lambda connection, collection: self._passing(connection, collection, chosen))

    def inspect(self, limit: int, after: int = 0) -> Inspection:
        """See StatementStore.inspect."""
        with self._db.reading() as connection:
            return damage.inspect(connection, limit, after)

    def pending(self, limit: int, after: int = 0) -> builtins.list[Pending]:
        """See StatementStore.pending."""
        with self._db.reading() as connection:
            return pending.oldest(connection, limit, after)

    def settle(self, done: Sequence[Pending], vectors: FloatArray) -> int:
        """See StatementStore.settle."""
        if not done:
            return 0
        self._check_vectors(vectors, len(done))
        with self._db.exclusive():
            with self._db.writing() as connection:
                settled = pending.settle(connection, done, vectors)
                if settled:
                    collections.count_write(connection)
            for collection, (ids, places) in settled.items():
                self._index(collection).add(ids, np.asarray(vectors, np.float32)[places])
        return sum(len(ids) for ids, _ in settled.values())

    def pending_count(self, parent: str | None = None) -> int:
        """See StatementStore.pending_count."""
        with self._db.reading() as connection:
            return pending.count(connection, parent)

    def count(self, parent: str | None = None) -> int:
        """See StatementStore.count."""
        with self._db.reading() as connection:
            if parent is not None:
                return collections.find(connection, parent)[1]
            (total,) = connection.execute("SELECT coalesce(sum(statement_count), 0) FROM collections").fetchone()
            return int(total)

    @property
    def identity(self) -> str:
        """See StatementStore.identity."""
        return page_tokens.identity(self._token_key)

    def revision(self) -> int:
        """See StatementStore.revision."""
        with self._db.reading() as connection:
            return collections.revision_of(connection)

    def close(self) -> None:
        """See StatementStore.close."""
        self._db.close()
        self._cutter.close()

    def _check_vectors(self, vectors: FloatArray | None, count: int) -> None:
        if vectors is None:
            return
        if vectors.shape != (count, self._dimension):
            raise ValueError(f"vectors have the shape {vectors.shape}, not {(count, self._dimension)}")
        if not np.isfinite(vectors).all():
            raise ValueError("a vector holds NaN or infinity")

    def _note(self, connection: sqlite3.Connection, row: changing.Row) -> None:
        """This row was changed or deleted, and the write is counted."""
        self._written.note(row.collection, collections.revision_of(connection), range(row.row_id, row.row_id + 1))

    # ------------------------------------------------------------------ search

    def _index(self, collection: int) -> VectorIndex:
        return self._indexes.of(collection)

    def _follow_writer(self, connection: sqlite3.Connection) -> None:
        """Opened for reading, another process may have written: read the vectors again if it has."""
        if self._db.read_only and collections.revision_of(connection) != self._indexes.revision:
            self._indexes.build(connection)

    def _renew_embeddings(self, lost: Mapping[int, Sequence[int]]) -> None:
        """Have embeddings that are lost made again: statements wait for them, as after a deferred import."""
        count = sum(map(len, lost.values()))
        if not count:
            return
        then = "open it with write access to have them made again"
        if not self._db.read_only:
            with self._db.writing() as connection:
                for collection, ids in lost.items():
                    pending.renew(connection, collection, ids)
                collections.count_write(connection)
            then = "they are made again"
        logger.warning("%s: damaged embeddings: %d; %s", self._db.path, count, then)

    def _add_to_index(self, embedded: Sequence[Embedded]) -> None:
        for new in embedded:
            self._index(new.collection).add(new.rows, np.asarray(new.vectors, np.float32))

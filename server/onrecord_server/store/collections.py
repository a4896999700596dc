"""Collections: the rows that statements belong to, and what callers may do with them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from onrecord_server.domain.errors import CollectionExists, CollectionNotEmpty, CollectionNotFound, EtagMismatch
from onrecord_server.domain.types import Collection, CollectionDraft, RequestKey
from onrecord_server.store import page_tokens, requests
from onrecord_server.store.base import CollectionPage
from onrecord_server.store.connections import Connections
from onrecord_server.store.damage import fetch, readable
from onrecord_server.store.inserting import new_ids
from onrecord_server.store.rows import UNREADABLE, damaged, etag_of, from_microseconds, microseconds

SCOPE = "collections"  # of page tokens and request ids

_FIELDS = "name, display_name, description, statement_count, pending_count, create_time, update_time, revision"


def find(connection: sqlite3.Connection, parent: str) -> tuple[int, int]:
    """(row id, number of statements) of a collection; (0, 0) for one that does not exist."""
    row = connection.execute("SELECT id, statement_count FROM collections WHERE name = ?", (parent,)).fetchone()
    return (0, 0) if row is None else (row[0], row[1])


def make(connection: sqlite3.Connection, draft: CollectionDraft, now: datetime, revision: int) -> int:
    """The row id of a collection, which is created when it does not exist. A row id is never given twice."""
    collection, _ = find(connection, draft.name)
    if collection:
        return collection
    connection.execute("UPDATE record SET last_collection = last_collection + 1")
    (last,) = connection.execute("SELECT last_collection FROM record").fetchone()
    time = microseconds(now)
    connection.execute(
        "INSERT INTO collections (id, name, display_name, description, create_time, update_time, revision) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (last, draft.name, draft.display_name, draft.description, time, time, revision),
    )
    return int(last)


def revision_of(connection: sqlite3.Connection) -> int:
    """Number of writes to the record."""
    (revision,) = connection.execute("SELECT revision FROM record").fetchone()
    return int(revision)


def count_write(connection: sqlite3.Connection, collection: int = 0, added: int = 0) -> None:
    """Keep the number of statements and the number of writes in step with a write."""
    if added:
        count_added(connection, collection, added, 0)
    count_writes(connection, 1)


def count_writes(connection: sqlite3.Connection, writes: int) -> None:
    """So many writes were made."""
    connection.execute("UPDATE record SET revision = revision + ?", (writes,))


def count_added(connection: sqlite3.Connection, collection: int, added: int, deferred: int) -> int:
    """So many statements came to a collection, of which some wait for their embedding; how many of it wait now."""
    (waiting,) = connection.execute(
        "UPDATE collections SET statement_count = statement_count + ?, pending_count = pending_count + ? WHERE id = ? "
        "RETURNING pending_count",
        (added, deferred, collection),
    ).fetchone()
    return int(waiting)


class CollectionTable:
    """A CollectionStore in a SQLite file; see there. Thread-safe.

    dropped: called with the row id of a collection that was deleted, before anybody else may write.
    """

    def __init__(self, connections: Connections, token_key: bytes, dropped: Callable[[int], None]) -> None:
        self._db = connections
        self._token_key = token_key
        self._dropped = dropped

    def create(self, draft: CollectionDraft, request: RequestKey | None = None) -> Collection:
        """See CollectionStore.create."""
        now = datetime.now(UTC)
        with self._db.writing() as connection:
            if request and (answer := requests.look_up(connection, SCOPE, request, now)):
                return _as_made(draft, f"collections/{answer.ids[0]}", answer.time, answer.revision)
            name = draft.name or f"collections/{new_ids(1, now)[0]}"
            if find(connection, name)[0]:
                raise CollectionExists(name)
            revision = revision_of(connection) + 1
            made = _as_made(draft, name, now, revision)
            make(connection, made, now, revision)
            count_write(connection)
            if request:
                answer = requests.Answer(now, revision, (name.removeprefix("collections/"),), {})
                requests.remember(connection, SCOPE, request, answer)
                requests.sweep(connection, now)
        return made

    def get(self, name: str) -> Collection:
        """See CollectionStore.get."""
        with self._db.reading() as connection:
            return _read(connection, name)

    def list(self, page_size: int, page_token: str) -> CollectionPage:
        """See CollectionStore.list."""
        size = page_tokens.page_size(page_size)
        after = page_tokens.read(self._token_key, SCOPE, page_token)
        with self._db.reading() as connection:
            (total,) = connection.execute("SELECT count(*) FROM collections").fetchone()
            rows = fetch(
                connection,
                f"SELECT id, {_FIELDS} FROM collections WHERE id > ? ORDER BY id LIMIT ?",  # noqa: S608 - constants
                (after, size + 1),
            )
        token = page_tokens.make(self._token_key, SCOPE, rows[size - 1][0]) if len(rows) > size else ""
        return CollectionPage(readable(rows[:size], lambda row: _collection_of(row[1:])), token, total)

    def replace(self, draft: CollectionDraft, *, etag: str) -> Collection:
        """See CollectionStore.replace."""
        with self._db.writing() as connection:
            _check(draft.name, _read(connection, draft.name).etag, etag)
            now, revision = microseconds(datetime.now(UTC)), revision_of(connection) + 1
            connection.execute(
                "UPDATE collections SET display_name = ?, description = ?, update_time = max(update_time, ?), "
                "revision = ? WHERE name = ?",
                (draft.display_name, draft.description, now, revision, draft.name),
            )
            count_write(connection)
            return _read(connection, draft.name)

    def delete(self, name: str, *, etag: str = "", force: bool = False) -> int:
        """See CollectionStore.delete."""
        with self._db.exclusive():
            with self._db.writing() as connection:
                collection, count = find(connection, name)
                if not collection:
                    raise CollectionNotFound(name)
                (revision,) = connection.execute("SELECT revision FROM collections WHERE name = ?", (name,)).fetchone()
                _check(name, etag_of(revision), etag)
                if count and not force:
                    raise CollectionNotEmpty(name, count)
                connection.execute("DELETE FROM statements WHERE collection_id = ?", (collection,))
                connection.execute("DELETE FROM collections WHERE id = ?", (collection,))
                requests.forget(connection, name)
                requests.forget_creation(connection, SCOPE, name.removeprefix("collections/"))
                count_write(connection)
            self._dropped(collection)
        return count


def _check(name: str, there: str, etag: str) -> None:
    if etag and there != etag:
        raise EtagMismatch(name)


def _read(connection: sqlite3.Connection, name: str) -> Collection:
    rows = fetch(connection, f"SELECT {_FIELDS} FROM collections WHERE name = ?", (name,))  # noqa: S608 - constants
    if not rows:
        raise CollectionNotFound(name)
    return _collection_of(rows[0])


def _as_made(draft: CollectionDraft, name: str, now: datetime, revision: int) -> Collection:
    return Collection(
        name, draft.display_name, draft.description, create_time=now, update_time=now, etag=etag_of(revision)
    )


def _collection_of(row: Sequence[Any]) -> Collection:
    """The collection in a row of _FIELDS. Raises StoreDamaged where no onrecord wrote it."""
    name, display_name, description, statements, pending, create_time, update_time, revision = row
    try:
        if {type(name), type(display_name), type(description)} != {str}:
            raise TypeError
        return Collection(
            name=name,
            display_name=display_name,
            description=description,
            statement_count=statements,
            pending_count=pending,
            create_time=from_microseconds(create_time),
            update_time=from_microseconds(update_time),
            etag=etag_of(revision),
        )
    except UNREADABLE:
        raise damaged(name if isinstance(name, str) else "a collection") from None

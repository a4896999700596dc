"""Changing one statement that is on the record: its fields, its embedding, its standing."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from onrecord_server.domain.errors import EtagMismatch, FieldViolation, InvalidInput, NotFound
from onrecord_server.domain.types import State, Statement, StatementDraft
from onrecord_server.domain.validation import parent_of
from onrecord_server.store import pending
from onrecord_server.store.base import FloatArray
from onrecord_server.store.collections import count_write, revision_of
from onrecord_server.store.damage import fetch
from onrecord_server.store.rows import COLUMNS, as_stored, etag_of, id_of, row_of, statement_of
from onrecord_server.store.vectors import to_blob

# Constants, never input, are put into these texts.
_SELECT = (
    f"SELECT s.id, s.collection_id, {', '.join(f's.{column}' for column in COLUMNS)} FROM statements s "  # noqa: S608
    "JOIN collections c ON c.id = s.collection_id WHERE c.name = ? AND s.statement_id = ?"
)
_REVISION = COLUMNS.index("revision")
_REWRITE = f"UPDATE statements SET {', '.join(f'{column} = ?' for column in COLUMNS)} WHERE id = ?"  # noqa: S608


@dataclass(frozen=True, slots=True)
class Row:
    """A statement, by its name, and where it stands. values: those of COLUMNS."""

    name: str
    row_id: int
    collection: int
    values: Sequence[Any]

    @property
    def statement(self) -> Statement:
        """What stands there. Raises StoreDamaged; such a row can be deleted all the same."""
        return statement_of(parent_of(self.name), self.values)

    def check(self, etag: str) -> None:
        """Raise EtagMismatch unless it has this etag, or none is asked for."""
        if etag and etag_of(self.values[_REVISION]) != etag:
            raise EtagMismatch(self.name)


def find(connection: sqlite3.Connection, name: str) -> Row:
    """The row of a statement, or NotFound."""
    rows = fetch(connection, _SELECT, (parent_of(name), id_of(name)))
    if not rows:
        raise NotFound(name)
    (row,) = rows
    return Row(name, row[0], row[1], row[2:])


def rewrite(connection: sqlite3.Connection, row: Row, draft: StatementDraft) -> Statement:
    """Give a row the draft's fields; it keeps its name and its time of creation. Words follow by a trigger."""
    old, now, revision = row.statement, datetime.now(UTC), revision_of(connection) + 1
    made = as_stored(draft, old.name, now=now, revision=revision)
    # never backwards, though the machine's clock may be
    made = replace(made, create_time=old.create_time, update_time=max(now, old.update_time or now))
    connection.execute(_REWRITE, (*row_of(made, revision), row.row_id))
    return made


def replace_vector(connection: sqlite3.Connection, row: Row, vector: FloatArray) -> None:
    """The embedding of a text that was rewritten; a statement that waited for one waits no more."""
    pending.forget(connection, row.collection, [row.row_id])
    blob = to_blob(vector.reshape(-1))
    connection.execute(
        "INSERT INTO embeddings (id, vector) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET vector = excluded.vector",
        (row.row_id, blob),
    )


def find_successor(connection: sqlite3.Connection, name: str, successor: str) -> Statement:
    """The statement that is to take another's place, or InvalidInput."""
    message = "is the statement itself; name another"
    if successor != name:
        try:
            found = find(connection, successor).statement
        except NotFound:
            message = "is not on the record; name a statement of the collection, or send a new one"
        else:
            if found.state is State.ACTIVE:
                return found
            message = "is retracted or superseded itself; name an active statement"
    raise InvalidInput([FieldViolation("superseded_by", "NO_SUCCESSOR", message)])


def supersede(connection: sqlite3.Connection, row: Row, successor: str, since: datetime | None) -> Statement:
    """Mark a statement as replaced, unless it is just so already."""
    old = row.statement
    same = old.state is State.SUPERSEDED and old.superseded_by == successor
    if same and since in (None, old.state_time):
        return old
    draft = replace(old, state=State.SUPERSEDED, superseded_by=successor, state_time=since)
    made = rewrite(connection, row, draft)
    count_write(connection)
    return made

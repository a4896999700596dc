"""Putting statements into the tables, many at once: rows, words, embeddings, or the note that these are to come.

Each statement of SQL takes a hundred rows. Python's sqlite3 gives the interpreter's lock away and takes it back around
every step, and a thread that does so row by row beside a busy event loop waits for it most of its time.
"""

from __future__ import annotations

import base64
import secrets
import sqlite3
from collections.abc import Container, Sequence
from datetime import UTC, datetime
from functools import lru_cache

from onrecord_server.domain.types import Statement, StatementDraft
from onrecord_server.store.base import FloatArray
from onrecord_server.store.rows import COLUMNS, id_of, row_of

_ROWS = 100  # in one statement of SQL
_NAMES = 500  # asked for at once
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RANDOM_BITS = 45  # of 80; two batches of one second have an id in common once in 70 thousand million
_SECONDS = 1 << (80 - _RANDOM_BITS)  # a thousand years


def new_ids(count: int, now: datetime) -> list[str]:
    """Fresh ids: 16 characters of 0-9 and a-v, the second in the first seven, chance and a count in the others.

    They grow with time, so that the index over them is written at its end and not all over; in a large record random
    ones cost a page of it each.
    """
    since = int((now - _EPOCH).total_seconds())
    start = secrets.randbits(_RANDOM_BITS)
    last = 1 << _RANDOM_BITS
    whole = b"".join(
        ((since % _SECONDS << _RANDOM_BITS) | (start + n) % last).to_bytes(10, "big") for n in range(count)
    )
    text = base64.b32hexencode(whole).decode().lower()
    return [text[place : place + 16] for place in range(0, 16 * count, 16)]


def taken_places(
    connection: sqlite3.Connection, collection: int, drafts: Sequence[StatementDraft], passed_over: Container[int]
) -> set[int]:
    """Places of the drafts whose names are taken, by a statement on the record or by a draft before them."""
    named = (place for place, draft in enumerate(drafts) if draft.name and place not in passed_over)
    places = {place: id_of(drafts[place].name) for place in named}
    if not places:
        return set()
    names = list(set(places.values()))
    known: set[str] = set()
    for start in range(0, len(names), _NAMES):
        some = names[start : start + _NAMES]
        marks = ",".join("?" * len(some))
        rows = connection.execute(
            f"SELECT statement_id FROM statements WHERE collection_id = ? AND statement_id IN ({marks})",  # noqa: S608
            (collection, *some),
        )
        known.update(name for (name,) in rows)
    taken: set[int] = set()
    for place, name in places.items():
        if name in known:
            taken.add(place)
        known.add(name)
    return taken


def insert(connection: sqlite3.Connection, collection: int, statements: Sequence[Statement], revision: int) -> range:
    """Rows and words of statements whose names are free; returns their row ids."""
    (last,) = connection.execute(
        "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'statements'"
    ).fetchone()
    ids = range(last + 1, last + 1 + len(statements))
    for start in range(0, len(statements), _ROWS):
        some = statements[start : start + _ROWS]
        values: list[object] = []
        for row_id, statement in zip(ids[start : start + _ROWS], some, strict=True):
            values += (row_id, collection)
            values += row_of(statement, revision)
        connection.execute(_insert_rows(len(some)), values)
    connection.execute(
        "INSERT INTO statement_words (rowid, text, context, speaker, aliases, original) "
        "SELECT id, text, context, speaker, aliases, original FROM statements WHERE id > ?",
        (last,),
    )
    return ids


def insert_vectors(connection: sqlite3.Connection, ids: Sequence[int], vectors: FloatArray) -> None:
    """Embeddings, shape (len(ids), dimension), half precision as in `vectors.to_blob`."""
    halves = vectors.astype("<f2")
    for start in range(0, len(ids), _ROWS):
        values: list[object] = []
        for place in range(start, min(start + _ROWS, len(ids))):
            values += (ids[place], halves[place].tobytes())
        connection.execute(_insert_embeddings(len(values) // 2), values)


# Constants and question marks, never input, are put into these texts.
@lru_cache(maxsize=_ROWS)
def _insert_rows(count: int) -> str:
    row = f"(?, ?{', ?' * len(COLUMNS)})"
    into = f"INSERT INTO statements (id, collection_id, {', '.join(COLUMNS)})"
    return f"{into} VALUES {', '.join([row] * count)}"


@lru_cache(maxsize=_ROWS)
def _insert_embeddings(count: int) -> str:
    return f"INSERT INTO embeddings (id, vector) VALUES {', '.join(['(?, ?)'] * count)}"  # noqa: S608

"""Putting statements into the tables, many at once: rows, words, embeddings, or the note that these are to come.

Each statement of SQL takes hundreds of rows. Python's sqlite3 gives the interpreter's lock away and takes it back
around every step, and a thread that does so row by row beside a busy event loop waits for it most of its time.
"""

from __future__ import annotations

import base64
import secrets
import sqlite3
from collections.abc import Container, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain

from onrecord_server.domain.types import StatementDraft
from onrecord_server.store.base import FloatArray
from onrecord_server.store.rows import COLUMNS, columns_of, id_of

_ROWS = 500  # in one statement of SQL
_VALUES = 8_000  # in one statement of SQL; SQLite takes 32,766, and keeps room for those of the last 128 statements
_NAMES = 500  # asked for at once
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RANDOM_BITS = 45  # of 80; two batches of one second have an id in common once in 70 thousand million
_DIGITS = "0123456789abcdefghijklmnopqrstuv"
_LAST_TWO = [first + second for first in _DIGITS for second in _DIGITS]
_SECONDS = 1 << (80 - _RANDOM_BITS)  # a thousand years


def new_ids(count: int, now: datetime) -> list[str]:
    """Fresh ids: 16 characters of 0-9 and a-v, the second in the first seven, chance and a count in the others.

    They grow with time, so that the index over them is written at its end and not all over; in a large record random
    ones cost a page of it each.
    """
    since = int((now - _EPOCH).total_seconds())
    number = since % _SECONDS << _RANDOM_BITS | secrets.randbelow((1 << _RANDOM_BITS) - count)
    ids: list[str] = []
    while len(ids) < count:
        # a thousand numbers have all but their last two digits in common
        place = number % len(_LAST_TWO)
        some = _LAST_TWO[place : place + count - len(ids)]
        start = base64.b32hexencode(number.to_bytes(10, "big")).decode().lower()[:-2]
        ids += [start + end for end in some]
        number += len(some)
    return ids


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


def last_row(connection: sqlite3.Connection) -> int:
    """The last row id that was given to a statement; 0 before the first."""
    (last,) = connection.execute(  # SQLite's own memory of it is a table like others, and may have been lost
        "SELECT max(coalesce((SELECT max(CAST(seq AS INTEGER)) FROM sqlite_sequence WHERE name = 'statements'), 0), "
        "coalesce((SELECT max(id) FROM statements), 0))"
    ).fetchone()
    return int(last)


def insert_rows(
    connection: sqlite3.Connection,
    collection: int,
    rows: range,
    drafts: Sequence[StatementDraft],
    ids: Sequence[str],
    now: datetime,
    revision: int,
) -> None:
    """Rows of statements under their ids, which are free. rows: their row ids, the next ones. Their words come after.

    What is the same in all rows is handed over once, and most of a statement's columns are: every value that is handed
    over costs as much as the rest of the row.
    """
    columns = columns_of(drafts, ids, now, revision)
    first = {name: values[0] for name, values in columns.items()}
    varying = {
        name: values
        for name, values in columns.items()
        if name == "statement_id" or values.count(first[name]) < len(rows)
    }
    same = [first[name] for name in COLUMNS if name not in varying]
    most = min(_ROWS, _VALUES // (1 + len(varying)))
    whole = list(zip(rows, *varying.values(), strict=True))
    for start in range(0, len(whole), most):
        some = whole[start : start + most]
        connection.execute(_insert_rows(len(some), tuple(varying)), [*chain.from_iterable(some), collection, *same])


def insert_words(connection: sqlite3.Connection, after: int) -> None:
    """The words of all statements beyond a row id, for the full-text index."""
    connection.execute(
        "INSERT INTO statement_words (rowid, text, context, speaker, aliases, original) "
        "SELECT id, text, context, speaker, aliases, original FROM statements WHERE id > ?",
        (after,),
    )


def insert_vectors(connection: sqlite3.Connection, ids: Sequence[int], vectors: FloatArray) -> None:
    """Embeddings, shape (len(ids), dimension), half precision as in `vectors.to_blob`."""
    halves = vectors.astype("<f2")
    for start in range(0, len(ids), _ROWS):
        values: list[object] = []
        for place in range(start, min(start + _ROWS, len(ids))):
            values += (ids[place], halves[place].tobytes())
        connection.execute(_insert_embeddings(len(values) // 2), values)


# Constants and question marks, never input, are put into these texts.
@lru_cache(maxsize=256)
def _insert_rows(count: int, varying: tuple[str, ...]) -> str:
    """Takes the values of the `varying` columns row by row, each behind its row id; then, once, those of the others."""
    place = {name: f"column{number}" for number, name in enumerate(varying, start=2)}
    chosen = ", ".join(place.get(name, "?") for name in COLUMNS)
    row = f"(?{', ?' * len(varying)})"
    return (
        f"WITH given AS (VALUES {', '.join([row] * count)}) "  # noqa: S608
        f"INSERT INTO statements (id, collection_id, {', '.join(COLUMNS)}) SELECT column1, ?, {chosen} FROM given"
    )


@lru_cache(maxsize=_ROWS)
def _insert_embeddings(count: int) -> str:
    return f"INSERT INTO embeddings (id, vector) VALUES {', '.join(['(?, ?)'] * count)}"  # noqa: S608

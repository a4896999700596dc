"""Reading on where single values of a sound file are damaged: the rest stays readable, and what is passed over is told.

SQLite looks at its pages, not at what stands in them. What no onrecord wrote there (half of a JSON text, bytes that are
no UTF-8, a time in the year 40,000) is met when a row is read.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from onrecord_server.domain.errors import StoreDamaged
from onrecord_server.store.base import Inspection
from onrecord_server.store.rows import COLUMNS, statement_of

_SELECT = (
    f"SELECT s.id, c.name, {', '.join(f's.{column}' for column in COLUMNS)} FROM statements s "  # noqa: S608 - constants
    "JOIN collections c ON c.id = s.collection_id WHERE s.id > ? ORDER BY s.id LIMIT ?"
)
_NAMED = 3  # of what is passed over, in a log line

_Row = TypeVar("_Row")
_T = TypeVar("_T")

logger = logging.getLogger(__name__)


def undecodable(error: sqlite3.Error) -> bool:
    """Whether Python's sqlite3 met a text that is not UTF-8. Its message quotes the text: not for callers or logs."""
    return not hasattr(error, "sqlite_errorcode") and "decode to UTF-8" in str(error)


@contextlib.contextmanager
def lenient(connection: sqlite3.Connection) -> Iterator[None]:
    """Meanwhile a text that is not UTF-8 comes as its bytes."""
    connection.text_factory = _decoded
    try:
        yield
    finally:
        connection.text_factory = str


def fetch(connection: sqlite3.Connection, query: str, values: Sequence[object] = ()) -> list[Any]:
    """All rows of a query; a text in them that is not UTF-8 as its bytes."""
    try:
        return connection.execute(query, values).fetchall()
    except sqlite3.OperationalError as error:
        if not undecodable(error):
            raise
    with lenient(connection):
        return connection.execute(query, values).fetchall()


def readable(rows: Iterable[_Row], read: Callable[[_Row], _T]) -> list[_T]:
    """What `read` makes of each row; what raises StoreDamaged is passed over and logged."""
    found, passed_over = [], []
    for row in rows:
        try:
            found.append(read(row))
        except StoreDamaged as error:
            passed_over.append(error.part)
    if passed_over:
        logger.warning("passed over %s", told(passed_over))
    return found


def inspect(connection: sqlite3.Connection, limit: int, after: int) -> Inspection:
    """Look at statements beyond a row id; see StatementStore.inspect."""
    rows = fetch(connection, _SELECT, (after, limit))
    damaged = []
    for row in rows:
        try:
            statement_of(row[1], row[2:])
        except StoreDamaged as error:
            damaged.append(error.part)
    return Inspection(rows[-1][0] if rows else None, damaged)


def told(names: Sequence[str]) -> str:
    """One line's worth of what is damaged."""
    some = ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
    return f"{len(names):,} damaged in the record: {some}"


def _decoded(raw: bytes) -> str | bytes:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw

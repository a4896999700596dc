"""A collection as it stands at one moment, read piece by piece while others write."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from typing import Any

from onrecord_server.domain.errors import StoreDamaged
from onrecord_server.domain.types import AmbiguousName, Statement
from onrecord_server.store.collections import revision_of
from onrecord_server.store.connections import Connections, translated
from onrecord_server.store.damage import fetch, lenient, undecodable
from onrecord_server.store.filtering import Passing
from onrecord_server.store.rows import COLUMNS, statement_of

_FIELDS = ", ".join(COLUMNS)
_SELECT = f"SELECT id, {_FIELDS} FROM statements WHERE collection_id = ? AND id > ? ORDER BY id"  # noqa: S608 - constants

# What passes of a collection, by row id, in the view of a connection; None: everything.
Choose = Callable[[sqlite3.Connection, int], Passing | None]


class Snapshot:
    """An open read transaction. The file cannot fold its log back while it lasts, so `close` it. Thread-safe.

    total: statements in it. revision: the record's at that moment. ambiguous: names of the filter that several speakers
    go by. damaged: names of statements that were passed over so far, since they cannot be read.
    """

    def __init__(self, connections: Connections, parent: str, choose: Choose) -> None:
        self.parent = parent
        self._damaged: list[str] = []
        self.damaged: Sequence[str] = self._damaged
        self._lock = threading.Lock()
        self._open = ExitStack()
        try:
            self._connection = self._open.enter_context(connections.reading())
            row = self._connection.execute(
                "SELECT id, statement_count FROM collections WHERE name = ?", (parent,)
            ).fetchone()
            self._collection, self.total = (0, 0) if row is None else (int(row[0]), int(row[1]))
            self.revision = revision_of(self._connection)
            self._passing = choose(self._connection, self._collection)
            self.ambiguous: Sequence[AmbiguousName] = () if self._passing is None else self._passing.ambiguous
            if self._passing is not None:
                self.total = len(self._passing)
            self._last = 0
            self._rows: Iterator[Sequence[Any]]
            if connections.in_memory:  # one connection serves all, and a reader must not keep it
                self._rows = iter(fetch(self._connection, _SELECT, (self._collection, 0)))
                self._open.close()
            else:
                self._rows = self._after(0)
        except BaseException:
            self._open.close()
            raise

    def read(self, limit: int) -> list[Statement]:
        """The next statements in order of creation; none at the end, or after `close`. Fills `damaged`."""
        with self._lock, translated():
            while rows := self._next(limit):
                found = []
                for row in rows:
                    try:
                        found.append(statement_of(self.parent, row[1:]))
                    except StoreDamaged as error:
                        self._damaged.append(error.part)
                if found:
                    return found
            return []

    def close(self) -> None:
        """Give the view up. Idempotent."""
        with self._lock:
            self._rows = iter(())
            self._open.close()

    def _after(self, last: int) -> Iterator[Sequence[Any]]:
        return iter(self._connection.execute(_SELECT, (self._collection, last)))

    def _next(self, limit: int) -> list[Sequence[Any]]:
        """The next rows that pass."""
        passing = self._passing
        rows = (row for row in self._rows if passing is None or row[0] in passing)
        try:
            found = list(islice(rows, limit))
        except sqlite3.OperationalError as error:
            if not undecodable(error):
                raise
            # from here on as bytes, where a text is not UTF-8
            self._open.enter_context(lenient(self._connection))
            self._rows = self._after(self._last)
            return self._next(limit)
        self._last = found[-1][0] if found else self._last
        return found

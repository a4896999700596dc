"""A collection as it stands at one moment, read piece by piece while others write."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice

from onrecord_server.domain.types import AmbiguousName, Statement
from onrecord_server.store.connections import Connections, translated
from onrecord_server.store.filtering import Passing
from onrecord_server.store.rows import COLUMNS, statement_of

_FIELDS = ", ".join(COLUMNS)
_SELECT = f"SELECT id, {_FIELDS} FROM statements WHERE collection_id = ? ORDER BY id"  # noqa: S608 - constants

# What passes of a collection, by row id, in the view of a connection; None: everything.
Choose = Callable[[sqlite3.Connection, int], Passing | None]


class Snapshot:
    """An open read transaction. The file cannot fold its log back while it lasts, so `close` it. Thread-safe.

    total: statements in it. revision: the record's at that moment. ambiguous: names of the filter that several speakers
    go by.
    """

    def __init__(self, connections: Connections, parent: str, choose: Choose) -> None:
        self.parent = parent
        self._lock = threading.Lock()
        self._open = ExitStack()
        try:
            connection = self._open.enter_context(connections.reading())
            row = connection.execute("SELECT id, statement_count FROM collections WHERE name = ?", (parent,)).fetchone()
            collection, self.total = (0, 0) if row is None else (int(row[0]), int(row[1]))
            (self.revision,) = connection.execute("SELECT revision FROM record").fetchone()
            passing = choose(connection, collection)
            self.ambiguous: Sequence[AmbiguousName] = () if passing is None else passing.ambiguous
            rows: Iterator[tuple[int, ...]] = connection.execute(_SELECT, (collection,))
            if passing is not None:
                self.total = len(passing)
                rows = (row for row in rows if row[0] in passing)
            self._rows = rows
            if connections.in_memory:  # one connection serves all, and a reader must not keep it
                self._rows = iter(list(self._rows))
                self._open.close()
        except BaseException:
            self._open.close()
            raise

    def read(self, limit: int) -> list[Statement]:
        """The next statements in order of creation; none at the end, or after `close`."""
        with self._lock, translated():
            return [statement_of(self.parent, row[1:]) for row in islice(self._rows, limit)]

    def close(self) -> None:
        """Give the view up. Idempotent."""
        with self._lock:
            self._rows = iter(())
            self._open.close()

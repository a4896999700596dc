"""The index of words, made again where it turns out to be damaged: it holds nothing that the rows do not tell."""

from __future__ import annotations

import functools
import logging
import sqlite3
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from onrecord_server.domain.errors import StoreDamaged
from onrecord_server.store.connections import Connections

_AGAIN_SECONDS = 60.0  # what is damaged again so soon after it was made is not mended by making it

_P = ParamSpec("_P")
_T = TypeVar("_T")

logger = logging.getLogger(__name__)


class Mending:
    """Base of what reads and writes words by methods that are `mended`."""

    _db: Connections
    _made_at: float | None = None
    _mended = False  # the last time that it was tried

    def make_words(self, failed_since: float) -> bool:
        """Make the index again, in one transaction. False: just done, or nothing may be written, or more is damaged.

        failed_since: when what met the damage began, by the monotonic clock; an index made since then is good enough.
        """
        with self._db.exclusive():
            now = time.monotonic()
            if self._made_at is not None and self._made_at >= failed_since:
                return self._mended
            if self._db.read_only or (self._made_at is not None and now - self._made_at < _AGAIN_SECONDS):
                return False
            self._made_at, self._mended = now, False
            with self._db.writing() as connection:
                found = [row[0] for row in connection.execute("PRAGMA quick_check(20)")]
                if not all(line == "ok" or "FTS5 table" in line for line in found):  # of FTS5 it tells from 3.44 on
                    return False
                logger.warning("%s: the index of words is damaged; it is made again", self._db.path)
                connection.execute("INSERT INTO statement_words (statement_words) VALUES ('rebuild')")
            self._mended = True
            return True


def mended(method: Callable[_P, _T]) -> Callable[_P, _T]:
    """The method, tried once more with a new index of words when the old one is damaged. What it did is undone then."""

    @functools.wraps(method)
    def tried(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        began = time.monotonic()
        try:
            return method(*args, **kwargs)
        except StoreDamaged as error:
            store = args[0]
            if not isinstance(store, Mending) or not _may_be_words(error) or not store.make_words(began):
                raise
        return method(*args, **kwargs)

    return tried


def _may_be_words(error: StoreDamaged) -> bool:
    """FTS5 calls its own index malformed by the code that SQLite has for its pages."""
    return getattr(error.__cause__, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_CORRUPT

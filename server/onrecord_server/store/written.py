"""Which rows the writes of this process touched, so that what was found in a collection can follow them."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

_MOST_ENTRIES = 4_096  # kept, of all collections together
_MOST_RANGES = 64  # of one answer; looking at more places costs what looking at all rows does


@dataclass(frozen=True, slots=True)
class _Entry:
    revision: int
    collection: int
    rows: range


class Written:
    """The rows of late writes. Thread-safe.

    since: the record's revision at which watching began, or None when another process writes: then nothing is known.
    """

    def __init__(self, since: int | None) -> None:
        self._lock = threading.Lock()
        self._known_from = since
        self._entries: deque[_Entry] = deque()

    def note(self, collection: int, revision: int, rows: range) -> None:
        """These were inserted, changed or deleted by the write that makes this revision.

        To be called before the write is committed: then whoever reads at a revision finds all its rows here. Those of
        a write that is undone do no harm, they are as they were.
        """
        with self._lock:
            self._entries.append(_Entry(revision, collection, rows))
            if len(self._entries) > _MOST_ENTRIES:
                self._known_from = self._entries.popleft().revision

    def after(self, collection: int, revision: int) -> list[range] | None:
        """Rows of a collection that were written to after a revision, in order and apart; None: many, or unknown."""
        with self._lock:
            if self._known_from is None or revision < self._known_from:
                return None
            found = []
            for entry in reversed(self._entries):
                if entry.revision <= revision:
                    break
                if entry.collection == collection:
                    found.append(entry.rows)
        merged: list[range] = []
        for rows in sorted(found, key=lambda rows: rows.start):
            if merged and rows.start <= merged[-1].stop:
                merged[-1] = range(merged[-1].start, max(rows.stop, merged[-1].stop))
            else:
                merged.append(rows)
        return merged if len(merged) <= _MOST_RANGES else None

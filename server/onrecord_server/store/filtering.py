"""Which rows a filter lets through: the filter as a condition of SQL, and the ids of the rows that pass, remembered.

Names and labels are compared in Python (domain/filters.py), since SQLite folds the case of ASCII only. That costs a
scan of the collection, so what it found is kept, and follows the writes: a batch or a stream scans once, and so does
whoever asks while others write.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from onrecord_server.domain.filters import ambiguous, fold, folded, names_of
from onrecord_server.domain.types import AmbiguousName, Horizon, Speaker, StatementFilter
from onrecord_server.store.rows import UNREADABLE, microseconds, strings_of
from onrecord_server.store.written import Written

IdArray = npt.NDArray[np.int64]

_ALL_ROWS = range(1, 2**63)
_MOST_KEPT = 64  # filters
_MOST_IDS = 4_000_000  # of all that are kept, together: 32 MB


@dataclass(frozen=True, eq=False)
class Passing:
    """The rows of a collection that pass. ids: sorted. ambiguous: names of the filter that several speakers go by.

    speakers: those who are called by a name of the filter, each once.
    """

    ids: IdArray
    ambiguous: tuple[AmbiguousName, ...] = ()
    speakers: tuple[Speaker, ...] = ()

    @cached_property
    def bitmap(self) -> npt.NDArray[np.uint8]:
        """One bit for each id from 0, the lowest first."""
        bits = np.zeros(int(self.ids[-1]) + 1 if len(self.ids) else 0, np.uint8)
        bits[self.ids] = 1
        return np.packbits(bits, bitorder="little")

    @cached_property
    def _bytes(self) -> bytes:
        return self.bitmap.tobytes()

    def __contains__(self, row_id: int) -> bool:
        place = row_id >> 3
        return place < len(self._bytes) and bool(self._bytes[place] >> (row_id & 7) & 1)

    def __len__(self) -> int:
        return len(self.ids)

    def next_rows(self, after: int, limit: int) -> tuple[str, list[int]]:
        """A condition of SQL, with its values, that holds for the first `limit` of them beyond a row id."""
        start = int(np.searchsorted(self.ids, after, side="right"))
        some = self.ids[start : start + limit].tolist()
        return f"s.id IN ({','.join('?' * len(some))})", some


class Filters:
    """Finds what passes, and remembers it. After writes it looks again only at the rows they touched. Thread-safe."""

    def __init__(self, written: Written) -> None:
        self._written = written
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[int, StatementFilter, Horizon | None], tuple[int, Passing]] = OrderedDict()

    def passing(
        self,
        connection: sqlite3.Connection,
        collection: int,
        revision: int,
        chosen: StatementFilter | None,
        horizon: Horizon | None = None,
    ) -> Passing | None:
        """The rows of a collection that pass, in the view of a connection at this revision; None: all of them.

        horizon: only rows that were on the record then.
        """
        if horizon is not None and horizon.revision == revision:
            horizon = None
        if chosen in (None, StatementFilter()) and horizon is None:
            return None
        key = (collection, chosen or StatementFilter(), horizon)
        with self._lock:  # over the scan, too: of many claims with one filter, one scans for all
            found: Passing | None = None
            if (kept := self._kept.get(key)) is not None:
                before, passing = kept
                if before == revision:
                    found = passing
                elif before < revision and (rows := self._written.after(collection, before)) is not None:
                    found = _followed(passing, rows, connection, *key)
            if found is None:
                found = scan(connection, *key)
            self._kept[key] = (revision, found)
            self._kept.move_to_end(key)
            while len(self._kept) > 1 and (
                len(self._kept) > _MOST_KEPT or sum(len(one) for _, one in self._kept.values()) > _MOST_IDS
            ):
                self._kept.popitem(last=False)
            return found


def scan(
    connection: sqlite3.Connection,
    collection: int,
    chosen: StatementFilter,
    horizon: Horizon | None = None,
    among: Sequence[range] | None = None,
) -> Passing:
    """The rows of a collection that pass, by looking at all of them, or at those with these row ids."""
    where, values = _plain_conditions(chosen, horizon)
    functions: list[tuple[str, Callable[..., bool], tuple[str, ...]]] = []
    if chosen.publishers:
        functions.append(("filter_publisher", _Publishers(chosen.publishers), ("s.source_publisher",)))
    if chosen.labels:
        functions.append(("filter_labels", _Labels(chosen.labels), ("s.labels",)))
    speakers = _Speakers(chosen.speakers)
    if chosen.speakers:
        functions.append(("filter_speaker", speakers, ("s.speaker", "s.aliases")))
    # CASE, for SQLite to ask each only of what has passed the ones before: what the last one takes passes them all
    tests = [*where]
    for name, function, columns in functions:
        connection.create_function(name, len(columns), function, deterministic=True)
        before = " AND ".join(tests) or "1"
        # as bytes, since a text that is not UTF-8 would end the scan
        values_of = ", ".join(f"CAST({column} AS BLOB)" for column in columns)
        tests = [f"CASE WHEN {before} THEN {name}({values_of}) ELSE 0 END"]
    passed = "".join(f" AND {test}" for test in tests)
    ids: list[int] = []
    for rows in (_ALL_ROWS,) if among is None else among:
        found = connection.execute(
            "SELECT s.id FROM statements s "  # noqa: S608 - constants
            f"WHERE s.collection_id = ? AND s.id BETWEEN ? AND ?{passed} ORDER BY s.id",
            (collection, rows.start, rows.stop - 1, *values),
        )
        ids += (row_id for (row_id,) in found)
    who = tuple(speakers.found)
    return Passing(np.array(ids, np.int64), ambiguous(chosen.speakers, who), who)


def _followed(
    passing: Passing,
    rows: Sequence[range],
    connection: sqlite3.Connection,
    collection: int,
    chosen: StatementFilter,
    horizon: Horizon | None,
) -> Passing | None:
    """What passes now, of what passed before these rows were written to; None: only all rows together can tell.

    That is where speakers are asked for and one of theirs that passed was changed: it may have been his only one.
    """
    if not rows:
        return passing
    stays = np.ones(len(passing), np.bool_)
    for some in rows:
        first, last = np.searchsorted(passing.ids, (some.start, some.stop))
        stays[first:last] = False
    if chosen.speakers and not stays.all():
        return None
    fresh = scan(connection, collection, chosen, horizon, rows)
    ids = np.concatenate([passing.ids[stays], fresh.ids])
    who = tuple(dict.fromkeys((*passing.speakers, *fresh.speakers)))
    return Passing(np.sort(ids), ambiguous(chosen.speakers, who), who)


def digest(chosen: StatementFilter | None) -> str:
    """A short stand-in for a filter; "" for none."""
    if chosen is None or chosen == StatementFilter():
        return ""
    values = [chosen.speakers, chosen.publishers, chosen.labels, [state.value for state in chosen.states]]
    bounds = [microseconds(chosen.stated_from), microseconds(chosen.stated_until)]
    return hashlib.sha256(json.dumps([*values, *bounds]).encode()).hexdigest()[:32]


def _plain_conditions(chosen: StatementFilter, horizon: Horizon | None) -> tuple[list[str], list[object]]:
    """What SQL can tell by itself, with its values."""
    where: list[str] = []
    values: list[object] = []
    if chosen.states:
        where.append(f"s.state IN ({','.join('?' * len(chosen.states))})")
        values += [state.value for state in chosen.states]
    for sign, bound in ((">=", chosen.stated_from), ("<", chosen.stated_until)):
        if bound is not None:
            where.append(f"coalesce(s.stated_time, s.source_publish_time) {sign} ?")
            values.append(microseconds(bound))
    if horizon is not None:  # what was changed since was there before, if it was made before …
        # … while the time of a row that was never changed may be a little before the moment that others could read it
        where.append("(s.revision <= ? OR (s.update_time IS NOT NULL AND s.create_time <= ?))")
        values += [horizon.revision, microseconds(horizon.time)]
    return where, values


class _Labels:
    """Does a row's JSON hold all of these labels? Of a damaged row: no, here and below."""

    def __init__(self, labels: Sequence[str]) -> None:
        self._wanted = folded(labels)
        self._known: dict[bytes, bool] = {}

    def __call__(self, labels: bytes) -> bool:
        passes = self._known.get(labels)
        if passes is None:
            with contextlib.suppress(*UNREADABLE):
                passes = self._wanted <= folded(strings_of(labels.decode()))
            passes = self._known[labels] = bool(passes)
        return passes


class _Publishers:
    """Is a row's publisher one of these?"""

    def __init__(self, names: Sequence[str]) -> None:
        self._wanted = folded(names)
        self._known: dict[bytes, bool] = {}

    def __call__(self, name: bytes) -> bool:
        passes = self._known.get(name)
        if passes is None:
            with contextlib.suppress(UnicodeDecodeError):
                passes = fold(name.decode()) in self._wanted
            passes = self._known[name] = bool(passes)
        return passes


class _Speakers:
    """Is a row's speaker called by one of these names? `found`: the distinct ones that are."""

    def __init__(self, names: Sequence[str]) -> None:
        self._wanted = folded(names)
        self._known: dict[tuple[bytes, bytes], bool] = {}
        self.found: list[Speaker] = []

    def __call__(self, name: bytes, aliases: bytes) -> bool:
        passes = self._known.get((name, aliases))
        if passes is None:
            with contextlib.suppress(*UNREADABLE):
                speaker = Speaker(name.decode(), strings_of(aliases.decode()))
                passes = not self._wanted.isdisjoint(names_of(speaker))
                if passes:
                    self.found.append(speaker)
            passes = self._known[name, aliases] = bool(passes)
        return passes

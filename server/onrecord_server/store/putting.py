"""Putting drafts on the record: several calls in one transaction, each with an answer of its own."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from onrecord_server.domain.errors import AlreadyExists, ModelError, OnrecordError, RequestIdReused
from onrecord_server.domain.types import CollectionDraft, Statement, StatementDraft
from onrecord_server.store import collections, inserting, pending, requests
from onrecord_server.store.base import FloatArray, Put, Stored
from onrecord_server.store.rows import id_of
from onrecord_server.store.written import Written


@dataclass(frozen=True, slots=True)
class Embedded:
    """Rows that came with their embeddings, for the index once they are committed."""

    collection: int
    rows: range
    vectors: FloatArray


@dataclass(slots=True)
class Transaction:
    """Puts of one transaction.

    `written`: told which rows they make. `answers`: in the order of the puts; `embedded`: what the index is to be told.
    Raises what undoes them all: errors of SQLite, and with `all_or_none` the error of a draft.
    """

    connection: sqlite3.Connection
    written: Written
    all_or_none: bool = False
    answers: list[Stored | Exception] = field(default_factory=list)
    embedded: list[Embedded] = field(default_factory=list)
    _collections: dict[str, int] = field(default_factory=dict)
    _revision: int = 0
    _last: int = 0

    def run(self, puts: Sequence[Put]) -> None:
        """Do them one after the other: a later one meets names and request ids of an earlier one."""
        now = datetime.now(UTC)
        before = self._revision = collections.revision_of(self.connection)
        first = self._last = inserting.last_row(self.connection)
        for put in puts:
            try:
                self.answers.append(self._put(put, now))
            except RequestIdReused as error:  # nothing of it has been written
                self.answers.append(error)
        if self._last > first:
            inserting.insert_words(self.connection, first)
        if self._revision > before:
            collections.count_writes(self.connection, self._revision - before)
        if any(put.request for put in puts):
            requests.sweep(self.connection, now)

    def create(self, put: Put) -> Statement:
        """Do one that has a single draft and no request; its statement. For `all_or_none`."""
        self.run([put])
        (answer,) = self.answers
        if isinstance(answer, Exception):
            raise answer
        (outcome,) = answer.outcomes
        if isinstance(outcome, OnrecordError):
            raise outcome
        return outcome

    def _put(self, put: Put, now: datetime) -> Stored:
        if put.request and (answer := requests.look_up(self.connection, put.parent, put.request, now)):
            return replayed(put.parent, put.drafts, answer, pending.count(self.connection, put.parent))
        collection = self._find(put.parent)
        revision = self._revision + 1
        errors: dict[int, OnrecordError] = dict(put.failed)
        for place in inserting.taken_places(self.connection, collection, put.drafts, put.failed):
            errors[place] = AlreadyExists(put.drafts[place].name)
        if self.all_or_none and errors:
            raise errors[min(errors)]
        ids = _ids(put.drafts, errors, now)
        kept = [draft for draft, statement_id in zip(put.drafts, ids, strict=True) if statement_id] if errors else None
        waiting = 0
        if put.drafts if kept is None else kept:
            if not collection:
                collection = collections.make(self.connection, CollectionDraft(put.parent), now, revision)
                self._collections[put.parent] = collection
            self._revision = revision
            rows = self._insert(collection, put.drafts if kept is None else kept, list(filter(None, ids)), now)
            self.written.note(collection, revision, rows)
            self._embed(collection, rows, put, errors)
            deferred = len(rows) if put.vectors is None else 0
            waiting = collections.count_added(self.connection, collection, len(rows), deferred)
        elif collection:
            waiting = pending.count(self.connection, put.parent)
        if put.request:
            failed = {place: error.message for place, error in put.failed.items()}
            answer = requests.Answer(now, revision, tuple(one or None for one in ids), failed)
            requests.remember(self.connection, put.parent, put.request, answer)
        return Stored(put.drafts, _names(put.parent, ids), errors, now, revision, False, waiting)

    def _find(self, parent: str) -> int:
        if not self._collections.get(parent):
            self._collections[parent], _ = collections.find(self.connection, parent)
        return self._collections[parent]

    def _insert(self, collection: int, drafts: Sequence[StatementDraft], ids: Sequence[str], now: datetime) -> range:
        rows = range(self._last + 1, self._last + 1 + len(drafts))
        inserting.insert_rows(self.connection, collection, rows, drafts, ids, now, self._revision)
        self._last = rows[-1]
        return rows

    def _embed(self, collection: int, rows: range, put: Put, errors: dict[int, OnrecordError]) -> None:
        if put.vectors is None:
            pending.note(self.connection, rows)
            return
        kept = [place for place in range(len(put.drafts)) if place not in errors]
        vectors = put.vectors[kept] if errors else put.vectors
        inserting.insert_vectors(self.connection, rows, vectors)
        self.embedded.append(Embedded(collection, rows, vectors))


def replayed(parent: str, drafts: Sequence[StatementDraft], answer: requests.Answer, waiting: int) -> Stored:
    """What a request was answered the first time. waiting: for their embedding, now."""
    if len(answer.ids) != len(drafts):
        raise requests.damaged()
    errors: dict[int, OnrecordError] = {
        place: ModelError(answer.failed[place]) if place in answer.failed else AlreadyExists(draft.name)
        for place, (draft, made) in enumerate(zip(drafts, answer.ids, strict=True))
        if made is None
    }
    names = _names(parent, [made or "" for made in answer.ids])
    return Stored(drafts, names, errors, answer.time, answer.revision, True, waiting)


def _ids(drafts: Sequence[StatementDraft], errors: dict[int, OnrecordError], now: datetime) -> list[str]:
    """An id for each draft, chosen or its own; "" for one that is not stored."""
    ids = inserting.new_ids(len(drafts), now)
    for place, draft in enumerate(drafts):
        if draft.name:
            ids[place] = id_of(draft.name)
    for place in errors:
        ids[place] = ""
    return ids


def _names(parent: str, ids: Sequence[str]) -> list[str]:
    return [f"{parent}/statements/{one}" if one else "" for one in ids]

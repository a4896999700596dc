"""Requests that may be sent twice: what the first time answered, kept in the transaction that did the work.

Only what does not follow from the request itself is kept: ids, the time, the revision. The rest of the answer is made
anew from the body, which is known to be the same; so an answer costs some twenty bytes a statement and is the same
whatever has become of the statements since.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from onrecord_server.domain.errors import RequestIdReused, StoreDamaged
from onrecord_server.domain.limits import REQUEST_ID_HOURS, REQUEST_IDS
from onrecord_server.domain.types import RequestKey
from onrecord_server.store.damage import fetch
from onrecord_server.store.rows import UNREADABLE, from_microseconds, microseconds

_KEPT = timedelta(hours=REQUEST_ID_HOURS.value)
_FORGOTTEN_AT_ONCE = 10  # outlived requests that a new one sweeps away


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request did. ids: of what was put on the record, in the request's order; None: the name was taken.

    failed: messages of what the model failed on, by its place; their ids are None, too.
    """

    time: datetime
    revision: int
    ids: tuple[str | None, ...]
    failed: Mapping[int, str]


def look_up(connection: sqlite3.Connection, scope: str, key: RequestKey, now: datetime) -> Answer | None:
    """What the request answered the first time; None when there was none. Raises RequestIdReused, StoreDamaged."""
    rows = fetch(
        connection,
        "SELECT fingerprint, answer FROM requests WHERE scope = ? AND request_id = ? AND create_time >= ?",
        (scope, key.request_id, microseconds(now - _KEPT)),
    )
    if not rows:
        return None
    ((fingerprint, answer),) = rows
    if fingerprint != key.fingerprint:
        raise RequestIdReused
    try:
        time, revision, ids, failed = json.loads(answer)
        if type(revision) is not int or not all(item is None or isinstance(item, str) for item in ids):
            raise TypeError
        messages = {int(place): str(message) for place, message in failed.items()}
        return Answer(from_microseconds(time), revision, tuple(ids), messages)
    except (*UNREADABLE, AttributeError):
        raise damaged() from None


def damaged() -> StoreDamaged:
    """The error that says so of what was answered to a request."""
    return StoreDamaged(
        "request_id: what was answered to it is damaged in the record; see what is there, then send another id"
    )


def remember(connection: sqlite3.Connection, scope: str, key: RequestKey, answer: Answer) -> None:
    """Keep an answer. `sweep` follows, once a transaction."""
    text = json.dumps(
        (microseconds(answer.time), answer.revision, answer.ids, dict(answer.failed)), separators=(",", ":")
    )
    connection.execute(
        "INSERT OR REPLACE INTO requests (scope, request_id, fingerprint, answer, create_time) VALUES (?, ?, ?, ?, ?)",
        (scope, key.request_id, key.fingerprint, text, microseconds(answer.time)),
    )


def sweep(connection: sqlite3.Connection, now: datetime) -> None:
    """Forget the oldest answers where there are too many or they have outlived their time."""
    connection.execute("DELETE FROM requests WHERE id <= (SELECT max(id) FROM requests) - ?", (REQUEST_IDS.value,))
    connection.execute(
        "DELETE FROM requests WHERE create_time < ? AND id IN (SELECT id FROM requests ORDER BY id LIMIT ?)",
        (microseconds(now - _KEPT), _FORGOTTEN_AT_ONCE),
    )


def forget(connection: sqlite3.Connection, scope: str) -> None:
    """Forget all of a scope: its collection is deleted, and what they put there with it."""
    connection.execute("DELETE FROM requests WHERE scope = ?", (scope,))


def forget_creation(connection: sqlite3.Connection, scope: str, resource_id: str) -> None:
    """Forget, of a scope whose requests create one resource each, what created this one: it is deleted.

    A repetition would tell of a resource that is not there. resource_id: of letters, digits and "-", so that its JSON
    is itself in quotes, and stands nowhere else in such an answer.
    """
    connection.execute("DELETE FROM requests WHERE scope = ? AND instr(answer, ?)", (scope, f'"{resource_id}"'))

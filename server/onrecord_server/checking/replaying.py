"""What became of the statements that were evidence of a check: asked of the store when the check is replayed."""

from __future__ import annotations

from datetime import datetime

from onrecord_server.domain.errors import InvalidInput, NotFound
from onrecord_server.domain.replay import (
    PastCheck,
    PastEvidence,
    Plan,
    ReplayChange,
    StatementChange,
    StatementChangeKind,
    record_change,
)
from onrecord_server.domain.types import CheckResult, State, Statement
from onrecord_server.domain.validation import parse_name
from onrecord_server.store.base import StatementStore

_WITHDRAWN = {
    State.RETRACTED: StatementChangeKind.RETRACTED,
    State.SUPERSEDED: StatementChangeKind.SUPERSEDED,
}


def look_back(store: StatementStore, plan: Plan, past: PastCheck, result: CheckResult) -> ReplayChange | None:
    """How the record differs from that of then; None: not at all. Blocks.

    Writes to other collections count, for two reasons. The record has one count of writes; a row tells the last write
    to it, but a deleted one leaves nothing, so that nothing was written to a collection cannot be told once the server
    has been restarted. And words are looked up in one index of all collections, so a write to another one moves how
    rare a word is, and with it which statements of a large collection are found.
    """
    moment = result.provenance.as_of
    changes: list[StatementChange] = []
    still_heard = True
    for seen in past.evidence:
        now = _read(store, seen.name)
        kind = _what_became(seen, now)
        if kind is None:
            continue
        changes.append(StatementChange(seen.name, kind))
        if now is not None and kind in _WITHDRAWN.values():
            still_heard = still_heard and _later(now.state_time, moment)
    known = {seen.name for seen in past.evidence}
    checked = past.provenance.check_time
    for evidence in result.evidence:
        made = evidence.statement
        if made.name not in known and checked is not None and _later(made.create_time, checked):
            known.add(made.name)
            changes.append(StatementChange(made.name, StatementChangeKind.NEW))
    came_since = None
    if plan.horizon is not None:
        came_since = store.count_since(plan.parent, plan.claim.filter, plan.horizon)
    revision = store.revision()
    return record_change(plan, past, store.identity, revision, changes, still_heard=still_heard, came_since=came_since)


def _read(store: StatementStore, name: str) -> Statement | None:
    try:
        return store.get(parse_name(name))
    except (NotFound, InvalidInput):
        return None


def _what_became(seen: PastEvidence, now: Statement | None) -> StatementChangeKind | None:
    if now is None:
        return StatementChangeKind.DELETED
    if now.state is not seen.state and (kind := _WITHDRAWN.get(now.state)):
        return kind
    if seen.etag and seen.etag == now.etag:
        return None
    return StatementChangeKind.CHANGED if seen.etag or seen.text != now.text else None


def _later(one: datetime | None, other: datetime | None) -> bool:
    return one is not None and other is not None and one > other

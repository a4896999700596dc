"""Changing statements that are on the record: correcting, retracting, superseding, reinstating."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from weakref import WeakValueDictionary

from onrecord_server.checking.indexing import Embedder
from onrecord_server.domain import masks, validation
from onrecord_server.domain.errors import EtagMismatch, FieldViolation, InvalidInput
from onrecord_server.domain.types import State, Statement, StatementDraft
from onrecord_server.store.base import StatementStore

_TRIES = 5  # of a change that asks for no etag, while others change the same statement


class Changes:
    """Changes to single statements. Each checks the etag that it is given; "" means whatever the statement has.

    A change that changes nothing writes nothing, and the etag stays. Raises InvalidInput, NotFound, EtagMismatch,
    StoreReadOnly, Overloaded.
    """

    def __init__(self, store: StatementStore, worker: Embedder) -> None:
        self._store = store
        self._worker = worker
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()  # by name, as long as one is taken

    async def update(self, given: StatementDraft, paths: Sequence[str], etag: str = "") -> Statement:
        """Give the statement `given.name` these fields of `given`; paths: as masks.chosen makes them."""
        violations = validation.etag_violations(etag, "statement.etag")
        name = validation.parse_name(given.name, "statement.name")
        validation.raise_if_any(violations)
        return await self._change(name, etag, lambda current: masks.changed(current, given, paths))

    async def retract(self, name: str, etag: str = "", since: datetime | None = None) -> Statement:
        """Mark a statement as taken back, from `since` on (None: from now on, or as it was)."""
        self._check(etag, since)

        def retracted(current: Statement) -> StatementDraft:
            already = current.state is State.RETRACTED
            when = since or (current.state_time if already else datetime.now(UTC))
            return replace(current, state=State.RETRACTED, superseded_by="", state_time=when)

        return await self._change(validation.parse_name(name), etag, retracted)

    async def reinstate(self, name: str, etag: str = "") -> Statement:
        """Let a statement stand again."""
        self._check(etag, None)
        return await self._change(
            validation.parse_name(name),
            etag,
            lambda current: replace(current, state=State.ACTIVE, superseded_by="", state_time=None),
        )

    async def supersede(
        self, name: str, successor: str | StatementDraft, etag: str = "", since: datetime | None = None
    ) -> tuple[Statement, Statement]:
        """Mark a statement as replaced by another, on the record already or new; both as they stand then."""
        name = validation.parse_name(name)
        self._check(etag, since)
        parent = validation.parent_of(name)
        if isinstance(successor, str):
            successor = validation.parse_name(successor, "superseded_by")
            vector = None
            if validation.parent_of(successor) != parent:
                message = "lies in another collection; name an active statement of the same one"
                raise InvalidInput([FieldViolation("superseded_by", "WRONG_PARENT", message)])
        else:
            violations = validation.draft_violations(successor, parent=parent)
            if successor.state is not State.ACTIVE:
                message = "is not active, so it takes nobody's place; leave the state empty"
                violations.append(FieldViolation("statement.state", "WRONG_STATE", message))
            validation.raise_if_any(violations)
            vector = await self._worker.embed([successor.text])
        return await asyncio.to_thread(self._store.supersede, name, successor, vector, etag=etag, since=since)

    async def _change(self, name: str, etag: str, make: Callable[[Statement], StatementDraft]) -> Statement:
        """Read, make, store if nobody else has meanwhile; with an etag of the caller's once, else again.

        Changes of one statement take turns, so that only a deletion, a supersession or another process comes between.
        """
        turn = self._turns.setdefault(name, asyncio.Lock())
        async with turn:
            return await self._change_in_turn(name, etag, make)

    async def _change_in_turn(self, name: str, etag: str, make: Callable[[Statement], StatementDraft]) -> Statement:
        for tries_left in reversed(range(_TRIES)):
            current = await asyncio.to_thread(self._store.get, name)
            if etag and current.etag != etag:
                raise EtagMismatch(name)
            made = make(current)
            if made == current:
                return current
            validation.raise_if_any(validation.draft_violations(made, parent=validation.parent_of(name)))
            vector = None if made.text == current.text else await self._worker.embed([made.text])
            try:
                return await asyncio.to_thread(self._store.replace, name, made, vector, etag=current.etag)
            except EtagMismatch:
                if etag or not tries_left:
                    raise
        raise EtagMismatch(name)

    def _check(self, etag: str, since: datetime | None) -> None:
        validation.raise_if_any(validation.etag_violations(etag) + validation.time_violations("state_time", since))

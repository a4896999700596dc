"""The embeddings that were put off are made, whatever happens on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from onrecord_server.checking import indexing
from onrecord_server.checking.batching import Priority
from onrecord_server.checking.indexing import Indexer, fill
from onrecord_server.domain.errors import ModelError, OnrecordError, Overloaded, StoreFull
from onrecord_server.domain.types import StatementDraft
from onrecord_server.store import FloatArray, StatementStore, open_store

PARENT = "collections/default"
POISON = "poison"


class Scripted:
    """An encoder of one axis a first letter, that fails as told before it does its work."""

    def __init__(self, *errors: OnrecordError) -> None:
        self.errors = list(errors)
        self.priorities: set[Priority] = set()

    async def embed(self, texts: Sequence[str], *, priority: Priority = Priority.INTERACTIVE) -> FloatArray:
        self.priorities.add(priority)
        if self.errors:
            raise self.errors.pop(0)
        if POISON in texts:
            raise ModelError("the model failed")
        return np.eye(32, dtype=np.float32)[[ord(text[0].lower()) - ord("a") for text in texts]]


@pytest.fixture
async def store(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StatementStore]:
    monkeypatch.setattr(indexing, "_AFTER_FAILURE_SECONDS", 0.0)
    monkeypatch.setattr(indexing, "_QUIET_SECONDS", 0.0)
    opened = open_store(":memory:", dimension=32, encoder_id="test")
    yield opened
    opened.close()


def defer(store: StatementStore, *texts: str, parent: str = PARENT) -> None:
    assert store.put(parent, [StatementDraft(text) for text in texts], None).pending


async def until(store: StatementStore, left: int) -> None:
    async with asyncio.timeout(30):
        while await asyncio.to_thread(store.pending_count) != left:
            pass


async def test_what_waits_at_the_start_and_what_comes_later(store: StatementStore) -> None:
    defer(store, "ants", "bees")
    worker = Scripted()
    indexer = Indexer(store, worker)
    indexer.start()
    await until(store, 0)
    defer(store, *(f"cats {n}" for n in range(600)), parent="collections/other")
    indexer.put()
    await until(store, 0)
    await indexer.stop()
    assert worker.priorities == {Priority.BULK}
    axis = np.eye(32, dtype=np.float32)
    assert [h.statement.text for h in store.search(PARENT, "", axis[1], 1)] == ["bees"]
    hits = store.search("collections/other", "", axis[2], 5)
    assert [(round(h.similarity, 2), h.pending) for h in hits] == [(1.0, False)] * 5


async def test_failures_on_the_way(store: StatementStore, monkeypatch: pytest.MonkeyPatch) -> None:
    defer(store, "ants", POISON, "bees")
    settle, full = store.settle, [StoreFull("no room")]

    def failing(*arguments: object) -> int:
        if full:
            raise full.pop()
        return settle(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "settle", failing)
    indexer = Indexer(store, Scripted(Overloaded(0.0), Overloaded(0.0)))
    indexer.start()
    await until(store, 1)  # the one that the model fails on waits for the next start
    defer(store, "cats")
    indexer.put()
    await until(store, 1)
    await indexer.stop()
    assert [p.text for p in store.pending(10)] == [POISON]
    assert POISON in [h.statement.text for h in store.search(PARENT, POISON, np.eye(32, dtype=np.float32)[5], 5)]


async def test_a_statement_that_changed_while_it_was_embedded_keeps_its_new_embedding(store: StatementStore) -> None:
    defer(store, "ants")
    waiting = store.pending(10)
    (old,) = store.list(PARENT, 1, "").statements
    axis = np.eye(32, dtype=np.float32)
    store.replace(old.name, StatementDraft("bees"), axis[1], etag=old.etag)
    assert store.settle(waiting, axis[:1]) == 0
    assert store.search(PARENT, "", axis[1], 1)[0].similarity > 0.99


async def test_a_statement_that_is_relabelled_while_it_is_embedded_gets_its_embedding_all_the_same(
    store: StatementStore,
) -> None:
    defer(store, "ants", "bees")
    (old, _) = store.list(PARENT, 2, "").statements

    class Relabelling(Scripted):
        async def embed(self, texts: Sequence[str], *, priority: Priority = Priority.INTERACTIVE) -> FloatArray:
            if store.get(old.name).etag == old.etag:
                store.replace(old.name, replace(old, labels=("new",)), None, etag=old.etag)
            return await super().embed(texts, priority=priority)

    indexer = Indexer(store, Relabelling())
    indexer.start()
    await until(store, 0)
    await indexer.stop()


async def test_a_search_fills_in_what_waits_and_passes_over_what_the_model_fails_on(store: StatementStore) -> None:
    defer(store, "ants march", POISON)
    store.create(PARENT, [StatementDraft("bees march")], np.eye(32, dtype=np.float32)[1:2])
    query = np.eye(32, dtype=np.float32)[0]
    found = await fill(store.search(PARENT, f"ants march {POISON}", query, 5), query, Scripted().embed)
    assert {h.statement.text: (round(h.similarity, 2), h.pending) for h in found} == {
        "ants march": (1.0, False),
        "bees march": (0.0, False),
        POISON: (0.0, True),
    }


async def test_an_import_that_begins_while_it_works_comes_first(
    store: StatementStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    defer(store, *(f"ants {n}" for n in range(600)))
    began, go_on = asyncio.Event(), asyncio.Event()

    class Held(Scripted):
        async def embed(self, texts: Sequence[str], *, priority: Priority = Priority.INTERACTIVE) -> FloatArray:
            began.set()
            await go_on.wait()
            return await super().embed(texts, priority=priority)

    indexer = Indexer(store, Held())  # type: ignore[arg-type]
    indexer.start()
    await began.wait()
    monkeypatch.setattr(indexing, "_QUIET_SECONDS", 60.0)
    defer(store, "bees")
    indexer.put()
    go_on.set()
    await until(store, 601 - 256)  # what was under way is finished
    await asyncio.sleep(0.1)
    assert store.pending_count() == 601 - 256
    await indexer.stop()


async def test_an_import_without_an_end_is_let_first_no_longer_than_patience_lasts(
    store: StatementStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "_QUIET_SECONDS", 60.0)
    monkeypatch.setattr(indexing, "_PATIENCE_SECONDS", 0.2)
    defer(store, *(f"ants {n}" for n in range(600)))
    indexer = Indexer(store, Scripted())
    indexer.put()
    indexer.start()
    await asyncio.sleep(0.1)
    assert store.pending_count() == 600
    await until(store, 0)
    await indexer.stop()

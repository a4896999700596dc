"""Putting statements and documents on the record: the real worker (fake models), file and reader."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from onrecord_server.checking.record import Record
from onrecord_server.checking.worker import InferenceWorker, Priority
from onrecord_server.domain.errors import AlreadyExists, InvalidInput, ModelError, NotFound, OnrecordError, ShuttingDown
from onrecord_server.domain.types import Source, Speaker, Statement, StatementDraft
from onrecord_server.nli import FloatArray
from onrecord_server.nli.fake import FakeEncoder, FakeScorer
from onrecord_server.store import StatementStore, open_store

PARENT = "collections/default"
POISON = "poison"
DOCUMENT = """MAY 16, 2024

Anna Weber said that the bridge opens in June. "We are proud of it," she added.

Jan Novak denied that the bridge is unsafe. The river is 200 metres wide there.
"""
SOURCE = Source(uri="https://example.org/bridge", title="The bridge", publisher="The Courier")


class PoisonedEncoder(FakeEncoder):
    """The fake, but one word makes it fail, as a real model can on an input."""

    def encode(self, texts: Sequence[str]) -> FloatArray:
        if any(POISON in text.lower() for text in texts):
            raise ModelError("this text does not agree with the model")
        return super().encode(texts)


@pytest.fixture
def store(tmp_path: Path) -> StatementStore:
    return open_store(tmp_path / "record.db", dimension=FakeEncoder().dimension, encoder_id="fake")


@pytest.fixture
async def worker() -> AsyncIterator[InferenceWorker]:
    running = InferenceWorker(FakeScorer(), PoisonedEncoder())
    await running.start()
    yield running
    await running.stop(1.0)


@pytest.fixture
async def record(store: StatementStore, worker: InferenceWorker) -> AsyncIterator[Record]:
    yield Record(store, worker)
    store.close()


async def test_create_get_list_delete(record: Record) -> None:
    created = await record.create("", StatementDraft("the bridge opens in June"))
    assert created.name.startswith(f"{PARENT}/statements/")
    assert await record.get(created.name) == created
    page = await record.list("")
    assert (page.statements, page.total_size) == ([created], 1)
    await record.delete(created.name)
    with pytest.raises(NotFound):
        await record.get(created.name)


async def test_a_bad_draft_is_told_everything_and_costs_no_inference(store: StatementStore) -> None:
    draft = StatementDraft("", name="collections/other/statements/a", speaker=Speaker("x\0"), labels=("",))

    class NoModel:
        async def embed(self, texts: Sequence[str]) -> FloatArray:
            raise AssertionError("embedded before it was validated")

    record = Record(store, NoModel())
    with pytest.raises(InvalidInput) as error:
        await record.create("collections/mine", draft)
    assert {v.field for v in error.value.violations} == {
        "statement.name",
        "statement.text",
        "statement.speaker.name",
        "statement.labels[0]",
    }
    for bad in ("collections/Mine", "x", "collections/a/statements/b"):
        with pytest.raises(InvalidInput):
            await record.create(bad, StatementDraft("fine"))
    with pytest.raises(InvalidInput) as error:
        await record.ingest("", "text\ud800", Source(title="x" * 1_001), dry_run=True)
    assert {v.field for v in error.value.violations} == {"text", "source.title"}
    store.close()


async def test_a_taken_name(record: Record) -> None:
    draft = StatementDraft("one", name=f"{PARENT}/statements/a")
    await record.create("", draft)
    with pytest.raises(AlreadyExists):
        await record.create("", draft)


@pytest.mark.parametrize("name", ["", "collections/a", "collections/a/statements/B", "\ud800"])
async def test_names_are_checked(record: Record, name: str) -> None:
    for call in (record.get, record.delete):
        with pytest.raises(InvalidInput):
            await call(name)


async def test_an_import_keeps_order_and_passes_over_what_is_bad(record: Record) -> None:
    count = 1_203  # three transactions
    drafts = [StatementDraft(f"statement {n}") for n in range(count)]
    bad: dict[int, type[OnrecordError]] = {3: InvalidInput, 499: ModelError, 500: AlreadyExists, 1_202: InvalidInput}
    drafts[2] = StatementDraft("named", name=f"{PARENT}/statements/a")
    drafts[3] = StatementDraft(" ")
    drafts[499] = StatementDraft(POISON)
    drafts[500] = StatementDraft("named again", name=f"{PARENT}/statements/a")
    drafts[1_202] = StatementDraft("x", name="collections/other/statements/a")
    results = await record.import_statements("", drafts)
    assert {i: type(r) for i, r in enumerate(results) if isinstance(r, OnrecordError)} == bad
    assert [r.text for r in results if isinstance(r, Statement)] == [
        d.text for i, d in enumerate(drafts) if i not in bad
    ]
    failed = results[1_202]
    assert isinstance(failed, InvalidInput)
    assert failed.violations[0].field == "statements[1202].name"
    assert (await record.list("", 1)).total_size == count - len(bad)
    assert await record.import_statements("", []) == []


class ShutAfter:
    """A worker that begins to shut down after so many calls."""

    def __init__(self, worker: InferenceWorker, calls: int) -> None:
        self._worker = worker
        self._calls = calls

    async def embed(self, texts: Sequence[str], *, priority: Priority = Priority.INTERACTIVE) -> FloatArray:
        if self._calls == 0:
            raise ShuttingDown("the server is shutting down")
        self._calls -= 1
        return await self._worker.embed(texts, priority=priority)


async def test_what_stops_an_import_leaves_no_success_untold(store: StatementStore, worker: InferenceWorker) -> None:
    drafts = [StatementDraft(f"statement {n}") for n in range(700)]
    results = await Record(store, ShutAfter(worker, 1)).import_statements("", drafts)
    assert [type(r) for r in results] == [Statement] * 500 + [ShuttingDown] * 200
    assert store.count() == 500
    with pytest.raises(ShuttingDown):
        await Record(store, ShutAfter(worker, 0)).import_statements("", drafts)
    assert store.count() == 500
    store.close()


async def test_a_document_is_stored_once(record: Record) -> None:
    planned = await record.ingest("", DOCUMENT, SOURCE, dry_run=True)
    assert (await record.list("")).total_size == 0
    assert not planned.already_ingested
    assert planned.publish_time == datetime(2024, 5, 16, tzinfo=UTC)
    first = await record.ingest("", DOCUMENT, SOURCE)
    assert [s.text for s in first.statements] == [d.text for d in planned.statements]
    assert {"Anna Weber", "Jan Novak", "The Courier"} <= {s.speaker.name for s in first.statements}
    assert all(isinstance(s, Statement) and s.document == first.document for s in first.statements)
    assert not first.already_ingested
    again = await record.ingest("", DOCUMENT, SOURCE)
    assert again.already_ingested
    assert (again.document, again.statements) == (first.document, first.statements)
    assert again.publish_time == first.publish_time
    assert (await record.list("")).total_size == len(first.statements)
    elsewhere = await record.ingest("collections/other", DOCUMENT, SOURCE)
    assert not elsewhere.already_ingested


async def test_a_known_document_is_not_read_again(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await record.ingest("", DOCUMENT, SOURCE)
    monkeypatch.setattr("onrecord_server.checking.record.ingest_document", None)
    assert (await record.ingest("", DOCUMENT, SOURCE)).statements == first.statements


async def test_a_document_ingested_by_many_at_once_is_stored_once(record: Record) -> None:
    results = await asyncio.gather(*(record.ingest("", DOCUMENT, SOURCE) for _ in range(8)))
    assert len({tuple(s.name for s in r.statements) for r in results}) == 1
    assert sum(not r.already_ingested for r in results) == 1
    assert (await record.list("")).total_size == len(results[0].statements)


async def test_a_document_whose_first_caller_left_is_not_stored_again(
    store: StatementStore, worker: InferenceWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who gives up while the document is being stored, and sends it again, finds it stored."""
    put, begun, go_on = store.put, threading.Event(), threading.Event()

    def held(*given: Any, **options: Any) -> Any:
        begun.set()
        assert go_on.wait(10)
        return put(*given, **options)

    monkeypatch.setattr(store, "put", held)
    record = Record(store, worker)
    first = asyncio.ensure_future(record.ingest("", DOCUMENT, SOURCE))
    await asyncio.to_thread(begun.wait, 10)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    again = asyncio.ensure_future(record.ingest("", DOCUMENT, SOURCE))
    await asyncio.wait({again}, timeout=0.2)  # it gets as far as it may
    go_on.set()
    result = await again
    assert result.already_ingested
    assert store.count() == len(result.statements)
    store.close()


async def taken_by_another(record: Record) -> list[str]:
    """Give the names that DOCUMENT's statements would get, but the first, to statements that are not of it."""
    read = await record.ingest("collections/elsewhere", DOCUMENT, SOURCE)
    names = [s.name.replace("elsewhere", "default") for s in read.statements if isinstance(s, Statement)][1:]
    await record.import_statements("", [StatementDraft("exported and imported", name=name) for name in names])
    return names


async def test_a_document_whose_names_are_taken_gets_others(record: Record) -> None:
    taken = await taken_by_another(record)
    first = await record.ingest("", DOCUMENT, SOURCE)
    assert not first.already_ingested
    assert len(first.statements) == len(taken) + 1
    assert (await record.list("")).total_size == len(first.statements) + len(taken)  # all, and nothing of a first try
    assert {s.text for s in (await record.list("")).statements if s.name in taken} == {"exported and imported"}
    again = await record.ingest("", DOCUMENT, SOURCE)
    assert (again.already_ingested, again.statements) == (True, first.statements)


async def test_a_document_whose_names_are_taken_is_stored_once_by_many(record: Record) -> None:
    taken = await taken_by_another(record)
    results = await asyncio.gather(*(record.ingest("", DOCUMENT, SOURCE) for _ in range(8)))
    assert len({tuple(s.name for s in r.statements) for r in results}) == 1
    assert sum(not r.already_ingested for r in results) == 1
    assert (await record.list("")).total_size == len(results[0].statements) + len(taken)


async def test_a_document_that_the_model_fails_on_leaves_nothing(record: Record) -> None:
    with pytest.raises(ModelError):
        await record.ingest("", f"{DOCUMENT}\nAnna Weber said that {POISON} is bad.\n", SOURCE)
    assert (await record.list("")).total_size == 0


async def test_the_store_is_never_called_on_the_event_loop(store: StatementStore, worker: InferenceWorker) -> None:
    here = threading.get_ident()
    called: set[str] = set()

    class Watched:
        """The store, noting what is called and refusing the loop's thread."""

        def __getattr__(self, name: str) -> Any:
            method = getattr(store, name)

            def call(*args: Any, **kwargs: Any) -> Any:
                assert threading.get_ident() != here
                called.add(name)
                return method(*args, **kwargs)

            return call

    record = Record(Watched(), worker)  # type: ignore[arg-type]
    created = await record.create("", StatementDraft("one"))
    await record.import_statements("", [StatementDraft("two")])
    await record.get(created.name)
    await record.list("")
    await record.delete(created.name)
    await record.ingest("", DOCUMENT, SOURCE)
    assert called == {"put", "put_many", "get", "list", "delete", "document_statements"}
    store.close()

"""What waits for the store shares a transaction, and each has an answer of its own."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from onrecord_server.checking.puts import Puts
from onrecord_server.domain.errors import AlreadyExists, OnrecordError, RequestIdReused, StoreFull
from onrecord_server.domain.types import Horizon, RequestKey, State, StatementDraft
from onrecord_server.store import StatementStore, open_store
from onrecord_server.store.base import Put, Stored

PARENT = "collections/default"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StatementStore]:
    opened = open_store(tmp_path / "record.db", dimension=4, encoder_id="test")
    yield opened
    opened.close()


def put(*texts: str, key: str = "", body: bytes = b"", parent: str = PARENT, name: str = "") -> Put:
    named = f"{parent}/statements/{name}" if name else ""
    return Put(
        parent,
        [StatementDraft(text, named) for text in texts],
        None,
        RequestKey(key, body or key.encode()) if key else None,
    )


def texts(store: StatementStore, parent: str = PARENT) -> list[str]:
    return [statement.text for statement in store.list(parent, 1_000, "").statements]


def answered(answers: Sequence[Stored | Exception]) -> list[Stored]:
    assert all(isinstance(answer, Stored) for answer in answers)
    return [answer for answer in answers if isinstance(answer, Stored)]


class TestStore:
    def test_puts_of_one_transaction_are_as_puts_one_after_the_other(self, store: StatementStore) -> None:
        before = store.revision()
        first, second, other = answered(
            store.put_many([put("a", "b"), put("c", key="k"), put("d", parent="collections/other")])
        )
        assert texts(store) == ["a", "b", "c"]
        assert texts(store, "collections/other") == ["d"]
        assert [first.pending, second.pending, other.pending] == [2, 3, 1]
        assert [first.revision, second.revision, other.revision] == [before + 1, before + 2, before + 3]
        assert store.revision() == before + 3
        found = store.get(first.names[0])
        assert found == first.outcomes[0]
        (repeated,) = answered(store.put_many([put("c", key="k")]))
        assert repeated.replayed
        assert repeated.outcomes == second.outcomes
        assert texts(store) == ["a", "b", "c"]
        axis = np.eye(4, dtype=np.float32)
        assert [hit.statement.text for hit in store.search(PARENT, "b", axis[0], 5)] == ["b"]

    def test_a_later_one_meets_names_and_requests_of_an_earlier_one(self, store: StatementStore) -> None:
        one, same_name, same_request, other_body = store.put_many(
            [
                put("a", name="n", key="k"),
                put("b", "c", name="n"),
                put("a", name="n", key="k"),
                put("d", key="k", body=b"x"),
            ]
        )
        assert isinstance(one, Stored)
        assert isinstance(same_name, Stored)
        assert isinstance(same_request, Stored)
        assert one.names == [f"{PARENT}/statements/n"]
        assert all(isinstance(error, AlreadyExists) for error in same_name.outcomes)
        assert same_request.replayed
        assert same_request.outcomes == one.outcomes
        assert isinstance(other_body, RequestIdReused)
        assert texts(store) == ["a"]

    def test_what_cannot_be_stored_keeps_only_itself_from_it(self, store: StatementStore) -> None:
        good, bad, fine = store.put_many([put("a"), put("no \ud800 text"), put("b")])
        assert isinstance(bad, UnicodeEncodeError)
        assert isinstance(good, Stored)
        assert isinstance(fine, Stored)
        assert texts(store) == ["a", "b"]
        assert store.pending_count() == 2

    def test_rows_that_differ_in_everything_or_in_nothing(self, store: StatementStore) -> None:
        """Columns that are alike are handed over once: what is read back must not depend on that."""
        retracted = StatementDraft("r", state=State.RETRACTED, labels=("x",), context="w", original="o")
        for drafts in (
            [retracted],
            [retracted] * 3,
            [StatementDraft("p"), retracted, StatementDraft("q", relayed_by="R")],
        ):
            (made,) = answered(store.put_many([Put(PARENT, drafts)]))
            assert [store.get(name) for name in made.names] == made.outcomes
        many = [StatementDraft(f"{n}", context=f"c{n}", relayed_by=f"r{n}", labels=(f"l{n}",)) for n in range(1_200)]
        (made,) = answered(store.put_many([Put("collections/many", many)]))
        assert [s.labels for s in store.list("collections/many", 1_000, "").statements] == [
            d.labels for d in many[:1_000]
        ]
        assert len(set(made.names)) == 1_200


class Slow:
    """A store that is held at its first call, and keeps what it was given together."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.together: list[list[str]] = []
        self.go_on = threading.Event()

    def put_many(self, puts: Sequence[Put]) -> list[Stored | Exception]:
        self.together.append([one.drafts[0].text for one in puts])
        self.go_on.wait(10)
        if self.errors:
            raise self.errors.pop(0)
        return [StoreFull("full") if one.drafts[0].text == "bad" else _stored(one) for one in puts]


def _stored(one: Put) -> Stored:
    return Stored(one.drafts, [one.drafts[0].text], {}, None, 0)  # type: ignore[arg-type]


class TestLine:
    async def test_what_comes_while_another_is_written_goes_together_in_order(self) -> None:
        store = Slow()
        puts = Puts(store)  # type: ignore[arg-type]
        first = puts.add(put("first"))
        await asyncio.sleep(0.05)
        rest = [puts.add(put(text)) for text in ("a", "bad", "gone", "b")]
        rest[2].cancel()
        large = puts.add(Put(PARENT, [StatementDraft("large")] * 1_999))
        store.go_on.set()
        assert (await first).names == ["first"]
        assert [(await rest[place]).names for place in (0, 3)] == [["a"], ["b"]]
        with pytest.raises(StoreFull):
            await rest[1]
        assert (await large).names == ["large"]
        assert store.together == [["first"], ["a", "bad", "b"], ["large"]]
        assert (await puts.add(put("later"))).names == ["later"]

    async def test_what_the_store_raises_is_for_all_who_shared_it_and_for_nobody_else(self) -> None:
        store = Slow(OnrecordError("gone"))
        store.go_on.set()
        puts = Puts(store)  # type: ignore[arg-type]
        both = [puts.add(put("a")), puts.add(put("b"))]
        assert [type(await asyncio.wait_for(asyncio.gather(one, return_exceptions=True), 5)) for one in both] == [
            list
        ] * 2
        assert all(isinstance(one.exception(), OnrecordError) for one in both)
        assert (await puts.add(put("c"))).names == ["c"]


def test_what_nothing_could_be_written_for_is_not_tried_one_by_one(
    store: StatementStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def full(puts: Sequence[Put], **_: object) -> None:
        tried.append(len(puts))
        raise StoreFull("no room")

    monkeypatch.setattr(store, "_put", full)
    with pytest.raises(StoreFull):
        store.put_many([put("a"), put("b"), put("c")])
    assert tried == [3]


def test_row_ids_go_on_when_their_count_is_lost(store: StatementStore, tmp_path: Path) -> None:
    answered(store.put_many([put("a"), put("b")]))
    other = sqlite3.connect(tmp_path / "record.db", isolation_level=None)
    for damage in (
        "DELETE FROM sqlite_sequence",
        "UPDATE sqlite_sequence SET seq = 1",
        "UPDATE sqlite_sequence SET seq = 'x'",
    ):
        other.execute(f"{damage} WHERE name = 'statements'")
        answered(store.put_many([put(damage)]))
    other.close()
    assert len(texts(store)) == 5


def test_what_was_not_on_the_record_then_is_not_though_it_is_as_old(store: StatementStore) -> None:
    answered(store.put_many([put("a", name="a")]))
    then = Horizon(store.revision(), datetime.now(UTC) + timedelta(minutes=1))  # as a check beside an import has it
    answered(store.put_many([put("b")]))
    assert store.count_since(PARENT, None, then) == 1
    store.replace(f"{PARENT}/statements/a", StatementDraft("a, changed"), None, etag="")
    assert store.count_since(PARENT, None, then) == 1  # what was changed since was there

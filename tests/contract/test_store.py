"""What every store does, whatever keeps it. Another kind of store joins by one more entry in STORES."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onrecord_server.domain.errors import AlreadyExists, InvalidInput, NotFound
from onrecord_server.domain.types import Source, Span, Speaker, Stance, Statement, StatementDraft
from onrecord_server.domain.validation import parse_name
from onrecord_server.store import StatementStore, open_store
from stores import DIMENSION, OTHER, PARENT, axis, put


def listed(store: StatementStore, parent: str = PARENT, page_size: int = 2) -> list[Statement]:
    found: list[Statement] = []
    token = ""
    while True:
        page = store.list(parent, page_size, token)
        found += page.statements
        if not (token := page.next_page_token):
            return found


FULL = StatementDraft(
    text="China respects Afghanistan’s sovereignty — 中国 👍",
    name=f"{PARENT}/statements/s-1",
    context="On the summit.\nIn May.",
    speaker=Speaker("Xi Jinping", ("Xi", "the Chinese leader")),
    relayed_by="People's Daily",
    stance=Stance.DENIED,
    source=Source("https://example.org/a?b#c", "A title", "A paper", datetime(2024, 5, 16, 8, 30, 1, 234567, UTC)),
    stated_time=datetime(1969, 7, 20, 20, 17, 40, tzinfo=UTC),
    valid_from=datetime(1, 1, 1, tzinfo=UTC),
    valid_until=datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC),
    labels=("summit", "two words"),
    document="d0c",
    original="He said his country respects it.",
    original_span=Span(0, 32),
)


def test_what_is_stored_is_read_back(store: StatementStore) -> None:
    before = datetime.now(UTC)
    (created,) = store.create(PARENT, [FULL], axis(0))
    assert isinstance(created, Statement)
    assert store.get(created.name) == created
    assert store.list(PARENT, 10, "").statements == [created]
    assert before <= created.create_time <= datetime.now(UTC)
    assert created.etag
    for field in StatementDraft.__dataclass_fields__:
        assert getattr(created, field) == getattr(FULL, field)


text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
instant = st.datetimes(timezones=st.just(UTC))
draft = st.builds(
    StatementDraft,
    text=text,
    context=text,
    speaker=st.builds(Speaker, text, st.lists(text, max_size=3).map(tuple)),
    relayed_by=text,
    stance=st.sampled_from(Stance),
    source=st.builds(Source, text, text, text, st.none() | instant),
    stated_time=st.none() | instant,
    valid_from=st.none() | instant,
    valid_until=st.none() | instant,
    labels=st.lists(text, max_size=3).map(tuple),
    document=text,
    original=text,
    original_span=st.none() | st.builds(Span, st.integers(0, 9), st.integers(10, 2**31 - 1)),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(draft=draft, query=st.text(max_size=40))
def test_any_draft_round_trips_and_any_query_is_answered(
    store: StatementStore, draft: StatementDraft, query: str
) -> None:
    (created,) = store.create(PARENT, [draft], axis(0))
    assert isinstance(created, Statement)
    read = store.get(created.name)
    for field in set(StatementDraft.__dataclass_fields__) - {"name"}:
        assert getattr(read, field) == getattr(draft, field)
    store.search(PARENT, query, axis(0)[0], 3)
    assert created in [hit.statement for hit in store.search(PARENT, draft.text, axis(0)[0], 10_000)]


def test_names_are_chosen_or_kept_and_never_given_twice(store: StatementStore) -> None:
    chosen = [s.name for s in put(store, *("x" * n for n in range(1, 60)))]
    assert len(set(chosen)) == len(chosen)
    assert all(parse_name(name).startswith(f"{PARENT}/statements/") for name in chosen)
    mine = f"{PARENT}/statements/mine"
    first, taken, other = store.create(
        PARENT, [StatementDraft("a", mine), StatementDraft("b", mine), StatementDraft("c")], axis(0, 1, 2)
    )
    assert isinstance(first, Statement)
    assert isinstance(taken, AlreadyExists)
    assert taken.resource_name == mine
    assert isinstance(other, Statement)
    assert store.get(mine).text == "a"
    (again,) = store.create(PARENT, [StatementDraft("d", mine)], axis(3))
    assert isinstance(again, AlreadyExists)
    assert store.count() == len(chosen) + 2
    # the same id in another collection is another name
    (elsewhere,) = store.create(OTHER, [StatementDraft("e", f"{OTHER}/statements/mine")], axis(0))
    assert isinstance(elsewhere, Statement)


@pytest.mark.parametrize("parent", [PARENT, OTHER])
def test_all_or_none_keeps_nothing_when_a_name_is_taken(store: StatementStore, parent: str) -> None:
    mine = f"{parent}/statements/mine"
    if parent == PARENT:
        put(store, "before")
        store.create(PARENT, [StatementDraft("taken", mine)], axis(1))
        drafts = [StatementDraft("a"), StatementDraft("b", mine), StatementDraft("c")]
    else:  # a new collection, and the name is given twice
        drafts = [StatementDraft("a", mine), StatementDraft("b"), StatementDraft("c", mine)]
    seen = (store.revision(), store.count(), listed(store, parent))
    with pytest.raises(AlreadyExists) as error:
        store.create(parent, drafts, axis(2, 3, 4), all_or_none=True)
    assert error.value.resource_name == mine
    assert (store.revision(), store.count(), listed(store, parent)) == seen
    assert {h.statement.text for h in store.search(parent, "a b c", axis(2)[0], 9)} <= {"before", "taken"}
    free = [StatementDraft("a"), StatementDraft("b", f"{parent}/statements/free")]
    created = store.create(parent, free, axis(2, 3), all_or_none=True)
    assert [item.text for item in created if isinstance(item, Statement)] == ["a", "b"]


def test_the_revision_counts_writes_and_nothing_else(store: StatementStore) -> None:
    seen = [store.revision()]
    first, _ = put(store, "one", "two")
    seen.append(store.revision())
    store.list(PARENT, 10, "")
    store.search(PARENT, "one", axis(0)[0], 3)
    store.create(PARENT, [StatementDraft("again", first.name)], axis(0))
    store.create(PARENT, [], np.zeros((0, DIMENSION), np.float32))
    with pytest.raises(NotFound):
        store.delete(f"{PARENT}/statements/none")
    assert store.revision() == seen[-1]
    store.delete(first.name)
    seen.append(store.revision())
    assert seen == sorted(set(seen))


def test_vectors_must_fit(store: StatementStore) -> None:
    for bad in (axis(0, 1), np.full((1, DIMENSION), np.nan, np.float32), np.zeros((1, 3), np.float32)):
        with pytest.raises(ValueError, match="vector"):
            store.create(PARENT, [StatementDraft("x")], bad)
    with pytest.raises(ValueError, match="parent"):
        store.create(PARENT, [StatementDraft("good"), StatementDraft("x", f"{OTHER}/statements/a")], axis(0, 1))
    assert store.count() == 0
    assert store.revision() == 0


def test_what_is_not_there(store: StatementStore) -> None:
    name = f"{PARENT}/statements/none"
    for call in (store.get, store.delete):
        with pytest.raises(NotFound) as error:
            call(name)
        assert error.value.resource_name == name
    page = store.list(PARENT, 10, "")
    assert (list(page.statements), page.next_page_token, page.total_size) == ([], "", 0)
    assert store.search(PARENT, "anything", axis(0)[0], 5) == []
    assert store.count(PARENT) == 0
    assert store.document_statements(PARENT, "d") == []


def test_collections_are_apart(store: StatementStore) -> None:
    (here,) = put(store, "the summit in May")
    (there,) = put(store, "the summit in May", parent=OTHER)
    assert [h.statement for h in store.search(PARENT, "summit", axis(0)[0], 5)] == [here]
    assert [h.statement for h in store.search(OTHER, "summit", axis(0)[0], 5)] == [there]
    assert listed(store) == [here]
    assert (store.count(PARENT), store.count(OTHER), store.count()) == (1, 1, 2)
    store.delete(here.name)
    assert store.get(there.name) == there


# -------------------------------------------------------------------------------------------------- listing


@pytest.mark.parametrize("page_size", [1, 2, 3, 7, 100])
def test_pages_hold_everything_once_in_order(store: StatementStore, page_size: int) -> None:
    created = put(store, *(f"statement {n}" for n in range(7)))
    assert listed(store, page_size=page_size) == created
    assert store.list(PARENT, page_size, "").total_size == 7


def test_page_size(store: StatementStore) -> None:
    for _ in range(3):
        put(store, *(f"statement {n}" for n in range(400)))
    assert len(store.list(PARENT, 0, "").statements) == 100
    assert len(store.list(PARENT, 5_000, "").statements) == 1_000
    with pytest.raises(InvalidInput) as error:
        store.list(PARENT, -1, "")
    assert error.value.violations[0].field == "page_size"


def test_a_page_token_survives_writes(store: StatementStore) -> None:
    one, two, three, four = put(store, "one", "two", "three", "four")
    page = store.list(PARENT, 2, "")
    assert page.statements == [one, two]
    store.delete(two.name)
    store.delete(three.name)
    (five,) = put(store, "five")
    assert store.list(PARENT, 2, page.next_page_token).statements == [four, five]


def test_a_deleted_last_row_is_not_given_again(store: StatementStore) -> None:
    put(store, "one", "two", "three")
    page = store.list(PARENT, 2, "")
    store.delete(store.list(PARENT, 2, page.next_page_token).statements[0].name)
    (new,) = put(store, "new")
    assert store.list(PARENT, 2, page.next_page_token).statements == [new]


def test_only_own_page_tokens_are_taken(store: StatementStore) -> None:
    put(store, "one", "two", "three")
    put(store, "one", "two", "three", parent=OTHER)
    token = store.list(PARENT, 2, "").next_page_token
    foreign = store.list(OTHER, 2, "").next_page_token
    flipped = [token[:i] + ("A" if token[i] != "A" else "B") + token[i + 1 :] for i in range(len(token))]
    for bad in (foreign, *flipped, token + "A", token[:-1], token + "=", "2", " ", "é", "\ud800", "A" * 10_000):
        with pytest.raises(InvalidInput) as error:
            store.list(PARENT, 2, bad)
        assert error.value.violations[0].reason == "INVALID_PAGE_TOKEN"


def test_documents(store: StatementStore) -> None:
    drafts = [StatementDraft(f"part {n}", document="d") for n in range(3)]
    created = store.create(PARENT, drafts, axis(0, 1, 2))
    put(store, "loose")
    store.create(PARENT, [StatementDraft("x", document="e")], axis(0))
    assert store.document_statements(PARENT, "d") == created
    assert store.document_statements(OTHER, "d") == []
    assert store.document_statements(PARENT, "") == []


# --------------------------------------------------------------------------------------------------- search


def test_threads_write_read_and_search_at_once(store: StatementStore) -> None:
    failures: list[BaseException] = []
    names: list[str] = []

    def work(number: int) -> None:
        try:
            for n in range(15):
                (made,) = store.create(PARENT, [StatementDraft(f"thread {number} says {n}")], axis(number))
                assert isinstance(made, Statement)
                assert store.get(made.name) == made
                assert store.search(PARENT, f"thread {number}", axis(number)[0], 5)
                store.list(PARENT, 5, "")
                if n % 3:
                    names.append(made.name)
                else:
                    store.delete(made.name)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert {s.name for s in listed(store, page_size=50)} == set(names)
    assert store.count(PARENT) == len(names)


def test_close_twice(store: StatementStore) -> None:
    store.close()
    store.close()


def test_a_record_is_known_by_its_own_identity(tmp_path: Path) -> None:
    made = []
    for name in ("one", "one", "two"):
        opened = open_store(tmp_path / name, dimension=DIMENSION, encoder_id="test")
        made.append(opened.identity)
        opened.close()
    assert made[0] == made[1] != made[2]
    assert len(made[0]) == 16

"""What every store does, whatever keeps it. Another kind of store joins by one more entry in STORES."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onrecord_server.domain.errors import AlreadyExists, InvalidInput, NotFound
from onrecord_server.domain.types import Source, Span, Speaker, Stance, Statement, StatementDraft, StatementFilter
from onrecord_server.domain.validation import parse_name
from onrecord_server.store import FloatArray, StatementStore, open_store

DIMENSION = 16
PARENT = "collections/default"
OTHER = "collections/other"

STORES: dict[str, Callable[[Path], StatementStore]] = {
    "file": lambda folder: open_store(folder / "record.db", dimension=DIMENSION, encoder_id="test"),
    "memory": lambda _: open_store(":memory:", dimension=DIMENSION, encoder_id="test"),
}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StatementStore]:
    opened = STORES[request.param](tmp_path)
    yield opened
    opened.close()


def axis(*numbers: int) -> FloatArray:
    """Unit vectors along the numbered axes, shape (len(numbers), DIMENSION)."""
    return np.eye(DIMENSION, dtype=np.float32)[list(numbers)]


def put(store: StatementStore, *texts: str, parent: str = PARENT) -> list[Statement]:
    created = store.create(
        parent, [StatementDraft(t) for t in texts], axis(*(i % DIMENSION for i in range(len(texts))))
    )
    assert all(isinstance(item, Statement) for item in created)
    return [item for item in created if isinstance(item, Statement)]


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


HOSTILE = [
    '"',
    "'",
    'a"b',
    "AND",
    "OR NOT NEAR(",
    "text:",
    "*",
    "^x",
    "a* + b",
    "--",
    "; DROP TABLE x",
    "\0",
    "\ud800",
    "（",
    "",
]


@pytest.mark.parametrize("query", HOSTILE)
def test_a_query_is_only_words(store: StatementStore, query: str) -> None:
    put(store, "a NEAR thing or not, and b", "nothing")
    assert len(store.search(PARENT, query, axis(1)[0], 5)) == 2


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


def test_search_finds_by_words_and_by_meaning(store: StatementStore) -> None:
    drafts = [
        StatementDraft("Russia opposed the tariffs"),
        StatementDraft("tea is popular"),
        StatementDraft("grey cats"),
    ]
    store.create(PARENT, drafts, axis(0, 1, 2))
    by_words = store.search(PARENT, "Who opposes TARIFFS?", axis(5)[0], 3)
    assert by_words[0].statement.text == "Russia opposed the tariffs"
    assert by_words[0].lexical_rank == 1
    by_meaning = store.search(PARENT, "felines", axis(2)[0], 3)
    assert by_meaning[0].statement.text == "grey cats"
    assert (by_meaning[0].lexical_rank, by_meaning[0].vector_rank) == (None, 1)
    assert by_meaning[0].similarity == pytest.approx(1, abs=1e-3)


def test_search_also_reads_speaker_context_and_original(store: StatementStore) -> None:
    draft = StatementDraft("it rained", context="about Lisbon", speaker=Speaker("Maria"), original="Porto was wet")
    store.create(PARENT, [draft, StatementDraft("nothing")], axis(0, 1))
    for query in ("Lisbon", "maria", "PORTO"):
        assert store.search(PARENT, query, axis(9)[0], 2)[0].lexical_rank == 1


def test_every_hit_has_its_similarity_and_scores_fall(store: StatementStore) -> None:
    rng = np.random.default_rng(1)
    vectors = rng.standard_normal((80, DIMENSION)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    created = store.create(PARENT, [StatementDraft(f"statement number {n}") for n in range(80)], vectors)
    hits = store.search(PARENT, "number 79 and 3", vectors[10], 20)
    assert len(hits) == 20
    assert len({h.statement.name for h in hits}) == 20
    assert [h.score for h in hits] == sorted((h.score for h in hits), reverse=True)
    for hit in hits:
        assert hit.similarity == pytest.approx(float(vectors[created.index(hit.statement)] @ vectors[10]), abs=2e-3)
        assert hit.lexical_rank or hit.vector_rank
        assert -1 <= hit.similarity <= 1
    assert store.search(PARENT, "number 79 and 3", vectors[10], 20) == hits
    assert store.search(PARENT, "number", vectors[10], 0) == []
    assert len(store.search(PARENT, "number", vectors[10], 1_000)) == 80


def test_a_deleted_statement_is_found_no_more(store: StatementStore) -> None:
    gone, stays = put(store, "tariffs are bad", "tariffs are good")
    store.delete(gone.name)
    assert [h.statement for h in store.search(PARENT, "bad tariffs", axis(0)[0], 5)] == [stays]
    assert store.count() == 1
    with pytest.raises(NotFound):
        store.get(gone.name)
    (again,) = store.create(PARENT, [StatementDraft("tariffs are back", gone.name)], axis(3))
    assert isinstance(again, Statement)
    assert again.etag != gone.etag
    assert store.search(PARENT, "back", axis(3)[0], 5)[0].statement == again


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


def test_many_vectors_are_searched_as_few_are(store: StatementStore) -> None:
    """Past 2,000 vectors another index takes over; nothing else changes."""
    rng = np.random.default_rng(2)
    vectors = rng.standard_normal((2_600, DIMENSION)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    for start in range(0, 2_600, 1_300):
        part = vectors[start : start + 1_300]
        store.create(PARENT, [StatementDraft(f"s{start + n}") for n in range(len(part))], part)
    for target in (5, 1_999, 2_599):
        hits = store.search(PARENT, "", vectors[target], 10)
        assert hits[0].statement.text == f"s{target}"
        best = np.sort(vectors @ vectors[target])[::-1][:10]
        assert [h.similarity for h in hits] == pytest.approx(best, abs=2e-3)
    store.delete(store.search(PARENT, "s1999", vectors[1_999], 1)[0].statement.name)
    assert store.search(PARENT, "", vectors[1_999], 1)[0].statement.text != "s1999"


def test_close_twice(store: StatementStore) -> None:
    store.close()
    store.close()


def test_few_that_pass_are_found_among_many(store: StatementStore) -> None:
    """More than the 2,000 vectors up to which there is no FAISS index; the one that passes is the farthest of all."""
    rng = np.random.default_rng(7)
    many = rng.normal(size=(2_500, DIMENSION)).astype(np.float32)
    many[:, 0] = np.abs(many[:, 0]) + 0.1
    many /= np.linalg.norm(many, axis=1, keepdims=True)
    query = axis(0)[0]
    labels = [("rare",) if i == 1_234 else ("tenth",) if i % 10 == 0 else () for i in range(len(many))]
    many[1_234] = -query
    drafts = [StatementDraft(f"word{i}", labels=labels[i]) for i in range(len(many))]
    for start in range(0, len(many), 500):
        store.create(PARENT, drafts[start : start + 500], many[start : start + 500])
    (rare,) = store.search(PARENT, "nothing of the kind", query, 8, chosen=StatementFilter(labels=("Rare",)))
    assert (rare.statement.text, rare.vector_rank) == ("word1234", 1)
    assert rare.similarity == pytest.approx(-1.0, abs=1e-3)
    # of more than are asked for, the very nearest
    tenth = [i for i in range(len(many)) if labels[i] == ("tenth",)]
    best = sorted(tenth, key=lambda i: -float(many[i] @ query))[:8]
    hits = store.search(PARENT, "nothing of the kind", query, 8, chosen=StatementFilter(labels=("tenth",)))
    assert [hit.statement.text for hit in hits] == [f"word{i}" for i in best]
    # found by its words, too, although 2,499 others are nearer
    found = store.search(PARENT, "word1234", query, 8, chosen=StatementFilter(labels=("rare", "rare")))
    assert [(hit.lexical_rank, hit.vector_rank) for hit in found] == [(1, 1)]


def test_what_passes_follows_every_write(store: StatementStore) -> None:
    chosen = StatementFilter(labels=("x",))

    def passing() -> list[str]:
        hits = store.search(PARENT, "a", axis(0)[0], 9, chosen=chosen)
        listed_ones = [statement.text for statement in store.list(PARENT, 9, "", chosen).statements]
        assert sorted(hit.statement.text for hit in hits) == sorted(listed_ones)
        return listed_ones

    assert passing() == []
    first, _ = store.create(PARENT, [StatementDraft("a", labels=("X",)), StatementDraft("b")], axis(0, 1))
    assert isinstance(first, Statement)
    assert passing() == ["a"]
    store.create(OTHER, [StatementDraft("elsewhere", labels=("x",))], axis(0))
    assert passing() == ["a"]
    store.replace(first.name, StatementDraft("c", first.name, labels=("x", "y")), axis(2)[0], etag="")
    assert passing() == ["c"]
    store.delete(first.name)
    assert passing() == []


def test_a_record_is_known_by_its_own_identity(tmp_path: Path) -> None:
    made = []
    for name in ("one", "one", "two"):
        opened = open_store(tmp_path / name, dimension=DIMENSION, encoder_id="test")
        made.append(opened.identity)
        opened.close()
    assert made[0] == made[1] != made[2]
    assert len(made[0]) == 16

"""What every store finds, whatever keeps it."""

from __future__ import annotations

import numpy as np
import pytest

from onrecord_server.domain.errors import NotFound
from onrecord_server.domain.types import Speaker, Statement, StatementDraft, StatementFilter
from onrecord_server.store import StatementStore
from stores import DIMENSION, OTHER, PARENT, axis, put

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

"""What passes a filter is remembered and follows the writes: the same as looked for anew, whatever was written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onrecord_server.domain.filters import ambiguous, passes
from onrecord_server.domain.types import Horizon, Source, Speaker, State, Statement, StatementDraft, StatementFilter
from onrecord_server.store import filtering, open_store, written
from onrecord_server.store.sqlite import SqliteStore

DIMENSION = 8
NAMES = st.sampled_from(["Anna", "Bela", "minister"])
DRAFTS = st.builds(
    StatementDraft,
    text=st.just("The harbour sells apples."),
    speaker=st.builds(Speaker, NAMES, st.lists(NAMES, max_size=1).map(tuple)),
    source=st.builds(Source, publisher=NAMES),
    labels=st.lists(NAMES, max_size=2, unique=True).map(tuple),
)
FILTERS = (
    StatementFilter(speakers=("minister", "anna")),
    StatementFilter(publishers=("BELA",), labels=("anna",)),
    StatementFilter(states=(State.ACTIVE,)),
    StatementFilter(speakers=("minister",), states=(State.SUPERSEDED,)),
)
PLACE = st.integers(0, 30)
WRITES = st.lists(
    st.tuples(st.just("put"), st.lists(DRAFTS, min_size=1, max_size=4), st.booleans())
    | st.tuples(st.just("elsewhere"), DRAFTS, st.none())
    | st.tuples(st.just("replace"), PLACE, DRAFTS)
    | st.tuples(st.just("supersede"), PLACE, DRAFTS | PLACE)
    | st.tuples(st.just("delete"), PLACE, st.none())
    | st.tuples(st.just("settle"), st.none(), st.none())
    | st.tuples(st.just("fail"), PLACE, DRAFTS)
    | st.tuples(st.just("look"), st.integers(0, len(FILTERS) - 1), st.none()),
    max_size=25,
)


def vectors(count: int) -> Any:
    return np.eye(DIMENSION, dtype=np.float32)[np.arange(count) % DIMENSION]


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    opened = open_store(":memory:", dimension=DIMENSION, encoder_id="test")
    yield opened
    opened.close()


def everything(store: SqliteStore, parent: str) -> list[Statement]:
    return list(store.list(parent, 1_000, "").statements)


def look(store: SqliteStore, parent: str, chosen: StatementFilter) -> None:
    """What passes is what passes."""
    wanted = [one for one in everything(store, parent) if passes(one, chosen)]
    page = store.list(parent, 1_000, "", chosen)
    assert [one.name for one in page.statements] == [one.name for one in wanted]
    assert page.total_size == len(wanted)
    assert page.ambiguous == ambiguous(chosen.speakers, [one.speaker for one in wanted])


def write(store: SqliteStore, parent: str, kind: str, first: Any, second: Any) -> None:
    there = everything(store, parent)
    one = there[first % len(there)] if there and isinstance(first, int) else None
    if kind == "put":
        store.put(parent, first, None if second else vectors(len(first)))
    elif kind == "elsewhere":
        store.put("collections/other", [first], vectors(1))
    elif kind == "settle":
        store.settle(waiting := store.pending(100), vectors(len(waiting)))
    elif one is None:
        return
    elif kind == "delete":
        store.delete(one.name)
    elif kind == "replace":
        store.replace(one.name, replace(second, name=one.name), None, etag=one.etag)
    elif kind == "fail":
        with pytest.raises(Exception, match="taken"):
            store.put(parent, [second, replace(second, name=one.name)], vectors(2), all_or_none=True)
    elif isinstance(second, StatementDraft):
        store.supersede(one.name, second, vectors(1)[0])
    elif (other := there[second % len(there)]).state is State.ACTIVE and other != one:
        store.supersede(one.name, other.name, None)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(writes=WRITES, entries=st.sampled_from([2, 4_096]), ranges=st.sampled_from([1, 64]))
def test_it_is_the_same_as_looked_for_anew(
    store: SqliteStore, writes: list[tuple[str, Any, Any]], entries: int, ranges: int
) -> None:
    parent = f"collections/c{store.revision()}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(written, "_MOST_ENTRIES", entries)
        patch.setattr(written, "_MOST_RANGES", ranges)
        for kind, first, second in writes:
            if kind == "look":
                look(store, parent, FILTERS[first])
            else:
                write(store, parent, kind, first, second)
        for chosen in FILTERS:
            look(store, parent, chosen)


def test_after_a_write_only_its_rows_are_looked_at(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    parent, chosen = "collections/default", StatementFilter(labels=("port",), states=(State.ACTIVE,))
    made = store.create(parent, [StatementDraft(f"n {n}", labels=("port",)) for n in range(50)], vectors(50))
    store.list(parent, 1, "", chosen)
    asked: list[str] = []
    labels = filtering._Labels.__call__
    monkeypatch.setattr(
        filtering._Labels, "__call__", lambda self, value: (asked.append(value), labels(self, value))[1]
    )
    store.create(parent, [StatementDraft("new", labels=("port",)), StatementDraft("other")], vectors(2))
    assert store.list(parent, 1, "", chosen).total_size == 51
    assert len(asked) == 2
    assert isinstance(made[3], Statement)
    store.delete(made[3].name)
    assert store.list(parent, 1, "", chosen).total_size == 50
    assert len(asked) == 2


def test_a_name_is_ambiguous_no_longer_when_one_of_its_speakers_has_gone(store: SqliteStore) -> None:
    parent, chosen = "collections/default", StatementFilter(speakers=("the minister",))
    drafts = [StatementDraft("a", speaker=Speaker(name, ("the minister",))) for name in ("Anna", "Bela", "Anna")]
    made = [one for one in store.create(parent, drafts, vectors(3)) if isinstance(one, Statement)]
    look(store, parent, chosen)
    assert store.ambiguous_names(parent, chosen)
    store.delete(made[0].name)
    look(store, parent, chosen)
    assert store.ambiguous_names(parent, chosen)
    store.replace(made[1].name, StatementDraft("a", made[1].name, speaker=Speaker("Bela")), None, etag="")
    look(store, parent, chosen)
    assert not store.ambiguous_names(parent, chosen)


def test_a_horizon_follows_too(store: SqliteStore) -> None:
    parent = "collections/default"
    store.create(parent, [StatementDraft("a"), StatementDraft("b")], vectors(2))
    then = Horizon(store.revision(), datetime.now(UTC))
    for n in range(3):
        assert store.count_since(parent, None, then) == n
        store.create(parent, [StatementDraft(f"later {n}")], vectors(1))
    assert store.count_since(parent, None, then) == 3


def test_who_reads_beside_the_writer_sees_what_it_wrote(tmp_path: Path) -> None:
    """Of another process' writes no rows are known, so all are looked at."""
    parent, chosen = "collections/default", StatementFilter(labels=("port",))
    path = tmp_path / "record.db"
    writer = open_store(path, dimension=DIMENSION, encoder_id="test")
    made = writer.create(parent, [StatementDraft("a", labels=("port",))], vectors(1))
    reader = open_store(path, dimension=DIMENSION, encoder_id="test", read_only=True)
    assert reader.list(parent, 1, "", chosen).total_size == 1
    writer.create(parent, [StatementDraft("b", labels=("port",))], vectors(1))
    assert reader.list(parent, 1, "", chosen).total_size == 2
    assert isinstance(made[0], Statement)
    writer.delete(made[0].name)
    assert reader.list(parent, 1, "", chosen).total_size == 1
    reader.close()
    writer.close()

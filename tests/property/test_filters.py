"""Filters: they come over the wire as they went, and the store lets through just what the domain says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onrecord.v1.filter_pb2 import StatementFilter as WireFilter
from onrecord_server.domain.filters import ambiguous, fold, passes
from onrecord_server.domain.speakers import distinct_names, same_name
from onrecord_server.domain.types import Source, Speaker, State, Statement, StatementDraft, StatementFilter
from onrecord_server.domain.validation import filter_violations
from onrecord_server.rpc.convert import filter_from_proto, filter_to_proto
from onrecord_server.store import StatementStore, open_store

PARENT = "collections/default"
DIMENSION = 8

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
TIMES = st.datetimes(timezones=st.just(UTC))
ANY_FILTER = st.builds(
    StatementFilter,
    speakers=st.lists(TEXT, max_size=3).map(tuple),
    publishers=st.lists(TEXT, max_size=3).map(tuple),
    labels=st.lists(TEXT, max_size=3).map(tuple),
    stated_from=st.none() | TIMES,
    stated_until=st.none() | TIMES,
    states=st.lists(st.sampled_from(State), max_size=4).map(tuple),
)

# few enough for filters and statements to meet
NAMES = st.sampled_from(["Anna Keller", "KELLER", "keller", "the minister", "Ömer", "o\u0308mer", "ß", "SS", "", "'"])
LABELS = st.sampled_from(["Port", "port", "food", 'a"b', "a\nb", "\u0130x", "i\u0307x"])
HOURS = st.integers(0, 5).map(lambda hour: datetime(2024, 5, 1, hour, tzinfo=UTC))
FILTERS = st.builds(
    StatementFilter,
    speakers=st.lists(NAMES, max_size=2).map(tuple),
    publishers=st.lists(NAMES.filter(bool), max_size=2).map(tuple),
    labels=st.lists(LABELS, max_size=2).map(tuple),
    stated_from=st.none() | HOURS,
    stated_until=st.none() | HOURS,
    states=st.lists(st.sampled_from(State), max_size=2).map(tuple),
)
DRAFTS = st.builds(
    StatementDraft,
    text=st.just("The harbour sells apples."),
    speaker=st.builds(Speaker, NAMES, st.lists(NAMES.filter(bool), max_size=2).map(tuple)),
    source=st.builds(Source, publisher=NAMES, publish_time=st.none() | HOURS),
    stated_time=st.none() | HOURS,
    labels=st.lists(LABELS, max_size=3).map(tuple),
    state=st.sampled_from([State.ACTIVE, State.RETRACTED]),
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first draw makes Unicode's tables
@given(ANY_FILTER)
def test_a_filter_comes_as_it_went(chosen: StatementFilter) -> None:
    violations: list[Any] = []
    message = WireFilter.FromString(filter_to_proto(chosen).SerializeToString())
    back = filter_from_proto(message, "filter", violations)
    assert (back or StatementFilter()) == chosen
    assert (back is None) is (chosen == StatementFilter())
    assert not violations


@given(st.binary(max_size=200))
def test_whatever_protobuf_accepts_converts_or_is_a_violation(data: bytes) -> None:
    try:
        message = WireFilter.FromString(data)
    except Exception:  # no message at all
        return
    violations: list[Any] = []
    chosen = filter_from_proto(message, "filter", violations)
    found = [*violations, *(filter_violations(chosen) if chosen else ())]
    assert all(violation.field.startswith("filter.") for violation in found)


@pytest.fixture
def store() -> Iterator[StatementStore]:
    opened = open_store(":memory:", dimension=DIMENSION, encoder_id="test")
    yield opened
    opened.close()


def vectors(count: int) -> Any:
    made = np.random.default_rng(count).normal(size=(count, DIMENSION)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(drafts=st.lists(DRAFTS, min_size=1, max_size=12), chosen=FILTERS, size=st.integers(1, 5))
def test_filtering_commutes_with_listing_and_searching(
    store: StatementStore, drafts: list[StatementDraft], chosen: StatementFilter, size: int
) -> None:
    parent = f"collections/c{store.revision()}"
    made = store.create(parent, drafts, vectors(len(drafts)))
    wanted = [one.name for one in made if isinstance(one, Statement) and passes(one, chosen)]
    everybody = [one.speaker for one in made if isinstance(one, Statement) and passes(one, chosen)]

    listed: list[str] = []
    token = ""
    while True:
        page = store.list(parent, size, token, chosen)
        assert page.total_size == len(wanted)
        assert page.ambiguous == ambiguous(chosen.speakers, everybody)
        listed += [one.name for one in page.statements]
        if not (token := page.next_page_token):
            break
    assert listed == wanted

    query = vectors(1)[0]
    hits = store.search(parent, "harbour apples", query, 50, chosen=chosen)
    assert {hit.statement.name for hit in hits} == set(wanted)
    every = store.search(parent, "harbour apples", query, 50)
    nearest = [h for h in sorted(every, key=lambda h: h.vector_rank or 99) if h.statement.name in set(wanted)]
    assert [h.statement.name for h in sorted(hits, key=lambda h: h.vector_rank or 99)] == [
        h.statement.name for h in nearest
    ]

    found: list[str] = []
    while True:
        some = store.find(parent, "harbour apples", query, size, token, chosen=chosen)
        found += [hit.statement.name for hit in some.hits]
        if not (token := some.next_page_token):
            break
    assert sorted(found) == sorted(wanted)


@given(TEXT)
def test_folding_is_stable_and_blind_to_case(text: str) -> None:
    assert fold(fold(text)) == fold(text)
    assert fold(f"  {text} ") == fold(text)
    if text.isascii():
        assert fold(text.upper()) == fold(text.lower()) == fold(text)


@given(st.lists(st.sampled_from(["Bill Clinton", "Hillary Clinton", "Clinton", "Putin", "Vladimir Putin", ""])))
def test_distinct_names_can_be_told_apart_and_stand_for_all(names: list[str]) -> None:
    kept = distinct_names(names)
    assert list(kept) == sorted(set(kept))
    assert not any(same_name(a, b) for a in kept for b in kept if a != b)
    assert all(any(same_name(name, one) for one in kept) for name in names if name)
    assert distinct_names(reversed(names)) == kept


def test_who_is_ambiguous() -> None:
    speakers = [Speaker("Bill Clinton", ("Clinton",)), Speaker("Hillary Clinton", ("clinton",)), Speaker("Clinton")]
    (found,) = ambiguous(["CLINTON", "Bill Clinton", "nobody"], speakers)
    assert (found.name, found.speakers) == ("CLINTON", ("Bill Clinton", "Hillary Clinton"))

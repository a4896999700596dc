"""Which statements speak at a moment."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onrecord_server.domain.standing import Standing, standing
from onrecord_server.domain.types import Source, State, StatementDraft

TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
MAYBE = st.none() | TIMES
DRAFTS = st.builds(
    StatementDraft,
    text=st.just("A."),
    stated_time=MAYBE,
    valid_from=MAYBE,
    valid_until=MAYBE,
    source=st.builds(Source, publish_time=MAYBE),
)
NOON = datetime(2021, 8, 29, 12, tzinfo=UTC)
LATER, EARLIER = NOON + timedelta(microseconds=1), NOON - timedelta(microseconds=1)


@given(DRAFTS, TIMES, TIMES)
def test_once_stated_and_valid_it_speaks_until_it_ends(draft, as_of, now) -> None:
    begins = max((t for t in (draft.stated_time or draft.source.publish_time, draft.valid_from) if t), default=as_of)
    ends = draft.valid_until or as_of
    assert (standing(draft, as_of, now) is Standing.SPEAKS) == (begins <= as_of <= ends)


@given(DRAFTS, TIMES)
def test_without_a_moment_only_what_has_ended_is_silent(draft, now) -> None:
    ended = draft.valid_until is not None and draft.valid_until < now
    assert standing(draft, None, now) is (Standing.NO_LONGER_VALID if ended else Standing.SPEAKS)


@given(TIMES, TIMES)
def test_times_that_are_not_known_silence_nothing(as_of, now) -> None:
    assert standing(StatementDraft("A."), as_of, now) is Standing.SPEAKS


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"stated_time": NOON}, Standing.SPEAKS),
        ({"stated_time": LATER}, Standing.NOT_YET_STATED),
        ({"source": Source(publish_time=LATER)}, Standing.NOT_YET_STATED),
        ({"source": Source(publish_time=LATER), "stated_time": EARLIER}, Standing.SPEAKS),  # said before it was printed
        ({"valid_from": NOON, "valid_until": NOON}, Standing.SPEAKS),
        ({"valid_from": LATER}, Standing.NOT_YET_VALID),
        ({"valid_until": EARLIER}, Standing.NO_LONGER_VALID),
    ],
)
def test_both_ends_are_included(fields: dict[str, object], expected: Standing) -> None:
    assert standing(StatementDraft("A.", **fields), NOON, NOON + timedelta(days=9999)) is expected  # type: ignore[arg-type]


WITHDRAWN = {State.RETRACTED: Standing.RETRACTED, State.SUPERSEDED: Standing.SUPERSEDED}


@given(st.sampled_from(list(WITHDRAWN)), MAYBE, MAYBE, TIMES)
def test_what_is_withdrawn_speaks_until_then_and_never_after(state, since, as_of, now) -> None:
    draft = StatementDraft("A.", state=state, state_time=since)
    gone = since is None or since <= (as_of or now)
    assert standing(draft, as_of, now) is (WITHDRAWN[state] if gone else Standing.SPEAKS)


@given(DRAFTS, MAYBE, TIMES)
def test_a_withdrawal_comes_before_other_reasons_to_be_silent(draft, as_of, now) -> None:
    assert standing(replace(draft, state=State.RETRACTED), as_of, now) is Standing.RETRACTED

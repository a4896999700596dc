"""The date guard: which days a text names, and when a claim's day is not among the premise's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onrecord_server.domain.guards import Day, date_guard, days, guards_for
from onrecord_server.domain.types import Relation


@pytest.mark.parametrize(
    "text",
    ["on August 15", "on Aug. 15th", "on 15 August", "on the 15th August", "15 Aug"],
)
def test_a_day_is_read_however_it_is_written(text: str) -> None:
    assert days(text) == (Day(8, 15),)


def test_years_ranges_and_iso_dates() -> None:
    assert days("August 15, 2021") == days("15 August 2021") == days("2021-08-15") == (Day(8, 15, 2021),)
    assert set(days("held on 24–25 May 2008")) >= {Day(5, 24), Day(5, 25)}
    assert days("CoV-2 may spread; 99 May; 2021-13-40; in May") == ()


PREMISE = "The government was overthrown on August 15."


@pytest.mark.parametrize(
    ("claim", "fires"),
    [
        ("The government was overthrown on July 4.", True),
        ("The government was overthrown on 16 August 2021.", True),
        ("The government was overthrown on 15 August 2021.", False),
        ("The government was overthrown.", False),
        ("The government was overthrown after August 10.", False),
        ("The government was not overthrown on July 4.", False),
    ],
)
def test_the_guard_fires_on_another_day_only(claim: str, fires: bool) -> None:
    guard = date_guard(PREMISE, claim)
    assert (guard is not None) is fires
    if guard:
        assert (guard.name, guard.effect) == ("date_mismatch", Relation.CONTRADICTS)


def test_a_premise_without_days_says_nothing_on_them() -> None:
    assert guards_for("The government was overthrown in summer.", "The government was overthrown on July 4.") == ()


@given(st.text(max_size=300))
def test_any_text_is_its_own_premise(text: str) -> None:
    assert guards_for(text, text) == ()

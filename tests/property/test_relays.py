"""Who reported a statement, when a claim names the reporter as its speaker."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onrecord_server.domain.relays import relays, same_outlet
from onrecord_server.domain.types import ClaimAttribution, Source, Speaker, Stance, StatementDraft

NAMES = st.sampled_from(["", "Xinhua", "Xinhua News Agency", "People's Daily", "Xi Jinping", "News", "the Daily"])


@given(NAMES | st.text(max_size=20), NAMES | st.text(max_size=20))
def test_outlets_are_the_same_both_ways(a, b) -> None:
    assert same_outlet(a, b) == same_outlet(b, a)


@given(NAMES, NAMES, NAMES, NAMES, st.sampled_from(Stance))
def test_only_a_named_reporter_of_somebody_elses_assertion_relays(
    claimed, speaker, reporter, publisher, stance
) -> None:
    statement = StatementDraft("A.", speaker=Speaker(speaker), relayed_by=reporter, source=Source(publisher=publisher))
    if relays(ClaimAttribution("A.", claimed, stance), statement):
        assert claimed
        assert claimed != speaker
        assert reporter or publisher
        assert stance is Stance.ASSERTED


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("Xinhua", "Xinhua News Agency", True),
        ("the People's Daily", "People’s Daily", True),
        ("Reuters", "Xinhua News Agency", False),
        ("the news agency", "Xinhua News Agency", False),
    ],
)
def test_names_of_outlets(a: str, b: str, same: bool) -> None:
    assert same_outlet(a, b) is same

"""What holds for every guard and any two texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onrecord_server.domain.guards import GUARDS, guards_for
from onrecord_server.domain.guards.quantities import quantities
from onrecord_server.domain.switches import Switches
from onrecord_server.domain.words import word_set

# what guards react to, in any order: numbers, dates, countries, negations, and noise between
PIECES = st.sampled_from(
    [
        *sorted(
            word_set(
                """
                2 12 1,000 1000 1.5 .5 3rd 1994 2005 1990s two three twenty - – one hundred thousand million dozen
                dozens half third a of percent % $ € km miles kg pounds hours more less than at least about between
                and to from in on by before after not never no Russia Chinese Ukraine U.S. American France The He It
                Moscow August May 15 15th goals albums people won has was is . , ( ) " ' s 's century COVID-19 ½ ٣ ²
                東京
                """
            )
        ),
        "\u0301",
        "\x00",
        "\ud800",
    ]
)
ALL_ON = Switches().including(GUARDS)
TEXTS = st.one_of(st.text(max_size=200), st.lists(PIECES, max_size=25).map(" ".join), st.lists(PIECES).map("".join))


@given(TEXTS)
def test_any_text_is_its_own_premise(text: str) -> None:
    assert guards_for(text, text, ALL_ON) == ()


@given(TEXTS, TEXTS)
def test_no_text_makes_a_guard_raise_and_asking_again_changes_nothing(premise: str, claim: str) -> None:
    assert guards_for(premise, claim, ALL_ON) == guards_for(premise, claim, ALL_ON)


@given(TEXTS, TEXTS, st.sampled_from(["  ", "\n", "\t ", "\u00a0"]))
def test_white_space_changes_nothing(premise: str, claim: str, space: str) -> None:
    stretched = space + premise.replace(" ", space) + space
    assert guards_for(stretched, claim.replace(" ", space), ALL_ON) == guards_for(premise, claim, ALL_ON)


@given(TEXTS, TEXTS)
def test_a_switch_silences_its_guard_and_no_other(premise: str, claim: str) -> None:
    every = guards_for(premise, claim, ALL_ON)
    for switch, guard in GUARDS.items():
        alone = guard(premise, claim)
        assert guards_for(premise, claim, ALL_ON.without([switch])) == tuple(g for g in every if g != alone)


@given(st.integers(2, 10**9), st.integers(2, 10**9), st.sampled_from(["albums", "percent", "km", "dollars"]))
def test_two_numbers_for_one_thing_disagree_from_both_sides(one: int, other: int, unit: str) -> None:
    texts = [f"They counted {n} {unit}." for n in (one, other)]
    assert bool(guards_for(*texts)) == bool(guards_for(*reversed(texts)))


@given(st.integers(0, 10**12))
def test_separators_do_not_change_a_number(number: int) -> None:
    assert quantities(f"{number:,} seats") == quantities(f"{number:_} seats".replace("_", ",")) != ()
    if not 1000 <= number <= 2100:
        assert [q.low for q in quantities(f"{number} seats")] == [q.low for q in quantities(f"{number:,} seats")]


def test_a_table_of_numbers_is_no_claim_about_one() -> None:
    claim = "They counted " + ", ".join(f"{n} albums" for n in range(2, 20))
    assert guards_for("They counted 999 albums.", claim)
    assert guards_for("They counted 999 albums.", f"{claim}, {claim}") == ()


@pytest.mark.parametrize("switch", sorted(GUARDS))
def test_every_guard_has_its_switch(switch: str) -> None:
    assert getattr(ALL_ON, switch) is True

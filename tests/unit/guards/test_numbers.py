"""The number guard: what numbers a text holds, and when a claim's number is not the premise's."""

from __future__ import annotations

import pytest

from onrecord_server.domain.guards import number_guard
from onrecord_server.domain.guards.quantities import quantities
from onrecord_server.domain.types import Relation


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,000 seats", 1000),
        ("1000 seats", 1000),
        ("one thousand seats", 1000),
        ("1 thousand seats", 1000),
        ("a thousand seats", 1000),
        ("1k seats", 1000),
        ("1.5 million seats", 1.5e6),
        ("one million seats", 1e6),
        ("half a million seats", 5e5),
        ("twenty-five seats", 25),
        ("two hundred and five seats", 205),
        ("one-hundred and four seats", 104),
        ("twelve thousand three hundred seats", 12300),
        ("a dozen seats", 12),
        ("two dozen seats", 24),
    ],
)
def test_a_number_is_read_however_it_is_written(text: str, value: float) -> None:
    (found,) = quantities(f"It has {text}.")
    assert (found.low, found.high, found.noun) == (value, value, "seat")


@pytest.mark.parametrize(
    ("text", "kind", "low", "high"),
    [
        ("10 to 12 people", "count", 10, 12),
        ("10-12 people", "count", 10, 12),
        ("between 10 and 12 people", "count", 10, 12),
        ("at least 5 people", "count", 5, float("inf")),
        ("at most 5 people", "count", float("-inf"), 5),
        ("about 100 people", "count", 90, 110),
        ("dozens of people", "bare", 24, 200),
        ("12 percent", "percent", 12, 12),
        ("12%", "percent", 12, 12),
        ("2 km", "unit:metre", 2000, 2000),
        ("a 30-minute talk", "unit:second", 1800, 1800),
        ("$5 million", "money:dollar", 5e6, 5e6),
        ("5 million dollars", "money:dollar", 5e6, 5e6),
        ("€5", "money:euro", 5, 5),
        ("the third film", "ordinal", 3, 3),
        ("the 21st film", "ordinal", 21, 21),
        ("the twenty-first film", "ordinal", 21, 21),
        ("a third of the seats", "share", 1 / 3, 1 / 3),
        ("in 1994", "year", 1994, 1994),
        ("in the 1990s", "year", 1990, 1999),
        ("in the 19th century", "year", 1800, 1899),
        ("in 1990–95", "year", 1990, 1995),
        ("before May 2018", "year", float("-inf"), 2018),
    ],
)
def test_what_a_number_counts_and_may_be(text: str, kind: str, low: float, high: float) -> None:
    (found,) = quantities(text)
    assert (found.kind, found.low, found.high) == (kind, low, high)


@pytest.mark.parametrize("text", ["COVID-19 spread", "one of them left", "no one left", "the one that left", "²³ ٣"])
def test_what_is_no_number(text: str) -> None:
    assert quantities(text) == () or quantities(text)[0].kind == "bare"


@pytest.mark.parametrize(
    ("premise", "claim", "fires"),
    [
        ("He scored 21 goals in his first season.", "He scored 13 goals in his first season.", True),
        ("He scored 21 goals.", "He scored twenty-one goals.", False),
        ("He scored 21 goals.", "He scored more than 20 goals.", False),
        ("He scored 21 goals.", "He scored fewer than 20 goals.", True),
        ("He scored 21 goals.", "He won 13 titles.", False),
        ("He scored 21 goals.", "He did not score 13 goals.", False),
        ("It sold 1.5 million copies.", "It sold 1,523,000 copies.", False),
        ("It sold 1.5 million copies.", "It sold 2 million copies.", True),
        ("It is 10 km long.", "It is 6.2 miles long.", False),
        ("It is 10 km long.", "It is 10 miles long.", False),
        ("It is 10 km long.", "It is 8 miles long.", True),
        ("It cost 5 million dollars.", "It cost 4 million euros.", False),
        ("It rose by 12 percent.", "It rose by 15%.", True),
        ("It was founded in 1992.", "It was founded in 1922.", True),
        ("It was founded in 1992.", "It was founded in the 1990s.", False),
        ("It was founded in 1992.", "It was founded after 1990.", False),
        ("It aired from May 19, 2009, to March 20, 2015.", "It aired in 2012.", False),
        ("She lived from 1819 to 1901.", "She was born in 1850.", True),
        ("He won in 1999 and lost the following year.", "He lost in 2000.", False),
        ("It was his first call since 2020.", "It was his third call since 2020.", True),
        ("It has eight albums.", "It has albums.", False),
        ("It has albums.", "It has eight albums.", False),
    ],
)
def test_the_guard_fires_on_another_number_for_the_same_thing(premise: str, claim: str, fires: bool) -> None:
    guard = number_guard(premise, claim)
    assert (guard is not None) is fires
    if guard:
        assert (guard.name, guard.effect, guard.on) == (
            "number_mismatch",
            Relation.CONTRADICTS,
            (Relation.SUPPORTS,),
        )

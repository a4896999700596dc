"""The subject guard: the claim is about one country, the premise about another."""

from __future__ import annotations

import pytest

from onrecord_server.domain.guards import subject_guard
from onrecord_server.domain.guards.names import missing_names
from onrecord_server.domain.types import Relation


@pytest.mark.parametrize(
    ("premise", "claim", "fires"),
    [
        ("Norway backs the treaty.", "Kenya backs the treaty.", True),
        ("The Norwegian side backs the treaty.", "Kenya does not back the treaty.", True),
        ("Norway backs the treaty with Kenya.", "Kenya backs the treaty.", False),
        ("Norwegian officials back the treaty.", "Norway backs the treaty.", False),
        ("The US backs the treaty.", "The United States backs the treaty.", False),
        ("American officials back the treaty.", "The U.S. backs the treaty.", False),
        ("British officials back the treaty.", "The United Kingdom backs the treaty.", False),
        ("It backs the treaty with Norway.", "Kenya backs the treaty.", False),
        ("Oslo backs the treaty.", "Norway backs the treaty.", False),
        ("Norway backs the treaty.", "Oslo backs the treaty.", False),
    ],
)
def test_the_guard_fires_on_another_country_only(premise: str, claim: str, fires: bool) -> None:
    guard = subject_guard(premise, claim)
    assert (guard is not None) is fires
    if guard:
        assert (guard.name, guard.effect) == ("other_subject", Relation.NEUTRAL)
        assert set(guard.on) == {Relation.SUPPORTS, Relation.CONTRADICTS}


@pytest.mark.parametrize(
    ("premise", "claim", "missing"),
    [
        ("She sang with the Boston Pops.", "She sang with the Vienna Philharmonic.", [("vienna", "philharmonic")]),
        ("He plays in the National Football League.", "He plays in the NFL.", []),
        ("He plays in the NFL.", "He plays in the National Football League.", []),
        ("Angela Merkel resigned.", "Merkel resigned.", []),
        ("She lives in China.", "She lives with a Chinese family.", []),
    ],
)
def test_names_that_a_premise_does_not_hold(premise: str, claim: str, missing: list[tuple[str, ...]]) -> None:
    assert [name.words for name in missing_names(premise, claim)] == missing

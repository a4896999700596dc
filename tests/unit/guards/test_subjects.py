"""The subject guards: the claim is about somebody or something that the premise does not name."""

from __future__ import annotations

import pytest

from onrecord_server.domain.guards import guards_for, subject_guard, unnamed_guard
from onrecord_server.domain.guards.names import missing_names
from onrecord_server.domain.switches import Switches
from onrecord_server.domain.types import Relation


@pytest.mark.parametrize(
    ("premise", "claim", "fires"),
    [
        ("Norway backs the treaty.", "Kenya backs the treaty.", True),
        ("The Norwegian side backs the treaty.", "Kenya does not back the treaty.", True),
        ("Anna Berg backs the treaty.", "Peter Holm backs the treaty.", False),
        ("Anna Berg backs the treaty.", "Berg backs the treaty.", False),
        ("Norway backs the treaty with Kenya.", "Kenya backs the treaty.", False),
        ("Norwegian officials back the treaty.", "Norway backs the treaty.", False),
        ("The US backs the treaty.", "The United States backs the treaty.", False),
        ("American officials back the treaty.", "The U.S. backs the treaty.", False),
        ("British officials back the treaty.", "The United Kingdom backs the treaty.", False),
        ("It backs the treaty with Norway.", "Kenya backs the treaty.", False),
        ("Moscow backs the treaty.", "Russia backs the treaty.", False),
        ("Russia backs the treaty.", "Moscow backs the treaty.", False),
        ("The Norwegian president backs the treaty.", "Anna Berg backs the treaty.", False),
        ("Norway backs the treaty.", "Peace is near.", False),
    ],
)
def test_another_subject_than_the_premise_names(premise: str, claim: str, fires: bool) -> None:
    guard = subject_guard(premise, claim)
    assert (guard is not None) is fires
    if guard:
        assert (guard.name, guard.effect) == ("other_subject", Relation.NEUTRAL)
        assert set(guard.on) == {Relation.SUPPORTS, Relation.CONTRADICTS}


@pytest.mark.parametrize(
    ("premise", "claim", "fires"),
    [
        ("He is the father of five children.", "Peter Holm is a father.", True),
        ("The film came out in May.", "The Long Road came out in May.", True),
        ("Peter Holm has a wife. He is the father of five.", "Peter Holm is a father.", False),
        ("We back the treaty.", "Kenya backs the treaty.", False),
        ("The president backs the treaty.", "Anna Berg backs the treaty.", False),
        ("The number rose.", "Unemployment rose.", False),
        ("It may help.", "New Drug May Help Against Flu.", False),
    ],
)
def test_a_subject_that_nothing_names(premise: str, claim: str, fires: bool) -> None:
    guard = unnamed_guard(premise, claim)
    assert (guard is not None) is fires
    if guard:
        assert (guard.name, guard.effect) == ("subject_not_named", Relation.NEUTRAL)


def test_what_is_told_beside_the_premise_names_its_subject() -> None:
    premise, claim = "He is the father of five children.", "Peter Holm is a father."
    switches = Switches().including(["unnamed_guard"])
    assert [g.name for g in guards_for(premise, claim, switches)] == ["subject_not_named"]
    assert guards_for(premise, claim, switches, about="Interview with Peter Holm") == ()
    assert guards_for(premise, claim) == ()


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

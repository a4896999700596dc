"""The switches of the rule's parts."""

from __future__ import annotations

import pytest

from onrecord_server.domain.guards import guards_for
from onrecord_server.domain.switches import Switches


def test_a_part_that_is_switched_off_does_not_speak() -> None:
    premise, claim = "The bridge opened on August 15.", "The bridge opened on July 4."
    assert [g.name for g in guards_for(premise, claim)] == ["date_mismatch"]
    assert guards_for(premise, claim, Switches().without(["date_guard"])) == ()


def test_an_unknown_part_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="moon_guard is no part of the rule; these are: date_guard"):
        Switches().without(["moon_guard"])

"""Checks beside the model: what it overlooks in a pair.

Small NLI models read past numbers, dates and names: "overthrown on August 15" entails "overthrown on July 4" for
them. A guard looks only at pairs that the model decides; it withdraws the decision or turns support into a
contradiction, and its name is kept in the evidence. What each gains on development data, and what was tried and left
out, is in docs/benchmarks.md. A guard is a pure function of two texts that never raises, and is silent on a text
paired with itself.
"""

from __future__ import annotations

from onrecord_server.domain.guards.dates import Day, date_guard, days
from onrecord_server.domain.guards.numbers import number_guard
from onrecord_server.domain.guards.subjects import subject_guard
from onrecord_server.domain.switches import Switches
from onrecord_server.domain.verdict import Guard

GUARDS = {"date_guard": date_guard, "number_guard": number_guard, "subject_guard": subject_guard}
"""The guards by the names of their switches, in the order in which they are asked."""

__all__ = ["GUARDS", "Day", "date_guard", "days", "guards_for", "number_guard", "subject_guard"]


def guards_for(premise: str, claim: str, switches: Switches = Switches()) -> tuple[Guard, ...]:  # noqa: B008 - frozen
    """The guards that fire for a pair, in a fixed order; one that is switched off never does."""
    found = (guard(premise, claim) for switch, guard in GUARDS.items() if getattr(switches, switch))
    return tuple(guard for guard in found if guard)

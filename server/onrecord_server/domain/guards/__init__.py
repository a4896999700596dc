"""Checks beside the model: what it overlooks in a pair.

Small NLI models read past numbers, dates and names: "overthrown on August 15" entails "overthrown on July 4" for them.
A guard looks only at pairs that the model decides; it withdraws the decision or turns support into a contradiction, and
its name is kept in the evidence. What each gains on development data, and what was tried and left out, is in
docs/benchmarks.md. A guard is a pure function of two texts that never raises, and is silent on a text paired with
itself.
"""

from __future__ import annotations

from onrecord_server.domain.guards.dates import Day, date_guard, days
from onrecord_server.domain.guards.numbers import number_guard
from onrecord_server.domain.guards.subjects import subject_guard, unnamed_guard
from onrecord_server.domain.switches import Switches
from onrecord_server.domain.verdict import Guard

GUARDS = {
    "date_guard": date_guard,
    "number_guard": number_guard,
    "subject_guard": subject_guard,
    "unnamed_guard": unnamed_guard,
}
"""The guards by the names of their switches, in the order in which they are asked."""

_ABOUT_SUBJECTS = frozenset(("subject_guard", "unnamed_guard"))

__all__ = ["GUARDS", "Day", "date_guard", "days", "guards_for", "number_guard", "subject_guard", "unnamed_guard"]


def guards_for(
    premise: str,
    claim: str,
    switches: Switches = Switches(),  # noqa: B008 - frozen
    *,
    about: str = "",
) -> tuple[Guard, ...]:
    """The guards that fire for a pair, in a fixed order; one that is switched off never does.

    `about`: what else tells what the premise is on (its context, its speaker, the title of its source). It counts as
    naming a subject and never as evidence.
    """
    named = f"{premise}\n{about}" if about else premise
    found = (
        guard(named if switch in _ABOUT_SUBJECTS else premise, claim)
        for switch, guard in GUARDS.items()
        if getattr(switches, switch)
    )
    return tuple(guard for guard in found if guard)

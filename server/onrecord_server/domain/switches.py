"""Which parts of the verdict rule are on: one switch a part, all on by default.

A part can be switched off to see what it gains (`onrecord eval --without NAME`) or because it does not fit a record.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace


@dataclass(frozen=True, slots=True)
class Switches:
    """The parts of the rule that can be switched off. docs/benchmarks.md has what each gains and costs."""

    date_guard: bool = True
    number_guard: bool = True
    subject_guard: bool = True
    wording_gate: bool = True

    def without(self, names: Iterable[str]) -> Switches:
        """These switches with the named ones off. Raises ValueError for a name that is none."""
        wanted = list(names)
        known = [f.name for f in fields(self)]
        if unknown := [name for name in wanted if name not in known]:
            raise ValueError(f"{unknown[0]} is no part of the rule; these are: {', '.join(known)}")
        return replace(self, **dict.fromkeys(wanted, False))

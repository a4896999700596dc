"""Which parts of the verdict rule are on: one switch a part, nearly all on by default.

A part can be switched off to see what it gains (`onrecord eval --without NAME`) or because it does not fit a record.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace


@dataclass(frozen=True, slots=True)
class Switches:
    """The parts of the rule that can be switched off. docs/benchmarks.md has what each gains and costs.

    weighing: the model's word is weighed by nearness (domain/weighing.py), where the model comes with a weighing.
    …_guard: see domain/guards/. wording_gate: see domain/overlap.py. compounds: claims that say several things are
    checked in parts. validity: statements speak only at their time. relays: who reported it counts as its speaker.
    joined_premises: when no statement decides alone, the nearest two are read as one, and may support.
    unnamed_guard: off by default, for records whose every statement names what it is about.
    """

    date_guard: bool = True
    number_guard: bool = True
    subject_guard: bool = True
    wording_gate: bool = True
    weighing: bool = True
    compounds: bool = True
    validity: bool = True
    relays: bool = True
    joined_premises: bool = True
    unnamed_guard: bool = False

    def without(self, names: Iterable[str]) -> Switches:
        """These switches with the named ones off. Raises ValueError for a name that is none."""
        wanted = list(names)
        known = [f.name for f in fields(self)]
        if unknown := [name for name in wanted if name not in known]:
            raise ValueError(f"{unknown[0]} is no part of the rule; these are: {', '.join(known)}")
        return replace(self, **dict.fromkeys(wanted, False))

    def including(self, names: Iterable[str]) -> Switches:
        """These switches with the named ones on. Raises ValueError for a name that is none."""
        wanted = list(names)
        self.without(wanted)
        return replace(self, **dict.fromkeys(wanted, True))

    @property
    def off(self) -> tuple[str, ...]:
        """The parts that are off and on by default, in the order of their declaration."""
        return tuple(f.name for f in fields(self) if f.default and not getattr(self, f.name))

    @property
    def on(self) -> tuple[str, ...]:
        """The parts that are on and off by default, in the order of their declaration."""
        return tuple(f.name for f in fields(self) if not f.default and getattr(self, f.name))

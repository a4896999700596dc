"""The date guard: the claim names a day, and the premise names days but not that one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from onrecord_server.domain.types import Relation
from onrecord_server.domain.verdict import Guard

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan", "february feb", "march mar", "april apr", "may", "june jun", "july jul",
            "august aug", "september sept sep", "october oct", "november nov", "december dec",
        ),
        start=1,
    )
    for name in names.split()
}  # fmt: skip
# capitalised, so that "may" is a verb
_MONTH = "|".join(sorted((name.capitalize() for name in _MONTHS), key=len, reverse=True))
# "August 15, 2021", "Aug. 15th"; "15 August 2021"; "2021-08-15"; of "24–25 May" both days, by the sign between them
_MONTH_DAY = re.compile(rf"\b({_MONTH})\.?\s+(\d{{1,2}})(?:st|nd|rd|th)?\b(?:,?\s+(\d{{4}})\b)?")
_DAY_MONTH = re.compile(rf"\b(\d{{1,2}})(?:st|nd|rd|th)?\s+({_MONTH})\b\.?(?:,?\s+(\d{{4}})\b)?")
_ISO = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")


_RANGE = re.compile(rf"\b(?:({_MONTH})\.?\s+)?(\d{{1,2}})\s?[–-]\s?(\d{{1,2}})(?:\s+({_MONTH})\b)?")
# a claim with one of these does not put the event on the day that it names
_OPEN = re.compile(
    r"\b(?:not|never|no|before|after|by|until|till|since|between|from|prior|earlier|later|within|around|about|during|"
    r"over|under|past|n['’]t)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Day:
    """A day of a month; `year` 0 when it is not told."""

    month: int
    day: int
    year: int = 0

    def may_be(self, other: Day) -> bool:
        """False when the two cannot be the same day."""
        same_year = not self.year or not other.year or self.year == other.year
        return same_year and (self.month, self.day) == (other.month, other.day)


@lru_cache(maxsize=2048)
def days(text: str) -> tuple[Day, ...]:
    """Days named in an English text, each once."""
    found = [Day(_MONTHS[m[1].lower()], int(m[2]), int(m[3] or 0)) for m in _MONTH_DAY.finditer(text)]
    found += [Day(_MONTHS[m[2].lower()], int(m[1]), int(m[3] or 0)) for m in _DAY_MONTH.finditer(text)]
    found += [Day(int(m[2]), int(m[3]), int(m[1])) for m in _ISO.finditer(text)]
    for m in _RANGE.finditer(text):
        if month := _MONTHS.get((m[1] or m[4] or "").lower()):
            found += [Day(month, day) for day in range(int(m[2]), min(int(m[3]), 31) + 1)]
    return tuple(dict.fromkeys(d for d in found if 1 <= d.day <= 31 and 1 <= d.month <= 12))


def date_guard(premise: str, claim: str) -> Guard | None:
    """Fires when the claim puts something on a day, and the premise names days but not that one."""
    claimed = days(claim)
    if not claimed or _OPEN.search(claim):
        return None
    known = days(premise)
    if known and not all(any(c.may_be(k) for k in known) for c in claimed):
        return Guard("date_mismatch", Relation.CONTRADICTS)
    return None

"""The number guard: the claim puts a number where the premise has another one for the same thing."""

from __future__ import annotations

import re
from collections.abc import Sequence

from onrecord_server.domain.guards.quantities import Quantity, quantities
from onrecord_server.domain.types import Relation
from onrecord_server.domain.verdict import Guard

# a claim with one of these does not put its number anywhere; years before Christ run backwards
_SILENT = re.compile(r"\b(?:not|never|no|neither|nor|without|zero)\b|n['’]t\b|\bBCE?\b|\bB\.C", re.IGNORECASE)
# what happens on a day, so that a span of years around it does not hold it
_POINT = re.compile(
    r"\b(?:born|birth|died?|death|founded|established|premiered|began|begun|ended|released|started|opened|formed|debuted|"
    r"published|created|launched)\b",
    re.IGNORECASE,
)
# a premise with one of these tells a year that it does not name
_RELATIVE_YEAR = re.compile(
    r"\b(?:following|next|previous|same|preceding) (?:year|season)|\byears? (?:later|after|before|earlier)",
    re.IGNORECASE,
)
_NEVER_COMPARED = frozenset(("bare", "title", "span"))
_MOST_NUMBERS = 24  # a claim with more is a table, and each is held against every number of the premise


def number_guard(premise: str, claim: str) -> Guard | None:
    """Fires when the claim gives a number, and the premise gives only other numbers for the same thing."""
    if quantities(claim) and not _SILENT.search(claim) and mismatches(premise, claim):
        return Guard("number_mismatch", Relation.CONTRADICTS)
    return None


def mismatches(premise: str, claim: str) -> list[Quantity]:
    """The claim's numbers that the premise has otherwise for the same thing, and nowhere as the claim has them.

    None of a claim that is a table.
    """
    claimed = quantities(claim)
    if len(claimed) > _MOST_NUMBERS:
        return []
    given = quantities(premise)
    found = []
    for number in claimed:
        if number.kind in _NEVER_COMPARED or not _comparable(number, given) or _mentioned(number, given):
            continue
        if number.kind == "year" and (_RELATIVE_YEAR.search(premise) or _within_a_span(number, given, claim)):
            continue
        found.append(number)
    return found


def _comparable(claimed: Quantity, given: Sequence[Quantity]) -> bool:
    """Whether the premise has a number of the same kind for the same thing: the same-subject gate."""
    return any(g.kind == claimed.kind and g.noun == claimed.noun for g in given)


def _mentioned(claimed: Quantity, given: Sequence[Quantity]) -> bool:
    """Whether the premise holds the claim's number anywhere, whatever it counts there."""
    for other in given:
        if other.kind == claimed.kind and claimed.meets(other):
            return True
        if claimed.kind == "year" or other.kind == "year":
            continue
        if claimed.written == other.written:
            return True
        if claimed.kind == "count" and other.kind in ("bare", "count") and claimed.meets(other):
            return True
    return False


def _within_a_span(year: Quantity, given: Sequence[Quantity], claim: str) -> bool:
    """Whether a span of years in the premise ("1819 to 1901") holds a year of something that lasted."""
    return any(g.kind == "span" and year.meets(g) for g in given) and not _POINT.search(claim)

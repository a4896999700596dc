"""What a filter lets through. Pure; the store asks the same of its rows (store/filtering.py).

Names and labels are compared whole and without regard to case: a filter says where to look, and must not depend on how
well a name is guessed. Guessing ("Putin" for "Vladimir Putin") is for claims, domain/speakers.py.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from onrecord_server.domain.speakers import distinct_names
from onrecord_server.domain.types import AmbiguousName, Speaker, StatementDraft, StatementFilter

MOST_SPEAKERS = 10
"""Of an ambiguous name, in an answer."""


@functools.lru_cache(maxsize=16_384)
def fold(value: str) -> str:
    """What two spellings have in common: no case, one space for any white space, accents apart from their letters."""
    apart = unicodedata.normalize("NFD", " ".join(value.split()))
    return unicodedata.normalize("NFD", apart.casefold())


def folded(values: Iterable[str]) -> frozenset[str]:
    """The same for each."""
    return frozenset(map(fold, values))


def names_of(speaker: Speaker) -> frozenset[str]:
    """What a speaker is called, folded; "" for one without a name."""
    return folded((speaker.name, *speaker.names))


def passes(statement: StatementDraft, chosen: StatementFilter) -> bool:
    """Whether the filter lets the statement through. A statement whose time is not known is within no bounds."""
    if chosen.states and statement.state not in chosen.states:
        return False
    if chosen.stated_from is not None or chosen.stated_until is not None:
        stated = statement.stated_time or statement.source.publish_time
        if stated is None:
            return False
        if chosen.stated_from is not None and stated < chosen.stated_from:
            return False
        if chosen.stated_until is not None and stated >= chosen.stated_until:
            return False
    if chosen.publishers and fold(statement.source.publisher) not in folded(chosen.publishers):
        return False
    if not folded(chosen.labels) <= folded(statement.labels):
        return False
    return not chosen.speakers or not folded(chosen.speakers).isdisjoint(names_of(statement.speaker))


def ambiguous(names: Sequence[str], speakers: Iterable[Speaker]) -> tuple[AmbiguousName, ...]:
    """Those of the names that two or more of the speakers go by, in the order of `names`."""
    going_by: Mapping[str, set[str]] = {fold(name): set() for name in names}
    for speaker in speakers:
        for name in names_of(speaker) & going_by.keys():
            going_by[name].add(speaker.name)
    found = []
    for name in dict.fromkeys(names):
        distinct = distinct_names(going_by[fold(name)])
        if len(distinct) > 1:
            found.append(AmbiguousName(name, distinct[:MOST_SPEAKERS]))
    return tuple(found)

"""The subject guard: the claim is about one country, and the premise about another.

"Ukraine pursues the one-China policy" is neither supported nor contradicted by what Russia pursues. The guard speaks
only where both texts begin with a country: a premise that begins with "He" or "The film" may be about anything.
"""

from __future__ import annotations

from onrecord_server.domain.guards.names import Name, is_country, missing_names, names
from onrecord_server.domain.types import Relation
from onrecord_server.domain.verdict import Guard


def _subject(text: str) -> Name | None:
    """The country that a text begins with ("Russia …", "The Chinese side …"), if it begins with one."""
    for name in names(text)[:1]:
        if name.start <= 1 and is_country(name):
            return name
    return None


def subject_guard(premise: str, claim: str) -> Guard | None:
    """Fires when the claim's subject is a country that the premise, on another country, does not mention."""
    subject = _subject(claim)
    if subject is None or _subject(premise) is None or subject not in missing_names(premise, claim):
        return None
    return Guard("other_subject", Relation.NEUTRAL, on=(Relation.SUPPORTS, Relation.CONTRADICTS))

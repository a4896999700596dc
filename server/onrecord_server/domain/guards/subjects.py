"""The subject guards: the claim is about somebody or something that the premise does not name.

"Ukraine pursues the one-China policy" is neither supported nor contradicted by what Russia pursues, nor "Robert Palmer
is a father" by "He is the father of five children" when nothing tells who he is. A model takes both for evidence now
and then. The subject of a claim is the name that it begins with, when it certainly is one: several capitalised words,
or a country.
"""

from __future__ import annotations

import re

from onrecord_server.domain.guards.names import Name, is_country, missing_names, names
from onrecord_server.domain.types import Relation
from onrecord_server.domain.verdict import Guard

_BOTH = (Relation.SUPPORTS, Relation.CONTRADICTS)
# "The Russian president", "our country", "the two leaders": somebody who may well have a name in the claim
_DESCRIBED = re.compile(
    r"\b(?:I|we|our|us|my|you|your)\b|\b(?:president|premier|minister|chancellor|king|queen|prince|princess|pope|leaders?|"
    r"chief|chair\w*|head|secretary|senator|governor|mayor|ambassador|spokes\w+|director|general|government|ministry|"
    r"countr(?:y|ies)|nations?|sides?)\b",
    re.IGNORECASE,
)
_HEADLINE = 0.6  # share of capitalised words from which a claim is a headline, whose capitals tell nothing


def subject_guard(premise: str, claim: str) -> Guard | None:
    """Fires when the claim's subject is a country that the premise, which begins with another one, does not mention."""
    subject = _unmentioned(premise, claim)
    if subject is None or not is_country(subject):
        return None
    other = _subject(premise)
    if other is None or not is_country(other):
        return None
    return Guard("other_subject", Relation.NEUTRAL, on=_BOTH)


def unnamed_guard(premise: str, claim: str) -> Guard | None:
    """Fires when the claim begins with a name that the premise, which does not name its own subject, does not hold.

    For records whose statements stand by themselves; where they were cut from their context ("He …", "The film …") it
    withdraws what is right. Off by default.
    """
    if _unmentioned(premise, claim) is None or _subject(premise) is not None or _DESCRIBED.search(premise):
        return None
    return Guard("subject_not_named", Relation.NEUTRAL, on=_BOTH)


def _subject(text: str) -> Name | None:
    """The name that a text begins with ("Russia …", "The Chinese side …"), if it certainly is one."""
    for name in names(text)[:1]:
        if name.start <= 1 and (len(name.words) > 1 or is_country(name)):
            return name
    return None


def _unmentioned(premise: str, claim: str) -> Name | None:
    """The name that the claim begins with, if the premise holds nothing of it."""
    subject = _subject(claim)
    if subject is None or subject not in missing_names(premise, claim):
        return None
    words = [word for word in claim.split() if word[0].isalpha()]
    headline = sum(word[0].isupper() for word in words) >= _HEADLINE * len(words)
    return None if headline else subject

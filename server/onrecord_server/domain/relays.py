"""Who reported that somebody said something, when a claim names the reporter as the speaker."""

from __future__ import annotations

from onrecord_server.domain.speakers import name_words, same_name, same_speaker
from onrecord_server.domain.types import ClaimAttribution, Stance, StatementDraft
from onrecord_server.domain.words import word_set

# What a news organisation's full name ends in and its short name leaves out: "Xinhua News Agency", "Xinhua".
_KIND = word_set("news agency newspaper service network television tv radio online website")


def relays(attribution: ClaimAttribution, statement: StatementDraft) -> bool:
    """Did the speaker whom the claim names report the statement as somebody else's ("Xinhua reported that C")?

    Reporting is what `relayed_by` says, or having published it. A denial is nobody's report, and whoever says a
    statement himself does not relay it.
    """
    if not attribution.speaker or attribution.stance is not Stance.ASSERTED:
        return False
    if same_speaker(attribution.speaker, statement.speaker):
        return False
    reporters = (statement.relayed_by, statement.source.publisher)
    return any(name and same_outlet(attribution.speaker, name) for name in reporters)


def same_outlet(a: str, b: str) -> bool:
    """Can two written names mean the same newspaper, agency or station? Symmetric."""
    return same_name(a, b) or same_name(_short(a), _short(b))


def _short(name: str) -> str:
    words = name_words(name)
    while len(words) > 1 and words[-1].lower() in _KIND:
        words.pop()
    return " ".join(words)

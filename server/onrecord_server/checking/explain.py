"""The verdict in one plain English sentence."""

from __future__ import annotations

from onrecord_server.domain.types import ClaimAttribution, Reason, Stance, Verdict

_NARRATOR = "the narrator"
_SAYS = {Stance.ASSERTED: "said so", Stance.DENIED: "denied it", Stance.QUESTIONED: "asked it"}


def speaker_list(names: tuple[str, ...], most: int = 3) -> str:
    """ "A, B and 2 more"; an empty name is the narrator."""
    shown = [name or _NARRATOR for name in names[:most]]
    if len(names) > most:
        return f"{', '.join(shown)} and {len(names) - most} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else "".join(shown)


def explain(
    verdict: Verdict,
    reason: Reason,
    attribution: ClaimAttribution,
    supporting: tuple[str, ...],
    contradicting: tuple[str, ...],
) -> str:
    """One sentence, at most about 200 characters besides names. Never empty."""
    who = attribution.speaker
    if verdict is Verdict.SUPPORTED:
        if who:
            return f"On the record, {who} {_SAYS[attribution.stance]}."
        return f"The record supports it: {speaker_list(supporting)}."
    if verdict is Verdict.CONTRADICTED:
        if reason is Reason.EXCLUSIVE_ATTRIBUTION:
            return f"On the record these are the words of {speaker_list(supporting)}, not of {who} alone."
        if who:
            return f"What is on the record of {who} contradicts it."
        return f"The record contradicts it: {speaker_list(contradicting)}."
    if verdict is Verdict.CONFLICTING:
        return (
            f"The record disagrees with itself: {speaker_list(supporting)} for, {speaker_list(contradicting)} against."
        )
    return _undecided(reason, who, supporting)


def _undecided(reason: Reason, who: str, supporting: tuple[str, ...]) -> str:
    match reason:
        case Reason.NO_STATEMENTS_IN_SCOPE:
            return "There is nothing on the record to check it against."
        case Reason.NO_RELEVANT_STATEMENT:
            return f"Nothing {f'that {who} said ' if who else ''}on the record is near enough to this to decide it."
        case Reason.LOW_MARGIN:
            return "The record leans one way, but not clearly enough to decide."
        case Reason.OTHER_SPEAKER:
            return f"The record has this from {speaker_list(supporting)}, not from {who}."
        case Reason.CLAIM_TOO_LONG:
            return "The claim is too long to be read together with a statement; split it."
        case Reason.NOT_ASSERTED:
            return "The claim is about a question, which nothing on the record can support or contradict."
        case _:
            return "The record speaks about this, and leaves it open."

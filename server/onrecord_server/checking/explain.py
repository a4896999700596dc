"""The verdict in one plain English sentence."""

from __future__ import annotations

from collections.abc import Sequence

from onrecord_server.domain.types import ClaimAttribution, ClaimPart, Reason, Stance, Verdict

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
    *,
    relayed: bool = False,
) -> str:
    """One sentence, at most about 200 characters besides names. Never empty.

    relayed: the speaker whom the claim names only reported what the supporting speakers said.
    """
    who = attribution.speaker
    if verdict is Verdict.SUPPORTED:
        if who and relayed:
            return f"On the record, {who} reported that {speaker_list(supporting)} said so."
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


def explain_parts(verdict: Verdict, parts: Sequence[ClaimPart]) -> str:
    """The same for a claim of several parts. Never empty."""
    if verdict is Verdict.SUPPORTED:
        return f"The record supports all {len(parts)} parts of it."
    if verdict is Verdict.NOT_ENOUGH_EVIDENCE:
        supported = sum(part.verdict is Verdict.SUPPORTED for part in parts)
        known = f"supports {_numbered(parts, Verdict.SUPPORTED)}" if supported else "supports no part of it"
        return f"The record {known}, and does not decide {_numbered(parts, verdict)}."
    doing = "contradicts" if verdict is Verdict.CONTRADICTED else "disagrees with itself on"
    return f"The record {doing} {_numbered(parts, verdict)}."


def _numbered(parts: Sequence[ClaimPart], verdict: Verdict) -> str:
    """ "part 1" or "parts 1 and 3" of those with the verdict."""
    numbers = tuple(str(k) for k, part in enumerate(parts, start=1) if part.verdict is verdict)
    return f"part{'s' * (len(numbers) > 1)} {speaker_list(numbers, most=len(numbers))}"


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
        case Reason.NOT_VALID_THEN:
            return "What the record has on this did not hold at the time, or was not yet said."
        case Reason.RETRACTED:
            return "What the record had on this has been retracted or superseded."
        case Reason.CLAIM_TOO_LONG:
            return "The claim is too long to be read together with a statement; split it."
        case Reason.NOT_ASSERTED:
            return "The claim is about a question, which nothing on the record can support or contradict."
        case _:
            return "The record speaks about this, and leaves it open."

"""The verdict on a claim of several parts from the verdicts on the parts. Pure; the order of the parts changes nothing.

A conjunction falls with one of its parts and stands only with all of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from onrecord_server.domain.types import Reason, Verdict
from onrecord_server.domain.verdict import Decision

_REASONS = tuple(Reason)


def combine(parts: Sequence[Decision]) -> Decision:
    """The verdict on the whole; its judgements are empty, since each belongs to a part. ValueError without parts.

    Any part contradicted: CONTRADICTED. Else any conflicting: CONFLICTING. All supported: SUPPORTED. Else
    NOT_ENOUGH_EVIDENCE, with the reason of the part that is most surely undecided. Confidence: of the surest part that
    decides so; of a supported whole, of its least sure part.
    """
    if not parts:
        raise ValueError("a compound claim has no parts")
    for verdict in (Verdict.CONTRADICTED, Verdict.CONFLICTING, Verdict.NOT_ENOUGH_EVIDENCE):
        if chosen := [part for part in parts if part.verdict is verdict]:
            # of parts that are equally sure the reason that comes first, so that their order does not matter
            surest = max(chosen, key=lambda part: (part.confidence, -_REASONS.index(part.reason)))
            return Decision(verdict, surest.confidence, surest.reason, ())
    return Decision(Verdict.SUPPORTED, min(part.confidence for part in parts), Reason.NONE, ())

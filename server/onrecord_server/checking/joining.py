"""Which statements are read together as one premise, when none decides alone. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from onrecord_server.checking.candidates import Scored
from onrecord_server.checking.premises import WINDOW_CODE_POINTS, Premise
from onrecord_server.domain.speakers import same_speaker
from onrecord_server.domain.standing import Standing
from onrecord_server.domain.types import Span, Stance, Statement
from onrecord_server.domain.verdict import Thresholds

JOINED = 2
"""More decide nothing that two leave open, but for wrong support (docs/benchmarks.md)."""


def joinable(scored: Sequence[Scored], limits: Thresholds) -> list[int]:
    """Places of the statements that may be joined, the nearest to the claim first.

    On the topic, of the claimed speaker where the claim names one (and his own words), asserted, speaking at the time,
    and all of one speaker: words of two people put together are nobody's.
    """
    found = [
        k
        for k, one in enumerate(scored)
        if one.candidate.similarity >= limits.topic
        and one.candidate.by_claimed
        and not one.candidate.relayed
        and one.candidate.stance is Stance.ASSERTED
        and one.candidate.standing is Standing.SPEAKS
    ]
    found.sort(key=lambda k: (-scored[k].candidate.similarity, scored[k].hit.statement.name))
    return [k for k in found if _one_speaker(scored[found[0]].hit.statement, scored[k].hit.statement)]


def _one_speaker(one: Statement, other: Statement) -> bool:
    names = one.speaker.name, other.speaker.name
    return same_speaker(names[0], other.speaker) if all(names) else not any(names)


def join(scored: Sequence[Scored], limits: Thresholds) -> tuple[tuple[int, ...], Premise] | None:
    """The nearest two as (places, premise) in the order of the record; None when there are none, or they are too long.

    The premise's span is that of no single statement and means nothing.
    """
    places = sorted(joinable(scored, limits)[:JOINED], key=lambda k: _place_on_record(scored[k]))
    text = " ".join(scored[k].premise.text for k in places)
    if len(places) < JOINED or len(text) > WINDOW_CODE_POINTS:
        return None
    return tuple(places), Premise(text, Span(0, 0))


def _place_on_record(one: Scored) -> tuple[str, float, int, str]:
    """Statements of one document in its order; else as they came on the record."""
    statement = one.hit.statement
    created = statement.create_time.timestamp() if statement.create_time else 0.0
    start = statement.original_span.start if statement.original_span else 0
    return (statement.document, created, start, statement.name)

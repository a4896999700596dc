"""Finds attributions in a text: who (source), by which words (cue), what (content). Rules over `text` and `lexicon`.

The reading is wider than a statement on the record: attitudes ("endorsed the plan") and intentions ("plans to run") are
found too, each with its `Kind`; `statements` keeps those that put a proposition on the record.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from onrecord_server.domain.types import Span, Stance


class Kind(enum.Enum):
    """What the content is to its source."""

    SPEECH = "speech"  # a clause or a quotation that the source says, thinks or knows
    QUESTION = "question"  # asked, wondered whether
    DIRECTIVE = "directive"  # somebody is told to do something
    COMMITMENT = "commitment"  # the source undertakes, plans, refuses to do something
    OBJECT = "object"  # a noun phrase: praised, proposed, reiterated something


@dataclass(frozen=True, slots=True)
class Attribution:
    """One attribution. Spans are code points of the text.

    source: None when nobody is named. content: one or more stretches, in order. `negated`: the cue is ("did not say").
    `modal`: the cue is not put as having happened ("would say", "declined to say"). `quoted`: content is a quotation.
    `sentence`: number of the sentence that holds the cue.
    """

    kind: Kind
    source: Span | None
    cue: Span
    content: tuple[Span, ...]
    lemma: str
    tense: str
    stance: Stance
    negated: bool
    modal: bool
    quoted: bool
    sentence: int
    passive: bool = False
    hearer: Span | None = None


def span_of(spans: Sequence[Span]) -> Span:
    """From the first code point of the spans to the last."""
    return Span(spans[0].start, spans[-1].end)

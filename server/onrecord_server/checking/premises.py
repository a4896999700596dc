"""The ways one statement is read as a premise: whole, in windows when it is long, and with its speaker named."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from onrecord_server.domain.types import ClaimAttribution, Span, Stance, Statement
from onrecord_server.ingest import sentence_spans

# About 350 word pieces of English: with a claim of ordinary length this fits the 512 positions of BERT-size models.
WINDOW_CODE_POINTS = 1_400
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Premise:
    """Text for the model, and the stretch of `statement.text` that it stands for (code points)."""

    text: str
    span: Span


def premises_for(statement: Statement, attribution: ClaimAttribution) -> list[Premise]:
    """At least one premise. Nothing of the statement is left out: long ones are windowed on sentence bounds.

    A claim that mentions the statement's speaker without attributing anything to him ("Putin supports China's aims")
    is also read against "Vladimir Putin said: …", since the statement's own text does not hold his name.
    """
    windows = [Premise(statement.text[s.start : s.end], s) for s in window_spans(statement.text)]
    if attribution.speaker or statement.stance is not Stance.ASSERTED or not statement.speaker.name:
        return windows
    if not any(_mentions(attribution.content, name) for name in statement.speaker.names):
        return windows
    named = [Premise(f"{statement.speaker.name} said: {w.text}", w.span) for w in windows]
    return [*windows, *named]


def _mentions(text: str, name: str) -> bool:
    """Whether the text holds the last word of the name, which is how people are referred to."""
    last = _last_word(name)
    return last is not None and last.search(text) is not None


@lru_cache(maxsize=2048)
def _last_word(name: str) -> re.Pattern[str] | None:
    words = _WORD.findall(name)
    return re.compile(rf"\b{re.escape(words[-1])}\b") if words else None


def window_spans(text: str, size: int = WINDOW_CODE_POINTS) -> list[Span]:
    """Stretches of at most `size` code points that end where sentences end and cover the whole text.

    Consecutive windows share one sentence, so that a pronoun keeps what it refers to. A sentence longer than `size` is
    cut at a space.
    """
    if len(text) <= size:
        return [Span(0, len(text))]
    sentences = [piece for span in sentence_spans(text) for piece in _pieces(text, span, size)]
    windows: list[Span] = []
    first = 0
    while first < len(sentences):
        last = first
        while last + 1 < len(sentences) and sentences[last + 1].end - sentences[first].start <= size:
            last += 1
        windows.append(Span(sentences[first].start, sentences[last].end))
        if last + 1 >= len(sentences):
            break
        # overlap by a sentence, unless that would stand still
        first = last if last > first else last + 1
    return windows


def _pieces(text: str, span: Span, size: int) -> list[Span]:
    pieces = []
    start = span.start
    while span.end - start > size:
        cut = text.rfind(" ", start + 1, start + size)
        cut = cut if cut > start else start + size
        pieces.append(Span(start, cut))
        start = cut
    pieces.append(Span(start, span.end))
    return pieces

"""Where the sentences of a text stand."""

from __future__ import annotations

from onrecord_server.domain.types import Span
from onrecord_server.ingest.text import readable, sentences


def sentence_spans(text: str) -> list[Span]:
    """Spans of the sentences in order, code points; together they hold every character that is not blank."""
    return [Span(sentence.start, sentence.end) for sentence in sentences(readable(text))]

"""Attributions of a whole text: sentence by sentence, quotations that go on joined to the attribution they continue."""

from __future__ import annotations

from dataclasses import replace

from onrecord_server.domain.types import Span, TaggedAttribution
from onrecord_server.ingest.attributions import Attribution, Kind
from onrecord_server.ingest.propositions import ASSERTING
from onrecord_server.ingest.reader import read_sentence
from onrecord_server.ingest.tagging import Tagger, merged
from onrecord_server.ingest.text import Sentence, readable, sentences


def find_attributions(text: str, tagger: Tagger | None = None) -> list[Attribution]:
    """Every attribution of the text, in the order of their sentences. Linear in the length of the text."""
    clean = readable(text)
    parts = sentences(clean)
    return read_all(parts) if tagger is None else tagged(clean, parts, tagger)


def tagged(clean: str, parts: list[Sentence], tagger: Tagger) -> list[Attribution]:
    """What the rules and a tagger find together in sentences that are already split."""
    hints = read_all(parts, rare=True)
    seen = tagger.tag(
        clean,
        [Span(s.start, s.end) for s in parts],
        [TaggedAttribution(a.source, a.cue, a.content, 1.0) for a in hints],
    )
    return merged(clean, parts, hints, seen)


def read_all(parts: list[Sentence], *, rare: bool = False) -> list[Attribution]:
    """The same, for sentences that are already split. rare: see reader.read_sentence."""
    found: list[Attribution] = []
    open_quote: int | None = None  # index of the attribution that a following bare quotation continues
    turn: int | None = None  # index of the attribution that a transcript's turn ("NAME: …") belongs to
    for number, sentence in enumerate(parts):
        made = read_sentence(sentence, number, rare=rare)
        opens = number == 0 or parts[number - 1].paragraph != sentence.paragraph
        if opens:
            turn = len(found) if made and made[0].lemma == ":" and not made[0].quoted else None
        elif turn is not None:
            held = found[turn]
            found[turn] = replace(held, content=(*held.content, Span(sentence.start, sentence.end)))
        if not made:
            if open_quote is not None and _bare_quotation(sentence):
                held = found[open_quote]
                found[open_quote] = replace(held, content=(*held.content, Span(sentence.start, sentence.end)))
            elif not _bare_quotation(sentence):
                open_quote = None
            continue
        found.extend(made)
        speech = [k for k in range(len(found) - len(made), len(found)) if found[k].kind is Kind.SPEECH]
        quoted = [k for k in speech if found[k].quoted]
        spoken = [k for k in speech if found[k].lemma in ASSERTING]
        open_quote = next((some[-1] for some in (quoted, spoken) if some), None)
    return found


def _bare_quotation(sentence: Sentence) -> bool:
    """The sentence is a quotation and hardly anything else."""
    words = [t for t in sentence.tokens if t.kind == "w"]
    return bool(sentence.tokens) and sentence.tokens[0].kind == "q" and not words

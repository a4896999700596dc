"""Reads one sentence: gives each cue its source and its content."""

from __future__ import annotations

from onrecord_server.domain.types import Span, Stance
from onrecord_server.ingest.attributions import Attribution, Kind
from onrecord_server.ingest.contents import content
from onrecord_server.ingest.cues import Cue, find_cues
from onrecord_server.ingest.lexicon import (
    PREPOSITIONS,
    PRONOUNS,
    RARE,
    RARE_BARE,
    SUBORDINATORS,
    VERB_FORMS,
    VerbForm,
)
from onrecord_server.ingest.phrases import (
    is_capital,
    is_finite,
)
from onrecord_server.ingest.reading import Reading, sentence_end
from onrecord_server.ingest.sources import sources
from onrecord_server.ingest.text import Sentence, Token

_MOST_CUES = 20  # reporting words in one sentence; more is no prose


def read_sentence(sentence: Sentence, number: int, *, rare: bool = False) -> list[Attribution]:
    """The attributions whose cue stands in this sentence, in order of their cues.

    rare: also those whose cue with such content seldom is one.
    """
    t = sentence.tokens
    cues = find_cues(t)
    if len(cues) > _MOST_CUES:
        return []
    colon = _colon(t)
    readings = [Reading(cue) for cue in cues]
    if colon is not None:
        readings.insert(0, colon)
    sources(t, readings)
    for index, _reading in enumerate(readings):
        content(t, readings, index)
    return [made for reading in readings if (made := _attribution(t, reading, number, rare)) is not None]


def _colon(t: list[Token]) -> Reading | None:
    """'Name: content' at the start of a sentence (headlines, transcripts)."""
    at = next((k for k in range(min(len(t), 8)) if t[k].text == ":"), None)
    if at is None or at == 0 or at + 1 >= len(t):
        return None
    name = t[:at]
    if not all(x.kind == "w" or x.text == "." for x in name) or not is_capital(name[0]):
        return None
    if any(is_finite(x) or x.low in SUBORDINATORS | PREPOSITIONS | PRONOUNS or _speaks(x) for x in name):
        return None
    if sum(is_capital(x) for x in name) * 2 < len(name) or any(
        x.low in ("update", "video", "watch", "exclusive", "report", "poll", "note", "photos", "correction")
        for x in name
    ):
        return None
    reading = Reading(Cue(at, at + 1, at, VerbForm(":", "past", "cq"), "colon"), (0, at))
    reading.content = [(at + 1, sentence_end(t))]
    reading.quoted = t[at + 1].kind == "q"
    return reading


def _speaks(token: Token) -> bool:
    return any("q" in form.frames and form.tense != "ing" for form in VERB_FORMS.get(token.low, {}).values())


def _attribution(t: list[Token], r: Reading, number: int, rare: bool) -> Attribution | None:
    r.content = [part for part in r.content or () if part[1] > part[0]]
    if not r.content:
        return None
    quoting = rare or r.quoted or any(x.kind == "q" for a, b in r.content for x in t[a : min(b, a + 2)])
    if not quoting and r.cue.form.lemma in RARE.get(r.kind.value + ("-passive" if r.cue.passive else ""), ()):
        return None
    if (
        not quoting
        and r.kind is Kind.SPEECH
        and not r.post
        and t[r.content[0][0]].low != "that"
        and (r.cue.form.lemma in RARE_BARE)
    ):
        return None
    spans = tuple(Span(t[a].start, t[b - 1].end) for a, b in r.content)
    source = Span(t[r.source[0]].start, t[r.source[1] - 1].end) if r.source is not None else None
    hearer = Span(t[r.hearer[0]].start, t[r.hearer[1] - 1].end) if r.hearer and r.hearer[1] > r.hearer[0] else None
    cue = r.cue
    stance = Stance.QUESTIONED if r.kind is Kind.QUESTION else cue.form.stance
    return Attribution(
        r.kind,
        source,
        Span(t[cue.first].start, t[cue.last - 1].end),
        spans,
        cue.form.lemma,
        cue.form.tense,
        stance,
        cue.negated,
        cue.modal or cue.infinitive,
        r.quoted,
        number,
        cue.passive,
        hearer,
    )

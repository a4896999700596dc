"""The rules' attributions and a tagger's, put together.

The rules are generous and know what an attribution means: speech, a question, an order; who hears it, whether it is
negated. The tagger knows which of them are attributions and where their parts end, and finds those that no word list
has. What both find has the rules' reading and the tagger's bounds; what the tagger alone finds is read by its cue.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from onrecord_server.domain.types import Span, TaggedAttribution
from onrecord_server.ingest.attributions import Attribution, Kind
from onrecord_server.ingest.cues import Cue, extend_left
from onrecord_server.ingest.lexicon import VERB_FORMS, VerbForm
from onrecord_server.ingest.propositions import on_record
from onrecord_server.ingest.text import Sentence, Token

# Confidence from which an attribution is believed. Chosen on articles held out of training (docs/attribution-notes.md).
BELIEVED = 0.45
_HOLE = 40  # code points
_MARKS = "“\"”„'’‘"


class Tagger(Protocol):
    """A trained finder of attributions; nli.tagger has one."""

    def tag(
        self, text: str, sentences: Sequence[Span], hints: Sequence[TaggedAttribution]
    ) -> Sequence[TaggedAttribution]:
        """The attributions of a text, by their cues' places.

        sentences: in order, without overlap. hints: what the rules found, generously.
        """
        ...


def merged(
    text: str, parts: Sequence[Sentence], ruled: Sequence[Attribution], tagged: Sequence[TaggedAttribution]
) -> list[Attribution]:
    """The attributions of a text, in the order of their sentences and cues. ruled: by sentence."""
    starts = [s.start for s in parts]
    left: dict[int, list[Attribution]] = {}
    for a in ruled:
        left.setdefault(a.sentence, []).append(a)
    found: list[Attribution] = []
    for t in tagged:
        if t.confidence < BELIEVED:
            continue
        number = max(0, bisect_right(starts, t.cue.start) - 1)
        here = left.get(number, [])
        same = [a for a in here if a.cue.start < t.cue.end and t.cue.start < a.cue.end]
        if same:
            best = max(same, key=lambda a: _shared(a.content, t.content))
            here.remove(best)
            found.append(_agreed(text, parts, best, t))
        else:
            found.append(_read(text, parts[number], number, t))
    return sorted(found, key=lambda a: (a.sentence, a.cue.start))


def _agreed(text: str, parts: Sequence[Sentence], a: Attribution, t: TaggedAttribution) -> Attribution:
    """Both found it. What is no speech and goes on the record keeps its bounds: it is rewritten by what they hold."""
    if a.kind is not Kind.SPEECH and on_record(a, text):
        return a
    content = _joined(t)
    goes_on = [s for s in a.content if s.start >= max(parts[a.sentence].end, content[-1].end)]
    return replace(a, content=(*content, *goes_on))


def _joined(t: TaggedAttribution) -> tuple[Span, ...]:
    """Content without small holes: only its own cue and source part it, not the cue of what is reported inside it."""
    own = [t.cue, *([t.source] if t.source else [])]
    joined: list[Span] = []
    for s in t.content:
        last = joined[-1] if joined else None
        if last and s.start - last.end <= _HOLE and not any(last.end <= o.start < s.start for o in own):
            joined[-1] = Span(last.start, s.end)
        else:
            joined.append(s)
    return tuple(joined)


def _shared(one: Sequence[Span], other: Sequence[Span]) -> int:
    return sum(max(0, min(a.end, b.end) - max(a.start, b.start)) for a in one for b in other)


def _read(text: str, sentence: Sentence, number: int, t: TaggedAttribution) -> Attribution:
    """The tagger alone found it: kind, stance, negation and so on from the words of its cue."""
    cue = _cue(sentence.tokens, t.cue)
    form = cue.form if cue is not None else VerbForm("", "past", "")
    words = text[t.content[0].start : t.content[-1].end]
    quoted = words[:1] in _MARKS
    return Attribution(
        Kind.SPEECH if quoted or words.lower().startswith("that ") else Kind.OBJECT,
        t.source,
        t.cue,
        t.content,
        form.lemma,
        form.tense,
        form.stance,
        cue is not None and cue.negated,
        cue is not None and (cue.modal or cue.infinitive),
        quoted,
        number,
        cue is not None and cue.passive,
    )


def _cue(tokens: list[Token], span: Span) -> Cue | None:
    """The verb of a cue that the rules did not take for one."""
    inside = [k for k, x in enumerate(tokens) if x.kind == "w" and span.start <= x.start < span.end]
    for k in reversed(inside):
        form = VERB_FORMS.get(tokens[k].low, {}).get("")
        if form is not None:
            cue = Cue(k, k + 1, k, form, "verb")
            extend_left(tokens, cue)
            return cue
    return None

"""Documents -> attributed statements."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from onrecord_server.domain.limits import CONTEXT_CODE_POINTS, NAME_CODE_POINTS, STATEMENT_CODE_POINTS
from onrecord_server.domain.types import Source, Span, Speaker, Stance, StatementDraft
from onrecord_server.ingest.attributions import Attribution, Kind, span_of
from onrecord_server.ingest.countries import with_countries
from onrecord_server.ingest.dates import read_head
from onrecord_server.ingest.mentions import Entity
from onrecord_server.ingest.names import Cast
from onrecord_server.ingest.narrator import narration, needs_context, with_names
from onrecord_server.ingest.propositions import (
    RELAYED,
    asked,
    denied,
    directive,
    on_record,
    pieces,
    reported,
    standing,
    tidy,
    undertaking,
    unquoted,
)
from onrecord_server.ingest.scan import read_all, tagged
from onrecord_server.ingest.tagging import Tagger
from onrecord_server.ingest.text import Sentence, readable, sentences


@dataclass(frozen=True, slots=True)
class IngestedDocument:
    """What a document puts on the record. `document`: id, the same for the same text. `drafts`: in text order."""

    document: str
    publish_time: datetime | None
    drafts: list[StatementDraft]


@dataclass(slots=True)
class _Resolved:
    """An attribution with its speaker."""

    a: Attribution
    speaker: Speaker
    entity: Entity | None
    relayed_by: str = ""


def document_id(text: str) -> str:
    """The id of a document: the same for the same text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def ingest_document(text: str, source: Source, tagger: Tagger | None = None) -> IngestedDocument:
    """Split a document into attributed statements. Deterministic, linear in the length of the text.

    tagger: helps the rules to find attributions; what it raises is raised.

    Speech is its speaker's; everything else is the narrator's, whose name is `source.publisher`. A date at the head of
    the text or a dateline becomes publish_time when the source has none. `original_span` is in code points of `text`,
    and `text[span] == original` for every draft.
    """
    document = document_id(text)
    clean = readable(text)
    body, dated = read_head(clean)
    publish_time = source.publish_time or dated
    source = replace(source, publish_time=publish_time)
    parts = sentences(clean, body)
    found = read_all(parts) if tagger is None else tagged(clean, parts, tagger)
    cast = Cast(clean, parts)
    narrator = Speaker(source.publisher)
    recorded = _recorded(clean, parts, found, cast)
    by_sentence: dict[int, list[_Resolved]] = {}
    for r in recorded:
        by_sentence.setdefault(r.a.sentence, []).append(r)
    taken = _taken(recorded)
    drafts: list[StatementDraft] = []
    for number, sentence in enumerate(parts):
        here = by_sentence.get(number, [])
        before = clean[parts[number - 1].start : parts[number - 1].end] if number else ""
        for words, span in narration(clean, sentence, [r.a for r in here], taken, [r.speaker.name for r in here]):
            named = with_names(words, cast, sentence, number)
            drafts.append(_draft(text, named, span, narrator, before if needs_context(named) else ""))
        for r in here:
            drafts.extend(_spoken(text, clean, r, sentence, cast))
    kept = [replace(d, source=source, document=document) for d in drafts]
    return IngestedDocument(document, publish_time, kept)


def _draft(
    text: str,
    words: str,
    span: Span,
    speaker: Speaker,
    context: str = "",
    stance: Stance = Stance.ASSERTED,
    relay: str = "",
) -> StatementDraft:
    limit = STATEMENT_CODE_POINTS.value
    span = Span(span.start, min(span.end, span.start + limit))
    return StatementDraft(
        text=_legal(words)[:limit],
        context=_legal(context)[: CONTEXT_CODE_POINTS.value],
        speaker=speaker,
        stance=stance,
        relayed_by=relay[: NAME_CODE_POINTS.value],
        original=text[span.start : span.end],
        original_span=span,
    )


def _legal(words: str) -> str:
    """Without control characters."""
    return "".join(c for c in words if c.isprintable() or c == " ")


def _taken(recorded: list[_Resolved]) -> list[Span]:
    """Everything that recorded attributions cover, in order, merged: their content, in whatever sentence."""
    spans = sorted((s for r in recorded for s in r.a.content), key=lambda s: s.start)
    merged: list[Span] = []
    for s in spans:
        if merged and s.start <= merged[-1].end:
            merged[-1] = Span(merged[-1].start, max(merged[-1].end, s.end))
        else:
            merged.append(s)
    return merged


def _recorded(clean: str, parts: list[Sentence], found: list[Attribution], cast: Cast) -> list[_Resolved]:
    """The attributions that go on the record, speakers resolved; an outer one gives way to the one it relays."""
    usable: list[_Resolved] = []
    heard: dict[int, list[Span]] = {}  # sentence -> what is said in it: a source inside it is not who speaks next
    for a in found:
        if a.kind is Kind.SPEECH:
            heard.setdefault(a.sentence, []).extend(a.content)
    for a in found:
        if a.source is None:
            continue
        at = a.source.start
        nested = any(s.start <= at < s.end for s in heard.get(a.sentence, ()))
        speaker, entity = cast.resolve(clean[at : a.source.end], at, a.sentence, speaks=not nested)
        if a.lemma == ":" and not a.quoted and not (entity is not None and entity.person):
            continue  # a title with a subtitle, or a headline
        if on_record(a, clean):
            usable.append(_Resolved(a, speaker, entity))
    by_sentence: dict[int, list[_Resolved]] = {}
    for r in usable:
        by_sentence.setdefault(r.a.sentence, []).append(r)
    kept: list[_Resolved] = []
    for here in by_sentence.values():
        kept.extend(_unnested(clean, here))
    return kept


def _unnested(clean: str, here: list[_Resolved]) -> list[_Resolved]:
    """Of attributions inside one another's content keep the inner one when the outer only relays it, else the outer."""
    dropped: set[int] = set()
    for k, outer in enumerate(here):
        if k in dropped:
            continue
        whole = span_of(outer.a.content)
        inside = [
            j
            for j, x in enumerate(here)
            if j != k
            and j not in dropped
            and x.a.cue.start >= whole.start
            and x.a.cue.end <= whole.end
            and any(s.start <= x.a.cue.start and x.a.cue.end <= s.end for s in outer.a.content)
        ]
        relayed = next((j for j in inside if _relays(clean, outer, here[j], whole)), None)
        if relayed is None:
            dropped.update(inside)
        else:
            dropped.add(k)
            if here[relayed].speaker.name != outer.speaker.name and outer.speaker.name:
                here[relayed].relayed_by = outer.speaker.name
    return [r for k, r in enumerate(here) if k not in dropped]


def _relays(clean: str, outer: _Resolved, inner: _Resolved, whole: Span) -> bool:
    """Does the outer content consist of the inner attribution?"""
    a = inner.a
    if a.source is None or a.cue.start < whole.start or a.cue.end > whole.end:
        return False
    start = min(a.source.start, a.cue.start, a.content[0].start)
    last = max(a.content[-1].end, a.cue.end)
    if start < whole.start or last > whole.end + 1:
        return False
    speaks = (a.kind in (Kind.SPEECH, Kind.QUESTION) and a.lemma in RELAYED) or outer.a.lemma == "report"
    named = inner.entity is not None or inner.speaker.name[:1].isupper()
    if not speaks or not (named or inner.speaker.name == outer.speaker.name):
        return False
    return 2 * (last - start) >= whole.end - whole.start or clean[whole.start : start].strip().lower() in ("", "that")


def _spoken(text: str, clean: str, r: _Resolved, sentence: Sentence, cast: Cast) -> Iterator[StatementDraft]:
    """The statements of one attribution: one for an indirect clause, one for each sentence of a quotation."""
    a = r.a
    stated = clean[sentence.start : sentence.end]
    direct = list(a.content)
    if a.kind is not Kind.SPEECH or a.stance is not Stance.ASSERTED or not a.quoted:
        own = tuple(s for s in a.content if s.start < sentence.end)
        direct = [s for s in a.content if s.start >= sentence.end]
        yield from _indirect(text, clean, _with_content(r, own), stated, cast)
    for span in _joined(clean, direct):
        words = clean[span.start : span.end]
        for start, end in pieces(words):
            part = words[start:end]
            made = tidy(unquoted(_without_attribution(clean, part, span.start + start, a)))
            if len(made.split()) >= 2:
                at = Span(span.start + start, span.start + end)
                yield _draft(text, made, at, r.speaker, stated, a.stance, r.relayed_by)


def _with_content(r: _Resolved, content: tuple[Span, ...]) -> _Resolved:
    """The same attribution with other content."""
    return _Resolved(replace(r.a, content=content), r.speaker, r.entity, r.relayed_by)


def _indirect(text: str, clean: str, r: _Resolved, stated: str, cast: Cast) -> Iterator[StatementDraft]:
    a = r.a
    if not a.content:
        return
    span = span_of(a.content)
    words = " ".join(clean[s.start : s.end].strip(" ,") for s in a.content)
    if a.kind is Kind.DIRECTIVE and a.hearer is not None:
        made = directive(words, clean[a.hearer.start : a.hearer.end])
    elif a.kind is Kind.COMMITMENT:
        made = undertaking(words, r.speaker.name or clean[a.source.start : a.source.end]) if a.source else ""
    elif a.kind is Kind.QUESTION:
        made = asked(words)
    elif a.stance is Stance.DENIED:
        made = denied(words)
    elif a.kind is Kind.OBJECT:
        made = standing(words)
    else:
        made = reported(
            words,
            r.speaker.name,
            r.entity.country if r.entity else "",
            own_subject=_own_subject(words, r.entity) and cast.alone(r.entity, a.sentence, span.start),
        )
    if clean[span.start : span.end].lower().startswith("that "):
        span = Span(span.start + 5, span.end)
    if made:
        made = with_countries(made, clean, cast.parts, a.sentence, span.start)
        yield _draft(text, made, span, r.speaker, stated if needs_context(made) else "", a.stance, r.relayed_by)


def _own_subject(words: str, entity: Entity | None) -> bool:
    """Can the clause's opening pronoun be the speaker's own, by gender?"""
    first = words.lower().removeprefix("that ").split(" ", 1)[0].split("’")[0].split("'")[0]
    return entity is not None and entity.gender in ("", {"he": "m", "she": "f"}.get(first, entity.gender))


def _joined(clean: str, content: list[Span]) -> list[Span]:
    """Content stretches; '"A," he said, "b."' is one sentence cut in two by its attribution, and is joined again."""
    spans: list[Span] = []
    for s in content:
        head = clean[s.start : s.end].lstrip("“\"'‘ ")[:1]
        if (
            spans
            and head.islower()
            and spans[-1].end - 1 >= 0
            and clean[spans[-1].start : spans[-1].end].rstrip("”\"'’ ").endswith(",")
        ):
            spans[-1] = Span(spans[-1].start, s.end)
        else:
            spans.append(s)
    return spans


def _without_attribution(clean: str, part: str, at: int, a: Attribution) -> str:
    """A piece that spans its own attribution, without it: '"A," he said, "b"' -> '"A," "b"'."""
    stretches = [s for s in a.content if s.start < at + len(part) and s.end > at]
    if len(stretches) < 2:
        return part
    return " ".join(clean[max(s.start, at) : min(s.end, at + len(part))] for s in stretches)

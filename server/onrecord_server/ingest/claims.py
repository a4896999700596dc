"""Reads a claim: who is said to have said what. The rules are those that read documents, so both come out alike."""

from __future__ import annotations

import re
from dataclasses import dataclass

from onrecord_server.domain.speakers import TITLES, name_words, read_name, same_name
from onrecord_server.domain.types import ClaimAttribution, Stance
from onrecord_server.domain.words import word_set
from onrecord_server.ingest.attributions import Attribution, Kind, span_of
from onrecord_server.ingest.lexicon import DETERMINERS, PREPOSITIONS, PRONOUNS, VERB_FORMS
from onrecord_server.ingest.propositions import (
    RELAYED,
    asked,
    denied,
    directive,
    on_record,
    reported,
    standing,
    tidy,
    undertaking,
    unquoted,
)
from onrecord_server.ingest.scan import read_all
from onrecord_server.ingest.text import readable, sentences

_NAME = r"(?P<{0}>[^,.;:?!\"“”]{{1,80}}?)"
_SAYING = (
    r"(?P<cue>(?:also |first |once |repeatedly |had |has )?(?:said|says|stated|claimed|declared|announced|noted|"
    r"stressed|argued|denied|wrote|warned|told|insisted|called|urged|promised|vowed|pledged|added|reiterated|asked|reported|"
    r"emphasi[sz]ed|admitted|confirmed|explained)\b.*)"
)
_EXCLUSIVE = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (
        rf"(?:It|it) (?:was|is) not {_NAME.format('not')},? but {_NAME.format('who')},? (?:who|that|which) {_SAYING}\Z",
        rf"(?:It|it) (?:was|is) {_NAME.format('who')},? (?:and )?not {_NAME.format('not')},? (?:who|that) {_SAYING}\Z",
        rf"(?:It|it) (?:was|is) (?:only |just )?{_NAME.format('who')},? (?:who|that|which) {_SAYING}\Z",
        rf"(?:Only|only) {_NAME.format('who')} {_SAYING}\Z",
        rf"{_NAME.format('who')},? (?:and )?(?:not|rather than|instead of) {_NAME.format('not')},? {_SAYING}\Z",
        rf"Not {_NAME.format('not')},? but {_NAME.format('who')},? {_SAYING}\Z",
        rf"{_NAME.format('who')} (?:alone|himself alone|herself alone) {_SAYING}\Z",
    )
)
_OTHER_DID = re.compile(
    rf"{_NAME.format('not')} (?:did not|didn't|didn’t|never) (?P<verb>\w+) (?P<content>.+?)[,;] (?:but |while )?"
    rf"{_NAME.format('who')} did\.?\s*\Z",
    re.DOTALL,
)
_NOT_LAST = re.compile(rf"(?P<main>.+?), (?:and )?not {_NAME.format('not')}\.?\s*\Z", re.DOTALL)
_NOT_SPEAKERS = word_set(
    """
    census survey poll report study book film movie song album novel bible koran data index article documentary
    series show episode story theory law act constitution
    """
)
_UNSEEN = " \u200b\u200c\u200d\u2060\ufeff"
_LEAD = re.compile(r"(?:[>*•·–—-]+ ?|\(?\d{1,2}[.)] )")
_WRAPPERS = {'"': '"', "“": "”", "«": "»", "„": "“", "(": ")", "[": "]", "'": "'", "‘": "’"}
_ACCORDING_ONLY = re.compile(r"(?:According|according) (?:only|solely) to ")


@dataclass(frozen=True, slots=True)
class _Plain:
    """A claim with its exclusive wording undone: "It was Xi who said C" -> "Xi said C"."""

    text: str
    exclusive: bool = False
    excluded: tuple[str, ...] = ()


def parse_claim(text: str) -> ClaimAttribution:
    """Read a claim. Without an attribution: speaker "" and the whole claim as content. Never fails.

    Only a speech act counts: "Putin criticised Xi" and "Xi said nothing about Taiwan" are plain claims, and so is
    "Putin did not say that C" (a claim about Putin's words, which no statement of C decides). The innermost speaker of
    a relayed claim is the speaker. `content` is a full sentence; it is compared with statement texts.
    """
    line = " ".join(readable(text).split())
    for reading in dict.fromkeys((line, _unwrapped(line))):
        found = _attributed(_plain(reading))
        if found is not None:
            return found
    return ClaimAttribution(tidy(" ".join(text.split())) or text)


def _unwrapped(text: str) -> str:
    """The claim without what a list, a quotation or a copy from elsewhere has put around all of it."""
    text = _LEAD.sub("", text.strip(_UNSEEN))
    closer = _WRAPPERS.get(text[:1], "")
    ended = text.rstrip(".")
    inside = ended[1:-1]
    # of marks that look alike at both ends a second pair may stand inside, and then ends where the first does
    if closer and ended.endswith(closer) and (closer not in inside or (inside[-1:] == closer == text[0])):
        return inside.strip(_UNSEEN)
    return text


def _plain(text: str) -> _Plain:
    did = _OTHER_DID.match(text)
    if did and _speaker_like(did["who"]) and _speaker_like(did["not"]):
        verb = VERB_FORMS.get(did["verb"].lower(), {}).get("")
        if verb is not None and "c" in verb.frames:
            past = {"say": "said", "tell": "told", "write": "wrote"}.get(
                verb.lemma, f"{did['verb']}ed".replace("eed", "ed")
            )
            return _Plain(f"{did['who']} {past} {did['content']}.", True, (did["not"].strip(),))
    for pattern in _EXCLUSIVE:
        match = pattern.match(text)
        if match is None:
            continue
        groups = match.groupdict()
        if not _speaker_like(groups["who"]) or ("not" in groups and not _speaker_like(groups["not"])):
            continue
        excluded = (groups["not"].strip(),) if "not" in groups else ()
        return _Plain(f"{groups['who'].strip()} {groups['cue']}", True, excluded)
    last = _NOT_LAST.match(text)
    if last and _speaker_like(last["not"]) and _attributed(_Plain(last["main"] + ".")) is not None:
        return _Plain(last["main"] + ".", True, (last["not"].strip(),))
    only = _ACCORDING_ONLY.match(text)
    if only:
        return _Plain("According to " + text[only.end() :], True)
    return _Plain(text)


def _attributed(plain: _Plain) -> ClaimAttribution | None:
    text = plain.text
    parts = sentences(text)
    if not parts:
        return None
    usable = [a for a in read_all(parts) if on_record(a, text) and _names_speaker(a, text)]
    outer = [a for a in usable if _covers(a, text, parts[0].start, parts[-1].end)]
    if not outer:
        return None
    chosen = outer[0]
    for inner in usable:  # "P reported that S said that C": the speaker is S
        whole = span_of(chosen.content)
        if (
            inner is not chosen
            and inner.source is not None
            and inner.source.start >= whole.start
            and inner.cue.end <= whole.end
            and ((inner.kind in (Kind.SPEECH, Kind.QUESTION) and inner.lemma in RELAYED) or chosen.lemma == "report")
        ):
            gap = text[whole.start : inner.source.start].strip().lower()
            if gap in ("", "that"):
                chosen = inner
    assert chosen.source is not None  # noqa: S101 - _names_speaker checked it
    speaker = _speaker_name(text[chosen.source.start : chosen.source.end])
    content = _content(chosen, text, speaker, text[chosen.source.start : chosen.source.end])
    if len(name_words(content)) < 2:
        return None
    excluded = tuple(name for name in plain.excluded if not same_name(name, speaker))
    return ClaimAttribution(content, speaker, chosen.stance, plain.exclusive, excluded)


def _content(a: Attribution, text: str, speaker: str, source: str) -> str:
    words = " ".join(text[s.start : s.end].strip(" ,") for s in a.content)
    if words[:1] in ("'", "‘"):  # quoted as some papers quote, which no other rule takes for quotation marks
        words = _unwrapped(words)
    if a.kind is Kind.DIRECTIVE and a.hearer is not None:
        return directive(words, text[a.hearer.start : a.hearer.end])
    if a.kind is Kind.COMMITMENT:
        return undertaking(words, speaker)
    if a.kind is Kind.QUESTION:
        return asked(words)
    if a.stance is Stance.DENIED:
        return denied(words)
    if a.kind is Kind.OBJECT:
        return standing(words)
    if a.quoted:
        return tidy(unquoted(words))
    return reported(words, speaker, read_name(source).country)


def _names_speaker(a: Attribution, text: str) -> bool:
    if a.lemma == ":" and not a.quoted:
        return False  # "Mad Max: Fury Road is a film": a title
    return a.source is not None and a.tense != "ing" and _speaker_like(text[a.source.start : a.source.end])


def _speaker_like(source: str) -> bool:
    """A name or a title: 'Putin', 'the Russian president', 'China’s foreign ministry'; not 'the song', 'he'."""
    head = source.split(",")[0].split("(")[0].strip()
    words = name_words(head)
    if not words or len(words) > 10:
        return False
    first, last = words[0], words[-1]
    if last.lower() in _NOT_SPEAKERS:
        return False
    if first.lower() in PRONOUNS or (first.lower() in PREPOSITIONS) or (first.lower() in VERB_FORMS and len(words) > 3):
        return False
    if last[0].isupper() or last[0].isdigit():
        return first.lower() not in DETERMINERS - {"the", "his", "her", "their"} or len(words) > 2
    return last.lower() in TITLES | {
        "ministry",
        "government",
        "administration",
        "court",
        "party",
        "campaign",
        "committee",
        "police",
        "office",
        "department",
        "agency",
        "embassy",
        "parliament",
    } and (first[0].isupper() or first.lower() == "the")


def _speaker_name(source: str) -> str:
    return source.split(",")[0].split("(")[0].strip().removesuffix("'s").removesuffix("’s")


def _covers(a: Attribution, text: str, start: int, end: int) -> bool:
    """Attribution and content make up the claim, save an opening adjunct ('In a phone call, Xi said …')."""
    spans = [a.cue, *a.content, *([a.source] if a.source else [])]
    first, last = min(s.start for s in spans), max(s.end for s in spans)
    lead = text[start:first].strip()
    tail = text[last:end].strip(" .!?\"”'’")
    if len(tail) > 60 or (tail and a.content[-1].end == last):
        return False
    if not lead:
        return True
    return (
        lead.endswith(",")
        and lead.split()[0].lower() in PREPOSITIONS | {"on", "speaking", "referring", "earlier", "later"}
        and (len(lead.split()) <= 14)
    )

"""What the narrator states: sentences without attribution, and facts that an attributing sentence holds beside it."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

from onrecord_server.domain.types import Span
from onrecord_server.ingest.attributions import Attribution
from onrecord_server.ingest.lexicon import PREPOSITIONS
from onrecord_server.ingest.names import Cast
from onrecord_server.ingest.propositions import clause_like, tidy
from onrecord_server.ingest.text import Sentence

_RELATIVE = re.compile(r"(?P<head>[^,]{2,120}), (?:which|who) (?P<rest>.+)\Z", re.DOTALL)
_SUBORDINATE = re.compile(
    r"(?:After|When|Before|Since|Because|As|While|Although|Though|Once) (?P<rest>.+)\Z", re.DOTALL
)
_LEADING = re.compile(r"[\s“\"'‘(—–-]*")
_OPEN_REFERENCE = re.compile(
    r"(?:\W*)(?:He|She|It|They|This|That|These|Those|Both|His|Her|Their|Its|Such|We|I|You|The (?:two|latter|former))\b"
)
_SUBJECT_PRONOUN = re.compile(r"(?P<who>He|She)(?= [a-z])")


def needs_context(words: str) -> bool:
    """Does the text point outside itself?"""
    return (
        bool(_OPEN_REFERENCE.match(words))
        or bool(re.search(r"\b(?:the two|both) (?:countries|nations|sides|leaders)\b", words))
        or bool(re.search(r"\b(?:I|we|We|my|our)\b", words))
    )


def narration(
    clean: str, sentence: Sentence, attributions: list[Attribution], taken: list[Span], speakers: list[str]
) -> Iterator[tuple[str, Span]]:
    """(text, span) of the narrator's statements in one sentence.

    taken: stretches that speakers own, sorted, not overlapping.
    """
    words = clean[sentence.start : sentence.end]
    if not attributions:
        if _owned(sentence, taken) or not _stated(words):
            return
        yield tidy(words), Span(sentence.start, sentence.end)
        return
    yield from _opening(clean, sentence, attributions, speakers)
    yield from _appositions(clean, attributions, speakers)


def _owned(sentence: Sentence, taken: list[Span]) -> bool:
    at = bisect_right(taken, sentence.start, key=lambda s: s.start) - 1
    return at >= 0 and taken[at].end * 2 > sentence.start + sentence.end


def _stated(words: str) -> bool:
    """A sentence, not a heading or a by-line: three words and a verb."""
    return len(words.split()) >= 3 and clause_like(words)


def _opening(
    clean: str, sentence: Sentence, attributions: list[Attribution], speakers: list[str]
) -> Iterator[tuple[str, Span]]:
    """'During their talk, which was their first since A, S said …' -> 'Their talk was their first since A.'"""
    edges = [s.start for a in attributions for s in (a.cue, *a.content, *([a.source] if a.source else []))]
    end = min(edges)
    part = clean[sentence.start : end].rstrip()
    if not part.endswith(","):
        return
    part = part[:-1]
    lead = _LEADING.match(part)
    start = lead.end() if lead else 0
    part = part[start:]
    span = Span(sentence.start + start, sentence.start + start + len(part))
    relative = _RELATIVE.match(part)
    if relative:
        head = _without_preposition(relative["head"])
        yield tidy(f"{head} {relative['rest']}"), span
        return
    clause = _SUBORDINATE.match(part)
    if clause and clause_like(clause["rest"]) and not re.match(r"\w+ing\b", clause["rest"]):
        yield tidy(clause["rest"]), span
        return
    if part.startswith("Speaking ") and speakers and speakers[0] and len(part.split()) >= 3:
        yield tidy(f"{speakers[0]} spoke {part[9:]}"), span


def _without_preposition(head: str) -> str:
    first, _, rest = head.partition(" ")
    while rest and first.lower() in PREPOSITIONS:
        head = rest
        first, _, rest = head.partition(" ")
    return head


def _appositions(clean: str, attributions: list[Attribution], speakers: list[str]) -> Iterator[tuple[str, Span]]:
    """'Jane Roe, the mayor of X, said' -> 'Jane Roe is the mayor of X.'; ', who won,' -> 'Jane Roe won.'"""
    seen: set[int] = set()
    for a, name in zip(attributions, speakers, strict=True):
        if a.source is None or not name or a.source.start in seen:
            continue
        seen.add(a.source.start)
        source = clean[a.source.start : a.source.end].rstrip(", ")
        head, comma, rest = source.partition(", ")
        if not comma or not rest or not head[:1].isupper():
            continue
        span = Span(a.source.start, a.source.start + len(source))
        if rest.startswith(("a ", "an ", "the ")) and len(rest.split()) >= 3:
            yield tidy(f"{name} is {rest}"), span
        elif rest.startswith("who ") and clause_like(rest[4:]):
            yield tidy(f"{name} {rest[4:]}"), span


def with_names(words: str, cast: Cast, sentence: Sentence, number: int) -> str:
    """The sentence with an opening "He" or "She" replaced by the name it means, when the document tells."""
    match = _SUBJECT_PRONOUN.match(words)
    if match is None:
        return words
    name = cast.meant(match["who"], sentence.start, number)
    return f"{name}{words[match.end() :]}" if name else words

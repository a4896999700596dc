"""A document as the rules see it: paragraphs, sentences, quotations, tokens. All offsets are code points of the text.

Sentence bounds come from `sentencex` (Wikimedia's splitter: maintained, linear time, no model). It does not split
inside quotation marks, which is what attribution needs; two habits are corrected here: it runs a quoted sentence
together with the next one ('… said no." Trump left.'), and it ends a sentence at "p.m." before a weekday.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sentencex import segment

_PARAGRAPH = re.compile(r"\n[^\S\n]*\n\s*|(?<=[.!?:;”\"’'])[^\S\n]*\n\s*")
_TOKEN = re.compile(r"(?:[A-Z]\.){2,}|\w+(?:[-.'’&/]\w+)*(?:['’](?!['’\w]))?|''|[^\w\s]")
_QUOTE = re.compile(r"''|[\"“”„]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_LATE_BOUND = re.compile(r"[.!?…](?:[\"”]|'')\s+(?=[A-Z“\"])")
_CLOCK_END = re.compile(r"\b[ap]\.m\.\s*\Z")
_TITLE_END = re.compile(
    r"\b(?:Sen|Rep|Gov|Gen|Lt|Col|Sgt|Rev|Mr|Mrs|Ms|Dr|Prof|Hon|Pres|Sens|Reps|St|Jr|Sr|No|vs)\.\s*\Z"
)
_WINDOW = 4_000  # code points handed to the splitter at once; longer than any paragraph in the news
_LONGEST = 150  # tokens of a sentence; a longer one is no prose, and is read in parts so that the rules stay linear
_STRAIGHT = str.maketrans("“”„«»", '"' * 5)


@dataclass(slots=True)
class Token:
    """A word, a mark, or a whole quotation (`kind` "w", "p", "q"). `low`: lower-cased text; "" for a quotation."""

    kind: str
    start: int
    end: int
    text: str
    low: str


@dataclass(slots=True)
class Sentence:
    """One sentence: [start, end) in the text, trimmed, its paragraph's number and its tokens."""

    start: int
    end: int
    paragraph: int
    tokens: list[Token]
    quotes: list[tuple[int, int]]


def readable(text: str) -> str:
    """The text with what the splitter cannot take replaced, code point by code point, so that offsets stay."""
    return _SURROGATE.sub("\ufffd", text)


def paragraphs(text: str, begin: int = 0) -> Iterator[tuple[int, int]]:
    """Trimmed [start, end) of each paragraph: blank lines part them, and line ends after a full stop."""
    at = begin
    for match in _PARAGRAPH.finditer(text, begin):
        yield from _trimmed(text, at, match.start())
        at = match.end()
    yield from _trimmed(text, at, len(text))


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    part = text[start:end]
    lead = len(part) - len(part.lstrip())
    kept = part.strip()
    if kept:
        yield start + lead, start + lead + len(kept)


def quotations(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Double-quoted stretches of a paragraph, marks included; one left open runs to the paragraph's end.

    A straight mark opens when a quotation is not open; curly ones say what they are.
    """
    found: list[tuple[int, int]] = []
    opened = -1
    for match in _QUOTE.finditer(text, start, end):
        mark = match.group()
        if opened < 0:
            if mark == "”":
                continue
            if mark == "''" and not _opens(text, match.start(), start):
                continue
            opened = match.start()
        elif mark not in ("“", "„"):
            found.append((opened, match.end()))
            opened = -1
    if opened >= 0:
        found.append((opened, end))
    return found


def _opens(text: str, at: int, start: int) -> bool:
    return at == start or not text[at - 1].isalnum()


def sentences(text: str, begin: int = 0) -> list[Sentence]:
    """Every sentence of the text from code point `begin` on, in order. `text` must be `readable`."""
    found: list[Sentence] = []
    for number, (start, end) in enumerate(paragraphs(text, begin)):
        quotes = quotations(text, start, end)
        for first, last in _bounds(text, start, end, quotes):
            read = tokens(text, first, last, _between(quotes, first, last))
            for at in range(0, len(read), _LONGEST):
                part = read[at : at + _LONGEST]
                inside = [(q.start, q.end) for q in part if q.kind == "q"]
                found.append(Sentence(part[0].start, part[-1].end, number, part, inside))
    return found


def _between(quotes: list[tuple[int, int]], start: int, end: int) -> list[tuple[int, int]]:
    # few quotations a paragraph in prose; hostile input is capped by bisecting
    from bisect import bisect_left

    low = bisect_left(quotes, (start, -1))
    found = []
    while low < len(quotes) and quotes[low][0] < end:
        found.append((quotes[low][0], min(quotes[low][1], end)))
        low += 1
    return found


def _bounds(text: str, start: int, end: int, quotes: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Sentence bounds of one paragraph, never inside a quotation."""
    cuts = _cuts(text, start, end)
    late = {m.end() for m in _LATE_BOUND.finditer(text, start, end)}
    cuts = sorted(late.union(cuts))
    closed = iter(quotes)
    quote = next(closed, None)
    begun = start
    for cut in cuts:
        while quote is not None and quote[1] <= cut:
            if quote[1] == cut:
                break
            quote = next(closed, None)
        if cut < end:
            if quote is not None and quote[0] < cut < quote[1]:
                continue
            tail = text[max(begun, cut - 12) : cut]
            if _CLOCK_END.search(tail) or _TITLE_END.search(tail):
                continue
            if cut in late and _attributes(text, cut, end):
                continue
        yield from _trimmed(text, begun, cut)
        begun = cut
    yield from _trimmed(text, begun, end)


def _cuts(text: str, start: int, end: int) -> list[int]:
    """Where the splitter ends sentences. It gets windows: its search for closing marks is quadratic in what it gets."""
    cuts: list[int] = []
    while start < end:
        stop = min(end, start + _WINDOW)
        at = start
        for part in segment("en", text[start:stop].translate(_STRAIGHT)):
            at += len(part)
            cuts.append(at)
        if stop < end and len(cuts) > 1 and cuts[-1] == stop and cuts[-2] > start:
            cuts.pop()  # the window's last piece may go on
        start = max(cuts[-1], start + 1)
    return cuts


def _attributes(text: str, at: int, end: int) -> bool:
    """After a quotation that ends in a mark: do the next few words attribute it ('"Never!" Mr. Orr told them')?"""
    from onrecord_server.ingest.lexicon import VERB_FORMS

    before = text[max(0, at - 8) : at].rstrip()
    sharp = before[:-1].endswith(("!", "?", "!'", "?'"))
    words = _TOKEN.findall(text, at, min(end, at + 60))[:6]
    hit = next((i for i, w in enumerate(words) if "q" in _frames(VERB_FORMS.get(w.lower()))), None)
    return sharp and hit is not None and hit <= 5


def _frames(forms: object) -> str:
    if not isinstance(forms, dict) or "" not in forms:
        return ""
    form = forms[""]
    return form.frames if form.tense in ("past", "present", "base") else ""


def tokens(text: str, start: int, end: int, quotes: list[tuple[int, int]]) -> list[Token]:
    """Tokens of [start, end); each quotation in `quotes` is one token."""
    found: list[Token] = []
    at = start
    for first, last in [*quotes, (end, end)]:
        for match in _TOKEN.finditer(text, at, first):
            word = match.group()
            kind = "w" if word[0].isalnum() or word[0] == "_" else "p"
            found.append(Token(kind, match.start(), match.end(), word, word.lower()))
        if last > first:
            found.append(Token("q", first, last, text[first:last], ""))
        at = last
    return found

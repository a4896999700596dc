"""Content that follows its reporting expression: clauses, quotations, infinitives, noun phrases."""

from __future__ import annotations

from onrecord_server.domain.words import word_set
from onrecord_server.ingest.attributions import Kind
from onrecord_server.ingest.lexicon import (
    DETERMINERS,
    PREPOSITIONS,
)
from onrecord_server.ingest.phrases import (
    is_adverb,
    is_capital,
    is_finite,
    is_time,
)
from onrecord_server.ingest.reading import Reading, clausal, clip, full_quote, hearer_end, skip_adjuncts, starts_quote
from onrecord_server.ingest.text import Token

_EMPTY_OBJECTS = word_set(
    """
    nothing little something anything so no goodbye much hello yes
    """
)


WH = word_set(
    """
    whether if what how why when where who which
    """
)


def forward(t: list[Token], readings: list[Reading], index: int, end: int) -> None:
    """Content follows the cue."""
    r = readings[index]
    cue = r.cue
    frames = cue.form.frames
    k = cue.last
    if k >= end:
        return
    if t[k].low == "to" and "s" in frames and k + 1 < end:
        r.kind, r.content = Kind.COMMITMENT, [(k, clip(t, readings, index, k, end))]
        return
    if "w" in frames:
        j = _next_wh(t, k, end)
        if j is not None:
            r.kind = Kind.QUESTION
            if j > k:
                r.hearer = (k, j)
            r.content = [(j, clip(t, readings, index, j, end))]
            return
    if "i" in frames:
        j = _next_to(t, k, end)
        if j is not None and j > k:
            r.kind, r.hearer = Kind.DIRECTIVE, (k, j - 1 if t[j - 1].low == "not" else j)
            r.content = [(k, clip(t, readings, index, k, end))]
            return
    if "t" in frames and not starts_quote(t, k) and t[k].low != "that":
        stop = hearer_end(t, k, end)
        r.hearer = (k, stop)
        k = skip_adjuncts(t, stop, end)
        if k >= end:
            return
    if "w" in frames and (
        t[k].kind == "q"
        or (k + 1 < end and starts_quote(t, k))
        or (r.hearer is None and k + 3 < end and t[k].kind == "w" and any(starts_quote(t, j) for j in (k + 1, k + 2)))
    ):
        j = next(j for j in range(k, end) if t[j].kind == "q")
        r.kind, r.content = Kind.QUESTION, [(j, clip(t, readings, index, j, end))]
        return
    speech = any(f in frames for f in "cqt")
    clause_at = _content_start(t, k, end) if speech else k
    start = clause_at if clause_at is not None else k
    if start >= end:
        return
    if t[start].low in _EMPTY_OBJECTS and t[start].low != "no":
        return
    if speech and (_is_clause(t, start, end) or t[start].kind == "q" or (t[start].low == "that")):
        r.kind = Kind.SPEECH
    elif "n" in frames or not speech:
        r.kind = Kind.OBJECT
    else:
        r.kind = Kind.SPEECH if frames.startswith("cq") or "t" in frames else Kind.OBJECT
    stop = clip(t, readings, index, start, end)
    if r.kind is Kind.OBJECT:
        if t[start].kind == "p" or t[start].low in PREPOSITIONS - {"as", "about", "against", "for"}:
            return
        stop = _object_end(t, start, stop)
    r.content = [(start, stop)] if stop > start else None
    r.quoted = t[start].kind == "q" and full_quote(t, start + 1) and stop - start <= 2


def _content_start(t: list[Token], k: int, end: int) -> int | None:
    """Where the reported clause or quotation begins, past adjuncts and the mark before a quotation."""
    if t[k].low == "that" or t[k].kind == "q":
        return k
    if t[k].text in (":", ",") and k + 1 < end:
        if t[k + 1].kind == "q" or t[k].text == ":":
            return k + 1
        # ', however, that …' / ', in a statement, that …'
        for j in range(k + 1, min(end, k + 14)):
            if t[j].low == "that" and t[j - 1].text == ",":
                return j
            if t[j].kind == "q" and t[j - 1].text in (",", ":"):
                return j
        return k + 1
    j = skip_adjuncts(t, k, end)
    if j > k and j < end:
        if t[j].low == "that" or t[j].kind == "q":
            return j
        if (
            t[j].text in (",", ":")
            and j + 1 < end
            and (t[j + 1].low == "that" or t[j + 1].kind == "q" or t[j].text == ":")
        ):
            return j + 1
        only_time = all(
            is_time(x.low) or is_adverb(x.low) or x.low in ("on", "last", "this", "earlier") for x in t[k:j]
        )
        if only_time or clausal(t, j):
            return j
    return k


def _is_clause(t: list[Token], start: int, end: int) -> bool:
    if t[start].low in ("that", "there", "he", "she", "they", "we", "i", "it", "what", "how", "why", "whether", "if"):
        return True
    for k in range(start, min(end, start + 16)):
        if t[k].text in (",", ";", ":") and k > start + 10:
            return False
        if is_finite(t[k]) and k > start:
            return True
        if t[k].low in ("who", "which", "that", "to"):
            return False
    return False


def _next_wh(t: list[Token], k: int, end: int) -> int | None:
    for j in range(k, min(end, k + 10)):
        if t[j].low in WH or (t[j].low == "about" and j == k):
            return j
        if t[j].kind != "w":
            return None
    return None


def _next_to(t: list[Token], k: int, end: int) -> int | None:
    """Index of the "to" that opens the infinitive of 'urged the two countries to …'."""
    for j in range(k, min(end, k + 14)):
        if t[j].low == "to" and j + 1 < end and t[j + 1].kind == "w" and j > k:
            nxt = t[j + 1]
            if nxt.low not in DETERMINERS and not is_capital(nxt) and not nxt.low.endswith(("ing", "ed")):
                return j
        if t[j].kind != "w" or t[j].low in ("that", "who", "which") or is_finite(t[j]):
            return None
    return None


def _object_end(t: list[Token], start: int, stop: int) -> int:
    """End of a noun-phrase content: before ', which …', ', but …', 'and + verb', ' after …', ' when …'."""
    for k in range(start + 1, stop):
        low = t[k].low
        if t[k].text in (";", ":", "—", "–", "--"):
            return k
        if t[k].text == "," and k + 1 < stop:
            nxt = t[k + 1]
            if nxt.low in ("but", "while", "when", "which", "who", "after", "though", "although", "and", "as") or (
                nxt.low.endswith("ing") or is_finite(nxt)
            ):
                return k
        if low in ("when", "while", "after", "before", "because", "during", "since", "until", "though", "although"):
            return k
        if is_time(low) and k + 1 >= stop:
            return k - 1 if t[k - 1].low in ("on", "last", "this") else k
    return stop

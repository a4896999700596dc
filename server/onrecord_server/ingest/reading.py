"""A reporting expression with its parts, and the small questions that all rules ask about a sentence."""

from __future__ import annotations

from dataclasses import dataclass

from onrecord_server.ingest.attributions import Kind
from onrecord_server.ingest.cues import Cue
from onrecord_server.ingest.lexicon import (
    CONJUNCTIONS,
    DETERMINERS,
    PREPOSITIONS,
    PRONOUNS,
    SUBORDINATORS,
)
from onrecord_server.ingest.phrases import (
    is_adverb,
    is_capital,
    is_finite,
    is_time,
)
from onrecord_server.ingest.text import Token

_STOPS = frozenset({".", "!", "?", ";", "…"})


@dataclass(slots=True)
class Reading:
    """A cue with its parts, as token ranges of the sentence."""

    cue: Cue
    source: tuple[int, int] | None = None
    content: list[tuple[int, int]] | None = None
    kind: Kind = Kind.SPEECH
    post: bool = False  # content stands before the cue
    hearer: tuple[int, int] | None = None
    quoted: bool = False


def opens_sentence(t: list[Token], k: int) -> bool:
    """Does the token open the sentence?"""
    return k == 0 or (k == 1 and t[0].low in CONJUNCTIONS)


def sentence_end(t: list[Token]) -> int:
    """Index past the last token that is not a final mark."""
    end = len(t)
    while end > 0 and t[end - 1].kind == "p" and t[end - 1].text in _STOPS | {","}:
        end -= 1
    return end


def clause_start(reading: Reading) -> int:
    """First token of the cue's clause: its source when that stands directly before the cue."""
    cue, source = reading.cue, reading.source
    if source is not None and source[1] <= cue.first and cue.first - source[1] <= 1:
        return source[0]
    return cue.first


def full_quote(t: list[Token], start: int) -> bool:
    """The token before `start` is a quotation that ends in a mark of its own."""
    text = t[start - 1].text
    if t[start - 1].kind != "q":
        text = t[start - 2].text if start >= 2 and t[start - 2].kind == "q" else ""
        return bool(text)
    return text.rstrip("”\"'’").endswith((",", ".", "?", "!", "—", "-"))


def has_clause_before(t: list[Token], readings: list[Reading], index: int, start: int) -> bool:
    """Does what stands before hold a verb or a quotation?"""
    return any(is_finite(x) or x.kind == "q" or x.low.endswith("ed") for x in t[:start])


def starts_quote(t: list[Token], k: int) -> bool:
    """Does a quotation begin here, perhaps after a comma or colon?"""
    return t[k].kind == "q" or (t[k].text in (":", ",") and k + 1 < len(t) and t[k + 1].kind == "q")


def skip_adjuncts(t: list[Token], k: int, end: int) -> int:
    """Past 'on Friday', 'in a statement', 'to reporters', 'earlier this week', 'during an interview with X'."""
    while k < end:
        low = t[k].low
        if is_time(low) or is_adverb(low) or low in ("last", "this", "earlier", "early", "late", "week's"):
            k += 1
        elif low in PREPOSITIONS and low not in ("of", "about", "like", "as", "against", "from"):
            j = k + 1
            while (
                j < end
                and t[j].kind == "w"
                and j - k < 14
                and t[j].low not in SUBORDINATORS | PRONOUNS
                and not (is_finite(t[j]))
            ):
                j += 1
            k = j
        else:
            break
    return k


def hearer_end(t: list[Token], k: int, end: int) -> int:
    """End of the hearer in 'told the crowd in Iowa (that) …'."""
    if k >= end or t[k].kind != "w":
        return k
    if t[k].low in ("me", "him", "her", "us", "them", "you") and not (
        t[k].low == "her" and k + 1 < end and not clausal(t, k + 1)
    ):
        return k + 1
    for j in range(k, min(end, k + 14)):
        if t[j].low in ("that", "to", "if", "whether", "what", "how", "why", "about", "not", "of") and j > k:
            return j
        if t[j].kind != "w":
            if t[j].text in (".", "&", "@", "-") and j > k:
                continue
            return j
        if (j > k and t[j].low in ("in", "on", "at", "during", "after", "before")) or (j > k and is_time(t[j].low)):
            return skip_adjuncts(t, j, end) if skip_adjuncts(t, j, end) < end else j
    # no "that": the hearer ends before the next clause's subject
    for j in range(k + 1, min(end, k + 8)):
        if t[j].low in PRONOUNS or t[j].low in DETERMINERS or t[j].low == "there":
            return j
        if is_capital(t[j]) and not is_capital(t[j - 1]):
            return j
    return min(k + 1, end)


def clausal(t: list[Token], k: int) -> bool:
    """Does a clause seem to begin at this token?"""
    return k < len(t) and (
        t[k].low in PRONOUNS or t[k].low in DETERMINERS or t[k].low in ("that", "there") or is_capital(t[k])
    )


def clip(t: list[Token], readings: list[Reading], index: int, start: int, end: int) -> int:
    """Where content that begins at `start` ends: before a later attribution at the same level, else at `end`."""
    best = end
    for later in readings[index + 1 :]:
        cue = later.cue
        at = clause_start(later)
        if at <= start:
            continue
        if cue.way == "according":
            at = cue.first
            if t[at - 1].text == ",":
                best = min(best, at - 1)
            continue
        if cue.way != "verb":
            continue
        before = t[at - 1]
        if later.post:
            continue
        first = readings[index].cue
        opening = (first.first == 0 or (first.first == 1 and t[0].low in SUBORDINATORS | PREPOSITIONS)) and (
            first.form.tense == "ing" or (first.form.tense == "past" and not first.passive)
        )
        if (opening and before.text == "," and cue.form.tense != "ing") or (
            cue.form.tense == "ing" and before.text == ","
        ):
            best = min(best, at - 1)
        elif cue.form.tense != readings[index].cue.form.tense or (
            cue.form.tense != "past" and not any(f in cue.form.frames for f in "qvtw")
        ):
            continue
        elif (
            before.low in ("and", "but", "while", "as", "though", "although")
            and at - 1 > start
            and (
                later.source == readings[index].source
                or t[at - 2].text == ","
                or t[at - 2].kind == "q"
                or t[at].low in ("he", "she", "they")
            )
        ):
            cut = at - 2 if t[at - 2].text == "," else at - 1
            best = min(best, cut)
        elif before.text == "," and _tail_attribution(t, later, end):
            best = min(best, at - 1)
    return max(best, start)


def _tail_attribution(t: list[Token], later: Reading, end: int) -> bool:
    """', he said' at the end of the sentence."""
    return skip_adjuncts(t, later.cue.last, end) >= end

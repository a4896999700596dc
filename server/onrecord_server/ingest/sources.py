"""Gives each reporting expression of a sentence its source: who says it."""

from __future__ import annotations

from onrecord_server.ingest.cues import Cue
from onrecord_server.ingest.lexicon import (
    AUXILIARIES,
    CONJUNCTIONS,
    PREPOSITIONS,
    PRONOUNS,
    SUBORDINATORS,
)
from onrecord_server.ingest.phrases import (
    core_right,
    is_capital,
    is_finite,
    is_time,
    sentence_subject,
    subject_left,
    subject_right,
)
from onrecord_server.ingest.reading import Reading, opens_sentence
from onrecord_server.ingest.text import Token


def sources(t: list[Token], readings: list[Reading]) -> None:
    previous: Reading | None = None
    for index, r in enumerate(readings):
        cue = r.cue
        if cue.way == "colon":
            pass
        elif cue.way == "according":
            r.source = subject_right(t, cue.last, closed=opens_sentence(t, cue.first))
        elif cue.way == "noun":
            before = t[cue.first - 1]
            if before.low.endswith(("'s", "’s", "s’", "s'")) or before.low in ("his", "her", "their", "my", "our"):
                r.source = _possessor(t, cue.first)
        elif cue.form.tense == "ing" and not _has_aux(t, cue):
            r.source = _participle_source(t, readings, index, previous)
        elif cue.passive:
            if cue.last < len(t) and t[cue.last].low == "by":
                r.source = subject_right(t, cue.last + 1)
        elif cue.infinitive:
            r.source = previous.source if previous is not None else sentence_subject(t, cue.first)
        else:
            _finite_source(t, r, previous)
        previous = r if r.source is not None else previous
    # a participle that opens the sentence takes the subject of what follows
    for index, r in enumerate(readings):
        if r.source is None and r.cue.form.tense == "ing" and r.cue.way == "verb":
            after = [x for x in readings[index + 1 :] if x.source is not None and x.cue.form.tense != "ing"]
            main = [x for x in after if x.source is not None and t[x.source[0] - 1].text == ","]
            if after:
                r.source = (main or after)[0].source


def _has_aux(t: list[Token], cue: Cue) -> bool:
    return any(t[k].low in AUXILIARIES for k in range(cue.first, cue.verb))


def _possessor(t: list[Token], end: int) -> tuple[int, int]:
    k = end - 1
    while k - 1 >= 0 and is_capital(t[k - 1]) and t[k].low not in PRONOUNS and is_capital(t[k]):
        k -= 1
    return k, end


def _participle_source(
    t: list[Token], readings: list[Reading], index: int, previous: Reading | None
) -> tuple[int, int] | None:
    cue = readings[index].cue
    if cue.first == 0 or (cue.first <= 2 and t[0].low in SUBORDINATORS | {"in", "by", "after", "before", "while"}):
        comma = next((k for k in range(cue.last, len(t)) if t[k].text == ","), None)
        nxt = readings[index + 1] if index + 1 < len(readings) else None
        if nxt is not None or comma is None:
            return None
        tail = t[comma + 1 :]
        found = sentence_subject(tail, len(tail))
        return (found[0] + comma + 1, found[1] + comma + 1) if found else None
    speaking = [
        x
        for x in readings[:index]
        if x.source is not None and "v" in x.cue.form.frames and not x.cue.modal and x.cue.form.tense != "ing"
    ]
    if speaking:
        return speaking[-1].source
    if previous is not None and previous.source is not None:
        return previous.source
    return sentence_subject(t, cue.first)


def _finite_source(t: list[Token], r: Reading, previous: Reading | None) -> None:
    cue = r.cue
    before = t[cue.first - 1] if cue.first > 0 else None
    if (
        "v" in cue.form.frames
        and cue.form.tense != "base"
        and (
            before is None
            or before.text == ","
            or before.kind == "q"
            or before.text in ("—", "-", "–", "?", "!", "’", "'")
        )
    ):
        right = subject_right(t, cue.last)
        edge = core_right(t, cue.last)
        ended = right is not None and (
            edge >= len(t)
            or t[edge].kind in ("p", "q")
            or t[edge].low in PREPOSITIONS
            or is_time(t[edge].low)
            or t[edge].low in ("when", "while", "last", "this", "earlier", "later", "as", "who", "whose")
        )
        starts = cue.last < len(t) and t[cue.last].low not in ("that", "it", "this", "there")
        if _apposed(t, cue.first) and edge < len(t) and (t[edge].kind == "w" or any(is_finite(x) for x in t[edge:])):
            ended = False  # 'Roe, the mayor, said the days when … are gone'
        if right is not None and ended and starts and before is not None:
            r.source, r.post = right, True
            return
    if before is None:
        return
    if before.low in CONJUNCTIONS or (before.text == "," and previous is not None and _list_comma(t, cue)):
        r.source = previous.source if previous is not None else sentence_subject(t, cue.first)
        return
    r.source = subject_left(t, cue.first)
    if r.source is None and previous is not None:
        r.source = previous.source


def _apposed(t: list[Token], end: int) -> bool:
    """Does 'Name, apposition,' from the sentence's start stand before `end`?"""
    if end < 3 or t[end - 1].text != ",":
        return False
    found = subject_left(t, end)
    return found is not None and found[1] == end and found[0] <= 3


def _list_comma(t: list[Token], cue: Cue) -> bool:
    """'He said X, called Y a liar and left': a comma before a verb without a subject of its own."""
    found = subject_left(t, cue.first)
    return found is None

"""Gives each reporting expression its content: what is said, before, around or after it."""

from __future__ import annotations

from onrecord_server.ingest.attributions import Kind
from onrecord_server.ingest.forward import WH, forward
from onrecord_server.ingest.lexicon import (
    PREPOSITIONS,
    SUBORDINATORS,
)
from onrecord_server.ingest.phrases import (
    subject_left,
)
from onrecord_server.ingest.reading import (
    Reading,
    clause_start,
    clip,
    full_quote,
    has_clause_before,
    hearer_end,
    sentence_end,
    skip_adjuncts,
    starts_quote,
)
from onrecord_server.ingest.text import Token


def content(t: list[Token], readings: list[Reading], index: int) -> None:
    r = readings[index]
    cue = r.cue
    end = sentence_end(t)
    if cue.way == "colon":
        return
    if cue.way == "according":
        _around(t, readings, index, end)
        return
    after = max(cue.last, r.source[1] if r.post and r.source is not None else 0)
    if r.post or _closes(t, readings, index, after, end):
        _around(t, readings, index, end)
        return
    if "m" in cue.form.frames:
        _seeming(t, readings, index, end)
        return
    if cue.passive:
        _passive(t, readings, index, end)
        return
    forward(t, readings, index, end)


def _closes(t: list[Token], readings: list[Reading], index: int, after: int, end: int) -> bool:
    """Does the attribution close what stands before it: '…, he said.', '"…," he said on Friday.'"""
    r = readings[index]
    start = clause_start(r)
    frames = r.cue.form.frames
    if start == 0 or not ("c" in frames or "q" in frames or "t" in frames) or r.cue.form.tense == "ing":
        return False
    before = t[start - 1]
    if not (before.text in (",", "—", "–", "--") or before.kind == "q" or before.text in ("?", "!", "’", "'")):
        return False
    if before.kind == "q" and before.text.rstrip("”\"'’").endswith(",") and len(before.text) > 3:
        return True
    k = skip_adjuncts(t, after, end)
    if "t" in frames and k < end and not starts_quote(t, k):
        k = skip_adjuncts(t, hearer_end(t, k, end), end)
    if k >= end:
        return True
    if t[k].text == "," and not (k + 1 < end and t[k + 1].kind == "q" and not full_quote(t, start)):
        return has_clause_before(t, readings, index, start)
    if before.kind == "q" and full_quote(t, start):
        return (
            t[k].low in PREPOSITIONS or t[k].low in SUBORDINATORS or t[k].low.endswith("ing") or t[k].text in (":", ".")
        )
    return t[k].text in (".", "?", "!") and k + 1 < len(t) and t[k + 1].kind == "q"


def _around(t: list[Token], readings: list[Reading], index: int, end: int) -> None:
    """Content stands around the attribution: before it, and after it when the sentence goes on."""
    r = readings[index]
    start = clause_start(r)
    if r.post or r.cue.way == "according":
        start = r.cue.first
    parts: list[tuple[int, int]] = []
    left_end = start
    while (
        left_end > 0
        and t[left_end - 1].kind == "p"
        and t[left_end - 1].text in (",", "—", "–", "--", "’", "'", "(", "-")
    ):
        left_end -= 1
    left_start = 0
    for earlier in readings[:index]:
        if earlier.post and earlier.content and earlier.source is not None:
            left_start = max(left_start, earlier.source[1], earlier.cue.last)
    while left_start < left_end and t[left_start].text in (",", ";", "."):
        left_start += 1
    whole = left_end > left_start and t[left_end - 1].kind == "q" and full_quote(t, left_end)
    if whole and left_end - 2 >= left_start and (t[left_end - 2].kind != "w"):
        left_start = left_end - 1
        while left_start - 1 >= 0 and t[left_start - 1].kind == "q":
            left_start -= 1
    if left_end > left_start:
        parts.append((left_start, left_end))
    after = max(r.cue.last, r.source[1] if r.source is not None and r.source[0] >= r.cue.first else 0)
    k = after
    if r.cue.way != "according":
        k = skip_adjuncts(t, k, end)
        if "t" in r.cue.form.frames and k < end and t[k].kind == "w":
            k = skip_adjuncts(t, hearer_end(t, k, end), end)
    if r.cue.way == "according" and not parts:
        while k < end and t[k].text == ",":
            k += 1
        parts.append((k, clip(t, readings, index, k, end)))
    elif whole:
        for j in range(after, len(t)):
            if (
                t[j].kind == "q"
                and (t[j - 1].kind == "p" or (t[j - 1].kind == "q" and full_quote(t, j)))
                and not any(after <= x.cue.first < j for x in readings[index + 1 :])
            ):
                parts.append((j, clip(t, readings, index, j, max(end, j + 1))))
                break
    elif k < end and t[k].text in (",", ".", "?", "!", ":", "—", "–", "--", ";"):
        mark = t[k].text
        k += 1
        if k < end and (
            t[k].kind == "q" or (mark == "," and r.cue.way != "according" and not _attributive(t, readings, index, k))
        ):
            stop = clip(t, readings, index, k, end)
            if t[k].kind == "q" or stop - k > 2:
                parts.append((k, stop))
    r.content = [p for p in parts if p[1] > p[0]]
    r.quoted = any(t[a].kind == "q" for a, _ in r.content) and full_quote(t, start)


def _attributive(t: list[Token], readings: list[Reading], index: int, k: int) -> bool:
    """Does what follows belong to the attribution (', adding …', ', who is …') rather than to its content?"""
    low = t[k].low
    if low.endswith("ing") or low in (
        "who",
        "which",
        "as",
        "while",
        "when",
        "though",
        "although",
        "in",
        "during",
        "after",
        "before",
        "according",
        "a",
        "the",
    ):
        return True
    return any(clause_start(x) - k <= 2 and clause_start(x) >= k for x in readings[index + 1 :])


def _seeming(t: list[Token], readings: list[Reading], index: int, end: int) -> None:
    """'X seems to be Y': nobody is named; X and what it seems to be are the content."""
    r = readings[index]
    subject = r.source
    r.source = None
    k = r.cue.last
    if (
        subject is None
        or k >= end
        or t[k].low not in ("to", "like", "that", "as", "unlikely", "likely", "certain", "poised")
    ):
        return
    r.content = [subject, (k, clip(t, readings, index, k, end))]


def _passive(t: list[Token], readings: list[Reading], index: int, end: int) -> None:
    """'X is expected to win', 'he was asked about Y', 'Z was described as …'."""
    r = readings[index]
    cue = r.cue
    subject = subject_left(t, cue.first) if cue.first > 0 else None
    frames = cue.form.frames
    k = cue.last
    by_end = r.source[1] if r.source is not None else k
    if "w" in frames and k < end and t[k].low in WH | {"about"}:
        r.kind = Kind.QUESTION
        r.content = [(k, clip(t, readings, index, k, end))]
        return
    if subject is None:
        return
    if k < end and t[k].low == "to" and cue.form.lemma in ("expect", "say", "report", "believe", "think", "know"):
        r.kind = Kind.SPEECH
        r.content = [subject, (k, clip(t, readings, index, k, end))]
    elif "n" in frames or "c" in frames:
        r.kind = Kind.OBJECT
        r.content = [subject]
        if by_end < end and t[by_end].low in ("as", "for", "of"):
            r.content.append((by_end, clip(t, readings, index, by_end, end)))

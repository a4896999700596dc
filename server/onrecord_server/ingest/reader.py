"""Reads one sentence: gives each cue its source and its content."""

from __future__ import annotations

from dataclasses import dataclass

from onrecord_server.domain.types import Span, Stance
from onrecord_server.domain.words import word_set
from onrecord_server.ingest.attributions import Attribution, Kind
from onrecord_server.ingest.cues import Cue, find_cues
from onrecord_server.ingest.lexicon import (
    AUXILIARIES,
    CONJUNCTIONS,
    DETERMINERS,
    PREPOSITIONS,
    PRONOUNS,
    RARE,
    RARE_BARE,
    SUBORDINATORS,
    VerbForm,
)
from onrecord_server.ingest.phrases import (
    is_adverb,
    is_capital,
    is_finite,
    is_time,
    core_right,
    sentence_subject,
    subject_left,
    subject_right,
)
from onrecord_server.ingest.text import Sentence, Token

_MOST_CUES = 20  # reporting words in one sentence; more is no prose
_STOPS = frozenset({".", "!", "?", ";", "…"})
_EMPTY_OBJECTS = word_set(
    """
    nothing little something anything so no goodbye much hello yes
    """
)
_WH = word_set(
    """
    whether if what how why when where who which
    """
)
_NOT_SOURCE = frozenset(["it", "there", "this", "which"])


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


def read_sentence(sentence: Sentence, number: int) -> list[Attribution]:
    """The attributions whose cue stands in this sentence, in order of their cues."""
    t = sentence.tokens
    cues = find_cues(t)
    if len(cues) > _MOST_CUES:
        return []
    colon = _colon(t)
    readings = [Reading(cue) for cue in cues]
    if colon is not None:
        readings.insert(0, colon)
    _sources(t, readings)
    for index, _reading in enumerate(readings):
        _content(t, readings, index)
    return [made for reading in readings if (made := _attribution(t, reading, number)) is not None]


# ---- sources -------------------------------------------------------------------------------------------------------


def _sources(t: list[Token], readings: list[Reading]) -> None:
    previous: Reading | None = None
    for index, r in enumerate(readings):
        cue = r.cue
        if cue.way == "colon":
            pass
        elif cue.way == "according":
            r.source = subject_right(t, cue.last, closed=_opens_sentence(t, cue.first))
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


def _opens_sentence(t: list[Token], k: int) -> bool:
    return k == 0 or (k == 1 and t[0].low in CONJUNCTIONS)


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


# ---- content -------------------------------------------------------------------------------------------------------


def _sentence_end(t: list[Token]) -> int:
    end = len(t)
    while end > 0 and t[end - 1].kind == "p" and t[end - 1].text in _STOPS | {","}:
        end -= 1
    return end


def _clause_start(reading: Reading) -> int:
    """First token of the cue's clause: its source when that stands directly before the cue."""
    cue, source = reading.cue, reading.source
    if source is not None and source[1] <= cue.first and cue.first - source[1] <= 1:
        return source[0]
    return cue.first


def _content(t: list[Token], readings: list[Reading], index: int) -> None:
    r = readings[index]
    cue = r.cue
    end = _sentence_end(t)
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
    _forward(t, readings, index, end)


def _closes(t: list[Token], readings: list[Reading], index: int, after: int, end: int) -> bool:
    """Does the attribution close what stands before it: '…, he said.', '"…," he said on Friday.'"""
    r = readings[index]
    start = _clause_start(r)
    frames = r.cue.form.frames
    if start == 0 or not ("c" in frames or "q" in frames or "t" in frames) or r.cue.form.tense == "ing":
        return False
    before = t[start - 1]
    if not (before.text in (",", "—", "–", "--") or before.kind == "q" or before.text in ("?", "!", "’", "'")):
        return False
    if before.kind == "q" and before.text.rstrip("”\"'’").endswith(",") and len(before.text) > 3:
        return True
    k = _skip_adjuncts(t, after, end)
    if "t" in frames and k < end and not _starts_quote(t, k):
        k = _skip_adjuncts(t, _hearer_end(t, k, end), end)
    if k >= end:
        return True
    if t[k].text == "," and not (k + 1 < end and t[k + 1].kind == "q" and not _full_quote(t, start)):
        return _has_clause_before(t, readings, index, start)
    if before.kind == "q" and _full_quote(t, start):
        return (
            t[k].low in PREPOSITIONS or t[k].low in SUBORDINATORS or t[k].low.endswith("ing") or t[k].text in (":", ".")
        )
    return t[k].text in (".", "?", "!") and k + 1 < len(t) and t[k + 1].kind == "q"


def _full_quote(t: list[Token], start: int) -> bool:
    """The token before `start` is a quotation that ends in a mark of its own."""
    text = t[start - 1].text
    if t[start - 1].kind != "q":
        text = t[start - 2].text if start >= 2 and t[start - 2].kind == "q" else ""
        return bool(text)
    return text.rstrip("”\"'’").endswith((",", ".", "?", "!", "—", "-"))


def _has_clause_before(t: list[Token], readings: list[Reading], index: int, start: int) -> bool:
    return any(is_finite(x) or x.kind == "q" or x.low.endswith("ed") for x in t[:start])


def _starts_quote(t: list[Token], k: int) -> bool:
    return t[k].kind == "q" or (t[k].text in (":", ",") and k + 1 < len(t) and t[k + 1].kind == "q")


def _skip_adjuncts(t: list[Token], k: int, end: int) -> int:
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


def _around(t: list[Token], readings: list[Reading], index: int, end: int) -> None:
    """Content stands around the attribution: before it, and after it when the sentence goes on."""
    r = readings[index]
    start = _clause_start(r)
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
    whole = left_end > left_start and t[left_end - 1].kind == "q" and _full_quote(t, left_end)
    if whole and left_end - 2 >= left_start and (t[left_end - 2].kind != "w"):
        left_start = left_end - 1
        while left_start - 1 >= 0 and t[left_start - 1].kind == "q":
            left_start -= 1
    if left_end > left_start:
        parts.append((left_start, left_end))
    after = max(r.cue.last, r.source[1] if r.source is not None and r.source[0] >= r.cue.first else 0)
    k = after
    if r.cue.way != "according":
        k = _skip_adjuncts(t, k, end)
        if "t" in r.cue.form.frames and k < end and t[k].kind == "w":
            k = _skip_adjuncts(t, _hearer_end(t, k, end), end)
    if r.cue.way == "according" and not parts:
        while k < end and t[k].text == ",":
            k += 1
        parts.append((k, _clip(t, readings, index, k, end)))
    elif whole:
        for j in range(after, len(t)):
            if (
                t[j].kind == "q"
                and (t[j - 1].kind == "p" or (t[j - 1].kind == "q" and _full_quote(t, j)))
                and not any(after <= x.cue.first < j for x in readings[index + 1 :])
            ):
                parts.append((j, _clip(t, readings, index, j, max(end, j + 1))))
                break
    elif k < end and t[k].text in (",", ".", "?", "!", ":", "—", "–", "--", ";"):
        mark = t[k].text
        k += 1
        if k < end and (
            t[k].kind == "q" or (mark == "," and r.cue.way != "according" and not _attributive(t, readings, index, k))
        ):
            stop = _clip(t, readings, index, k, end)
            if t[k].kind == "q" or stop - k > 2:
                parts.append((k, stop))
    r.content = [p for p in parts if p[1] > p[0]]
    r.quoted = any(t[a].kind == "q" for a, _ in r.content) and _full_quote(t, start)


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
    return any(_clause_start(x) - k <= 2 and _clause_start(x) >= k for x in readings[index + 1 :])


def _seeming(t: list[Token], readings: list[Reading], index: int, end: int) -> None:
    """'X seems to be Y': nobody is named; X and what it seems to be are the content."""
    r = readings[index]
    subject = r.source
    r.source = None
    k = r.cue.last
    if (
        subject is None
        or k >= end
        or not (t[k].low in ("to", "like", "that", "as", "unlikely", "likely", "certain", "poised"))
    ):
        return
    r.content = [subject, (k, _clip(t, readings, index, k, end))]


def _passive(t: list[Token], readings: list[Reading], index: int, end: int) -> None:
    """'X is expected to win', 'he was asked about Y', 'Z was described as …'."""
    r = readings[index]
    cue = r.cue
    subject = subject_left(t, cue.first) if cue.first > 0 else None
    frames = cue.form.frames
    k = cue.last
    by_end = r.source[1] if r.source is not None else k
    if "w" in frames and k < end and t[k].low in _WH | {"about"}:
        r.kind = Kind.QUESTION
        r.content = [(k, _clip(t, readings, index, k, end))]
        return
    if subject is None:
        return
    if k < end and t[k].low == "to" and cue.form.lemma in ("expect", "say", "report", "believe", "think", "know"):
        r.kind = Kind.SPEECH
        r.content = [subject, (k, _clip(t, readings, index, k, end))]
    elif "n" in frames or "c" in frames:
        r.kind = Kind.OBJECT
        r.content = [subject]
        if by_end < end and t[by_end].low in ("as", "for", "of"):
            r.content.append((by_end, _clip(t, readings, index, by_end, end)))


def _hearer_end(t: list[Token], k: int, end: int) -> int:
    """End of the hearer in 'told the crowd in Iowa (that) …'."""
    if k >= end or t[k].kind != "w":
        return k
    if t[k].low in ("me", "him", "her", "us", "them", "you") and not (
        t[k].low == "her" and k + 1 < end and not _clausal(t, k + 1)
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
            return _skip_adjuncts(t, j, end) if _skip_adjuncts(t, j, end) < end else j
    # no "that": the hearer ends before the next clause's subject
    for j in range(k + 1, min(end, k + 8)):
        if t[j].low in PRONOUNS or t[j].low in DETERMINERS or t[j].low == "there":
            return j
        if is_capital(t[j]) and not is_capital(t[j - 1]):
            return j
    return min(k + 1, end)


def _clausal(t: list[Token], k: int) -> bool:
    return k < len(t) and (
        t[k].low in PRONOUNS or t[k].low in DETERMINERS or t[k].low in ("that", "there") or is_capital(t[k])
    )


def _forward(t: list[Token], readings: list[Reading], index: int, end: int) -> None:
    """Content follows the cue."""
    r = readings[index]
    cue = r.cue
    frames = cue.form.frames
    k = cue.last
    if k >= end:
        return
    if t[k].low == "to" and "s" in frames and k + 1 < end:
        r.kind, r.content = Kind.COMMITMENT, [(k, _clip(t, readings, index, k, end))]
        return
    if "w" in frames:
        j = _next_wh(t, k, end)
        if j is not None:
            r.kind = Kind.QUESTION
            if j > k:
                r.hearer = (k, j)
            r.content = [(j, _clip(t, readings, index, j, end))]
            return
    if "i" in frames:
        j = _next_to(t, k, end)
        if j is not None and j > k:
            r.kind, r.hearer = Kind.DIRECTIVE, (k, j)
            r.content = [(k, _clip(t, readings, index, k, end))]
            return
    if "t" in frames and not _starts_quote(t, k) and t[k].low != "that":
        stop = _hearer_end(t, k, end)
        r.hearer = (k, stop)
        k = _skip_adjuncts(t, stop, end)
        if k >= end:
            return
    if "w" in frames and (
        t[k].kind == "q"
        or (k + 1 < end and _starts_quote(t, k))
        or (r.hearer is None and k + 3 < end and t[k].kind == "w" and any(_starts_quote(t, j) for j in (k + 1, k + 2)))
    ):
        j = next(j for j in range(k, end) if t[j].kind == "q")
        r.kind, r.content = Kind.QUESTION, [(j, _clip(t, readings, index, j, end))]
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
    stop = _clip(t, readings, index, start, end)
    if r.kind is Kind.OBJECT:
        if t[start].kind == "p" or t[start].low in PREPOSITIONS - {"as", "about", "against", "for"}:
            return
        stop = _object_end(t, start, stop)
    r.content = [(start, stop)] if stop > start else None
    r.quoted = t[start].kind == "q" and t[start].text[-2:-1] in (".", ",", "!", "?") and stop - start <= 2


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
    j = _skip_adjuncts(t, k, end)
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
        if only_time or _clausal(t, j):
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
        if t[j].low in _WH or (t[j].low == "about" and j == k):
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


def _clip(t: list[Token], readings: list[Reading], index: int, start: int, end: int) -> int:
    """Where content that begins at `start` ends: before a later attribution at the same level, else at `end`."""
    best = end
    for later in readings[index + 1 :]:
        cue = later.cue
        at = _clause_start(later)
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
        opening = first.first == 0 and (first.form.tense == "ing" or (first.form.tense == "past" and not first.passive))
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
    return _skip_adjuncts(t, later.cue.last, end) >= end


# ---- colon ---------------------------------------------------------------------------------------------------------


def _colon(t: list[Token]) -> Reading | None:
    """'Name: content' at the start of a sentence (headlines, transcripts)."""
    at = next((k for k in range(min(len(t), 8)) if t[k].text == ":"), None)
    if at is None or at == 0 or at + 1 >= len(t):
        return None
    name = t[:at]
    if not all(x.kind == "w" or x.text == "." for x in name) or not is_capital(name[0]):
        return None
    if any(is_finite(x) or x.low in SUBORDINATORS or x.low in PREPOSITIONS for x in name):
        return None
    if sum(is_capital(x) for x in name) * 2 < len(name) or any(
        x.low in ("update", "video", "watch", "exclusive", "report", "poll", "note", "photos", "correction")
        for x in name
    ):
        return None
    reading = Reading(Cue(at, at + 1, at, VerbForm(":", "past", "cq"), "colon"), (0, at))
    reading.content = [(at + 1, _sentence_end(t))]
    reading.quoted = t[at + 1].kind == "q"
    return reading


def _attribution(t: list[Token], r: Reading, number: int) -> Attribution | None:
    if not r.content:
        return None
    quoting = r.quoted or any(x.kind == "q" for a, b in r.content for x in t[a : min(b, a + 2)])
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
    if r.source is not None and r.source[1] - r.source[0] == 1 and t[r.source[0]].low in _NOT_SOURCE - {"which"}:
        r.source = r.source
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

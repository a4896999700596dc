"""Noun phrases around a reporting verb, found by word shape and closed word classes: no parser, no model.

All functions take the tokens of one sentence and indices into them; a phrase is a half-open index pair.
"""

from __future__ import annotations

from onrecord_server.domain.words import word_set
from onrecord_server.ingest.lexicon import (
    ADVERBS,
    AUXILIARIES,
    CONJUNCTIONS,
    DETERMINERS,
    MONTHS,
    PREPOSITIONS,
    PRONOUNS,
    SUBORDINATORS,
    VERB_FORMS,
    WEEKDAYS,
)
from onrecord_server.ingest.text import Token

_LONGEST = 30  # tokens of a noun phrase with its appositions; longer ones are misreadings
_TIME = (
    WEEKDAYS
    | frozenset(MONTHS)
    | word_set(
        """
    today yesterday tomorrow tonight week month year morning evening afternoon night day weekend earlier later
    """
    )
)
_RIGHT_STOP = word_set(
    """
    in on at during after before while when as since if because via last this next earlier late later though
    although but about into through by using where until amid to that with until upon
    """
)
_COMMON_VERBS = word_set(
    """
    is are was were has have had does did do will would can could may might shall should must be been went goes go
    made makes make took takes take got gets get gave gives give came comes come won wins lost loses began begins
    left leaves met meets ran runs run held holds led leads kept keeps sent sends spent became becomes put
    """
)
_FINITE_SPEECH = frozenset(
    form for form, slots in VERB_FORMS.items() if any(v.tense == "past" and "v" in v.frames for v in slots.values())
) | frozenset({"says", "say"})


def is_adverb(low: str) -> bool:
    """Words that may stand between subject, auxiliary and verb."""
    return low in ADVERBS or (
        low.endswith("ly") and len(low) > 4 and low not in ("family", "italy", "july", "ally", "rally", "daily", "only")
    )


def is_time(low: str) -> bool:
    """A word of a time phrase."""
    return low in _TIME


def is_capital(token: Token) -> bool:
    """A word written with a capital or a digit-led name."""
    return token.kind == "w" and token.text[0].isupper()


def is_finite(token: Token) -> bool:
    """Surely a finite verb: an auxiliary or one of the commonest irregular ones."""
    return token.low in AUXILIARIES or token.low in _COMMON_VERBS


def subject_left(t: list[Token], end: int) -> tuple[int, int] | None:
    """The noun phrase that ends at `end` (exclusive): the subject of the verb group that begins there."""
    stop = max(0, end - _LONGEST)
    last = end
    if last > 0 and t[last - 1].text in (",", "—", "–", ")", "--"):
        return _with_apposition(t, last, stop)
    return _plain_left(t, last, stop)


def _with_apposition(t: list[Token], end: int, stop: int) -> tuple[int, int] | None:
    """'Name, the mayor of X,' or 'Name (D-NY)' or 'Name, who had come late,': the phrase with its apposition."""
    mark = t[end - 1].text
    opener = "(" if mark == ")" else mark
    k = end - 2
    while k >= stop and t[k].text != opener:
        if t[k].kind == "q":
            return None
        k -= 1
    if k <= stop and (k < 0 or t[k].text != opener):
        return None
    head = _plain_left(t, k, stop)
    if head is None:
        return None
    # 'Name, 60, of Dallas,': the comma found parts two appositions, look one further
    inner = t[k + 1] if k + 1 < end else None
    if inner is not None and not is_capital(t[head[0]]) and t[head[0]].low not in DETERMINERS | PRONOUNS:
        wider = _with_apposition(t, k + 1, stop) if k > stop and t[k].text == "," else None
        if wider is not None:
            return wider[0], end
    if inner is not None and (inner.low.endswith("ing") or inner.low in PREPOSITIONS or is_adverb(inner.low)):
        return head
    return head[0], end


def _plain_left(t: list[Token], end: int, stop: int) -> tuple[int, int] | None:
    k = end - 1
    if k < stop or t[k].kind != "w":
        return None
    if t[k].low in PRONOUNS or t[k].low in ("which", "that", "everyone", "someone", "anyone", "nobody", "everybody"):
        return k, end
    while k >= stop:
        token = t[k]
        if token.kind == "q" or (token.kind == "p" and token.text not in (".", "$", "%", "#", "@", "-")):
            break
        if token.kind == "p" and token.text == "." and not (k > 0 and is_capital(t[k - 1]) and len(t[k - 1].text) <= 4):
            break
        low = token.low
        if low in SUBORDINATORS or low in ("but", "or", "yet", "nor"):
            break
        if low == "and" and not _joins(t, k, stop):
            break
        if low in PRONOUNS and k < end - 1:
            break
        if low in AUXILIARIES and low not in ("'s", "’s"):
            break
        if low in _FINITE_SPEECH and k < end - 1 and not (k > 0 and t[k - 1].low in DETERMINERS):
            break
        k -= 1
    start = _trim_left(t, k + 1, end)
    return (start, end) if start < end else None


def _joins(t: list[Token], k: int, stop: int) -> bool:
    """Does this "and" join two noun phrases (both sides capitalised, or both plain nouns close together)?"""
    if k - 1 < stop or k + 1 >= len(t):
        return False
    left, right = t[k - 1], t[k + 1]
    if is_capital(left) and (is_capital(right) or right.low in DETERMINERS):
        return True
    return (
        left.kind == "w"
        and right.kind == "w"
        and not is_finite(right)
        and not is_capital(right)
        and (right.low not in DETERMINERS and right.low not in PRONOUNS and not is_adverb(right.low))
    )


def _trim_left(t: list[Token], start: int, end: int) -> int:
    """Drop what opens the clause rather than the phrase: adverbs, 'On Friday', 'In an interview'."""
    while start < end:
        low = t[start].low
        if low in CONJUNCTIONS or is_adverb(low) or t[start].kind != "w":
            start += 1
        elif low in PREPOSITIONS:
            later = start + 1
            while later < end and (is_time(t[later].low) or t[later].low.isdigit() or t[later].low in DETERMINERS):
                later += 1
            start = later if (later > start + 1 and is_time(t[later - 1].low)) or later == start + 1 else start + 1
        elif is_time(low) and start + 1 < end and low not in ("march", "may", "day"):
            start += 1
        else:
            break
    return start


def subject_right(t: list[Token], start: int, *, closed: bool = False) -> tuple[int, int] | None:
    """The noun phrase that begins at `start`, with its apposition: the subject of an inverted reporting verb.

    closed: an apposition counts only when a comma closes it: 'According to Roe, the mayor, C', not '… Roe, the C'.
    """
    limit = min(len(t), start + _LONGEST)
    k = core_right(t, start)
    if k <= start:
        return None
    while k + 1 < limit and t[k].text == "," and _apposes(t[k + 1]):
        later = _plain_right(t, k + 1, limit, inner=True)
        clause = t[k + 1].low not in ("who", "whose", "one") and any(is_finite(x) for x in t[k + 1 : later])
        if clause or (closed and (later >= len(t) or t[later].text != ",")):
            break
        k = later
    return start, k


def core_right(t: list[Token], start: int) -> int:
    """End of the noun phrase at `start` without apposition; `start` when there is none."""
    limit = min(len(t), start + _LONGEST)
    if start >= limit or t[start].kind != "w":
        return start
    low = t[start].low
    if low in PRONOUNS:
        return start + 1
    if low in PREPOSITIONS or low in SUBORDINATORS or low in CONJUNCTIONS or is_time(low) or is_adverb(low):
        return start
    if low.endswith("ing") and t[start].text[0].islower():
        return start
    k = _plain_right(t, start, limit)
    if k < limit and t[k].text == "(":
        close = next((j for j in range(k, min(limit, k + 8)) if t[j].text == ")"), None)
        if close is not None:
            k = close + 1
    return k


def _apposes(token: Token) -> bool:
    return (
        token.low in ("a", "an", "the", "who", "whose", "his", "her", "their", "one")
        or (
            token.kind == "w"
            and token.text[0].islower()
            and token.low not in PREPOSITIONS
            and token.low not in SUBORDINATORS
            and token.low not in CONJUNCTIONS
            and not token.low.endswith("ing")
            and not is_adverb(token.low)
            and token.low not in PRONOUNS
        )
        or token.low.isdigit()
    )


def _plain_right(t: list[Token], k: int, limit: int, *, inner: bool = False) -> int:
    first = k
    while k < limit:
        token = t[k]
        if token.kind == "q":
            break
        if token.kind == "p":
            dotted = token.text == "." and k + 1 < limit and len(t[k - 1].text) <= 4 and is_capital(t[k - 1])
            if not dotted and token.text not in ("$", "%", "#", "@", "-"):
                break
        elif (
            k > first
            and (token.low in _RIGHT_STOP or is_time(token.low) or token.low in PRONOUNS or is_finite(token))
            and not inner
        ) or (inner and k > first and (token.low in ("but", "when", "while") or is_time(token.low))):
            break
        k += 1
    return k


def sentence_subject(t: list[Token], end: int) -> tuple[int, int] | None:
    """The subject of the sentence's main clause, looked for before index `end`."""
    k = 0
    if t and (t[0].low in PREPOSITIONS or t[0].low in SUBORDINATORS or t[0].low.endswith("ing") or is_adverb(t[0].low)):
        comma = next((i for i in range(min(end, len(t))) if t[i].text == ","), None)
        if comma is not None:
            k = comma + 1
    while k < end and (t[k].kind != "w" or is_adverb(t[k].low) or t[k].low in CONJUNCTIONS):
        k += 1
    if k >= end:
        return None
    if t[k].low in PRONOUNS:
        return k, k + 1
    first = k
    while k < end and k - first < 15:
        token = t[k]
        if token.kind == "q" or (token.kind == "p" and token.text != "."):
            break
        if k > first and (is_finite(token) or token.low in PRONOUNS or token.low in SUBORDINATORS):
            break
        if k > first and token.low in VERB_FORMS and t[k - 1].low not in DETERMINERS:
            break
        if k > first and token.low.endswith("ed") and len(token.low) > 4:
            break
        if k > first and is_adverb(token.low):
            break
        k += 1
    return (first, k) if k > first else None

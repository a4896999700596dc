"""Quantities of an English text: what is counted or measured, and which numbers it may be.

"more than 1.5 million copies" is an open interval of "copy"; "30 km" and "18.6 miles" are metres; "in 1994" is a year.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from onrecord_server.domain.guards.numerals import DASHES, TOKEN, Numeral, numeral_at
from onrecord_server.domain.guards.units import BOUNDS, CURRENCIES, UNITS, YEAR_BOUNDS
from onrecord_server.domain.words import word_set

_LONGEST_BOUND = max(len(phrase.split()) for phrase in (*BOUNDS, *YEAR_BOUNDS))
_ROUNDING = 0.025  # two numbers this near may be one, rounded, when the last digit of the coarser one allows it
_ABOUT = 0.1  # "about 100" may be 90 to 110
_ABOUT_YEARS = 2
_NOUN_SPAN = 4  # words of a noun phrase after a number
_NOUN_REACH = 2 * _NOUN_SPAN + 2  # tokens of it, dashes between them counted
_SPAN_REACH = 8  # tokens from one year to the one that ends its span: "24 May 1819 -- 22 January 1901"
# the words that end the noun phrase a number counts
_ENDS = word_set(
    """a an the of in on at by for to from with as and or but nor is was were are be been being has have had do does
    did who which that while when where than then since until before after during over under into within across
    between among his her its their he she it they this these those there worldwide per each so if not also will
    would can could may might should made won received january february march april june july august september october
    november december"""
)
_YEAR_CUES = word_set(
    "in since by until till before after during from to between circa of early late mid and year ( , for the a an 's"
)
_UNRANKED = word_set("in at was were is")
_RELATIONS = word_set("before after above below than over under")  # "before the 58th minute"
# between a bound and its year: "before January 2015", "after the end of 2010"
_DATE_PARTS = word_set(
    """january february march april may june july august september october november december the early late mid end of
    , beginning start us"""
)


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number and what it may be, `low` to `high` inclusive, in base units of `kind`.

    `kind`: "year", "span" (of years), "title" (a year in a name), "percent", "share", "ordinal", "count", "bare"
    (nothing told), "money:dollar", "unit:metre". `noun`: stem of what is counted or ordered, else "". `step`: worth of
    the last digit, in base units. `written`: the number before units and bounds.
    """

    low: float
    high: float
    kind: str
    noun: str = ""
    step: float = 0.0
    bound: str = ""
    written: float = 0.0

    def meets(self, other: Quantity) -> bool:
        """Whether both may be one number; a coarser one may be the other one rounded."""
        low, high = self.low, self.high
        if self.kind not in ("year", "span", "ordinal"):
            size = abs(low if math.isfinite(low) else high)
            room = min(max(self.step, other.step) / 2, max(_ROUNDING * size, 0.5))
            low, high = low - room, high + room
        return low <= other.high and other.low <= high


def stem(word: str) -> str:
    """A noun without its plural ending; crude, the same on both sides of a comparison."""
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


@lru_cache(maxsize=2048)
def quantities(text: str) -> tuple[Quantity, ...]:
    """The quantities of a text in their order."""
    words = [token.lower() for token in TOKEN.findall(text)]
    found: list[Quantity] = []
    i = 0
    while i < len(words):
        numeral = numeral_at(words, i)
        if numeral is None:
            i += 1
            continue
        i, quantity = _read(words, numeral)
        found.append(replace(quantity, written=numeral.low))
        if quantity.kind == "year" and not quantity.bound and (last := _span_end(words, i)):
            found.append(Quantity(quantity.low, last, "span"))
    return tuple(found)


def _word(words: Sequence[str], i: int) -> str:
    return words[i] if 0 <= i < len(words) else ""


def _read(words: Sequence[str], numeral: Numeral) -> tuple[int, Quantity]:
    """The token after a numeral's quantity, and the quantity."""
    end, before = numeral.end, _word(words, numeral.start - 1)
    if _is_year(words, numeral):
        return _read_year(words, numeral, _bound(words, numeral.start, YEAR_BOUNDS))
    bound = _bound(words, numeral.start, BOUNDS)
    if numeral.fraction:
        return end, Quantity(numeral.low, numeral.high, "share", bound=bound)
    if numeral.ordinal:
        noun = _counted(words, end)
        if noun == "century":
            return end, Quantity(numeral.low * 100 - 100, numeral.low * 100 - 1, "year")
        ranked = noun and before not in _UNRANKED and _word(words, numeral.start - 2) not in _RELATIONS
        kind = "ordinal" if ranked else "bare"
        return end, Quantity(numeral.low, numeral.low, kind, noun)
    end, low, high, step = _range(words, numeral)
    quantity = Quantity(low, high, "bare", step=step)
    after = _word(words, end)
    if after in DASHES:  # "a 30-minute show"
        after = _word(words, end + 1)
    unit = stem(after)
    if before in CURRENCIES:
        quantity = replace(quantity, kind=f"money:{CURRENCIES[before]}")
    elif after in ("%", "percent", "pct") or (after == "per" and _word(words, end + 1) == "cent"):
        quantity = replace(quantity, kind="percent")
    elif unit in CURRENCIES:
        quantity = replace(quantity, kind=f"money:{CURRENCIES[unit]}")
    elif unit in UNITS:
        dimension, factor = UNITS[unit]
        quantity = Quantity(low * factor, high * factor, f"unit:{dimension}", step=max(step, 1.0) * factor)
    elif noun := _counted(words, end):
        quantity = replace(quantity, kind="count", noun=noun)
    return end, _bounded(quantity, bound)


def _read_year(words: Sequence[str], numeral: Numeral, bound: str) -> tuple[int, Quantity]:
    low, end = numeral.low, numeral.end
    before, after = _word(words, numeral.start - 1), _word(words, end)
    if after in ("s", "'s", "’s"):  # "the 1990s"; "the 1900s" may be the century
        return end + 1, _bounded(Quantity(low, low + (9 if low % 100 else 99), "year"), bound)
    if (before == "(" and after[:1].isalpha() and after not in _DATE_PARTS) or before in (
        '"',
        "“",
    ):  # "(2006 film)": which, not when
        return end, Quantity(low, low, "title")
    if after in DASHES and len(short := _word(words, end + 1)) == 2 and short.isdecimal() and short.isascii():
        return end + 2, Quantity(low, max(low, low // 100 * 100 + int(short)), "year")  # "1990–95"
    return end, _bounded(Quantity(low, low, "year"), bound)


def _range(words: Sequence[str], numeral: Numeral) -> tuple[int, float, float, float]:
    """End, bounds and step of "10-12", "10 to 12", "between 10 and 12"; of a lone number its own."""
    low, high, step, end = numeral.low, numeral.high, numeral.step, numeral.end
    sign = _word(words, end)
    between = sign == "and" and _word(words, numeral.start - 1) == "between"
    if (sign in DASHES or sign == "to" or between) and end + 1 < len(words):
        other = numeral_at(words, end + 1)
        if other and not other.ordinal and not other.fraction and other.high >= low:
            return other.end, low, other.high, max(step, other.step)
    return end, low, high, step


def _is_year(words: Sequence[str], numeral: Numeral) -> bool:
    """Four digits that are a year: after a word that years follow, or with nothing after them that could be counted."""
    token = words[numeral.start]
    if numeral.end != numeral.start + 1 or len(token) != 4 or not token.isdecimal() or not 1000 <= numeral.low <= 2100:
        return False
    before, after = _word(words, numeral.start - 1), _word(words, numeral.end)
    if before in CURRENCIES or after == "%" or stem(after) in UNITS or stem(after) in CURRENCIES:
        return False
    return before in _YEAR_CUES or not _plural_follows(words, numeral.end)


def _plural_follows(words: Sequence[str], start: int) -> bool:
    """Whether what is counted from `start` on is a plural: "1986 confirmed cases"."""
    for word in words[start : start + _NOUN_SPAN]:
        if word in _ENDS or not word[0].isalpha():
            return False
        if stem(word) != word:
            return True
    return False


def _span_end(words: Sequence[str], start: int) -> float:
    """The year that ends a span begun before `start`: "2005 to 2008", "24 May 1819 -- 22 January 1901"; 0: none."""
    joined = False
    for word in words[start : start + _SPAN_REACH]:
        if word in DASHES or word in ("to", "until", "through"):
            joined = True
        elif len(word) == 4 and word.isdecimal() and word.isascii():
            return float(word) if joined else 0.0
        elif word not in _DATE_PARTS and not (word.isdecimal() and len(word) < 3):
            return 0.0
    return 0.0


def _counted(words: Sequence[str], start: int) -> str:
    """The stem of the last word of the noun phrase that begins at `start`, "" when none does."""
    noun = ""
    length = 0
    for word in words[start : start + _NOUN_REACH]:
        if word in DASHES:
            continue
        if length == _NOUN_SPAN or word in _ENDS or not word[0].isalpha():
            break
        noun = stem(word)
        length += 1
        if noun != word:
            break  # a plural is what is counted
    return noun


def _bound(words: Sequence[str], start: int, bounds: Mapping[str, str]) -> str:
    """What the words before a number make of it: "more than" -> ">"."""
    last = start
    if _word(words, last - 1) in CURRENCIES:
        last -= 1
    while last > max(0, start - 5) and (words[last - 1] in _DATE_PARTS or words[last - 1].isdecimal()):
        last -= 1
    for size in range(min(_LONGEST_BOUND, last), 0, -1):
        if bound := bounds.get(" ".join(words[last - size : last])):
            return bound
    return ""


def _bounded(quantity: Quantity, bound: str) -> Quantity:
    """The quantity with its bound taken in."""
    low, high = quantity.low, quantity.high
    if bound == ">":
        low, high = math.nextafter(low, math.inf), math.inf
    elif bound == ">=":
        high = math.inf
    elif bound == "<":
        low, high = -math.inf, math.nextafter(high, -math.inf)
    elif bound == "<=":
        low = -math.inf
    elif bound == "~":
        width = _ABOUT_YEARS if quantity.kind == "year" else _ABOUT * high
        low, high = low - width, high + width
    else:
        return quantity
    return replace(quantity, low=low, high=high, step=0.0, bound=bound)

"""Numerals of English: "1,000", "one thousand", "1.5 million", "twenty-first", "half", "dozens" as numbers.

Own code, because what the text-to-number libraries leave out ("1.5 million", "dozens", "a third", where in the text) is
most of what the guards need; docs/decisions.md has the comparison.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

# "COVID-19" is a name; "1,000.5" a literal; a word; a sign
TOKEN = re.compile(
    r"(?!(?:mid|early|late|pre|post)-)[^\W\d_]+-\d+|\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d)|\d+(?:\.\d+)?|(?<!\w)\.\d+"
    r"|[^\W\d_]+(?:['’][^\W\d_]+)?|['’]s\b|\S",
    re.IGNORECASE,
)
DASHES = frozenset("–—−-")

_SMALL = {
    word: float(value)
    for value, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        ]
    )
}
_TENS = {
    word: 10.0 * tens
    for tens, word in enumerate(("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"), start=2)
}
_SCALE = {"hundred": 1e2, "thousand": 1e3, "lakh": 1e5, "million": 1e6, "crore": 1e7, "billion": 1e9, "trillion": 1e12}
_SHORT_SCALE = {"k": 1e3, "m": 1e6, "mn": 1e6, "bn": 1e9}
# "dozens": from two of them up to what would be called by the next word
_MANY = {"dozens": (24, 200), "hundreds": (200, 1e4), "thousands": (2e3, 1e6), "millions": (2e6, 1e9),
         "billions": (2e9, 1e12)}  # fmt: skip
_ORDINAL = {
    word: float(value)
    for value, word in enumerate(
        [
            "first",
            "second",
            "third",
            "fourth",
            "fifth",
            "sixth",
            "seventh",
            "eighth",
            "ninth",
            "tenth",
            "eleventh",
            "twelfth",
            "thirteenth",
            "fourteenth",
            "fifteenth",
            "sixteenth",
            "seventeenth",
            "eighteenth",
            "nineteenth",
            "twentieth",
        ],
        start=1,
    )
}
_PARTS = {"half": 1 / 2, "third": 1 / 3, "quarter": 1 / 4, "fifth": 1 / 5, "tenth": 1 / 10}
_ORDINAL_ENDINGS = frozenset(("st", "nd", "rd", "th"))
# before these a "one" is a pronoun
_NOT_ONE = frozenset("no any every each the this that another which some".split())  # noqa: SIM905


@dataclass(frozen=True, slots=True)
class Numeral:
    """A number at tokens `start` to `end` (exclusive): `low` to `high`, the same unless it is a word like "dozens".

    `step` is the worth of its last given digit, 10,000 for "1.25 million" and 100 for "12,300".
    """

    start: int
    end: int
    low: float
    high: float
    step: float = 0.0
    ordinal: bool = False
    fraction: bool = False


_LITERAL = frozenset("0123456789.")
_STARTERS = frozenset(("a", "an", "half", *_SMALL, *_TENS, *_ORDINAL, *_MANY))


def numeral_at(words: Sequence[str], i: int) -> Numeral | None:
    """The numeral that begins at `words[i]` (lower-cased tokens), or None."""
    word = words[i]
    if word not in _STARTERS and not word[-1].isdecimal():
        return None
    following = words[i + 1] if i + 1 < len(words) else ""
    if word in _MANY:
        return Numeral(i, i + 1, *_MANY[word])
    if word[-1].isdecimal() and word[0] in _LITERAL:
        return _literal(words, i)
    if word in ("a", "an", "one", "two", "three") and following in _PARTS and not _is_ordinal_use(words, i + 1):
        share = _PARTS[following] * {"two": 2, "three": 3}.get(word, 1)
        return Numeral(i, i + 2, share, share, fraction=True)
    if word in ("two", "three") and following.rstrip("s") in _PARTS and following.endswith("s"):
        share = _PARTS[following[:-1]] * (2 if word == "two" else 3)
        return Numeral(i, i + 2, share, share, fraction=True)
    if word == "half":
        return _half(words, i, following)
    if word in _ORDINAL:
        return Numeral(i, i + 1, _ORDINAL[word], _ORDINAL[word], ordinal=True)
    if word in ("a", "an") and (following in _SCALE or following == "dozen"):
        return _scaled(words, i + 1, i, 1.0, 1.0)
    if word in _SMALL or word in _TENS:
        if word == "one" and (following == "of" or (i and words[i - 1] in _NOT_ONE)):
            return None
        return _spelled(words, i)
    return None


def _is_ordinal_use(words: Sequence[str], i: int) -> bool:
    """ "a third album" orders, "a third of the seats" divides."""
    return words[i] not in ("half", "quarter") and (i + 1 >= len(words) or words[i + 1] != "of")


def _half(words: Sequence[str], i: int, following: str) -> Numeral | None:
    if following in ("a", "an") and i + 2 < len(words) and (words[i + 2] in _SCALE or words[i + 2] == "dozen"):
        return _scaled(words, i + 2, i, 0.5, 0.1)
    if following in ("of", "the"):
        return Numeral(i, i + 1, 0.5, 0.5, fraction=True)
    return None


def _literal(words: Sequence[str], i: int) -> Numeral | None:
    text = words[i].replace(",", "")
    if len(text) > 15 or not text.isascii():
        return None
    value = float(text)
    step = 10.0 ** -len(text.partition(".")[2])
    following = words[i + 1] if i + 1 < len(words) else ""
    if following in _ORDINAL_ENDINGS:
        return Numeral(i, i + 2, value, value, ordinal=True)
    if following in _SHORT_SCALE and (following != "m" or (i and words[i - 1] in "$€£¥")):
        factor = _SHORT_SCALE[following]
        return Numeral(i, i + 2, value * factor, value * factor, step * factor)
    if "." not in text and value and not value % 10:
        step = 10.0 ** (len(text) - len(text.rstrip("0")))
    return _scaled(words, i + 1, i, value, step)


def _scaled(words: Sequence[str], j: int, start: int, value: float, step: float) -> Numeral:
    """The numeral whose value so far is `value`, with the scale words from `j` on taken in."""
    if j < len(words) and words[j] in DASHES and j + 1 < len(words) and words[j + 1] in _SCALE:
        j += 1
    while j < len(words) and (words[j] in _SCALE or words[j] == "dozen"):
        factor = _SCALE.get(words[j], 12.0)
        value, step = value * factor, step * factor
        j += 1
    return Numeral(start, j, value, value, step)


def _spelled(words: Sequence[str], i: int) -> Numeral:
    """A number in words from `i` on: "two hundred and five", "twenty-first", "one thousand"."""
    total, group, j, ordinal = 0.0, 0.0, i, False
    last = ""  # kind of the last word: what may follow it
    while j < len(words):
        word = words[j]
        if word in DASHES and last and j + 1 < len(words) and (words[j + 1] in _SCALE or (last == "tens" and (
            _SMALL.get(words[j + 1], 99) < 10 or _ORDINAL.get(words[j + 1], 99) < 10
        ))):  # fmt: skip
            j += 1
            continue
        if (
            word == "and"
            and last == "scale"
            and j + 1 < len(words)
            and (words[j + 1] in _SMALL or words[j + 1] in _TENS)
        ):
            j += 1
            continue
        if word in _TENS and last in ("", "scale"):
            group, last = group + _TENS[word], "tens"
        elif word in _SMALL and (last in ("", "scale") or (last == "tens" and 0 < _SMALL[word] < 10)):
            group, last = group + _SMALL[word], "small"
        elif last == "tens" and _ORDINAL.get(word, 99) < 10:
            group, ordinal = group + _ORDINAL[word], True
            j += 1
            break
        elif word in _SCALE and last:
            if word == "hundred":
                group = max(group, 1.0) * 100
            else:
                total, group = total + max(group, 1.0) * _SCALE[word], 0.0
            last = "scale"
        elif word == "dozen" and last:
            group, last = group * 12, "small"
        else:
            break
        j += 1
    value = total + group
    return Numeral(i, j, value, value, 0.0 if ordinal else 1.0, ordinal=ordinal)

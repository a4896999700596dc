"""The names of a claim, and which of them a premise does not hold."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from onrecord_server.domain.countries import ADJECTIVE_OF, COUNTRY_OF
from onrecord_server.domain.words import word_set

_TOKEN = re.compile(r"[^\W\d_]+(?:[.'’&-][^\W\d_]+)*|\d+|[^\w\s]")
_PART = re.compile(r"[-.'’&]")
_INSIDE = word_set("of the de la von van der di da du le & del")  # lower-cased words within a name
# words that are capitalised for where they stand, not for what they name
_OPENERS = word_set(
    """the a an in on at by for to from with as and or but he she it they we i you his her its their our my this that
    these those there here when while after before during since until if although though because who what which
    where how why not no one two three four five some many most all every each both either neither only according
    despite following people also even at least mr mrs ms dr sir out over under of january february march april may
    june july august september october november december monday tuesday wednesday thursday friday saturday sunday
    inc ltd co corp season film album song series episode more less nearly around about up to jr sr"""
)
_STEM = 5


@dataclass(frozen=True, slots=True)
class Name:
    """A run of capitalised words. `start`: its first token. `doubtful`: one word, perhaps capitalised as the first."""

    words: tuple[str, ...]
    start: int
    doubtful: bool


def _plain(word: str) -> str:
    word = word.lower().replace("’", "'")
    return word[:-2] if word.endswith("'s") else word


@lru_cache(maxsize=2048)
def names(text: str) -> tuple[Name, ...]:
    """The names of a text, in their order."""
    tokens = _TOKEN.findall(text)
    found: list[Name] = []
    run: list[str] = []
    start = 0
    for i, token in enumerate([*tokens, "."]):
        plain = _plain(token)
        if token[0].isupper() and plain not in _OPENERS:
            start = start if run else i
            run.append(plain)
        elif run and token in _INSIDE and i + 1 < len(tokens) and tokens[i + 1][0].isupper():
            continue
        elif run:
            initial = start == 0 or tokens[start - 1] in '.!?":“'
            doubtful = initial and len(run) == 1 and run[0] not in COUNTRY_OF and run[0] not in ADJECTIVE_OF
            found.append(Name(tuple(run), start, doubtful))
            run = []
    return tuple(found)


@lru_cache(maxsize=2048)
def _keys(text: str) -> frozenset[str]:
    """Beginnings of all words of a text and of its countries under both their names."""
    keys = set()
    for token in _TOKEN.findall(text):
        plain = _plain(token)
        keys.add(plain[:_STEM])
        if len(plain) < len(token) or not plain.isalpha():
            keys.update(part[:_STEM] for part in _PART.split(plain) if part)
            keys.add(plain.replace(".", "")[:_STEM])
        if token[0].isupper():
            keys.update(part[:_STEM] for part in _country(plain).split())
    return frozenset(keys)


# names of one country that the table of adjectives does not join, and the capitals that speak for it
_SAME = {
    word: frozenset(other[:_STEM] for other in group.split())
    for group in (
        "united states us usa america american americans washington",
        "united kingdom uk britain british english england great london",
        "soviet ussr russia russian moscow kremlin",
        "netherlands dutch holland hague",
        "korea korean seoul pyongyang",
        "emirates emirati uae",
        "china chinese beijing",
        "ukraine ukrainian kyiv kiev",
        "france french paris",
        "germany german berlin",
        "japan japanese tokyo",
        "iran iranian tehran",
        "israel israeli jerusalem",
        "turkey turkish ankara türkiye",
        "india indian delhi",
        "pakistan pakistani islamabad",
        "afghanistan afghan kabul taliban",
        "taiwan taiwanese taipei",
        "european europe eu brussels",
    )
    for word in group.split()
}


def is_country(name: Name) -> bool:
    """Whether the name is a country or the adjective of one."""
    whole = " ".join(name.words)
    return whole in ADJECTIVE_OF or whole in COUNTRY_OF or whole.replace(".", "") in _SAME


def _country(word: str) -> str:
    """The other name of a country or its people, lower case; "" when the word is neither."""
    return (COUNTRY_OF.get(word) or ADJECTIVE_OF.get(word) or "").lower()


@lru_cache(maxsize=2048)
def _initials(text: str) -> frozenset[str]:
    """What the names of a text may be shortened to: "National Football League" -> "nfl"."""
    return frozenset("".join(w[0] for w in name.words) for name in names(text) if len(name.words) > 1)


def missing_names(premise: str, claim: str) -> list[Name]:
    """Names of the claim of which the premise holds no word, no short form and no full form."""
    keys = _keys(premise)
    found = []
    for name in names(claim):
        parts = [part[:_STEM] for word in name.words for part in (word, *_PART.split(word)) if part]
        if any(part in keys for part in parts):
            continue
        if any(part[:_STEM] in keys for word in name.words for part in _country(word).split()):
            continue
        if any(_SAME.get(word.replace(".", ""), frozenset()) & keys for word in name.words):
            continue
        short = "".join(w[0] for w in name.words)
        if len(short) > 1 and short[:_STEM] in keys:
            continue
        if len(name.words) == 1 and name.words[0].replace(".", "") in _initials(premise):
            continue
        found.append(name)
    return found

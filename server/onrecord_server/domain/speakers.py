"""Does a name, as written in a claim, mean a speaker on the record? String rules only; no list of people.

A written name is read as (country, titles, core): "Russian President Vladimir Putin" is (Russia, president, vladimir
putin). Two readings mean the same speaker when their cores agree and their countries do not differ. A core of one word
agrees with a longer one by surname ("Putin"), or by the first word where family names come first ("Xi"). A reading
without a core is a description ("the Russian president") and agrees only with the same description among the aliases.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass

from onrecord_server.domain.countries import country_named
from onrecord_server.domain.types import Speaker
from onrecord_server.domain.words import word_set

_WORD = re.compile(r"(?:[A-Za-z]\.){2,}|\w+(?:[-&]\w+)*(?:['’]\w+)*['’]?")
_POSSESSIVE = re.compile(r"(?:['’]s|(?<=s)['’])\Z", re.IGNORECASE)

TITLES = word_set(
    """
    president vice-president prime minister premier chancellor king queen prince princess emperor sultan emir crown
    senator sen sens congressman congresswoman rep reps representative gov governor mayor secretary undersecretary
    general gen colonel col lieutenant lt captain capt sergeant sgt admiral adm commander marshal officer judge
    justice dr doctor prof professor mr mrs ms miss mx sir dame lord lady rev reverend bishop archbishop cardinal
    pope ayatollah sheikh imam rabbi ambassador envoy chairman chairwoman chairperson chair chief director spokesman
    spokeswoman spokesperson leader candidate nominee counterpart ceo attorney speaker democrat republican
    minister-president strategist analyst economist historian author actor actress singer host anchor reporter
    correspondent editor columnist journalist adviser advisor aide activist lawyer lawmaker legislator councilman
    councilwoman commissioner superintendent sheriff detective coach founder executive manager head businessman
    billionaire mogul tycoon pollster veteran
    """
)
"""Words that stand before a name and say who somebody is, lower-cased, without full stops."""
QUALIFIERS = word_set(
    """
    former ex then acting deputy vice first foreign interim late outgoing incoming senior top the a an his her their
    its current longtime
    """
)
LEADER_TITLES = word_set(
    """
    president prime premier chancellor king queen leader emir sultan minister
    """
)
_SUFFIXES = word_set(
    """
    jr sr ii iii iv phd md
    """
)
_PARTICLES = word_set(
    """
    de da del della van von der den bin ibn al el la le di dos du
    """
)

# Where family names come first: the commonest Chinese, Korean and Vietnamese ones, in Latin letters.
_FAMILY_FIRST = word_set(
    """
    xi li wang zhang liu chen yang zhao huang zhou wu xu sun hu zhu gao lin he guo ma luo liang song zheng xie han
    tang feng yu dong xiao cheng cao yuan deng fu shen zeng peng lu su jiang cai jia ding wei xue ye yan pan du dai
    xia zhong tian ren mao qin bo wen geng hua kim park lee choi jung kang cho yoon jang lim shin seo kwon hwang ahn
    moon roh ban nguyen tran pham vo dang bui truong tsai lai
    """
)
_NICKNAMES = {
    "bill": "william",
    "will": "william",
    "bob": "robert",
    "rob": "robert",
    "bobby": "robert",
    "jim": "james",
    "jimmy": "james",
    "joe": "joseph",
    "joey": "joseph",
    "mike": "michael",
    "tom": "thomas",
    "dick": "richard",
    "rick": "richard",
    "ted": "edward",
    "ed": "edward",
    "dave": "david",
    "dan": "daniel",
    "ben": "benjamin",
    "steve": "steven",
    "stephen": "steven",
    "tony": "anthony",
    "chris": "christopher",
    "matt": "matthew",
    "nick": "nicholas",
    "sam": "samuel",
    "ron": "ronald",
    "don": "donald",
    "ken": "kenneth",
    "greg": "gregory",
    "jeff": "jeffrey",
    "andy": "andrew",
    "tim": "timothy",
    "pete": "peter",
    "liz": "elizabeth",
    "beth": "elizabeth",
    "kate": "katherine",
    "kathy": "katherine",
    "sue": "susan",
    "chuck": "charles",
    "charlie": "charles",
}


@dataclass(frozen=True, slots=True)
class NameReading:
    """A written name taken apart. `country`: "" when none is said. `titles`, `core`: lower-cased words in order."""

    country: str
    titles: tuple[str, ...]
    core: tuple[str, ...]


def name_words(name: str) -> list[str]:
    """Words of a name, possessive endings and full stops dropped, case kept."""
    return [w for w in (_POSSESSIVE.sub("", m).strip("'’").rstrip(".") for m in _WORD.findall(name)) if w]


@functools.lru_cache(maxsize=4096)
def read_name(name: str) -> NameReading:
    """Take a written name apart. Apposition ("Name, the mayor") and brackets are cut off first."""
    head = re.split(r"[,(\[—–]", name, maxsplit=1)[0]
    words = name_words(head) or name_words(name)
    lows = [w.lower() for w in words]
    while lows and lows[0] in ("the", "a", "an"):
        words, lows = words[1:], lows[1:]
    while len(lows) > 1 and lows[-1] in _SUFFIXES:
        words, lows = words[:-1], lows[:-1]
    countries = [country_named(w) for w in words]
    if "of" in lows[1:]:
        return _with_of(words, lows, countries)
    last_title = max((k for k, w in enumerate(lows[:-1]) if w in TITLES), default=-1)
    country = next((c for c in countries[: last_title + 1] if c), "")
    if last_title >= 0:
        titles = tuple(
            w
            for w, c in zip(lows[: last_title + 1], countries, strict=False)
            if not c and w not in ("the", "his", "her")
        )
        rest = lows[last_title + 1 :]
        if not all(w in TITLES for w in rest):
            return NameReading(country, titles, tuple(rest))
        return NameReading(country, titles + tuple(rest), ())
    if countries and countries[0] and len(lows) > 1:
        if all(w in TITLES or w in QUALIFIERS for w in lows[1:]):
            return NameReading(countries[0], tuple(lows[1:]), ())
        if len(lows) > 2 or lows[1] in ("ministry", "government", "parliament", "army", "embassy"):
            return NameReading(countries[0], (), tuple(lows[1:]))
    if len(lows) == 1 and lows[0] in TITLES and words[0][0].islower():
        return NameReading("", tuple(lows), ())
    return NameReading("", (), tuple(lows))


def _with_of(words: list[str], lows: list[str], countries: list[str]) -> NameReading:
    """'the president of Russia', 'the Foreign Ministry of China'; other "of" names stay whole."""
    at = lows.index("of", 1)
    tail = [w for w in lows[at + 1 :] if w != "the"]
    country = country_named(" ".join(words[at + 1 :])) or (country_named(words[-1]) if len(tail) == 1 else "")
    if country and all(w in TITLES or w in QUALIFIERS for w in lows[:at]):
        return NameReading(country, tuple(lows[:at]), ())
    if country and at >= 2:
        return NameReading(country, (), tuple(lows[:at]))
    return NameReading("", (), tuple(w for w in lows if w != "the"))


@functools.lru_cache(maxsize=4096)
def same_speaker(claimed: str, speaker: Speaker) -> bool:
    """Does `claimed`, a name as written in a claim, mean `speaker` by its name or one of its aliases?

    False when either is empty. "Clinton" means both Bill and Hillary Clinton; "Bill Clinton" does not mean Hillary.
    """
    reading = read_name(claimed)
    return any(_agree(reading, read_name(name)) for name in speaker.names) and not _contradicted(reading, speaker)


def same_name(a: str, b: str) -> bool:
    """Can two written names mean the same person or body? Symmetric."""
    return _agree(read_name(a), read_name(b))


def distinct_names(names: Iterable[str]) -> tuple[str, ...]:
    """One name for each that can be told apart, sorted; empty ones left out.

    Of names that agree ("Putin", "Vladimir Putin") the fullest stays.
    """
    kept: list[str] = []
    for name in sorted(filter(None, set(names)), key=lambda n: (-len(read_name(n).core), n)):
        if not any(same_name(name, other) for other in kept):
            kept.append(name)
    return tuple(sorted(kept))


def _contradicted(reading: NameReading, speaker: Speaker) -> bool:
    """An alias ("Clinton") may agree while the full name says that it is somebody else ("Hillary Clinton")."""
    full = read_name(speaker.name)
    return (
        len(reading.core) > 1
        and len(full.core) > 1
        and _surname(reading.core) == _surname(full.core)
        and not (_cores_agree(reading.core, full.core))
    )


def _agree(a: NameReading, b: NameReading) -> bool:
    if a.country and b.country and a.country != b.country:
        return False
    if a.core and b.core:
        return _cores_agree(a.core, b.core)
    if a.core or b.core or not (a.titles and b.titles):
        return False
    return a.country == b.country and _plain(a.titles) == _plain(b.titles)


def _plain(titles: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(w for w in titles if w not in ("the", "current"))


def _surname(core: tuple[str, ...]) -> str:
    return core[0] if core[0] in _FAMILY_FIRST and len(core) in (2, 3) else core[-1]


def _cores_agree(a: tuple[str, ...], b: tuple[str, ...]) -> bool:
    if a == b:
        return True
    if len(a) > len(b):
        a, b = b, a
    if len(a) == 1:
        if a[0] == b[0] and b[0] in _FAMILY_FIRST and len(b) in (2, 3):
            return True
        # a surname; lower-case common nouns at the end of a longer name ("the Russian economy") are not names here
        return a[0] == b[-1] and not country_named(a[0]) and len(b) <= 4
    if a[-1] != b[-1]:
        return False
    given_a = [w for w in a[:-1] if w not in _PARTICLES]
    given_b = [w for w in b[:-1] if w not in _PARTICLES]
    if not given_a or not given_b:
        return True
    at = 0
    for word in given_a:
        while at < len(given_b) and not _given_agree(word, given_b[at]):
            at += 1
        if at == len(given_b):
            return False
        at += 1
    return _given_agree(given_a[0], given_b[0])


def _given_agree(a: str, b: str) -> bool:
    if a == b or _NICKNAMES.get(a, a) == _NICKNAMES.get(b, b):
        return True
    return (len(a) == 1 or len(b) == 1) and a[0] == b[0]

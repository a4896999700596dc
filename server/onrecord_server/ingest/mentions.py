"""The people and bodies that a document names, gathered in order of mention."""

from __future__ import annotations

from dataclasses import dataclass, field

from onrecord_server.domain.countries import ADJECTIVE_OF, country_named
from onrecord_server.domain.speakers import LEADER_TITLES, TITLES, name_words, read_name, same_name
from onrecord_server.domain.types import Speaker
from onrecord_server.domain.words import word_set
from onrecord_server.ingest.given_names import FEMALE, MALE
from onrecord_server.ingest.lexicon import (
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
from onrecord_server.ingest.phrases import is_adverb, is_capital
from onrecord_server.ingest.text import Sentence, Token

_NOT_NAMES = (
    DETERMINERS | PRONOUNS | SUBORDINATORS | CONJUNCTIONS | AUXILIARIES | WEEKDAYS | frozenset(MONTHS) | PREPOSITIONS
)
_INNER = frozenset({"of", "de", "da", "del", "van", "von", "der", "bin", "al", "ibn", "la", "le", "for"})
_MASCULINE, _FEMININE = frozenset({"he", "his", "him", "himself"}), frozenset({"she", "her", "hers", "herself"})
_GENDERED = {
    "mr": "m",
    "mrs": "f",
    "ms": "f",
    "miss": "f",
    "king": "m",
    "queen": "f",
    "prince": "m",
    "princess": "f",
    "lord": "m",
    "lady": "f",
    "sir": "m",
    "dame": "f",
    "congressman": "m",
    "congresswoman": "f",
    "spokesman": "m",
    "spokeswoman": "f",
    "chairman": "m",
    "chairwoman": "f",
    "businessman": "m",
    "pope": "m",
}
_BODIES = word_set(
    """
    ministry department committee news times daily post journal university college party campaign court house senate
    congress council agency bank institute center centre association company group inc corp foundation union league
    commission office police army government network press chamber society federation bureau board service fund
    democrats republicans administration nations organization organisation coalition alliance parliament
    """
)
_PERSON_TITLES = TITLES - {"general", "chief", "crown", "vice"}
_MOST_ALIASES = 12


@dataclass(slots=True)
class Entity:
    """Somebody met in the document. `gender`: m, f or "". `last`: (sentence, offset) of the last mention."""

    name: str
    core: tuple[str, ...]
    country: str = ""
    titles: set[str] = field(default_factory=set)
    written: list[str] = field(default_factory=list)
    gender: str = ""
    person: bool = False
    last: int = -1
    subject_at: int = -1

    def speaker(self) -> Speaker:
        """This entity as the speaker of a statement, with the names that mean it in this document."""
        aliases = [w for w in self.written if w != self.name]
        leading = self.titles & LEADER_TITLES
        if self.country and leading:
            adjective = ADJECTIVE_OF.get(self.country.lower(), self.country)
            aliases.extend(f"the {adjective} {title}" for title in sorted(leading - {"prime", "minister", "leader"}))
            if {"prime", "minister"} <= self.titles:
                aliases.append(f"the {adjective} prime minister")
            elif {"foreign", "minister"} <= self.titles:
                aliases.append(f"the {adjective} foreign minister")
            if leading - {"minister"} or "prime" in self.titles:
                aliases.append(f"the {adjective} leader")
        return Speaker(self.name, tuple(dict.fromkeys(a[:200] for a in aliases))[:_MOST_ALIASES])


@dataclass(slots=True)
class Mention:
    """A run of capitalised words: its place, its text, and the entity that it names."""

    start: int
    end: int
    entity: Entity


class Gathered:
    """The people and bodies of one document, in order of mention."""

    def __init__(self, text: str, parts: list[Sentence]) -> None:
        self._text = text
        self.parts = parts
        self._by_last_word: dict[str, list[Entity]] = {}
        self.entities: list[Entity] = []
        self.mentions: list[list[Mention]] = []
        self._subjects: list[Entity | None] = []
        for sentence in parts:
            self.mentions.append(self._read(sentence))
        self.said: list[tuple[int, Entity]] = []

    # ---- gathering -------------------------------------------------------------------------------------------------

    def _read(self, sentence: Sentence) -> list[Mention]:
        found: list[Mention] = []
        t = sentence.tokens
        k = 0
        lead = ""
        while k < len(t):
            if not self._starts_name(t, k):
                k += 1
                continue
            end = self._name_end(t, k)
            start = k
            while start > 0 and t[start - 1].low in TITLES and t[start - 1].text.islower() and start > k - 4:
                start -= 1
            entity = self._enter(self._text[t[start].start : t[end - 1].end], lead)
            if entity is not None:
                found.append(Mention(t[start].start, t[end - 1].end, entity))
                if entity.titles & LEADER_TITLES:
                    lead = next(iter(entity.titles & (LEADER_TITLES - {"minister", "prime"})), lead)
            k = end
        return found

    def _starts_name(self, t: list[Token], k: int) -> bool:
        token = t[k]
        if not is_capital(token) or token.low in _NOT_NAMES:
            return False
        first = k == 0 or t[k - 1].kind == "q"
        if first and (is_adverb(token.low) or token.low.endswith("ing") or (token.low in VERB_FORMS)):
            return k + 1 < len(t) and is_capital(t[k + 1]) and not token.low.endswith(("ing", "ly"))
        return True

    def _name_end(self, t: list[Token], k: int) -> int:
        end = k + 1
        while end < len(t) and end - k < 10:
            token = t[end]
            if t[end - 1].low.endswith(("'s", "’s")) and (end - k > 1 or self._possesses(t[k])):
                break
            if (
                is_capital(token)
                and token.low not in WEEKDAYS
                and not (token.low in _NOT_NAMES and token.low not in _INNER)
            ) or (
                token.text == "."
                and is_capital(t[end - 1])
                and end + 1 < len(t)
                and is_capital(t[end + 1])
                and (len(t[end - 1].text) == 1 or t[end - 1].low in TITLES)
            ):
                end += 1
            elif token.low in _INNER and token.text[0].islower() and end + 1 < len(t) and is_capital(t[end + 1]):
                end += 2
            elif token.low in TITLES and token.text.islower() and end + 1 < len(t) and is_capital(t[end + 1]):
                end += 1  # "Republican candidate Jane Roe"
            else:
                break
        return end

    def _possesses(self, token: Token) -> bool:
        """Is "Putin's" a known owner, and not the beginning of a name ("People's Daily")?"""
        word = name_words(token.text)
        return (
            not word
            or bool(country_named(word[0]))
            or word[0].lower() in self._by_last_word
            or (word[0].lower() in MALE | FEMALE)
        )

    def _enter(self, written: str, lead: str) -> Entity | None:
        reading = read_name(written)
        if not reading.core or (len(reading.core) == 1 and country_named(reading.core[0])):
            return None
        size = len(reading.core)
        plain = plain_name(written, size)
        entity = self.known(plain)
        if entity is None:
            entity = Entity(plain, reading.core)
            self.entities.append(entity)
            for word in {reading.core[0], reading.core[-1]}:
                self._by_last_word.setdefault(word, []).append(entity)
        elif len(reading.core) > len(entity.core) and len(reading.core) <= 4:
            entity.name, entity.core = plain, reading.core
            for word in {reading.core[0], reading.core[-1]}:
                known = self._by_last_word.setdefault(word, [])
                if entity not in known:
                    known.append(entity)
        titles = set(reading.titles)
        if "counterpart" in titles:
            titles.discard("counterpart")
            titles |= {lead} if lead else set()
        entity.titles |= titles - {"his", "her", "their"}
        entity.country = entity.country or (reading.country if titles & TITLES else "")
        entity.person = entity.person or bool(titles & _PERSON_TITLES)
        first = reading.core[0]
        if not entity.gender and size >= 2:
            entity.gender = "f" if first in FEMALE else "m" if first in MALE else ""
        entity.person = entity.person or (size >= 2 and (first in FEMALE or first in MALE))
        for title in titles:
            entity.gender = entity.gender or _GENDERED.get(title, "")
        shown = " ".join(written.split()).removesuffix("'s").removesuffix("’s")
        for form in (plain, shown if "counterpart" not in reading.titles else ""):
            if form and form not in entity.written and len(entity.written) < _MOST_ALIASES:
                entity.written.append(form)
        return entity

    def known(self, plain: str) -> Entity | None:
        words = [w.lower() for w in name_words(plain)]
        if not words:
            return None
        seen = [*self._by_last_word.get(words[-1], ())[-8:], *self._by_last_word.get(words[0], ())[-8:]]
        return next((e for e in reversed(seen) if same_name(plain, e.name)), None)


def plain_name(written: str, size: int) -> str:
    """The written name without titles: its last `size` words, as written."""
    head = written.split(",")[0].split("(")[0]
    words = [w.strip(".,") if not (len(w) == 2 and w[1] == ".") else w for w in head.split()]
    words = [w for w in words if w]
    if words:
        words[-1] = words[-1].removesuffix("'s").removesuffix("’s")
    while len(words) > 1 and words[-1].lower() in ("jr", "sr", "ii", "iii"):
        words = words[:-1]
    return " ".join(words[-size:]) if words else written

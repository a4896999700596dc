"""Who is who inside one document: names at first mention, descriptions, pronouns.

People and bodies are gathered as the text goes on; a source such as "he", "the Russian leader" or "Putin" is looked up
among those met so far, the most recent first.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from onrecord_server.domain.countries import ADJECTIVE_OF, country_named
from onrecord_server.domain.speakers import LEADER_TITLES, QUALIFIERS, TITLES, name_words, read_name, same_name
from onrecord_server.domain.types import Speaker
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
            for title in sorted(leading - {"prime", "minister", "leader"}):
                aliases.append(f"the {adjective} {title}")
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


class Cast:
    """The people and bodies of one document, in order of mention."""

    def __init__(self, text: str, parts: list[Sentence]) -> None:
        self._text = text
        self._by_last_word: dict[str, list[Entity]] = {}
        self.entities: list[Entity] = []
        self.mentions: list[list[Mention]] = []
        self._subjects: list[Entity | None] = []
        for sentence in parts:
            self.mentions.append(self._read(sentence))
        self._said: list[tuple[int, Entity]] = []

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
        plain = _plain(written, size)
        entity = self._known(plain)
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

    def _known(self, plain: str) -> Entity | None:
        words = [w.lower() for w in name_words(plain)]
        if not words:
            return None
        seen = [*self._by_last_word.get(words[-1], ())[-8:], *self._by_last_word.get(words[0], ())[-8:]]
        return next((e for e in reversed(seen) if same_name(plain, e.name)), None)

    # ---- resolving -------------------------------------------------------------------------------------------------

    def resolve(self, source: str, start: int, number: int) -> tuple[Speaker, Entity | None]:
        """The speaker that `source`, written at `start` in sentence `number`, means."""
        low = " ".join(source.split()).lower().rstrip(",")
        entity: Entity | None = None
        if low in _MASCULINE | _FEMININE:
            entity = self._by_pronoun("m" if low in _MASCULINE else "f", start, number)
            if entity is None:
                return Speaker(), None
        elif low in ("they", "it", "who", "which", "that", "we", "i", "you", "their", "its", "my", "our"):
            entity = self._antecedent(start, number) if low in ("who", "which", "that") else None
            if (
                low in ("they", "it")
                and self._said
                and number - self._said[-1][0] <= 2
                and not self._said[-1][1].person
            ):
                entity = self._said[-1][1]
            if entity is None:
                return Speaker(), None
        else:
            entity = self._by_words(source, start, number)
        if entity is None:
            return Speaker(_phrase_name(source)), None
        self._said.append((number, entity))
        return entity.speaker(), entity

    def meant(self, pronoun: str, start: int, number: int) -> str:
        """Full name that "He" or "She" at `start` means; "" when the document does not tell."""
        entity = self._by_pronoun("m" if pronoun.lower() == "he" else "f", start, number)
        return entity.name if entity is not None else ""

    def _by_words(self, source: str, start: int, number: int) -> Entity | None:
        reading = read_name(source)
        head = source.split(",")[0].split("(")[0]
        inside = [m for m in self.mentions[number] if start <= m.start and m.end <= start + len(head)]
        if inside and _names(head, inside[-1].entity):
            return inside[-1].entity
        if reading.core and any(w[0].isupper() for w in name_words(head)) and not _definite(head):
            return self._known(_plain(head, len(reading.core))) if len(reading.core) <= 3 and not inside else None
        if _definite(head):
            return self._described(reading.country, {*reading.titles, *reading.core}, start, number)
        return None

    def _described(self, country: str, words: set[str], start: int, number: int) -> Entity | None:
        """'the Russian leader', 'the mayor', 'the Vermont senator', 'the former secretary of State'."""
        roles = words & TITLES
        if not roles:
            return None
        people = self._before(start, number)
        for entity in people:
            if country and entity.country != country:
                continue
            if roles & entity.titles or ("leader" in roles and entity.titles & LEADER_TITLES and country):
                return entity
        if country:
            return None
        recent = [e for n, e in reversed(self._said[-3:]) if number - n <= 3 and e.person]
        generic = roles & {
            "candidate",
            "nominee",
            "leader",
            "lawmaker",
            "senator",
            "businessman",
            "billionaire",
            "mogul",
        }
        return recent[0] if recent and generic else None

    def _by_pronoun(self, gender: str, start: int, number: int) -> Entity | None:
        def fits(entity: Entity) -> bool:
            return entity.gender in ("", gender) and (entity.person or entity.gender == gender or len(entity.core) <= 2)

        for n, entity in reversed(self._said[-4:]):
            if number - n <= 2 and fits(entity) and (entity.person or entity.gender):
                if not self._newer_subject(entity, n, number, start, gender):
                    return entity
                break
        for entity in self._before(start, number, subjects_first=True):
            if fits(entity) and (entity.person or entity.gender):
                return entity
        return None

    def _newer_subject(self, said: Entity, since: int, number: int, start: int, gender: str) -> bool:
        """Has another person opened a sentence since?"""
        for n in range(since + 1, number + 1):
            for mention in self.mentions[n][:1]:
                e = mention.entity
                if mention.start < start and e is not said and e.person and e.gender in ("", gender):
                    return True
        return False

    def _before(self, start: int, number: int, *, subjects_first: bool = False) -> list[Entity]:
        """Entities mentioned before `start`, nearest sentence first; with subjects_first, in the order of a sentence."""
        found: dict[int, Entity] = {}
        for n in range(number, max(-1, number - 12), -1):
            here = [m for m in self.mentions[n] if m.start < start]
            for mention in here if subjects_first else reversed(here):
                found.setdefault(id(mention.entity), mention.entity)
        if not subjects_first:
            for entity in reversed(self.entities):
                found.setdefault(id(entity), entity)
        return list(found.values())

    def _antecedent(self, start: int, number: int) -> Entity | None:
        here = [m for m in self.mentions[number] if m.end <= start]
        return here[-1].entity if here else None


def _plain(written: str, size: int) -> str:
    """The written name without titles: its last `size` words, as written."""
    head = written.split(",")[0].split("(")[0]
    words = [w.strip(".,") if not (len(w) == 2 and w[1] == ".") else w for w in head.split()]
    words = [w for w in words if w]
    if words:
        words[-1] = words[-1].removesuffix("'s").removesuffix("’s")
    while len(words) > 1 and words[-1].lower() in ("jr", "sr", "ii", "iii"):
        words = words[:-1]
    return " ".join(words[-size:]) if words else written


def _definite(phrase: str) -> bool:
    return phrase.split()[:1] != [] and phrase.split()[0].lower() in ("the", "his", "her", "their", "this", "that")


def _names(head: str, entity: Entity) -> bool:
    """The phrase ends in the entity's name: 'Chinese President Xi Jinping', not 'Clinton aides'."""
    words = [w.lower() for w in name_words(head)]
    return bool(words) and words[-1] in entity.core


def _phrase_name(source: str) -> str:
    """A source that names nobody known, as a name: apposition cut off, white space single, at most 200 code points."""
    head = " ".join(source.split(",")[0].split("(")[0].split()).strip(" ,.;:-—–")
    return (head or " ".join(source.split()))[:200]


__all__ = ["QUALIFIERS", "Cast", "Entity", "Mention"]

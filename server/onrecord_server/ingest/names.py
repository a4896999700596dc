"""Who is who inside one document: names at first mention, descriptions, pronouns.

A source such as "he", "the Russian leader" or "Putin" is looked up among the people and bodies met so far, the most
recent first.
"""

from __future__ import annotations

import re
from bisect import bisect_right

from onrecord_server.domain.speakers import LEADER_TITLES, QUALIFIERS, TITLES, name_words, read_name
from onrecord_server.domain.types import Speaker
from onrecord_server.domain.words import word_set
from onrecord_server.ingest.mentions import Entity, Gathered, plain_name

_MASCULINE, _FEMININE = frozenset({"he", "his", "him", "himself"}), frozenset({"she", "her", "hers", "herself"})

_BODIES = word_set(
    """
    ministry department committee news times daily post journal university college party campaign court house senate
    congress council agency bank institute center centre association company group inc corp foundation union league
    commission office police army government network press chamber society federation bureau board service fund
    democrats republicans administration nations organization organisation coalition alliance parliament
    """
)


_LONG_TITLES = {"sen": "senator", "gov": "governor", "rep": "representative", "gen": "general", "prof": "professor"}
_WHEN = re.compile(r" (?:on |late |early )*(?:(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day|today|yesterday)(?: night)?\Z")


class Cast(Gathered):
    """The people and bodies of one document, and what each way of naming them means."""

    def resolve(self, source: str, start: int, number: int, *, speaks: bool = True) -> tuple[Speaker, Entity | None]:
        """The speaker that `source`, written at `start` in sentence `number`, means.

        speaks: whether a later "he" may mean this one; not when it is only quoted as speaking by somebody else.
        """
        source = _WHEN.sub("", source)
        low = " ".join(source.split()).lower().rstrip(",")
        entity: Entity | None = None
        if low in _MASCULINE | _FEMININE:
            entity = self._by_pronoun("m" if low in _MASCULINE else "f", start, number)
            if entity is None:
                return Speaker(), None
        elif low in ("they", "it", "who", "which", "that", "we", "i", "you", "their", "its", "my", "our"):
            entity = self._antecedent(start, number) if low in ("who", "which", "that") else None
            if low in ("they", "it") and self.said and number - self.said[-1][0] <= 2 and not self.said[-1][1].person:
                entity = self.said[-1][1]
            if entity is None:
                return Speaker(), None
        else:
            entity = self._by_words(source, start, number)
        if entity is None:
            return Speaker(_phrase_name(source)), None
        if len(entity.core) >= 2 and not any(w in _BODIES for w in entity.core):
            entity.person = True  # a body that speaks mostly says what it is
        if speaks:
            self.said.append((number, entity))
        return entity.speaker(), entity

    def alone(self, speaker: Entity | None, number: int, before: int) -> bool:
        """Is no other person who could be "he" or "she" mentioned in the sentence before this offset?"""
        if speaker is None:
            return False
        others = (m.entity for m in self.mentions[number] if m.end <= before and m.entity is not speaker)
        return not any(e.person and (not speaker.gender or e.gender in ("", speaker.gender)) for e in others)

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
            return self.known(plain_name(head, len(reading.core))) if len(reading.core) <= 3 and not inside else None
        if head.split()[0].lower() in ("the", "this", "that"):
            return self._described(reading.country, {*reading.titles, *reading.core}, start, number)
        return None

    def _described(self, country: str, words: set[str], start: int, number: int) -> Entity | None:
        """'the Russian leader', 'the mayor', 'the Vermont senator', 'the former secretary of State'."""
        words = {_LONG_TITLES.get(w, w) for w in words}
        roles = words & TITLES
        extra = words - TITLES - QUALIFIERS - {"presidential"}
        if not roles:
            return None
        people = self._before(start, number)
        for entity in people:
            if country and entity.country != country:
                continue
            titles = {_LONG_TITLES.get(w, w) for w in entity.titles}
            if not extra <= titles:
                continue
            if roles & titles or ("leader" in roles and entity.titles & LEADER_TITLES and country):
                return entity
        if country:
            return None
        recent = [e for n, e in reversed(self.said[-3:]) if number - n <= 3 and e.person]
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

        until = bisect_right(self.said, number, key=lambda said: said[0])
        for n, entity in reversed(self.said[max(0, until - 4) : until]):
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
        """Entities mentioned before `start`, nearest sentence first; subjects_first: within it, the first one first."""
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
        # "Roe, who said" and "Roe who said", not "the aide of Roe's committee who said"
        return here[-1].entity if here and self._text[here[-1].end : start].strip() in ("", ",") else None


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

"""Which two countries "the two countries" are."""

from __future__ import annotations

import re

from onrecord_server.domain.countries import country_named
from onrecord_server.ingest.text import Sentence

_PAIR = re.compile(r"\b[Tt]he two (?:countries|nations)(?P<own>['’](?:s\b)?)?")
_NAME = re.compile(r"[A-Z]\w+|U\.S\.")
_LOOK_BACK = 3  # sentences


def with_countries(words: str, clean: str, parts: list[Sentence], number: int, before: int) -> str:
    """The words with "the two countries" named, when the nearest sentence that names countries names exactly two.

    number, before: sentence of the words, and the offset in `clean` where they begin.
    """
    if _PAIR.search(words) is None:
        return words
    named = _named(clean[parts[number].start : max(parts[number].start, before)])
    for k in range(number - 1, max(-1, number - 1 - _LOOK_BACK), -1):
        if named:
            break
        named = _named(clean[parts[k].start : parts[k].end])
    if len(named) != 2:
        return words
    pair = " and ".join(named)
    return _PAIR.sub(lambda m: pair + ("’s" if m["own"] else ""), words)


def _named(words: str) -> list[str]:
    """Countries that a text names or describes, in order, each once."""
    return list(dict.fromkeys(c for c in map(country_named, _NAME.findall(words)) if c))

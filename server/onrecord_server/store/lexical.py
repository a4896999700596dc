"""A claim as a full-text query: which of its words to ask for, and how to ask safely.

Words are cut by the very tokenizer that made the index, asked for rarest first, and only as many as a bounded number of
postings allows: an OR over frequent words costs hundreds of milliseconds on a large record and ranks no better.
"""

from __future__ import annotations

import sqlite3
import threading
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

_MOST_WORDS = 8  # asked for
_MOST_POSTINGS = 10_000  # rows that hold any of them, together: half the time of 20,000 and no evidence lost
_MOST_CANDIDATES = 128  # distinct words of a claim that are looked at
_LONGEST_WORD = 64  # code points; longer ones are no words

# English function words: they carry no subject.
_STOP_WORDS = """
a about above after again against all also although am an and any are as at be because been before being below between
both but by can could did do does doing down during each few for from further had has have having he her here hers him
his how i if in into is it its itself just me more most my no nor not now of off on once one only or other our out over
own same she should so some such than that the their them then there these they this those through to too under until
up very was we were what when where which while who whom whose why will with would you your
"""
_STOPPED = frozenset(_STOP_WORDS.split())


class WordCutter:
    """Cuts words into index terms with SQLite's own tokenizer, in a scratch database. Thread-safe."""

    def __init__(self, tokenizer: str = "porter unicode61 remove_diacritics 2") -> None:
        self._lock = threading.Lock()
        self._scratch = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self._scratch.execute(f"CREATE VIRTUAL TABLE words USING fts5 (word, tokenize = '{tokenizer}')")
        self._scratch.execute("CREATE VIRTUAL TABLE terms USING fts5vocab (words, instance)")
        self.terms = lru_cache(maxsize=50_000)(self._terms)

    def close(self) -> None:
        """Drop the scratch database."""
        with self._lock:
            self._scratch.close()

    def _terms(self, word: str) -> tuple[str, ...]:
        with self._lock:
            self._scratch.execute("DELETE FROM words")
            self._scratch.execute("INSERT INTO words (rowid, word) VALUES (1, ?)", (word,))
            return tuple(term for (term,) in self._scratch.execute("SELECT term FROM terms"))


def words_of(text: str) -> list[str]:
    """The distinct words of a text in order, lower case, without stop words. Letters, digits and their marks only."""
    spaced = "".join(c if c.isalnum() or unicodedata.category(c)[0] == "M" else " " for c in text.lower())
    words = dict.fromkeys(w for w in spaced.split() if w not in _STOPPED and len(w) <= _LONGEST_WORD)
    return list(words)[:_MOST_CANDIDATES]


def match_expression(
    connection: sqlite3.Connection, cutter: WordCutter, text: str, speaker_words: Sequence[str] = ()
) -> str:
    """An FTS5 query for the rarest words of the text, OR-ed; empty when the record holds none of them.

    speaker_words: ask, besides, for one of these among the names of the speaker.
    """
    terms_of = {word: cutter.terms(word) for word in words_of(text)}
    terms = sorted({term for terms in terms_of.values() for term in terms})
    marks = ",".join("?" * len(terms))
    query = f"SELECT term, doc FROM statement_terms WHERE term IN ({marks})"  # noqa: S608 - question marks only
    frequency = dict(connection.execute(query, terms).fetchall())
    # a word of several terms is a phrase: found in no more rows than its rarest term
    counted = [(min(frequency.get(t, 0) for t in terms), word) for word, terms in terms_of.items() if terms]
    chosen: list[str] = []
    postings = 0
    for count, word in sorted(counted):
        if count == 0:
            continue
        postings += count
        if chosen and (postings > _MOST_POSTINGS or len(chosen) == _MOST_WORDS):
            break
        chosen.append(word)
    if not chosen:
        return ""
    # aliases are there to find a speaker by; as evidence of a topic they would match all that he ever said
    query = f"{{text context speaker original}} : ({_any_of(chosen)})"
    names = words_of(" ".join(speaker_words))
    return f"{query} AND {{speaker aliases}} : ({_any_of(names)})" if names else query


def _any_of(words: Sequence[str]) -> str:
    return " OR ".join(f'"{word}"' for word in words)  # a word holds no quotes, see words_of

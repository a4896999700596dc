"""A document as the attribution tagger reads it: word pieces with features, cut into windows that overlap.

Training and inference share this module, so that the model meets at work what it was trained on. No torch here.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from onrecord_server.domain.types import Span, TaggedAttribution

IntArray = npt.NDArray[np.int64]

CLS, SEP = 101, 102  # the uncased BERT vocabulary
# values of each feature: letter case; quotation; place in sentence and paragraph; in a cue of the rules (1 its first
# word); in a source (1) or a content (2) of theirs, or both (3)
FEATURES = (4, 3, 3, 3, 4)
OWN = (
    4  # values of a cue's own hint: the rules do not know the cue; they do, and the word is in neither, source, content
)
UNIT = 120  # most pieces of a sentence, or of a part of one that is longer
CORE = 224  # most pieces of a window whose tags are used; a unit of context stands on each side
REACH = 96  # pieces on each side of a cue beyond which neither its source nor its content is looked for

_MARK = re.compile(r"''|[\"“”„«»]|\n\s*\n")


@dataclass(frozen=True, slots=True)
class Pieces:
    """A document's word pieces. Word spans are code points of the text; a word is what BERT splits at spaces and marks.

    ids: (P,); features: (P, len(FEATURES)); word: (P,), number of the word each piece belongs to. starts, ends, first:
    (W,), span and first piece of each word. units: (U + 1,), bounds of sentences (or parts of long ones), in pieces.
    hints: what rules found, by the ends of their cues.
    """

    ids: IntArray
    features: IntArray
    word: IntArray
    starts: IntArray
    ends: IntArray
    first: IntArray
    units: IntArray
    hints: list[Hint]


@dataclass(frozen=True, slots=True)
class Hint:
    """An attribution that rules found, in words: its cue [first, last), the words of its source and of its content."""

    first: int
    last: int
    source: IntArray
    content: IntArray


@dataclass(frozen=True, slots=True)
class Window:
    """Pieces first..last are read; tags of core_first..core_last are used."""

    first: int
    last: int
    core_first: int
    core_last: int


def read_pieces(
    tokenizer: Any, text: str, sentences: Sequence[Span], hints: Sequence[TaggedAttribution] = ()
) -> Pieces:
    """Split sentences into pieces. A line end between two sentences is a new paragraph. hints: what rules found."""
    encodings = tokenizer.encode_batch([text[s.start : s.end] for s in sentences], add_special_tokens=False)
    quoted = _quoted(text)
    ids: list[int] = []
    features: list[tuple[int, int, int]] = []
    word: list[int] = []
    starts: list[int] = []
    ends: list[int] = []
    first: list[int] = []
    units = [0]
    before = 0
    for sentence, encoding in zip(sentences, encodings, strict=True):
        begins = 2 if not before or "\n" in text[before : sentence.start] else 1
        before = sentence.end
        latest = None
        for piece, number, (start, end) in zip(encoding.ids, encoding.word_ids, encoding.offsets, strict=True):
            if number != latest:
                if len(ids) - units[-1] >= UNIT:
                    units.append(len(ids))
                starts.append(sentence.start + start)
                ends.append(sentence.start + end)
                first.append(len(ids))
                opens = begins if latest is None else 0
                latest = number
            else:
                ends[-1] = sentence.start + end
            at = sentence.start + start
            ids.append(piece)
            word.append(len(starts) - 1)
            features.append((_case(text[starts[-1] : sentence.start + end]), int(quoted[at]), opens))
        if len(ids) > units[-1]:
            units.append(len(ids))
    begins_, ends_, of = (np.array(values, dtype=np.int64) for values in (starts, ends, word))
    known = [hint for one in hints if (hint := _hint(begins_, one)) is not None]
    known.sort(key=lambda h: h.last)
    table = np.zeros((len(ids), len(FEATURES)), dtype=np.int64)
    table[:, :3] = np.array(features, dtype=np.int64).reshape(-1, 3)
    table[:, 3:] = _hinted(len(starts), known)[of]
    return Pieces(
        np.array(ids, dtype=np.int64),
        table,
        of,
        begins_,
        ends_,
        np.array(first, dtype=np.int64),
        np.array(_capped(units), dtype=np.int64),
        known,
    )


def _hint(starts: IntArray, one: TaggedAttribution) -> Hint | None:
    cue = _words(starts, [one.cue])
    if not len(cue):
        return None
    source = _words(starts, [one.source] if one.source else [])
    return Hint(int(cue[0]), int(cue[-1]) + 1, source, _words(starts, one.content))


def _words(starts: IntArray, spans: Sequence[Span]) -> IntArray:
    """Numbers of the words that begin in the spans."""
    bounds = [np.searchsorted(starts, [s.start, s.end]) for s in spans]
    return np.concatenate([np.zeros(0, np.int64), *(np.arange(a, b) for a, b in bounds)])


def _hinted(words: int, hints: Sequence[Hint]) -> IntArray:
    """The two features that come from hints, shape (words, 2)."""
    table = np.zeros((words, 2), dtype=np.int64)
    for hint in hints:
        table[hint.source, 1] |= 1
        table[hint.content, 1] |= 2
    for hint in hints:
        table[hint.first : hint.last, 0] = 2
        table[hint.first, 0] = 1
    return table


def own_hint(pieces: Pieces, cue: tuple[int, int], bounds: tuple[int, int]) -> IntArray:
    """For each piece in bounds [first, last): what the rules say of the cue (words [first, last)); see OWN."""
    at = bisect_right(pieces.hints, cue[0], key=lambda h: h.last)
    known = at < len(pieces.hints) and pieces.hints[at].first < cue[1]
    values = np.full(bounds[1] - bounds[0], int(known), dtype=np.int64)
    if known:
        words = pieces.word[bounds[0] : bounds[1]]
        values[np.isin(words, pieces.hints[at].content)] = 3
        values[np.isin(words, pieces.hints[at].source)] = 2
    return values


def _capped(units: list[int]) -> list[int]:
    """Unit bounds with those cut again that one long word has made long."""
    bounds = [0]
    for end in units[1:]:
        while end - bounds[-1] > 2 * UNIT:
            bounds.append(bounds[-1] + UNIT)
        bounds.append(end)
    return bounds


def windows(pieces: Pieces) -> Iterator[Window]:
    """Windows whose cores cover the document once; with context no longer than 480 pieces."""
    units = pieces.units
    at = 0
    while at < len(units) - 1:
        end = at + 1
        while end < len(units) - 1 and units[end + 1] - units[at] <= CORE:
            end += 1
        left, right = units[max(0, at - 1)], units[min(len(units) - 1, end + 1)]
        yield Window(
            max(int(left), int(units[at]) - UNIT),
            min(int(right), int(units[end]) + UNIT),
            int(units[at]),
            int(units[end]),
        )
        at = end


def around(pieces: Pieces, cue: tuple[int, int], bounds: tuple[int, int]) -> tuple[int, int]:
    """Pieces [first, last) within bounds where a cue's source and content are looked for: its unit and the next.

    They hold 98 % of the training contents (half of the words or more of each).
    """
    units = pieces.units
    own = int(np.searchsorted(units, cue[0], "right")) - 1
    first = max(bounds[0], int(units[own]), cue[0] - REACH)
    return first, min(bounds[1], int(units[min(own + 2, len(units) - 1)]), cue[1] + REACH)


def _case(word: str) -> int:
    """0: no capital; 1: capital first; 2: all capitals; 3: holds a digit or a capital inside."""
    if word.islower():
        return 0
    if any(c.isdigit() for c in word):
        return 3
    if len(word) > 1 and word.isupper():
        return 2
    if word[:1].isupper():
        return 1
    return 0


def _quoted(text: str) -> npt.NDArray[np.int8]:
    """For each code point: 0 outside a quotation, 1 inside, 2 a mark itself. A paragraph ends a quotation."""
    inside = np.zeros(len(text), dtype=np.int8)
    opened = -1
    for match in _MARK.finditer(text):
        mark = match.group()
        if mark[0] == "\n":
            if opened >= 0:
                inside[opened : match.start()] = 1
            opened = -1
        elif opened < 0 and mark not in "”»":
            opened = match.end()
        elif opened >= 0 and mark not in "“„«":
            inside[opened : match.start()] = 1
            opened = -1
    if opened >= 0:
        inside[opened:] = 1
    for match in _MARK.finditer(text):
        if match.group()[0] != "\n":
            inside[match.start() : match.end()] = 2
    return inside

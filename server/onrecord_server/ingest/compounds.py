"""Splits a claim that says several things ("A supports X and B opposes Y") into parts that can be checked one by one.

Word shapes and closed word classes decide, no parser, so the rules are built to miss rather than to err: what follows
the conjunction must open like a clause of its own (or like a second predicate of the same subject), what precedes it
must be whole without it, and words that make the scope unclear ("if", "or", "who", a pronoun without its noun) leave
the claim as it is. "Trade and investment", "Xi and Putin met", "between A and B" are no splits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from onrecord_server.domain.countries import country_named
from onrecord_server.domain.types import Claim, ClaimAttribution, Span, Stance
from onrecord_server.domain.words import word_set
from onrecord_server.ingest.claims import parse_claim
from onrecord_server.ingest.lexicon import POSSESSIVES, VERB_FORMS
from onrecord_server.ingest.phrases import is_adverb
from onrecord_server.ingest.predicates import (
    PLURAL_SUBJECTS,
    PLURAL_VERBS,
    PRONOUN_SUBJECTS,
    LeftSide,
    left_side,
    opens_clause,
    opens_predicate,
    self_contained,
)
from onrecord_server.ingest.propositions import reported, tidy
from onrecord_server.ingest.text import Sentence, Token, readable, sentences

MOST_PARTS = 4
"""A claim of more parts is left whole: it is a list, and each part costs a search and the model's time."""

_CONTRAST = frozenset({"while", "whereas"})
_UNSAFE = word_set(
    """
    if unless whether because although though or nor either neither respectively only latter why how what
    """
)
_MOST_TOKENS = 120
_LOOSE = re.compile(r"\w+(?:['’-]\w+)*")


@dataclass(frozen=True, slots=True)
class ClaimPiece:
    """One part of a claim: what it says by itself, who is claimed to have said it, and where its words stand.

    `attribution.content` is a full sentence; `span` is in code points of the claim's text.
    """

    attribution: ClaimAttribution
    span: Span


@dataclass(frozen=True, slots=True)
class _Piece:
    """[start, end) of a text, and the subject to put before these words ("" when they have their own)."""

    start: int
    end: int
    subject: str = ""


def split_claim(claim: Claim) -> tuple[ClaimPiece, ...]:
    """The parts of a compound claim in their order, two to MOST_PARTS; empty when it has no safe split. Never fails.

    A speaker is kept with each part ("Putin said that A and that B"); "Putin said A and Xi said B" has two speakers. An
    exclusive attribution ("only Xi said …") and a question are not split.
    """
    text = readable(claim.text)
    if claim.speaker.strip():
        whole = ClaimAttribution(content=text.strip(), speaker=claim.speaker.strip())
        found = _parts_of(whole)
    else:
        found = []
        for attribution in _by_speaker(" ".join(text.split())):
            if attribution.exclusive or attribution.stance is Stance.QUESTIONED:
                return ()
            found += _parts_of(attribution)
    if not 2 <= len(found) <= MOST_PARTS:
        return ()
    pieces: list[ClaimPiece] = []
    at = 0
    for words, attribution in found:
        span = _locate(text, words, at)
        if span is None:
            return ()
        pieces.append(ClaimPiece(attribution, span))
        at = span.end
    return tuple(pieces)


def _parts_of(whole: ClaimAttribution) -> list[tuple[str, ClaimAttribution]]:
    """The words and the reading of each part of what one speaker says; the whole itself when it does not split."""
    content = whole.content
    pieces = _pieces(content, speaker=whole.speaker, denied=whole.stance is Stance.DENIED)
    if len(pieces) < 2:
        return [(content, whole)]
    found: list[tuple[str, ClaimAttribution]] = []
    for piece in pieces:
        words = content[piece.start : piece.end]
        text = f"{piece.subject} {words}" if piece.subject else words
        mine = replace(whole, content=reported(text, whole.speaker)) if whole.speaker else parse_claim(tidy(text))
        found.append((words, mine))
    return found


def _by_speaker(line: str) -> list[ClaimAttribution]:
    """The claim read as one attribution, or as several: "Putin said that A and Xi said that B"."""
    found: list[ClaimAttribution] = []
    rest = line
    while len(found) < MOST_PARTS and (cut := _second_speaker(rest)) is not None:
        first, rest = cut
        found.append(first)
    return [*found, parse_claim(rest)]


def _second_speaker(line: str) -> tuple[ClaimAttribution, str] | None:
    """The first speaker's words, and the claim that begins with the second speaker (or the second saying)."""
    parts = sentences(line)
    if len(parts) != 1 or len(parts[0].tokens) > _MOST_TOKENS:
        return None
    t = parts[0].tokens
    for k in range(2, len(t) - 2):
        if t[k].low not in ("and", "but") and t[k].text != ";" and not (t[k].low in _CONTRAST and t[k - 1].text == ","):
            continue
        first = parse_claim(line[: t[k].start].rstrip(" ,;") + ".")
        if not first.speaker or first.exclusive:
            continue
        right = line[t[k + 1].start :]
        verb = k + 1
        while verb < len(t) - 2 and is_adverb(t[verb].low):
            verb += 1
        says = VERB_FORMS.get(t[verb].low, {}).get("")
        if says is not None and says.tense in ("past", "present") and t[verb + 1].low in ("that", "whether"):
            right = f"{first.speaker} {right}"
        elif not t[k + 1].text[:1].isupper():
            continue
        second = parse_claim(right)
        if second.speaker and right.startswith((second.speaker, "According to")):
            return first, right
    return None


def _pieces(text: str, *, speaker: str, denied: bool) -> list[_Piece]:
    """Where the text falls apart; one piece or none when it does not.

    speaker: who said it, if somebody did; then "and that" goes on with what he said. denied: only "that A and that B"
    falls apart.
    """
    found: list[_Piece] = []
    subject = ""
    whole = sentences(text)
    for number, sentence in enumerate(whole):
        t = sentence.tokens
        if len(t) > _MOST_TOKENS or any(x.low in _UNSAFE for x in t):
            return []
        if number and not self_contained(t, 0, len(t), clause=True):
            return []
        inner, subject = _in_sentence(text, sentence, subject, speaker=speaker, denied=denied)
        if not inner or (len(whole) > 1 and not subject):
            return []
        found += inner
    return found


def _in_sentence(text: str, sentence: Sentence, before: str, *, speaker: str, denied: bool) -> tuple[list[_Piece], str]:
    """The pieces of one sentence and its subject. `before`: the subject of the sentence before, for "it" and "he"."""
    t = sentence.tokens
    end = len(t)
    while end and t[end - 1].text in ".!…":
        end -= 1
    opening = left_side(t, 0, end)
    start, subject = 0, ""
    if before and t[0].low in PRONOUN_SUBJECTS:
        start, subject = 1, before
    if start >= end:
        return [], ""  # nothing but "They."
    cuts: list[tuple[int, int, str]] = []  # (index after the left piece, first index of the right one, its subject)
    first = start
    for k in range(start + 2, end - 1):
        right = _coordinator(t, k)
        if right is None or right >= end or (cuts and k <= cuts[-1][1]) or _inside_brackets(t, k):
            continue
        that = bool(speaker) and t[right].low == "that"
        if right + that >= end:
            continue
        if denied and not that:
            continue
        left = left_side(t, first, k, subject_known=bool(cuts and cuts[-1][2]))
        if left is None or (opening is None and not that):
            continue
        owner = _owner(text, t, right + that, end, left, cuts, speaker, comma=t[k].text == ",", that=that)
        if owner is not None:
            skip = owner[1]
            cuts.append((_without_comma(t, k), skip, owner[0]))
            first = skip
    own = text[t[opening.subject[0]].start : t[opening.subject[1] - 1].end] if opening is not None else ""
    if not _list_is_closed(t, cuts):
        cuts = []
    bounds: list[_Piece] = []
    at, who = start, subject
    for stop, nxt, owner_words in cuts:
        bounds.append(_Piece(t[at].start, t[stop - 1].end, who))
        at, who = nxt, owner_words
    bounds.append(_Piece(t[at].start, t[end - 1].end, who))
    return bounds, subject or own


def _owner(
    text: str,
    t: list[Token],
    k: int,
    end: int,
    left: LeftSide,
    cuts: list[tuple[int, int, str]],
    speaker: str,
    *,
    comma: bool,
    that: bool,
) -> tuple[str, int] | None:
    """The subject that what begins at `k` needs ("" when it has its own) and where its own words begin; None: no cut.

    comma: only a comma parts it from the rest, as in "A, B and C".
    """
    earlier = cuts[-1][2] if cuts else ""
    subject = earlier or text[t[left.subject[0]].start : t[left.subject[1] - 1].end]
    if opens_predicate(t, k, end, left, strict=comma) and not that:
        if not left.may_share or not self_contained(t, k, end, clause=False):
            return None
        if left.names_others and any(x.low in POSSESSIVES for x in t[k:end]):
            return None  # "supports Mali and respects its borders": whose?
        return subject, k
    if t[k].low in PRONOUN_SUBJECTS:
        if k + 1 >= end:
            return None
        many = t[k].low == "they"
        person = t[k].low in ("he", "she")
        if person and speaker and (that or country_named(subject)):
            subject = speaker  # "Roe said that Norway rejects the tax and that she opposes delays"
        if (
            left.relative
            or (t[k].low == "it" and subject.lower() in PLURAL_SUBJECTS)
            or (person and ((left.names_others and subject != speaker) or t[left.subject[0]].low in POSSESSIVES))
            or many != (" and " in subject or (subject.endswith("s") and t[k + 1].low in PLURAL_VERBS))
            or not opens_predicate(t, k + 1, end, left, strict=True)
            or not self_contained(t, k + 1, end, clause=False)
        ):
            return None
        return subject, k + 1
    if not opens_clause(t, k, end, left, loose=that) or not self_contained(t, k, end, clause=True):
        return None
    return "", k


def _coordinator(t: list[Token], k: int) -> int | None:
    """The index after a coordinator at `k` (", and", "but", ";", ", while", ","); None when none stands there."""
    if t[k].text == ",":
        return None if t[k + 1].low in ("and", "but") or t[k + 1].low in _CONTRAST else k + 1
    if t[k].low in ("and", "but") or t[k].text == ";":
        return k + 2 if t[k].text == ";" and t[k + 1].low in ("and", "but") else k + 1
    if t[k].low in _CONTRAST and t[k - 1].text == ",":
        return k + 1
    return None


def _without_comma(t: list[Token], k: int) -> int:
    return k - 1 if t[k - 1].text in (",", ";") else k


def _inside_brackets(t: list[Token], k: int) -> bool:
    opened = sum(x.text in "([" for x in t[:k] if x.kind == "p")
    return opened > sum(x.text in ")]" for x in t[:k] if x.kind == "p")


def _list_is_closed(t: list[Token], cuts: list[tuple[int, int, str]]) -> bool:
    """Cuts at bare commas need an "and" or "but" after them: "A, B and C"; "A, B" alone is something else."""
    kinds = [t[stop].text == "," and t[stop + 1].low not in ("and", "but", *_CONTRAST) for stop, _, _ in cuts]
    return not kinds or not kinds[-1]


def _locate(text: str, words: str, at: int) -> Span | None:
    """Where the words stand in the text from `at` on; of words that were changed at their beginning, the rest."""
    found = [m.group() for m in _LOOSE.finditer(words)]
    for skip in range(min(4, max(0, len(found) - 1)) + 1):
        pattern = r"\W+".join(re.escape(word) for word in found[skip:])
        match = re.compile(rf"(?<!\w){pattern}(?!\w)", re.IGNORECASE).search(text, at) if pattern else None
        if match:
            return Span(match.start(), match.end())
    return None

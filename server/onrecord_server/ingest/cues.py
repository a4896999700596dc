"""Finds reporting words in a sentence and decides whether each is a verb in use, and in which form."""

from __future__ import annotations

from dataclasses import dataclass

from onrecord_server.domain.types import Stance
from onrecord_server.domain.words import word_set
from onrecord_server.ingest.lexicon import (
    AUXILIARIES,
    CUE_ADJECTIVES,
    CUE_NOUNS,
    DETERMINERS,
    NEGATIONS,
    POSSESSIVES,
    PREPOSITIONS,
    PRONOUNS,
    VERB_FORMS,
    VerbForm,
)
from onrecord_server.ingest.phrases import is_adverb, is_capital
from onrecord_server.ingest.text import Token

_BE = word_set(
    """
    is are was were be been being am isn't isn’t aren't wasn't wasn’t weren't get got 's ’s
    """
)
_HAVE = word_set(
    """
    has have had having hasn't haven't hadn't 've ’ve hasn’t haven’t hadn’t
    """
)
_MODAL = word_set(
    """
    would could may might can should must won't won’t wouldn't wouldn’t couldn't couldn’t can't can’t cannot 'd ’d
    'll ’ll
    """
)
_BLOCKED = word_set(
    """
    declined refused failed wants want wanted expected hopes hoped trying tried ready supposed
    """
)
_NOUNLIKE = word_set(
    """
    report reports claim claims view views hope hopes request requests support plan plans attack attacks fear fears
    question questions demand demands charge charges promise promises show shows doubt doubts guess vow vows pledge
    pledges concern concerns note notes reason boast boasts comment comments answer answers back push need needs
    trust love challenge challenges challenge offer offers dispute debate debates call calls blog post posts want
    wish wishes limit label labels brand welcome tout joke jokes echo outline detail details highlight highlights
    state states warrant press order orders address attempt attempts sense mean means figure figures find finds
    voice voices praise blame champion advocate advocates critic counter thanks worry worries trumpet hammer pan
    signal signals slam direct see hit will express chat test tests lobby query
    """
)


@dataclass(slots=True)
class Cue:
    """A reporting expression: tokens [first, last), its verb at `verb`.

    `way`: verb, according, noun, adjective, colon.
    """

    first: int
    last: int
    verb: int
    form: VerbForm
    way: str
    negated: bool = False
    modal: bool = False
    passive: bool = False
    infinitive: bool = False


def find_cues(t: list[Token]) -> list[Cue]:
    """The reporting expressions of a sentence, left to right, not inside quotations."""
    found: list[Cue] = []
    i = 0
    while i < len(t):
        cue = None
        if t[i].kind == "w":
            cue = _according(t, i) or _verb(t, i) or _noun(t, i) or _adjective(t, i)
        if cue is not None:
            found.append(cue)
            i = max(cue.last, i + 1)
        else:
            i += 1
    return found


def _according(t: list[Token], i: int) -> Cue | None:
    if t[i].low == "according" and i + 1 < len(t) and t[i + 1].low == "to":
        return Cue(i, i + 2, i, VerbForm("according", "past", "c"), "according")
    if t[i].low in ("per",) and i + 1 < len(t) and is_capital(t[i + 1]) and i > 0 and t[i - 1].text == ",":
        return Cue(i, i + 1, i, VerbForm("according", "past", "c"), "according")
    return None


def _verb(t: list[Token], i: int) -> Cue | None:
    slots = VERB_FORMS.get(t[i].low)
    if slots is None or (i > 0 and t[i - 1].text in ("<", "/", "@", "#")):
        return None
    last = i + 1
    form = slots.get("")
    if last < len(t) and t[last].low and t[last].low in slots:  # a quotation has no word: its `low` is empty
        form = slots[t[last].low]
        last += 1
    elif last + 1 < len(t) and is_adverb(t[last].low) and t[last + 1].low in slots and t[last + 1].low:
        form = slots[t[last + 1].low]
        last += 2
    if form is None or not _in_use(t, i, form):
        return None
    cue = Cue(i, last, i, form, "verb")
    extend_left(t, cue)
    if cue.passive and form.tense != "past":
        return None
    return cue


def _in_use(t: list[Token], i: int, form: VerbForm) -> bool:
    """Is the word a verb here, and not a noun, an adjective or part of a name?"""
    if i > 0 and is_capital(t[i]) and t[i - 1].kind == "w" and t[i - 1].low not in ("and", "he", "she", "they"):
        # 'the Report', 'Vice President Praises …' (title case): only a verb when the words around are capitals too
        nxt = t[i + 1] if i + 1 < len(t) else None
        if not (is_capital(t[i - 1]) and nxt is not None and is_capital(nxt)):
            return False
    before = t[i - 1] if i > 0 else None
    low = before.low if before is not None else ""
    if form.tense == "ing":
        return low not in DETERMINERS and low not in POSSESSIVES and not low.endswith(("'s", "’s", "s’", "s'"))
    if low in DETERMINERS and low not in (
        "this",
        "that",
        "these",
        "those",
        "all",
        "both",
        "many",
        "some",
        "most",
        "few",
    ):
        return False
    if (
        low.endswith(("'s", "’s", "s’", "s'"))
        and low not in AUXILIARIES
        and low not in ("he's", "she's", "he’s", "she’s")
    ):
        return False
    if form.tense == "past":
        return low not in PREPOSITIONS or low in ("since", "as", "before", "after", "until", "like")
    if t[i].low in _NOUNLIKE:
        if form.tense == "base":
            return (
                low in PRONOUNS
                or low == "to"
                or low in AUXILIARIES
                or (is_adverb(low) and low != "even")
                or (
                    low.endswith("s")
                    and not low.endswith(("'s", "’s"))
                    and before is not None
                    and before.text[0].islower()
                    and low not in PREPOSITIONS
                )
            )
        return (
            low in ("he", "she", "it", "who", "which")
            or (
                before is not None
                and is_capital(before)
                and i + 1 < len(t)
                and (
                    t[i + 1].low in DETERMINERS
                    or t[i + 1].low in ("that", "he", "she", "it", "they", "to")
                    or t[i + 1].kind == "q"
                )
            )
            or (i + 1 < len(t) and t[i + 1].low == "that")
        )
    if form.tense == "base":
        if i == 0:
            return False
        return low not in PREPOSITIONS or low == "to"
    return low not in PREPOSITIONS


def extend_left(t: list[Token], cue: Cue) -> None:
    """Take in auxiliaries and adverbs before the verb; read negation, modality, voice, "to"."""
    k = cue.verb - 1
    while k >= 0:
        low = t[k].low
        if low in NEGATIONS:
            cue.negated = True
        if low in _MODAL:
            cue.modal = True
        if low == "will" or low == "to":
            cue.modal = cue.modal or low == "will"
        if low in _BE and cue.form.tense == "past" and not any(t[j].low in _HAVE for j in range(k + 1, cue.verb)):
            cue.passive = True
        if low == "to" and cue.form.tense == "base":
            cue.infinitive = True
            if k > 0 and t[k - 1].low in _BLOCKED:
                cue.modal = True
        elif low not in AUXILIARIES and not (
            is_adverb(low) and t[k].kind == "w" and (t[k].text[0].islower() or k == 0)
        ):
            break
        k -= 1
    first = k + 1
    # sentence adverbs at the start belong to the sentence, not to the verb
    while first < cue.verb and first == 0 and is_adverb(t[first].low):
        first += 1
    if (
        cue.form.tense == "past"
        and any(t[j].low in _MODAL for j in range(first, cue.verb))
        and not any(t[j].low in _HAVE for j in range(first, cue.verb))
    ):
        # "'d said" is "had said"
        cue.modal = cue.modal and not any(t[j].low in ("'d", "’d") for j in range(first, cue.verb))
    cue.first = first


def _noun(t: list[Token], i: int) -> Cue | None:
    """'Clinton's claim that …', 'the notion that …'."""
    if t[i].low in CUE_NOUNS and i + 1 < len(t) and t[i + 1].low == "that" and i > 0 and t[i - 1].kind == "w":
        return Cue(i, i + 1, i, VerbForm(t[i].low, "past", "c"), "noun")
    return None


def _adjective(t: list[Token], i: int) -> Cue | None:
    """'is confident that …'."""
    if t[i].low not in CUE_ADJECTIVES or i == 0 or i + 1 >= len(t) or t[i + 1].low != "that":
        return None
    k = i - 1
    while k >= 0 and (is_adverb(t[k].low) or t[k].low in ("very", "less", "more", "quite", "it")):
        k -= 1
    verbs = _BE | {"seems", "seemed", "remains", "remained", "felt", "became", "made", "make", "makes", "feel", "feels"}
    if k < 0 or t[k].low not in verbs:
        return None
    cue = Cue(k, i + 1, k, VerbForm("be " + t[i].low, "past", "c", Stance.ASSERTED), "adjective")
    while cue.first > 0 and (t[cue.first - 1].low in AUXILIARIES or is_adverb(t[cue.first - 1].low)):
        cue.first -= 1
        cue.negated = cue.negated or t[cue.first].low in NEGATIONS
    return cue

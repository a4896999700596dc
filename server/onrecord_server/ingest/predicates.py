"""Where a clause or a second predicate surely begins, for splitting coordinated claims (compounds.py).

Of two readings ("and organized crime", "and organized a strike") these functions take the one that does not split.
"""

from __future__ import annotations

from dataclasses import dataclass

from onrecord_server.domain.words import word_set
from onrecord_server.ingest.lexicon import (
    DETERMINERS,
    NEGATIONS,
    POSSESSIVES,
    PREPOSITIONS,
    SUBORDINATORS,
    VERB_FORMS,
)
from onrecord_server.ingest.phrases import is_adverb, is_capital, is_time
from onrecord_server.ingest.text import Token

PLURAL_SUBJECTS = frozenset({"they", "we", "these", "those"})
PRONOUN_SUBJECTS = frozenset({"it", "he", "she", "they"})

_MODALS = word_set("will would can could may might shall should must cannot")
_BE = word_set("is are was were")
_HAVE = word_set("has have had")
_FINITE = _MODALS | _BE | _HAVE | word_set("does did do") | (NEGATIONS - {"not", "never", "n't"})
PLURAL_VERBS = word_set("are were have do")
# past forms that are no participle, so nothing but a finite verb
_PAST = word_set(
    """
    went took gave began became came ran wrote sang drew flew grew knew saw spoke stole threw broke chose drove fell
    forgot rose wore ate swam shook woke rode hid died remained appeared arrived existed belonged occurred happened
    """
)
# past forms that are participles, too
_PAST_OR_PARTICIPLE = word_set(
    """
    won made held led met kept sent spent lost left sold bought brought built caught found got heard said paid told
    thought taught understood stood sat fought felt meant struck shot
    """
)
_ADJECTIVE_TOO = word_set("left lost felt found sold built spent")
# present forms that are no plural noun, so a bare noun may follow them
_PRESENT = word_set(
    """
    opposes rejects denies accuses urges insists believes knows says tells asks adds argues maintains affirms reaffirms
    reiterates criticises criticizes endorses condemns praises defends recognises recognizes pursues adheres refuses
    agrees expects prefers includes contains becomes remains provides consists belongs makes takes gives goes comes gets
    keeps serves wins begins continues allows owns operates develops sells creates performs writes sings directs
    publishes appears exists occurs happens welcomes acknowledges considers regards encourages promotes strengthens
    """
)
# present forms that may be nouns: an article, a name or a number must follow
_PRESENT_OR_NOUN = word_set(
    """
    supports respects plays holds leads stars features uses lives works runs shows calls claims plans hopes wants needs
    demands values backs covers produces hosts ranks
    """
)
_NOT_ED = word_set("hundred united red need seed speed breed indeed exceed proceed sacred naked aged biased limited")
_ELSEWHERE = word_set("it him them this these those one ones there he she they himself herself itself themselves")
_RELATIVES = word_set("who whom whose which where when that")
_LOOSE_LINKS = word_set("since after before until as than so while")


@dataclass(frozen=True, slots=True)
class LeftSide:
    """What stands before a conjunction: its subject, [first, last) token, and its main verb's index.

    `may_share`: a second predicate may take the same subject. `relative`: it holds a relative or other inner clause.
    `names_others`: a name stands after the verb. `shares_aux`: the verb is "is", "was", "has" …, so that a participle
    after the conjunction may belong to it.
    """

    subject: tuple[int, int]
    verb: int
    may_share: bool
    relative: bool
    names_others: bool
    shares_aux: bool
    inner_verbs: int
    takes_clause: bool


def left_side(t: list[Token], start: int, end: int, *, subject_known: bool = False) -> LeftSide | None:
    """Read [start, end) as a whole clause; None when it is none. subject_known: it begins with its verb."""
    while end > start and t[end - 1].text in (",", ";"):
        end -= 1
    if end - start < 2 or t[end - 1].low in PREPOSITIONS or (not subject_known and _odd_opening(t[start])):
        return None
    verb = _first_verb(t, start, end, from_start=subject_known)
    if verb is None or verb + 1 >= end:
        return None
    if not subject_known and (verb == start or verb - start > 15 or t[start].low == "there"):
        return None
    if not subject_known and any(x.text == "," for x in t[start:verb]) and not _apposed(t, start, verb):
        return None
    rest = t[verb + 1 : end]
    lows = [x.low for x in t[start:end]]
    # "not" belongs to its verb and says nothing on a second one; "never" may reach over both
    wide = "never" in lows or ("not" in lows and "only" in lows)
    verbs = sum(_verb_shape(x) for x in rest if x.text[:1].islower())
    link = next((k for k in range(start, end) if t[k].low in _LOOSE_LINKS), end)
    relative = any(low in _RELATIVES for low in lows) or any(
        _verb_shape(x) for x in t[link:end] if x.text[:1].islower()
    )
    open_pair = "between" in lows or "both" in lows
    form = VERB_FORMS.get(t[verb].low, {}).get("")
    finite_inside = any(x.low in _FINITE or x.low in _PAST for x in rest)
    last = verb  # of the subject: an adverb before the verb belongs to the verb
    while last - 1 > start and is_adverb(t[last - 1].low):
        last -= 1
    return LeftSide(
        subject=(start, start if subject_known else last),
        verb=verb,
        may_share=not (wide or relative or open_pair),
        relative=relative or wide or open_pair,
        names_others=any(is_capital(x) for x in rest),
        shares_aux=t[verb].low in _BE | _HAVE,
        inner_verbs=verbs,
        takes_clause=(
            form is not None
            and "c" in form.frames
            and not finite_inside
            and not ("n" in form.frames and not is_capital(t[verb + 1]))  # "rejects the tax" has its object
        ),
    )


def opens_predicate(t: list[Token], k: int, end: int, left: LeftSide, *, strict: bool) -> bool:
    """Does a finite verb with what belongs to it stand at `k`? strict: only forms that are nothing else."""
    while k < end and t[k].text[:1].islower() and is_adverb(t[k].low) and t[k].low not in NEGATIONS:
        k += 1
    if k >= end or not t[k].text[:1].islower() or t[k].kind != "w":
        return False
    low, following = t[k].low, t[k + 1] if k + 1 < end else None
    if following is None:
        return False
    if low in _FINITE:
        return following.kind != "p"
    if low in _PAST:
        return following.low != "of"
    if low in _PRESENT:
        return following.low != "of" and (following.kind != "p" or following.text in "$#")
    if low in _PRESENT_OR_NOUN:
        return _object(t, k + 1, end)
    if strict or left.relative:
        return False
    if low in _PAST_OR_PARTICIPLE or _regular_past(t[k]):
        if _object(t, k + 1, end):
            return True
        if left.shares_aux or following.low == "by" or left.inner_verbs:
            return False
        plain = low in _PAST_OR_PARTICIPLE - _ADJECTIVE_TOO and following.kind == "w" and following.low != "of"
        return plain or (following.low in PREPOSITIONS - {"of", "by"} and left.verb >= 0)
    return False


def opens_clause(t: list[Token], k: int, end: int, left: LeftSide, *, loose: bool) -> bool:
    """Does a clause with a subject of its own stand at `k`? loose: "that" has said so already."""
    if k >= end or t[k].kind != "w" or _odd_opening(t[k]):
        return False
    if not (is_capital(t[k]) or t[k].low in DETERMINERS - POSSESSIVES - {"this", "that", "these", "those"} or loose):
        return False
    if t[k].low in ("i", "we", "you") or t[k].low in POSSESSIVES:
        return False
    if not loose and (left.relative or left.takes_clause):
        return False
    verb = _first_verb(t, k, end, from_start=False)
    if verb is None or verb == k or verb - k > 8 or verb + 1 >= end:
        return False
    subject = t[k:verb]
    if any(x.kind != "w" or x.low in SUBORDINATORS | POSSESSIVES for x in subject):
        return False
    if not any(is_capital(x) for x in subject) and any(x.low in ("his", "her") for x in t[verb:end]):
        return False  # "the award went to his countryman"
    if any(x.low in ("and", "but") for x in subject) and t[verb].low not in PLURAL_VERBS:
        return False
    low = t[verb].low
    singular = not any(x.low == "and" for x in subject) and not subject[-1].low.endswith("s")
    if low in PLURAL_VERBS and singular:
        return False  # "believes China and Russia are partners"
    if low in _FINITE or low in _PAST or low in _PRESENT:
        return True
    return _object(t, verb + 1, end)


def self_contained(t: list[Token], start: int, end: int, *, clause: bool) -> bool:
    """Does nothing in [start, end) point out of it? clause: it has a subject of its own, so possessives are its own."""
    for k in range(start, end):
        low = t[k].low
        if low in _ELSEWHERE and not (k == start and low in PRONOUN_SUBJECTS):
            return False
        if low == "her" and (k + 1 >= end or t[k + 1].kind != "w" or t[k + 1].low in PREPOSITIONS):
            return False
        if clause and low in POSSESSIVES and k == start:
            return False
        if low in ("too", "likewise", "vice"):
            return False
    return True


def _first_verb(t: list[Token], start: int, end: int, *, from_start: bool) -> int | None:
    for k in range(start if from_start else start + 1, end):
        token = t[k]
        if token.text[:1].isupper() or not _verb_shape(token):
            continue
        if k > start and (t[k - 1].low in DETERMINERS or t[k - 1].low in PREPOSITIONS):
            continue
        return k
    return None


def _apposed(t: list[Token], start: int, verb: int) -> bool:
    """ "Name, the mayor of X, opposes": does an apposition end before the verb, and is that surely the verb?

    Other commas before what looks like the verb tell that it is none ("juice, a tomato based sauce").
    """
    low = t[verb].low
    closed = t[verb - 1].text == "," and sum(x.text == "," for x in t[start:verb]) == 2
    return closed and (low in _FINITE or low in _PAST or low in _PRESENT or low in _PRESENT_OR_NOUN)


def _verb_shape(token: Token) -> bool:
    low = token.low
    return (
        low in _FINITE
        or low in _PAST
        or low in _PAST_OR_PARTICIPLE
        or low in _PRESENT
        or low in _PRESENT_OR_NOUN
        or _regular_past(token)
        or any(form.tense == "present" for form in VERB_FORMS.get(low, {}).values())
    )


def _regular_past(token: Token) -> bool:
    low = token.low
    return token.kind == "w" and len(low) > 4 and low.endswith("ed") and low not in _NOT_ED and "-" not in low


def _object(t: list[Token], k: int, end: int) -> bool:
    """Does a noun phrase that is surely one begin at `k`: an article, a possessive, a name, a number?"""
    if k >= end:
        return False
    token = t[k]
    if any(is_time(x.low) or x.low in ("same", "following", "next") for x in t[k : min(end, k + 4)]):
        return False  # "released the same year" has no object
    return token.low in DETERMINERS or is_capital(token) or token.text[:1].isdigit() or token.low in ("that", "$")


def _odd_opening(token: Token) -> bool:
    """An adjunct ("In 1990 …", "Speaking to …"), whose reach over what follows is unclear."""
    low = token.low
    return (
        token.kind != "w"
        or low in PREPOSITIONS
        or low in SUBORDINATORS - {"that"}
        or (low.endswith("ing") and len(low) > 5)
        or (is_adverb(low) and low not in ("all", "both"))
    )

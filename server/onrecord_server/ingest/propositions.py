"""Turns the words of an attribution into a proposition: a full sentence that stands by itself.

The same functions serve statements and claims, so that "Xi called on Russia to expand cooperation" comes out of a claim
as it came out of the document: "Russia should expand cooperation."
"""

from __future__ import annotations

import itertools
import re

from onrecord_server.domain.countries import country_named
from onrecord_server.domain.words import word_set
from onrecord_server.ingest.attributions import Attribution, Kind
from onrecord_server.ingest.lexicon import AUXILIARIES, VERB_FORMS
from onrecord_server.ingest.phrases import is_finite
from onrecord_server.ingest.text import Token

# Verbs whose clause is put on the record as said by their subject. Hopes, fears, expectations and discoveries are not:
# "X hopes that C" says something of X, not C.
ASSERTING = word_set(
    """
    say write tweet add note continue explain reply respond answer argue warn recall joke insist declare announce
    conclude remark observe quip exclaim muse lament assert proclaim state report reveal stress claim acknowledge
    admit confirm concede maintain contend allege emphasize emphasise counter retort shout yell whisper mutter boast
    opine reason recount blog post chant testify interject suggest indicate predict reiterate repeat complain
    caution charge underline underscore highlight clarify disclose estimate reaffirm affirm attest certify profess
    believe think find show demonstrate agree decree tell remind assure reassure inform notify swear vow pledge
    promise point chime go deny dispute refute rebut reject dismiss advise recommend according : read
    """
)
# Of these, the ones that stay speech when somebody else reports them ("P said that S said that C").
RELAYED = ASSERTING - word_set(
    """
    show find demonstrate suggest indicate reveal prove believe think agree profess read go
    """
)
DIRECTING = word_set(
    """
    urge call ask order tell encourage advise invite instruct press implore beg exhort caution warn appeal direct
    """
)
UNDERTAKING = frozenset({"vow", "pledge", "promise", "swear"})
# Verbs that also take plain objects: what follows must surely be a clause ("wrote a book", "tells the story of …").
_ALSO_PLAIN = word_set(
    """
    write tell read find show report reveal announce claim state confirm declare post recount blog
    """
)
_STANDS = word_set(
    """
    reiterate reaffirm affirm stress emphasize emphasise underline underscore repeat restate explain outline
    """
)
_POSITION = re.compile(
    r"(?P<who>[^,;]{1,80}?\b(?:position|stance|policy|principle|line|approach)) (?P<rest>of .+)\Z", re.DOTALL
)
_NEED = re.compile(r"(?:the )?need (?P<rest>to \w.*)\Z", re.DOTALL)
_IMPORTANCE = re.compile(r"the importance of (?P<rest>\w.*)\Z", re.DOTALL)
_OPENING_DENIAL = re.compile(
    r"(?:the |any |an? )?(?:claims?|allegations?|accusations?|reports?|suggestions?|charges?|notion|idea|rumou?rs?|"
    r"assertions?)"
    r" that (?P<rest>.+)\Z",
    re.DOTALL,
)
_AS_FALSE = re.compile(
    r" as (?:false|untrue|baseless|groundless|unfounded|nonsense|fake|fabricated|a lie|lies|fiction|ridiculous|absurd|"
    r"wrong|incorrect|inaccurate|propaganda|fake news)\b[^,;]*\Z"
)
_MARKS = re.compile(r"''|[\"“”„]")
_SPACE = re.compile(r"\s+")
_HE = re.compile(r"(?:he|she)\b(?P<rest>.*)", re.DOTALL | re.IGNORECASE)
_IT = re.compile(r"(?:it|they)\b(?P<rest>.*)", re.DOTALL | re.IGNORECASE)
_COUNTRY = re.compile(r"\b(?:his|her|their|its) (?:own )?country(?P<own>['’]s)?\b", re.IGNORECASE)
# at the beginning of a sentence only: "Only then did he say that …" is no question
_LEAD = 60  # code points before the source that are looked at
_INVERTED = re.compile(
    r"(?:^|[.!?\n\"“]\s*)(?:(?:and |but |so )?(?:when|why|where|how|what|which|who)\b[^.!?,;]{0,20} )?"
    r"(?:did|does|do|has|have|had|will|would|could|should|can|may|might|must)(?:n['’]t)? $",
    re.IGNORECASE,
)
_BROKEN = re.compile(
    r"(?:is|are|was|were|has|have|had|will|would|could|should|can|may|might|does|did|do|how|why|where|who|which|to|in|of|about)\b",
    re.IGNORECASE,
)
_ENDED = re.compile(r"[.!?…][\"”'’)]*\Z")
_SENTENCE_GAP = re.compile(r"(?<=[.!?])(?:[\"”’']|'')?\s+(?=[\"“‘']?[A-Z])")


def tidy(words: str) -> str:
    """White space single, stray marks at the ends gone, first letter large, a full stop at the end."""
    text = _SPACE.sub(" ", words).strip(" ,;:-—–")
    text = text.removesuffix("...").rstrip(" ,;:-—–") if text.endswith("...") else text
    if not text:
        return ""
    if text[0].islower() and text[:2] not in ("iP",):
        text = text[0].upper() + text[1:]
    return text if _ENDED.search(text) else text + "."


def unquoted(words: str) -> str:
    """Without double quotation marks, and without the comma that American style puts before a closing one."""
    text = re.sub(r",(?=(?:”|\"|'')\s*(?:\Z|[.]))", "", words)
    return _MARKS.sub("", text)


def without_that(words: str) -> str:
    """Without the "that" (or a repeated one) that opens a reported clause."""
    text = words.lstrip()
    while text[:5].lower() == "that ":
        text = text[5:].lstrip(" ,")
    return text


def clause_like(words: str) -> bool:
    """Does the text hold a finite verb, as far as word shapes tell?"""
    from onrecord_server.ingest.text import tokens

    return any(_verbish(token, k) for k, token in enumerate(tokens(words, 0, len(words), [])))


def _clause(words: str, *, strict: bool) -> bool:
    """Is the text a clause? strict: only "that", a quotation, a pronoun before a verb or a sure finite verb count."""
    from onrecord_server.ingest.text import tokens

    if not strict:
        return clause_like(words)
    t = tokens(words, 0, len(words), [])
    return bool(t) and (t[0].low == "that" or t[0].text in ("“", '"', "''") or any(is_finite(token) for token in t[1:]))


def _verbish(token: Token, k: int) -> bool:
    if is_finite(token) or (
        k > 0 and any(f.tense in ("past", "present") for f in VERB_FORMS.get(token.low, {}).values())
    ):
        return True
    low = token.low
    return (
        k > 0
        and token.text[0].islower()
        and len(low) > 3
        and (low.endswith("ed") or (low.endswith("s") and not low.endswith(("ss", "us", "'s", "’s"))))
    )


def reported(words: str, speaker: str, country: str = "", *, own_subject: bool = True) -> str:
    """An indirect clause as the speaker's own proposition: "his country pursues X" -> "Russia pursues X.".

    own_subject: an opening "he" or "she" means the speaker.
    """
    text = without_that(unquoted(words).strip())
    if country:
        text = _COUNTRY.sub(lambda m: country + (m["own"] or ""), text)
    elif speaker:
        own = speaker + ("’" if speaker.endswith("s") else "’s")
        text = _COUNTRY.sub(lambda m: f"{own} country{m['own'] or ''}", text)
    match = _HE.match(text) or (_IT.match(text) if speaker and country_named(speaker) else None)
    if match and speaker and own_subject:
        text = speaker + _agreeing(match["rest"])
    return tidy(text)


def _agreeing(rest: str) -> str:
    """What follows a replaced subject: "'s" and "'d" stay readable after a name."""
    if rest.startswith(("'s ", "’s ")):
        return (" has" if re.match(r".s \w+(?:ed|en)\b", rest) else " is") + rest[2:]
    if rest.startswith(("'d ", "’d ")):
        return " would" + rest[2:]
    if rest.startswith(("'ll ", "’ll ")):
        return " will" + rest[3:]
    return rest


def directive(words: str, hearer: str, negated: bool = False) -> str:
    """'the two countries' + 'to innovate' -> 'The two countries should innovate.'; "not to" -> "should not"."""
    who = hearer.strip()
    rest = words.strip()[len(who) :].strip() if words.strip().startswith(who) else words.strip()
    refuse = rest.startswith("not to ")
    rest = rest.removeprefix("not ").removeprefix("to ").strip()
    who = {"him": "he", "her": "she", "them": "they", "us": "we", "me": "I"}.get(who.lower(), who)
    return tidy(unquoted(f"{who} should {'not ' if refuse or negated else ''}{rest}"))


def undertaking(words: str, speaker: str) -> str:
    """'to defend X' vowed by S -> 'S will defend X.'."""
    rest = words.strip()
    refuse = rest.startswith("not to ")
    rest = rest.removeprefix("not ").removeprefix("to ").strip()
    return tidy(unquoted(f"{speaker} will {'not ' if refuse else ''}{rest}"))


def standing(words: str) -> str:
    """'Beijing’s position of non-interference' -> 'Beijing’s position is one of non-interference.'; else ""."""
    text = unquoted(words).strip()
    match = _POSITION.match(text)
    if match:
        return tidy(f"{match['who']} is one {match['rest']}")
    match = _NEED.match(text)
    if match:
        return tidy(f"it is necessary {match['rest']}")
    match = _IMPORTANCE.match(text)
    if match:
        return tidy(f"{match['rest']} is important") if " " not in match["rest"] or "," not in match["rest"] else ""
    return ""


def denied(words: str) -> str:
    """What is denied, as a clause: 'the claim that C', 'allegations that C as false', 'that C' -> 'C.'; else ""."""
    text = _AS_FALSE.sub("", unquoted(words).strip())
    match = _OPENING_DENIAL.match(text)
    if match:
        return tidy(match["rest"])
    if text.lower().startswith("that ") or (clause_like(text) and not text.lower().startswith(("having ", "being "))):
        return tidy(without_that(text))
    return ""


def asked(words: str) -> str:
    """'whether C' / 'if C' -> 'C.'; other questions keep their words."""
    text = unquoted(words).strip()
    for opener in ("whether or not ", "whether ", "if "):
        if text.lower().startswith(opener):
            return tidy(text[len(opener) :])
    return ""


def _in_a_question(a: Attribution, text: str) -> bool:
    """Is it asked whether, or when, the source said it? ("Did Ann say that …?", "Why has Ann said that …?")."""
    return a.source is not None and bool(_INVERTED.search(text[max(0, a.source.start - _LEAD) : a.source.start]))


def on_record(a: Attribution, text: str) -> bool:
    """Does the attribution put a proposition on the record, rather than report an act or a state of mind?"""
    if a.negated or a.modal or a.passive or _in_a_question(a, text):
        return False
    words = text[a.content[0].start : a.content[-1].end]
    if a.kind is Kind.SPEECH:
        if a.lemma not in ASSERTING:
            return False
        if a.quoted:
            return True
        if _BROKEN.match(without_that(words)):
            return False  # "a report that the mayor said was wrong": the subject stands elsewhere
        return _clause(words, strict=a.lemma in _ALSO_PLAIN)
    if a.kind is Kind.QUESTION:
        return bool(asked(words))
    if a.kind is Kind.DIRECTIVE:
        return a.lemma in DIRECTING
    if a.kind is Kind.COMMITMENT:
        return a.lemma in UNDERTAKING
    if a.stance is not a.stance.ASSERTED:
        return bool(denied(words))
    return a.lemma in _STANDS and bool(standing(words))


def pieces(words: str) -> list[tuple[int, int]]:
    """[start, end) of each sentence of a quotation of several sentences."""
    cuts = [m.end() for m in _SENTENCE_GAP.finditer(words)]
    bounds = [0, *cuts, len(words)]
    found: list[tuple[int, int]] = []
    for start, end in itertools.pairwise(bounds):
        part = words[start:end]
        lead = len(part) - len(part.lstrip())
        kept = part.strip()
        short = (
            re.search(
                r"(?:\b(?:Mr|Mrs|Ms|Dr|Sen|Rep|Gov|St|Jr|Sr|vs|No)|\b[A-Z])\.\Z", words[found[-1][0] : found[-1][1]]
            )
            if found
            else None
        )
        if short:
            found[-1] = (found[-1][0], start + lead + len(kept))
        elif kept:
            found.append((start + lead, start + lead + len(kept)))
    return found


__all__ = [
    "ASSERTING",
    "AUXILIARIES",
    "asked",
    "clause_like",
    "denied",
    "directive",
    "on_record",
    "pieces",
    "reported",
    "standing",
    "tidy",
    "undertaking",
    "unquoted",
    "without_that",
]

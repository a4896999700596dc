"""The words that attribute: which verbs report speech, what may follow each, and how each inflects.

A verb carries one-letter frames that say what it may take:

    c  a clause, with or without "that"          say, note, believe
    t  a hearer, then a clause                   tell, remind
    w  a question: whether, if, a wh-word        ask, wonder
    i  a person told to do something             urge (somebody) to
    s  something its subject undertakes to do    vow to, plan to
    m  what its subject looks like, to nobody named  seem to, appear to
    n  a noun phrase                             criticise, endorse, reiterate
    v  may stand before its subject              "…", said the minister
    q  introduces or follows a direct quote

Frames and the choice of verbs come from reading reporting verbs in English news and the classes of VerbNet 37 ("say",
"tell", "advise") and 29 ("conjecture"); nothing is taken from one article.
"""

from __future__ import annotations

from dataclasses import dataclass

from onrecord_server.domain.types import Stance
from onrecord_server.domain.words import word_set


@dataclass(frozen=True, slots=True)
class VerbForm:
    """One inflected form of a reporting verb. `tense`: base, present, past, ing. `frames`: letters as above."""

    lemma: str
    tense: str
    frames: str
    stance: Stance = Stance.ASSERTED
    particle: str = ""


# One entry a line: frames, then lemmas; irregular forms after a slash: past (and participle).
_VERBS = """
cqv  say/said write/wrote/written tweet add note continue explain reply respond/- answer argue warn recall joke insist
cqv  declare announce conclude remark observe quip exclaim muse lament assert proclaim state
cqv  report reveal stress claim acknowledge admit confirm concede maintain contend allege emphasize emphasise
cqv  counter retort shout yell whisper mutter boast opine reason recount blog post chant testify interject
c    suggest indicate predict reiterate repeat complain caution charge underline underscore highlight clarify
c    disclose estimate imply hint speculate theorize reaffirm affirm attest certify decree profess
c    believe think/thought hope know/knew/known feel/felt fear guess suspect assume understand/understood figure reckon
c    find/found show/showed/shown learn realize realise determine discover prove demonstrate mean/meant
c    agree decide recommend propose expect worry see/saw/seen forget/forgot/forgotten remember consider read/read
c    swear/swore/sworn voice signal wish imagine conclude foresee/foresaw/foreseen
ct   warn promise
t    tell/told remind assure inform convince persuade notify advise assure reassure
w    ask wonder question inquire query debate
m    seem appear
i    urge ask order tell/told encourage advise invite instruct press implore beg exhort challenge direct pressure
i    want need expect push lobby caution warn allow
s    vow pledge promise agree refuse decline threaten plan hope want decide offer propose intend seek/sought
s    expect prefer choose/chose/chosen try fail swear/swore/sworn wish attempt commit opt
c    vow pledge demand request insist
n    criticize criticise praise endorse blast slam attack condemn denounce defend support oppose back blame mock
n    mention cite discuss want reject propose accuse describe request demand welcome thank deny dismiss
n    call ridicule decry deride disparage hail tout applaud embrace reiterate express emphasize stress
n    announce question address rip assail bash castigate chide chastise rebuke scold salute commend congratulate
n    favor favour promise predict pledge like love hate prefer recommend suggest explain acknowledge portray depict
n    characterize characterise label brand admire respect fear echo outline detail highlight reveal note voice
n    protest resist lament disavow renounce repudiate advocate champion urge trumpet hammer pan skewer lambaste
n    lambast excoriate deplore bemoan approve disapprove see/saw/seen consider regard view compare liken expect
n    seek/sought offer dispute challenge concede admit confirm claim report cheer
n    doubt trust need enjoy consult vow know/knew/known
"""

# Verbs that speak against their complement.
_DENIALS = """
cqv  deny
cn   dispute refute rebut reject dismiss disavow repudiate
"""

# verb + word, the word directly after it
_PHRASAL = """
i    call:on call:upon appeal:to
n    call:for refer:to point:to talk:about speak/spoke/spoken:about complain:about object:to respond:to
n    speak/spoke/spoken:of
n    fire:at lash:out focus:on push:for allude:to hit/hit:back react:to argue:for argue:against warn:of warn:about
n    ask:about worry:about dream:of think/thought:of vote:for side:with boast:of boast:about joke:about hope:for
n    know/knew/known:about hear/heard:about
cqv  point:out chime:in go/went/gone:on
"""

# Most English verbs that end in one stressed vowel and one consonant double it; these reporting verbs do.
_DOUBLING = frozenset({"admit", "slam", "rip", "chat", "blog", "pan", "plan", "commit", "opt", "quip"})


def _inflect(lemma: str, irregular: list[str]) -> list[tuple[str, str]]:
    """Forms of one verb with their tense: base, present, past, participle, ing."""
    if lemma.endswith(("s", "x", "z", "ch", "sh", "o")):
        present = lemma + "es"
    elif lemma.endswith("y") and lemma[-2] not in "aeiou":
        present = lemma[:-1] + "ies"
    else:
        present = lemma + "s"
    double = lemma + lemma[-1] if lemma in _DOUBLING else lemma
    ing = lemma[:-1] + "ing" if lemma.endswith("e") and not lemma.endswith(("ee", "oe")) else double + "ing"
    if lemma.endswith("e"):
        past = lemma + "d"
    elif lemma.endswith("y") and lemma[-2] not in "aeiou":
        past = lemma[:-1] + "ied"
    else:
        past = double + "ed"
    forms = [(lemma, "base"), (present, "present"), (ing, "ing")]
    pasts = [past if p == "-" else p for p in irregular] or [past]
    forms.extend((p, "past") for p in dict.fromkeys(pasts))
    return forms


def _build(table: str, stance: Stance, into: dict[str, dict[str, VerbForm]]) -> None:
    """Read one table into form -> particle -> VerbForm, joining the frames of a form that stands in several lines."""
    for line in table.strip().splitlines():
        frames, *entries = line.split()
        for entry in entries:
            entry, _, particle = entry.partition(":")
            lemma, *irregular = entry.split("/")
            for form, tense in _inflect(lemma, irregular):
                slot = into.setdefault(form, {})
                old = slot.get(particle)
                if old is not None:
                    joined = "".join(dict.fromkeys(old.frames + frames))
                    kept = old.stance if old.stance is not Stance.ASSERTED else stance
                    slot[particle] = VerbForm(old.lemma, old.tense, joined, kept, particle)
                else:
                    slot[particle] = VerbForm(lemma, tense, frames, stance, particle)


def _all_forms() -> dict[str, dict[str, VerbForm]]:
    forms: dict[str, dict[str, VerbForm]] = {}
    _build(_VERBS, Stance.ASSERTED, forms)
    _build(_DENIALS, Stance.DENIED, forms)
    _build(_PHRASAL, Stance.ASSERTED, forms)
    return forms


VERB_FORMS: dict[str, dict[str, VerbForm]] = _all_forms()
"""Inflected form -> particle ("" for none) -> what it is."""

# Nouns that carry a that-clause of somebody's: "Clinton's claim that …".
CUE_NOUNS = word_set(
    """
    claim claims statement argument belief view suggestion assertion allegation allegations warning warnings promise
    contention conclusion prediction complaint complaints announcement accusation accusations fear fears hope hopes
    concern concerns notion idea assurance assurances insistence acknowledgment admission confidence doubt doubts
    perception consensus impression opinion pledge vow charge charges speculation report reports rumor rumors
    criticism declaration revelation denial understanding assumption suspicion worry worries proof
    """
)

# "is/was/remains ADJECTIVE that …"
CUE_ADJECTIVES = word_set(
    """
    confident sure certain convinced worried concerned afraid aware hopeful optimistic skeptical sceptical doubtful
    adamant proud glad happy sorry surprised disappointed clear pleased unsure uncertain unaware fearful nervous
    insistent
    """
)

AUXILIARIES = word_set(
    """
    is are was were be been being am has have had having do does did will would can could may might shall should
    must 's ’s 've ’ve 'd ’d 'll ’ll isn't isn’t aren't wasn't wasn’t weren't didn't didn’t doesn't doesn’t don't
    don’t hasn't hasn’t haven't haven’t hadn't hadn’t won't won’t wouldn't wouldn’t can't can’t couldn't couldn’t
    cannot ain't shouldn't shouldn’t
    """
)
NEGATIONS = word_set(
    """
    not never n't isn't isn’t aren't wasn't wasn’t weren't didn't didn’t doesn't doesn’t don't don’t hasn't hasn’t
    haven't haven’t hadn't hadn’t won't won’t wouldn't wouldn’t can't can’t couldn't couldn’t cannot
    """
)
PRONOUNS = word_set(
    """
    he she they it i we you who
    """
)
POSSESSIVES = word_set(
    """
    his her their its my our your
    """
)
DETERMINERS = word_set(
    """
    the a an this that these those his her their its my our your some many most several all both each every no any
    another other two three four five six few one
    """
)
PREPOSITIONS = word_set(
    """
    of in on at by for from with to into about against between during after before since under over through among
    around near within without despite amid toward towards behind beyond across like as via per until upon
    """
)
SUBORDINATORS = word_set(
    """
    that because although though while when whenever if unless whether as since after before until where wherever
    which who whom whose what how why than so
    """
)
CONJUNCTIONS = frozenset({"and", "but", "or", "nor", "yet"})
ADVERBS = word_set(
    """
    also further again later then just now once even still only recently previously already often always never ever
    first last not repeatedly reportedly earlier simply too both all soon long instead indeed nonetheless
    nevertheless meanwhile however therefore thus once twice today yesterday tonight tomorrow
    """
)
WEEKDAYS = word_set(
    """
    monday tuesday wednesday thursday friday saturday sunday
    """
)
MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)

# Verbs that with this kind of content are an attribution in fewer than three cases of ten, as counted on 840 annotated
# news articles (docs/attribution-notes.md): they stay in the tables for their other uses.
RARE: dict[str, frozenset[str]] = {
    "object": word_set(
        """
        address admit appeal assume back believe charge choose commit consider consult debate decide demonstrate
        determine direct discover embrace encourage enjoy fail favor favour figure find focus hammer hate invite know
        like lobby love mean need plan pledge pressure protest prove push react read recommend respect suspect trust
        try understand vote want
        """
    ),
    "speech": word_set("advise continue go mean prove"),
    "commitment": word_set("choose decide expect fail try attempt commit"),
    "directive": word_set("allow expect need pressure"),
    "object-passive": word_set(
        "ask call challenge charge consider declare deny determine find focus mean need reveal show trust view worry "
        "write"
    ),
}

RARE_BARE = word_set(
    "add answer advise chime decide declare feel know maintain post reason remark respond see state testify tweet "
    "understand write"
)
"""The same for a bare clause, without "that" or a quotation."""

"""Words for contrast.py: invented people, places, acts. A list is one string, split: it reads better that way."""
# ruff: noqa: SIM905

from __future__ import annotations

FIRST_NAMES = (
    "James Mary Elena Wei Ahmed Fatima Carlos Ingrid Yuki Priya Olga Samuel Nadia Peter Laura Hassan "
    "Maria David Anna Kofi Lin Ivan Sofia Omar Grace Viktor Leila Thomas Aisha Jorge Helena Mark Ruth"
).split()
LAST_NAMES = (
    "Smith Johnson Chen Petrov Garcia Okafor Haddad Tanaka Singh Novak Muller Rossi Kim Silva Cohen "
    "Larsen Dubois Khan Moreau Baker Hughes Mensah Costa Reyes Weber Nguyen Alvarez Popov Clarke Lindgren "
    "Osei Fischer"
).split()
ORGANISATIONS = (
    "the ministry|the central bank|the opposition party|the city council|the supreme court|the "
    "company|the airline|the union|the health agency|the football club|the university|the museum|the "
    "electoral commission|the oil company|the trade association|the parliament|the newspaper|the army|the "
    "election board|the chipmaker"
).split("|")
COUNTRIES = (
    "Brazil Canada Kenya Japan Poland Turkey Egypt Chile Norway India Vietnam Spain Ghana Mexico Ukraine "
    "France Peru Morocco Sweden Pakistan"
).split()
CITIES = (
    "Lisbon Nairobi Osaka Warsaw Ankara Cairo Santiago Oslo Mumbai Hanoi Madrid Accra Lyon Lima Rabat "
    "Toronto Geneva Vienna Dublin Athens"
).split()
ROLES = (
    "the minister|the senator|the mayor|the striker|the judge|the doctor|the engineer|the professor|the "
    "editor|the banker|the lawyer|the general|the actor|the chemist|the governor|the coach|the "
    "analyst|the pilot|the nurse|the ambassador"
).split("|")
ASYMMETRIC = (
    "criticised praised sued warned invited thanked interviewed hired ignored supported accused followed "
    "blamed contacted visited attacked funded advised admired trusted"
).split()
EXCLUSIVE = ("defeated replaced succeeded acquired outlived employs appointed founded overtook outscored").split()
SYMMETRIC = (
    "met|married|spoke with|cooperated with|signed a treaty with|shares a border with|played "
    "against|merged with|debated"
).split("|")
OBJECTS = (
    "the peace plan|the budget|the merger|the trade deal|the new law|the ceasefire|the climate target|the "
    "vaccine programme|the border crossing|the tax reform|the rail project|the export quota|the safety "
    "standard|the currency union|the mining permit"
).split("|")
INDICATORS = (
    "inflation|unemployment|exports|oil output|the birth rate|turnout|wheat production|house "
    "prices|tourist arrivals|carbon emissions|steel imports|the deficit|bank lending|retail sales"
).split("|")
GROUPS = (
    "ministers delegates employees students regions players shareholders hospitals banks countries judges "
    "farmers residents airlines schools towns"
).split()
GROUP_ACTS = (
    "voted for the plan|were evacuated|received funding|joined the protest|missed the deadline|passed the "
    "inspection|signed the letter|were vaccinated|closed early|lost power|paid the tax|attended the "
    "summit"
).split("|")
MONTHS = ("January February March April May June July August September October November December").split()
EVENTS = (
    "the summit|the final|the trial|the earthquake|the conference|the election|the strike|the opening "
    "ceremony|the phone call|the auction|the exhibition|the crash|the hearing|the vote"
).split("|")
OFFICES = ["chief executive", "chair", "spokesperson", "founder", "head coach", "director"]
# verbs whose past tense is also the participle
PASSIVE = frozenset(
    (
        "accused acquired appointed attacked blamed criticised defeated funded hired ignored interviewed "
        "invited praised replaced sued warned"
    ).split()
)
# an act and its negation
NEGATED = {
    "resigned": "did not resign",
    "apologised": "did not apologise",
    "won the vote": "did not win the vote",
    "left the meeting": "did not leave the meeting",
    "signed the contract": "did not sign the contract",
    "arrived late": "did not arrive late",
    "voted against the bill": "did not vote against the bill",
    "lost the case": "did not lose the case",
    "opened the exhibition": "did not open the exhibition",
    "cancelled the trip": "did not cancel the trip",
    "rejected the offer": "did not reject the offer",
    "joined the strike": "did not join the strike",
    "retired": "did not retire",
    "testified": "did not testify",
    "published the report": "did not publish the report",
    "withdrew the complaint": "did not withdraw the complaint",
    "raised prices": "did not raise prices",
    "closed two offices": "did not close two offices",
    "paid the fine": "did not pay the fine",
    "changed the rules": "did not change the rules",
}
OPPOSITE_TRENDS = [
    ("rose", "fell"),
    ("increased", "decreased"),
    ("widened", "narrowed"),
    ("accelerated", "slowed"),
    ("strengthened", "weakened"),
    ("improved", "worsened"),
]
OPPOSITE_ACTS = [
    ("supports", "opposes"),
    ("accepted", "rejected"),
    ("banned", "allowed"),
    ("opened", "closed"),
    ("confirmed", "denied"),
    ("won", "lost"),
    ("started", "ended"),
    ("welcomed", "condemned"),
    ("approved", "blocked"),
    ("expanded", "cut"),
]
NUMBER_WORDS = {
    1: "one",
    2: "two",
    3: "three",
    4: "four",
    5: "five",
    6: "six",
    7: "seven",
    8: "eight",
    9: "nine",
    10: "ten",
    12: "twelve",
    20: "twenty",
    30: "thirty",
    50: "fifty",
    100: "one hundred",
}
NUMBERS = [int(n) for n in "2 3 4 5 6 7 8 9 10 12 15 20 24 30 40 50 60 75 100 120 150 200 250 300 400 500".split()]
NUMBERS += [750, 900, 1200, 1500, 2000, 3500, 4000, 5000, 8000, 12000, 25000, 40000, 100000]

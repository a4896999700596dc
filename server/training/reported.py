"""Reported speech: wrap a pair so that who said it matters.

The same speaker keeps the label; another speaker, or none, makes it neutral; a denial against an assertion contradicts.
"""
# ruff: noqa: SIM905

from __future__ import annotations

import random

from packed import Pair

FIRST = (
    "James Mary John Elena Wei Ahmed Fatima Carlos Ingrid Yuki Priya Olga Samuel Nadia Peter Laura Hassan Maria David "
    "Anna Kofi Lin Ivan Sofia Omar Grace Viktor Leila Thomas Aisha"
).split()
LAST = (
    "Smith Johnson Chen Petrov Garcia Okafor Haddad Tanaka Singh Novak Muller Rossi Kim Ivanova Silva Cohen Larsen "
    "Dubois Khan Moreau Baker Hughes Mensah Costa Reyes Weber Nguyen Alvarez Popov Clarke"
).split()
ROLES = ["", "", "", "President ", "Prime Minister ", "Minister ", "Senator ", "Governor ", "Chancellor ", "Dr. "]
ROLES += ["spokesman ", "chief executive "]
SAY = (
    "said that|said|stated that|noted that|argued that|stressed that|told reporters that|announced that|added that|"
    "reiterated that|claimed that|explained that|declared that"
).split("|")
DENY = ["denied that", "rejected the claim that", "dismissed as false the report that"]


def speaker(rng: random.Random) -> tuple[str, str]:
    """A full name, perhaps with an office, and the surname alone."""
    first, last = rng.choice(FIRST), rng.choice(LAST)
    return f"{rng.choice(ROLES)}{first} {last}", last


def lower_first(text: str) -> str:
    """Only for looks: the vocabulary is uncased."""
    return text[:1].lower() + text[1:]


def say(text: str, who: str, rng: random.Random) -> str:
    """`text` as something `who` asserts."""
    k = rng.random()
    if k < 0.12:
        return f"According to {who}, {lower_first(text)}"
    if k < 0.24:
        return f"{text.rstrip('.')}, {who} {rng.choice(['said', 'noted', 'stated'])}."
    return f"{who} {rng.choice(SAY)} {lower_first(text)}"


def deny(text: str, who: str, rng: random.Random) -> str:
    """`text` as something `who` denies."""
    return f"{who} {rng.choice(DENY)} {lower_first(text)}"


def wrap(pair: Pair, rng: random.Random) -> Pair:
    """One of the patterns, at random; the pair must have one of the three classes."""
    premise, hypothesis, label = pair["premise"], pair["hypothesis"], pair["label"]
    full, short = speaker(rng)
    later = rng.choice([full, short, short])
    k = rng.random()
    if 0.5 <= k < 0.7:
        other = speaker(rng)
        while other[1] == short:
            other = speaker(rng)
        hypothesis = say(hypothesis, rng.choice(other), rng)
        return {"premise": say(premise, full, rng), "hypothesis": hypothesis, "label": "neutral"}
    if 0.7 <= k < 0.8:
        return {"premise": premise, "hypothesis": say(hypothesis, later, rng), "label": "neutral"}
    if k >= 0.8 and label == "entailment":
        if k < 0.9:
            premise, hypothesis = say(premise, full, rng), deny(hypothesis, later, rng)
        else:
            premise, hypothesis = deny(premise, full, rng), say(hypothesis, later, rng)
        return {"premise": premise, "hypothesis": hypothesis, "label": "contradiction"}
    return {"premise": say(premise, full, rng), "hypothesis": say(hypothesis, later, rng), "label": label}

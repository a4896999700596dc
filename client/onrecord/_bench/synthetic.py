"""Made-up statements and claims, for a run without files. Declared as such in every report.

Sentences of nine to some thirty words on made-up countries. A claim is a statement in part, sometimes with another
verb or number, so that a search finds statements on its subject and the model has something to read. Real texts are
longer, more varied and less alike: measure with your own where the figures matter.
"""

from __future__ import annotations

import random

from onrecord.types import Claim, Speaker, Statement

_PLACES = ("Freedonia", "Sylvania", "Ruritania", "Graustark", "Bordavia", "Elbonia", "Latveria", "Genovia", "Osterlich")
_PEOPLE = ("Anna Keller", "Bo Lind", "Carla Mendes", "Dmitri Volkov", "Ewa Nowak", "Farid Aziz")
_VERBS = ("supports", "opposes", "will fund", "has rejected", "promotes", "is reviewing", "suspended", "resumed")
_QUALITIES = ("northern", "joint", "long-delayed", "bilateral", "costly", "new", "disputed", "seasonal")
_THINGS = (
    "fishing agreement", "railway line", "export ban on wheat", "water treaty", "border crossing", "vaccine programme",
    "power plant", "student exchange", "tax on imported steel", "ceasefire in the valley",
)  # fmt: skip
_TAILS = (
    "", "", "since the spring", "despite objections from {other}", "in cooperation with {other} and its neighbours",
    "although the parliament of {other} voted against it in {year}",
    "and expects {number} households in the border region to be connected before the end of {year}",
)  # fmt: skip


def synthetic(statements: int, claims: int, seed: int) -> tuple[list[Statement], list[Claim]]:
    """So many of each; the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311 -- texts, not secrets
    said = [_said(chance) for _ in range(statements)]
    asked = []
    for _ in range(claims):
        core, _ = chance.choice(said)
        if chance.random() < 0.4:
            core = (core[0], chance.choice(_VERBS), core[2])
        asked.append(Claim(f"{' '.join(core)}."))
    return [Statement(text, speaker=Speaker(chance.choice(_PEOPLE))) for _, text in said], asked


def _said(chance: random.Random) -> tuple[tuple[str, str, str], str]:
    """(subject, verb, object), and the whole sentence."""
    place, other = chance.sample(_PLACES, 2)
    core = (place, chance.choice(_VERBS), f"the {chance.choice(_QUALITIES)} {chance.choice(_THINGS)} with {other}")
    tail = chance.choice(_TAILS).format(
        other=chance.choice(_PLACES), year=chance.randint(1995, 2025), number=f"{chance.randint(2, 900):,}00"
    )
    return core, " ".join(filter(None, (*core, tail))) + "."

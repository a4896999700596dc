"""Contrast pairs from templates of our own (no data used): what a small change of wording does to a verdict.

Role swaps, clauses, negation, opposites, quantifiers, numbers, percentages, dates, names. Labels follow strict
entailment between two statements about the same event.

Example: contrast.py OUT/contrast_templates.jsonl.gz --count 16000
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import wordlists as w
from packed import Pair, write_lines

E, U, C = "entailment", "neutral", "contradiction"
Made = tuple[str, str, str]  # premise, hypothesis, label
R = random.Random(0)  # noqa: S311 - reseeded by main; one generator keeps the templates short


def sentence(*parts: str) -> str:
    """Join, capitalise, full stop."""
    text = " ".join(parts)
    return text[0].upper() + text[1:] + "."


def full_name() -> str:
    """A first and a last name."""
    return f"{R.choice(w.FIRST_NAMES)} {R.choice(w.LAST_NAMES)}"


def actor() -> str:
    """Someone or something that acts."""
    k = R.random()
    return full_name() if k < 0.5 else R.choice(w.ROLES) if k < 0.75 else R.choice(w.ORGANISATIONS)


def two(make: Callable[[], str]) -> tuple[str, str]:
    """Two different ones."""
    a, b = make(), make()
    while a == b:
        b = make()
    return a, b


def other(words: list[str], than: str) -> str:
    """Another word of a list."""
    return R.choice([word for word in words if word != than])


def act() -> str:
    """An intransitive act."""
    return R.choice(list(w.NEGATED))


def role_swap() -> Made:
    """Who did it to whom: a swap is open for most verbs, false for exclusive ones, the same for symmetric ones."""
    a, b = two(actor) if R.random() < 0.7 else two(lambda: R.choice(w.COUNTRIES))
    day = f" on {R.choice(w.MONTHS)} {R.randint(1, 28)}"
    tail = R.choice(["", "", " last week", f" in {R.choice(w.CITIES)}", day])
    k = R.random()
    if k < 0.6:
        verb, swapped = (R.choice(w.ASYMMETRIC), U) if k < 0.3 else (R.choice(w.EXCLUSIVE), C)
        options = [(sentence(b, verb, a), swapped), (sentence(a, verb, b), E)]
        if verb in w.PASSIVE:
            options += [(sentence(b, "was", verb, "by", a), E), (sentence(a, "was", verb, "by", b), swapped)]
        return (sentence(a, verb, b + tail), *R.choice(options))
    if k < 0.75:
        verb = R.choice(w.SYMMETRIC)
        options = [(sentence(b, verb, a), E), (sentence(a, verb, b), E), (sentence(a, "never", verb, b), C)]
        return (sentence(a, verb, b + tail), *R.choice(options))
    verb = act()
    premise = sentence(a, R.choice(["near", "beside", "with", "opposite", "behind"]), b, verb)
    return (premise, *R.choice([(sentence(a, verb), E), (sentence(b, verb), U)]))


def clause() -> Made:
    """Conditions, concessions, relative clauses, reports, order in time: what a clause commits to."""
    (a, b), (v, x) = two(actor), two(act)
    report = R.choice(["said", "claimed", "believed", "hoped", "suggested"])
    fact = R.choice(["regretted", "knew", "realised", "noticed", "proved"])
    return R.choice(
        [
            (sentence("if", a, v + ",", b, x), sentence(a, v), U),
            (sentence("although", a, v + ",", b, x), sentence(a, v), E),
            (sentence("because", a, v + ",", b, x), sentence(b, x), E),
            (sentence("unless", a, v + ",", b, x), sentence(b, x), U),
            (sentence(a, v, "and", b, x), sentence(*R.choice([(a, v), (b, x)])), E),
            (sentence("either", a, v, "or", b, x), sentence(a, v), U),
            (sentence(a + ", who", v + ",", x), sentence(a, R.choice([v, x])), E),
            (sentence(b, report, "that", a, v), sentence(a, v), U),
            (sentence(b, fact, "that", a, v), sentence(a, v), E),
            (sentence(b, "denied that", a, v), sentence(b, "said that", a, v), C),
            (sentence(a, v, "before", b, x), sentence(b, x, "after", a, v), E),
            (sentence(a, v, "before", b, x), sentence(a, v, "after", b, x), C),
            (sentence("it is not true that", a, v), sentence(a, v), C),
            (sentence(a, R.choice(["may have", "might have", "almost", "nearly"]), v), sentence(a, v), U),
        ]
    )


def negation() -> Made:
    """An act and its negation."""
    a, v, city = actor(), act(), R.choice(w.CITIES)
    n = w.NEGATED[v]
    return R.choice(
        [
            (sentence(a, v), sentence(a, n), C),
            (sentence(a, n), sentence(a, v), C),
            (sentence(a, v, "in", city), sentence(a, n), C),
            (sentence(a, n, "in", city), sentence(a, n), U),
            (sentence("nobody but", a, v), sentence(a, v), E),
            (sentence(a, "never", v), sentence(a, v), C),
        ]
    )


def opposite() -> Made:
    """Opposite verbs contradict only about the same thing, place and time."""
    if R.random() < 0.5:
        what, where, year = R.choice(w.INDICATORS), R.choice(w.COUNTRIES), R.randint(2001, 2024)
        up, down = R.sample(R.choice(w.OPPOSITE_TRENDS), 2)
        later = str(year + R.choice([-2, -1, 1, 3]))
        premise = sentence(what, "in", where, up, "in", str(year))
        options = [
            (sentence(what, "in", where, down, "in", str(year)), C),
            (sentence("in", f"{year},", what, up, "in", where), E),
            (sentence(what, "in", other(w.COUNTRIES, where), up, "in", str(year)), U),
            (sentence(what, "in", where, down, "in", later), U),
            (sentence(other(w.INDICATORS, what), "in", where, up, "in", str(year)), U),
        ]
        return (premise, *R.choice(options))
    (a, b), what = two(actor), R.choice(w.OBJECTS)
    yes, no = R.sample(R.choice(w.OPPOSITE_ACTS), 2)
    more = R.choice(["on Tuesday", f"in {R.choice(w.CITIES)}", "after a long debate"])
    return R.choice(
        [
            (sentence(a, yes, what), sentence(a, no, what), C),
            (sentence(a, yes, what), sentence(b, no, what), U),
            (sentence(a, yes, what), sentence(a, yes, other(w.OBJECTS, what)), U),
            (sentence(a, yes, what, more), sentence(a, yes, what), E),
        ]
    )


def quantifier() -> Made:
    """All, most, some, few, none."""
    g, v, city = R.choice(w.GROUPS), R.choice(w.GROUP_ACTS), R.choice(w.CITIES)
    return R.choice(
        [
            (sentence("all", g, v), sentence("some", g, v), E),
            (sentence("some", g, v), sentence("all", g, v), U),
            (sentence("no", g, v), sentence("some", g, v), C),
            (sentence("all", g, v), sentence("no", g, v), C),
            (sentence("most", g, v), sentence("some", g, v), E),
            (sentence("few", g, v), sentence("most", g, v), C),
            (sentence("all", g, "in", city, v), sentence("all", g, v), U),
            (sentence("all", g, v), sentence("all", g, "in", city, v), E),
            (sentence("not all", g, v), sentence("all", g, v), C),
            (sentence("some", g, v), sentence("some", g, "in", city, v), U),
            (sentence("several", g, "in", city, v), sentence("some", g, v), E),
            (sentence("half of the", g, v), sentence("all of the", g, v), C),
            (sentence("most", g, v), sentence("not a single one of the", g, v), C),
        ]
    )


def spell(n: int) -> str:
    """A number as a word, with or without a thousands separator."""
    if n in w.NUMBER_WORDS and R.random() < 0.5:
        return w.NUMBER_WORDS[n]
    return f"{n:,}" if n >= 1000 and R.random() < 0.7 else str(n)


def number() -> Made:
    """Counts and bounds."""
    n = R.choice(w.NUMBERS)
    m = n + R.choice([n // 2 + 1, n, 2 * n])
    if R.random() < 0.4:
        n, m = m, n
    low, high = spell(min(n, m)), spell(max(n, m))
    g, v, city = R.choice(w.GROUPS), R.choice(w.GROUP_ACTS), R.choice(w.CITIES)
    at = g + R.choice(["", f" in {city}"])
    premise = sentence(spell(n), at, v)
    return R.choice(
        [
            (premise, sentence(spell(n), g, v), E),
            (premise, sentence(spell(m), at, v), C),
            (premise, sentence("about", spell(n), g, v), E),
            (premise, sentence("no", at, v), C),
            (premise, sentence("some", at, v), E),
            (sentence("about", spell(n), at, v), sentence("roughly", spell(n), at, v), E),
            (sentence("more than", high, at, v), sentence("fewer than", low, at, v), C),
            (sentence("at least", high, at, v), sentence("more than", low, at, v), E),
            (sentence("more than", low, at, v), sentence("more than", high, at, v), U),
            (sentence("fewer than", low, at, v), sentence("fewer than", high, at, v), E),
            (sentence("fewer than", low, at, v), sentence(high, at, v), C),
            (sentence("up to", high, at, v), sentence("exactly", low, at, v), U),
            (sentence(low, g, "in", city, v), sentence(low, other(w.GROUPS, g), "in", city, v), U),
            (sentence(low, g, "in", city, v), sentence(high, g, "in", other(w.CITIES, city), v), U),
        ]
    )


def percentage() -> Made:
    """Rises and falls by so many per cent."""
    what, where, year = R.choice(w.INDICATORS), R.choice(w.COUNTRIES), R.randint(2000, 2024)
    a = R.randint(2, 80)
    b = a + R.choice([3, 7, 12, 20])
    said, went, reverse = R.choice([("rose", "rose", "fell"), ("grew", "rose", "fell"), ("fell", "fell", "rose")])
    amount = R.choice([f"{a} percent", f"{a}%", f"{a} per cent"])
    premise = sentence(what, "in", where, said, "by", amount, f"in {year}")
    options = [
        (sentence(what, "in", where, went, f"by {a} percent in {year}"), E),
        (sentence(what, "in", where, went, f"by {b}% in {year}"), C),
        (sentence(what, "in", where, went, f"in {year}"), E),
        (sentence(what, "in", where, reverse, f"in {year}"), C),
        (sentence(what, "in", where, went, f"by more than {max(1, a - 2)} percent in {year}"), E),
        (sentence(what, "in", where, went, f"by more than {b} percent in {year}"), C),
        (sentence(what, "in", where, went, f"by {a} percent in {year + 2}"), U),
    ]
    return (premise, *R.choice(options))


def date() -> Made:
    """Days, months, years and places of an event."""
    event, city, month = R.choice(w.EVENTS), R.choice(w.CITIES), R.choice(w.MONTHS)
    day, year = R.randint(1, 28), R.randint(1950, 2024)
    wrong_year, near = year + R.choice([-10, -3, -1, 1, 2, 5]), R.randint(1, 9)
    elsewhere, when = other(w.CITIES, city), R.choice([f"{month} {day}, {year}", f"{day} {month} {year}"])
    options = [
        (sentence(event, "took place on", R.choice([f"{month} {day}", f"{day} {month}"])), E),
        (sentence(event, f"took place in {month} {year}"), E),
        (sentence(event, f"took place in {year}"), E),
        (sentence(event, f"took place in {wrong_year}"), C),
        (sentence(event, f"took place on {other(w.MONTHS, month)} {day}, {year}"), C),
        (sentence(event, f"took place on {month} {day % 28 + 1}, {year}"), C),
        (sentence(event, "took place in", elsewhere), C),
        (sentence(city, "hosted", event), E),
        (sentence(elsewhere, "hosted", event), C),
        (sentence(event, "lasted three hours"), U),
        (sentence(event, f"took place before {year + near}"), E),
        (sentence(event, f"took place after {year + near}"), C),
        (sentence(other(w.EVENTS, event), "took place in", city, f"on {month} {day}, {year}"), U),
    ]
    return (sentence(event, "took place in", city, "on", when), *R.choice(options))


def name() -> Made:
    """Who holds an office."""
    a, b = two(full_name)
    office, of = R.choice(w.OFFICES), R.choice(w.ORGANISATIONS)
    apposition = sentence(a + ", the", office, "of", of + ",", act())
    premise = R.choice([apposition, sentence(a, "is the", office, "of", of)])
    options = [
        (sentence(a, "is the", office, "of", of), E),
        (sentence(b, "is the", office, "of", of), C),
        (sentence(a.split()[1], "is the", office, "of", of), E),
        (sentence(a, "is married"), U),
        (sentence(a, "has been the", office, "of", of, "since 2009"), U),
        (sentence(a, "has nothing to do with", of), C),
    ]
    return (premise, *R.choice(options))


TEMPLATES: dict[Callable[[], Made], int] = {
    role_swap: 22, clause: 18, negation: 8, opposite: 12, quantifier: 12, number: 14, percentage: 8, date: 14, name: 8
}  # fmt: skip


def make_pairs(count: int, seed: int) -> list[Pair]:
    """So many different pairs."""
    R.seed(seed)
    seen: dict[tuple[str, str], str] = {}
    while len(seen) < count:
        premise, hypothesis, label = R.choices(list(TEMPLATES), list(TEMPLATES.values()))[0]()
        if premise != hypothesis:
            seen.setdefault((premise, hypothesis), label)
    return [{"premise": p, "hypothesis": h, "label": label} for (p, h), label in seen.items()]


def main() -> None:
    """Write the pairs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="file to write, .jsonl.gz")
    parser.add_argument("--count", type=int, default=16000)
    parser.add_argument("--seed", type=int, default=20261125)
    args = parser.parse_args()
    pairs = make_pairs(args.count, args.seed)
    write_lines(args.out, pairs)
    print(len(pairs), dict(sorted(Counter(p["label"] for p in pairs).items())))


if __name__ == "__main__":
    main()

"""Parts of requests that go on from what is on the record: statements, filters, claims, etags, pages, request ids."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any

from making import PEOPLE, SENTENCES, Maker
from mutating import Mutator
from remembering import Memory

from onrecord.v1 import check_service_pb2 as checks
from onrecord.v1 import filter_pb2, statement_pb2

PARENTS = ("", "collections/default", "collections/fuzz-0", "collections/fuzz-1", "collections/fuzz-2")
STATES = (statement_pb2.STATE_ACTIVE, statement_pb2.STATE_RETRACTED, statement_pb2.STATE_SUPERSEDED)
LABELS = ("l1", "l2", "harbour")
TIMES = (1_500_000_000, 1_630_195_200, 1_900_000_000)


class Parts:
    """Makes parts of requests, with the chance of a maker."""

    def __init__(self, maker: Maker, memory: Memory) -> None:
        self.maker = maker
        self.memory = memory
        self.mutator = Mutator(maker)

    @property
    def chance(self) -> random.Random:
        """Another one for every request."""
        return self.maker.chance

    def pick(self, known: Iterable[Any], otherwise: Any) -> Any:
        """One of them, or else."""
        known = list(known)
        return self.chance.choice(known) if known else otherwise

    def parent(self) -> str:
        """A collection that is likely to hold something."""
        return self.chance.choice(PARENTS)

    def words(self) -> str:
        """A sentence, one of some two hundred."""
        return f"{self.chance.choice(SENTENCES)} {self.chance.randint(0, 30)}"

    def time(self, message: Any, field: str, share: float) -> None:
        """Set it, for this share of the requests: one of three times, so that before, then and after all happen."""
        if self.chance.random() < share:
            getattr(message, field).FromSeconds(self.chance.choice(TIMES))

    def etag(self, known: dict[str, Any], name: str) -> str:
        """The one it was last seen with, which may be stale by now; none; another one's."""
        draw = self.chance.random()
        if draw < 0.6 and name in known:
            return str(known[name].etag)
        return "" if draw < 0.85 else str(getattr(self.pick(known.values(), None), "etag", "x"))

    def statement_name(self) -> str:
        """Of a statement that is, or was, on the record."""
        return str(self.pick(self.memory.statements, "collections/fuzz-0/statements/none"))

    def known_statement(self) -> statement_pb2.Statement:
        """One that is, or was, on the record."""
        one: statement_pb2.Statement = self.pick(self.memory.statements.values(), None) or self.statement("")
        return one

    def statement(self, parent: str) -> statement_pb2.Statement:
        """A new one, now and then with a name of its own or no longer active."""
        chance = self.chance
        made = statement_pb2.Statement(
            text=self.words(),
            speaker=statement_pb2.Speaker(name=chance.choice(PEOPLE), aliases=chance.sample(PEOPLE, 2)),
            stance=chance.choice(statement_pb2.Stance.values()),
            source=statement_pb2.Source(publisher=chance.choice(PEOPLE), title="T"),
            labels=sorted(set(chance.choices(LABELS, k=2))),
        )
        for field, share in (("stated_time", 0.5), ("valid_from", 0.1), ("valid_until", 0.1)):
            self.time(made, field, share)
        if chance.random() < 0.1:
            new = f"{parent or PARENTS[1]}/statements/s{chance.randint(0, 40)}"
            made.name = self.statement_name() if chance.random() < 0.3 else new
        if chance.random() < 0.15:
            made.state = chance.choice(STATES)
            if made.state == statement_pb2.STATE_SUPERSEDED:
                made.superseded_by = self.statement_name()
            self.time(made, "state_time", 0.5)
        return made

    def filter(self, message: Any, share: float = 0.7) -> None:
        """Set it, for this share of the requests: a filter that some statement passes, mostly."""
        chance = self.chance
        if chance.random() > share:
            return
        one = self.known_statement()
        made = filter_pb2.StatementFilter()
        if chance.random() < 0.5:
            made.speakers.extend({one.speaker.name, *one.speaker.aliases[:1], chance.choice(("", "Xi", "nobody"))})
        if chance.random() < 0.3:
            made.publishers.append(one.source.publisher)
        if chance.random() < 0.3:
            made.labels.extend(one.labels[: chance.randint(0, 2)])
        if chance.random() < 0.3:
            self.time(made, "stated_from", 0.5)
            self.time(made, "stated_until", 0.5)
        if chance.random() < 0.4:
            made.states.extend(chance.sample(STATES, chance.randint(1, 3)))
        message.filter.CopyFrom(made)

    def claim(self) -> checks.Claim:
        """About what some statement says, mostly."""
        chance = self.chance
        one = self.known_statement()
        text, speaker = one.text[:1_000], one.speaker.name
        ways = (text, f"{speaker} said that {text}", f"{text} {self.words()}", self.words(),
                f"{speaker}, not {chance.choice(PEOPLE)}, denied that {text}")  # fmt: skip
        claim = checks.Claim(text=chance.choice(ways))
        if chance.random() < 0.2:
            claim.speaker = chance.choice((speaker, *PEOPLE))
        self.time(claim, "as_of", 0.3)
        self.filter(claim, 0.3)
        return claim

    def options(self, message: Any) -> None:
        """Set them, perhaps, within their ranges."""
        chance = self.chance
        for field in message.options.DESCRIPTOR.fields if chance.random() < 0.4 else ():
            if chance.random() < 0.3:
                special = {"max_evidence": chance.randint(0, 32), "explain": False}
                setattr(message.options, field.name, special.get(field.name, round(chance.random(), 2)))

    def page(self, method: str, message: Any, change: Callable[[Any], None]) -> Any:
        """A first page; the next one, of this query or of it changed, or with a token that is another's or damaged."""
        chance, tokens = self.chance, self.memory.tokens
        if method not in tokens or chance.random() < 0.4:
            message.page_size = chance.choice((0, 1, 1, 2, 3))
            return message
        before, token = chance.choice(tokens[method])
        message.CopyFrom(before)
        draw = chance.random()
        if draw < 0.2:
            change(message)
        elif draw < 0.3:
            token = chance.choice(tokens[chance.choice(list(tokens))])[1]
        elif draw < 0.4:
            place = chance.randrange(len(token))
            token = token[:place] + chance.choice("Aa0_-=") + token[place + chance.randint(0, 1) :]
        elif draw < 0.5:
            message.page_size = chance.choice((0, 1, 1_000, 2_000))
        message.page_token = token
        return message

    def identified(self, method: str, made: Any) -> Any:
        """With a request id: one of its own, or one that is used already, for the same body or for another one."""
        chance = self.chance
        draw = chance.random()
        mine = [body for used, body in self.memory.bodies if used == method]
        if draw < 0.3:
            made.request_id = f"r{chance.randint(0, 10**9)}"
        elif draw < 0.55 and mine:
            made.CopyFrom(chance.choice(mine))
            if draw > 0.45:
                self.mutator.mutate(made, 1)
        elif draw < 0.65 and self.memory.bodies:
            other = chance.choice(self.memory.bodies)[1]
            made.request_id = other.request_id
            if all("parent" in message.DESCRIPTOR.fields_by_name for message in (made, other)):
                made.parent = other.parent
        return made

"""What is sent: claims and pairs in turn, made into requests."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator, Sequence

from onrecord import _request
from onrecord.types import CheckOptions, Claim
from onrecord.v1 import check_service_pb2 as pb

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_END = ".!?…"
_LONGEST = 1_900  # code points; a longer claim stays as it is, since a mark might take it over the limit of 2,000

Pair = tuple[str, str]


class Material:
    """Claims and pairs, taken in turn again and again.

    A server remembers the scores of pairs, and a text that comes round again would cost it nothing. So each text gets a
    mark of a few letters that it did not have before, in this run or another (three or four tokens more); with
    `repeat` they stay as they are. `size`: claims of a batch or a stream, pairs of a call that scores pairs; 1 to 256.

    InvalidArgument when a claim, a pair or the options cannot be sent.
    """

    def __init__(
        self,
        claims: Sequence[Claim],
        pairs: Sequence[Pair],
        *,
        collection: str,
        size: int,
        max_evidence: int | None = None,
        repeat: bool = False,
    ) -> None:
        fields = _request.Fields()
        self._parent = _request.parent(fields, collection)
        options = None if max_evidence is None else CheckOptions(max_evidence=max_evidence)
        self._options = _request.options(fields, options)
        self._claims = [_request.claim(fields, claim) for claim in claims]
        self._pairs = [_request.pair(fields, pair, "pair") for pair in pairs]
        fields.check()
        self.size = size
        self._repeat = repeat
        self._run = "".join(secrets.choice(_LETTERS) for _ in range(3))
        self._number = itertools.count()
        self._next_claim = itertools.cycle(self._claims)
        self._next_pair = itertools.cycle(self._pairs)

    def check(self) -> pb.CheckClaimRequest:
        """One claim."""
        return pb.CheckClaimRequest(parent=self._parent, claim=self._claim(), options=self._options)

    def batch(self) -> pb.BatchCheckClaimsRequest:
        """`size` claims."""
        claims = [self._claim() for _ in range(self.size)]
        return pb.BatchCheckClaimsRequest(parent=self._parent, claims=claims, options=self._options)

    def streamed(self) -> pb.StreamCheckClaimsRequest:
        """One claim of a stream."""
        return pb.StreamCheckClaimsRequest(parent=self._parent, claim=self._claim(), options=self._options)

    def pairs(self) -> pb.ScorePairsRequest:
        """`size` pairs."""
        return pb.ScorePairsRequest(pairs=[self._pair() for _ in range(self.size)])

    def _claim(self) -> pb.Claim:
        claim = next(self._next_claim)
        if self._repeat:
            return claim
        marked = pb.Claim()
        marked.CopyFrom(claim)
        marked.text = self._marked(claim.text)
        return marked

    def _pair(self) -> pb.Pair:
        pair = next(self._next_pair)
        if self._repeat:
            return pair
        return pb.Pair(premise=pair.premise, hypothesis=self._marked(pair.hypothesis))

    def _marked(self, text: str) -> str:
        """The text with its mark, before a full stop at its end: "Putin spoke [kqzb]."."""
        if len(text) > _LONGEST:
            return text
        body = text.rstrip()
        end = body[-1:] if body[-1:] in _END else ""
        return f"{body.removesuffix(end)} [{self._run}{_in_letters(next(self._number))}]{end}"


def pairs_of(claims: Sequence[Claim], premises: Sequence[str]) -> list[Pair]:
    """Every claim with some premise: the statements in turn, or the claims themselves where there are none."""
    texts = list(premises) or [claim.text for claim in claims]
    # one on, so that claims that are their own premises do not meet themselves
    shifted: Iterator[str] = itertools.islice(itertools.cycle(texts), 1, None)
    return [(premise, claim.text) for premise, claim in zip(shifted, claims, strict=False)]


def _in_letters(number: int) -> str:
    """A number in letters, for digits would make other claims of some: a, b … z, ba, bb …"""
    letters = _LETTERS[number % 26]
    while number := number // 26:
        letters = _LETTERS[number % 26] + letters
    return letters

"""What `onrecord bench` sends and serves: from files, or made up and said to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from onrecord._bench.material import Pair, pairs_of
from onrecord._bench.schedule import PAIRS
from onrecord._bench.synthetic import synthetic
from onrecord.cli._batch import claim_lines
from onrecord.cli._files import BadLine, probe, read_lines, shown
from onrecord.cli._open import add_files, is_statements
from onrecord.cli._report import InputError, complain
from onrecord.types import Claim, Statement

if TYPE_CHECKING:
    from onrecord.client import Client

MADE_STATEMENTS, MADE_CLAIMS = 500, 1_000


@dataclass(slots=True)
class Texts:
    """Claims and pairs to send, and what a server of the bench's own is to hold. `described`: all that in words."""

    claims: list[Claim]
    pairs: list[Pair]
    files: tuple[str, ...] = ()
    made: list[Statement] = field(default_factory=list)
    described: dict[str, object] = field(default_factory=dict)

    def put_on_record(self, client: Client, collection: str) -> None:
        """Import or ingest, in the server of the bench's own."""
        add_files(client, self.files, collection)
        if self.made:
            client.import_statements(self.made, collection=collection)


def gather(
    claims: str | None, statements: Sequence[str], pairs: str | None, *, serve: bool, mix: Sequence[str], seed: int
) -> Texts:
    """Read the files; what has none is made up. InputError for a file without anything to send."""
    for path in (*statements, *filter(None, (claims, pairs))):
        probe(path)
    made_statements, made_claims = synthetic(MADE_STATEMENTS, MADE_CLAIMS, seed)
    texts = Texts(made_claims if claims is None else _claims(claims), [], tuple(statements))
    if serve and not statements:
        texts.made = made_statements
    texts.described = {
        "claims": f"synthetic, seed {seed}" if claims is None else shown(claims),
        "claim_count": len(texts.claims),
        "statements": _record(serve, statements, seed),
    }
    if PAIRS in mix:
        if pairs is None:
            texts.pairs = pairs_of(texts.claims, _premises(statements) or [one.text for one in texts.made])
            texts.described["pairs"] = "each claim with one of the statements, in turn"
        else:
            texts.pairs = _pairs(pairs)
            texts.described["pairs"] = shown(pairs)
        texts.described["pair_count"] = len(texts.pairs)
    return texts


def _record(serve: bool, statements: Sequence[str], seed: int) -> str:
    if not serve:
        return "what is on the server's record"
    return ", ".join(map(shown, statements)) or f"synthetic, seed {seed}"


def _claims(path: str) -> list[Claim]:
    found = []
    for line in claim_lines(path):
        if line.claim is None:
            complain(f"{shown(path)}: line {line.number}: {line.error.message if line.error else ''}; passed over")
        else:
            found.append(line.claim)
    if not found:
        raise InputError(f"{shown(path)}: no claim in it")
    return found


def _pairs(path: str) -> list[Pair]:
    found: list[Pair] = []
    for line in read_lines(path):
        try:
            data = line.json_object()
            premise, hypothesis = data.get("premise"), data.get("hypothesis")
            if not isinstance(premise, str) or not isinstance(hypothesis, str):
                raise BadLine('"premise" and "hypothesis" must be strings')
        except BadLine as error:
            complain(f"{shown(path)}: line {line.number}: {error}; passed over")
        else:
            found.append((premise, hypothesis))
    if not found:
        raise InputError(f"{shown(path)}: no pair in it")
    return found


def _premises(paths: Sequence[str]) -> list[str]:
    """Texts of the statement files; what a bad line is, the import reports. Documents have no lines of statements."""
    found = []
    for path in filter(is_statements, paths):
        for line in read_lines(path):
            try:
                text = line.json_object().get("text")
            except BadLine:
                continue
            if isinstance(text, str):
                found.append(text)
    return found

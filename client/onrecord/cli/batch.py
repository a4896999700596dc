"""`onrecord batch`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import click

from onrecord.cli._batch import ERROR_KEY, ClaimLine, claim_lines, in_line
from onrecord.cli._files import STDIN, count_lines, probe, refuse_stdin_twice, shown
from onrecord.cli._open import open_client
from onrecord.cli._options import (
    against_options,
    as_of_option,
    collection_option,
    fail_on_option,
    json_option,
    max_evidence_option,
    refuse_both,
    server_options,
)
from onrecord.cli._output import LineWriter
from onrecord.cli._progress import progress
from onrecord.cli._report import InputError, complain, emit, say, to_json

if TYPE_CHECKING:
    from datetime import datetime

    from onrecord.client import Client
    from onrecord.types import CheckOptions

FAILED_ON = 3
GROUP = 32
"""Claims asked for at once: enough to keep the model busy, few enough that little is lost when the work is cut off."""


@click.command("batch")
@click.argument("claims", metavar="CLAIMS.jsonl")
@click.option("-o", "--output", default="-", metavar="OUT.jsonl", help="File to write; - is stdout.  [default: -]")
@server_options
@against_options
@collection_option
@as_of_option
@max_evidence_option
@fail_on_option
@json_option
@click.pass_context
def command(
    context: click.Context,
    claims: str,
    output: str,
    target: str,
    timeout: float | None,
    against: tuple[str, ...],
    model: str,
    encoder: str,
    calibration: str | None,
    without: tuple[str, ...],
    collection: str,
    as_of: datetime | None,
    max_evidence: int | None,
    fail_on: frozenset[str],
    as_json: bool,
) -> None:
    """Check the claims of a .jsonl file ("-" is stdin), one object a line.

    A line {"claim": "...", "speaker": "...", "as_of": "2021-08-29"} (all but the claim optional, other keys kept) comes
    out as the same line plus the fields of the result, in the same order: verdict, confidence, reason, evidence,
    supporting_speakers, contradicting_speakers, attribution, provenance, timings, explanation, parts. --as-of is for
    lines without their own. A key of the input with one of these names,
    or "error", is kept with "input_" before it: its "verdict" as "input_verdict". In an output of `batch` that is
    checked again, the old outcome is replaced.

    A bad line comes out with an "error" instead and is reported on stderr; the error's "reason" is BAD_LINE where the
    line is no JSON object in UTF-8 with a string "claim" (and "speaker" and "as_of", if any), otherwise one of
    docs/errors.md.
    Lines are written as they are done: interrupted work keeps what it has.

    --json prints a summary, when the results go to a file.
    """
    refuse_both(context, against, without)
    _refuse_overwriting(output, (claims, *against))
    refuse_stdin_twice((claims, *against))
    probe(claims)
    tally: Counter[str] = Counter()
    with LineWriter(output) as writer:
        try:
            with open_client(target, timeout, against, model, encoder, collection, calibration, without) as client:
                _run(client, claims, collection, max_evidence, as_of, writer, tally)
        except BaseException as error:
            if writer.count:
                error.add_note(f"{writer.count:,} lines are done{'' if output == '-' else f' and in {output}'}")
            raise
    _summary(claims, output, tally, as_json)
    if tally["checked"] == 0 and tally["bad"]:
        raise InputError(f"{shown(claims)}: no line could be checked")
    if tally["failed"]:
        context.exit(1)
    if any(tally[verdict] for verdict in fail_on):
        context.exit(FAILED_ON)


def _run(
    client: Client,
    path: str,
    collection: str,
    max_evidence: int | None,
    as_of: datetime | None,
    writer: LineWriter,
    tally: Counter[str],
) -> None:
    from onrecord.types import CheckOptions

    options = None if max_evidence is None else CheckOptions(max_evidence=max_evidence)
    with progress("checking", "claims", count_lines(path)) as advance:
        lines = claim_lines(path, as_of)
        while group := list(islice(lines, GROUP)):
            for line in _checked(client, path, group, collection, options, tally):
                writer.write(line)
            writer.flush()
            advance(len(group))


def _checked(
    client: Client,
    path: str,
    group: Sequence[ClaimLine],
    collection: str,
    options: CheckOptions | None,
    tally: Counter[str],
) -> Iterator[str]:
    """The output lines of a group, in its order."""
    from onrecord.errors import InvalidArgument, OnrecordError, ServerError

    claims = [line.claim for line in group if line.claim]
    outcomes = iter(client.check_batch(claims, collection=collection, options=options))
    for line in group:
        outcome = line.error or next(outcomes)
        if not isinstance(outcome, OnrecordError):
            tally["checked"] += 1
            tally[outcome.verdict.value] += 1
            yield to_json({**line.kept(), **outcome.to_dict()})
        elif isinstance(outcome, InvalidArgument | ServerError):
            tally["bad" if isinstance(outcome, InvalidArgument) else "failed"] += 1
            outcome = in_line(outcome)
            complain(f"{shown(path)}: line {line.number}: {outcome.message}; passed over")
            yield to_json({**line.kept(), ERROR_KEY: {"line": line.number, **outcome.to_dict()}})
        else:
            raise outcome  # of the service, not of this line


def _refuse_overwriting(output: str, inputs: Sequence[str]) -> None:
    for path in inputs:
        there = STDIN not in (output, path) and os.path.exists(output) and os.path.exists(path)
        if there and os.path.samefile(output, path):
            raise click.UsageError(f"{output} is read by this command; write the results to another file")


def _summary(path: str, output: str, tally: Counter[str], as_json: bool) -> None:
    from onrecord.types import Verdict

    verdicts = {verdict.value: tally[verdict.value] for verdict in Verdict if tally[verdict.value]}
    unchecked = tally["bad"] + tally["failed"]
    if as_json and output != "-":
        emit({"file": output, "checked_count": tally["checked"], "failed_count": unchecked, "verdicts": verdicts})
        return
    counts = ", ".join(f"{count:,} {name.replace('_', ' ').lower()}" for name, count in verdicts.items())
    say(
        f"{shown(path)}: {tally['checked']:,} claims checked{f' ({counts})' if counts else ''}, "
        f"{unchecked:,} lines passed over"
    )

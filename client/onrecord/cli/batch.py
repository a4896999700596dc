"""`onrecord batch`."""

from __future__ import annotations

import os
import sys
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from onrecord._interrupt import terminable
from onrecord.cli._bad_lines import BadLines
from onrecord.cli._batch import ERROR_KEY, ClaimLine, Claims, in_line
from onrecord.cli._batch_begun import Begun, of_files
from onrecord.cli._files import STDIN, probe, refuse_stdin_twice, shown
from onrecord.cli._filter import filter_given, filter_of, filter_options
from onrecord.cli._flat import model_of
from onrecord.cli._formats import FORMATS, JSONL, format_of, refuse_format
from onrecord.cli._open import open_client
from onrecord.cli._options import (
    against_options,
    as_of_option,
    collection_option,
    fail_on_option,
    ignore_bad_option,
    json_option,
    max_evidence_option,
    refuse_both,
    server_options,
)
from onrecord.cli._progress import Waiting, progress
from onrecord.cli._report import InputError, complain, emit, say
from onrecord.cli._results import Done, Results, count_outcome, open_results, place_of, read_done
from onrecord.cli._scope import say_why_nothing_is_in_scope
from onrecord.cli._settings import FILE

if TYPE_CHECKING:
    from datetime import datetime

    from onrecord.client import Client
    from onrecord.errors import OnrecordError
    from onrecord.types import CheckResult, Claim, StatementFilter

FAILED_ON = 3
PATIENCE = 60.0
"""Seconds that the server may be away or full."""
IN_FLIGHT = 256
"""Claims read ahead of the verdicts: enough to keep the model busy."""


@click.command("batch")
@click.argument("claims", metavar="CLAIMS", type=FILE)
@click.option(
    "-o", "--output", default="-", type=FILE, metavar="OUT",
    help="File to write; - is stdout.  [default: -]",
)  # fmt: skip
@click.option(
    "--format", "kind", type=click.Choice(FORMATS),
    help="Format of what has no ending that tells: pipes, mostly.  [default: jsonl]",
)  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on where OUT stops. It must be of these claims and options.")
@ignore_bad_option
@server_options
@against_options
@collection_option
@as_of_option
@filter_options
@max_evidence_option
@fail_on_option
@json_option
@click.pass_context
def command(
    context: click.Context,
    /,
    claims: str,
    output: str,
    kind: str | None,
    resume: bool,
    ignore_bad: bool,
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
    **given: Any,
) -> None:
    """Check the claims of a file ("-" is stdin): JSON lines (.jsonl), CSV (.csv) or Parquet (.parquet, which needs
    onrecord[parquet]). Files of claims may be packed (.gz). --as-of is for lines without their own.

    \b
    onrecord batch claims.jsonl -o verdicts.jsonl
    onrecord batch claims.csv -o verdicts.csv --resume
    onrecord batch claims.parquet -o verdicts.parquet --target checks.example.org:50051
    psql -c "COPY claims TO STDOUT CSV HEADER" | onrecord batch - --format csv > verdicts.csv

    JSON lines: a line {"claim": "...", "speaker": "...", "as_of": "2021-08-29"} (all but the claim optional, other keys
    kept) comes out as the same line plus the fields of the result, in the same order: verdict, confidence, reason,
    evidence, supporting_speakers, contradicting_speakers, attribution, provenance, timings, explanation, parts,
    ambiguous_names. A key of the input with one of these names, or "error", is kept with "input_" before it: its
    "verdict" as "input_verdict". In an output of `batch` that is checked again, the old outcome is replaced.

    CSV and Parquet: columns claim, and speaker and as_of if there are such; others are kept. The result adds the
    columns verdict, confidence, reason, explanation, supporting_speakers, contradicting_speakers, evidence_relation,
    evidence_speaker, evidence_date, evidence_quote, evidence_statement, evidence_similarity (all of the first piece of
    evidence), model, error_code, error_reason, error_message, and in Parquet the whole result as JSON, result. From
    JSON lines, keys other than the three above come out as JSON in the column input. CSV has a line of names, and is
    UTF-8; a cell that begins with = is written as it is, and a spreadsheet may take it for a formula.

    A bad line comes out with an "error" instead and is reported on stderr; the error's "reason" is BAD_LINE where the
    line is no JSON object in UTF-8 with a string "claim" (and "speaker" and "as_of", if any), or no such row, otherwise
    one of docs/errors.md. All other lines are checked all the same; then the exit status is 2, or 0 with --ignore-bad.

    Lines are written as they are done: interrupted work (Ctrl-C, status 130; SIGTERM, 143) keeps what it has, and
    --resume goes on behind it; a last line that was torn is done again. Options that verdicts depend on must be those
    that OUT was begun with, --against files as they were: they are kept in the user's state folder. A Parquet file is
    made at the end, of OUT.part.jsonl, where the results stand until then.

    Exit status: 0 all checked; 1 the service failed, also on single lines; 2 lines were bad; 3 a verdict of --fail-on.
    Of several the first in the order 1, 3, 2. --json prints a summary, when the results go to a file.
    """
    context.with_resource(terminable())
    refuse_both(context, against, without)
    source = Claims(claims, format_of(claims, kind), as_of)
    out_kind = format_of(output, kind)
    if resume and output == STDIN:
        raise click.UsageError("--resume needs a file to go on with; name one with -o")
    refuse_format(claims, source.format, writing=False)
    refuse_format(output, out_kind, writing=True)
    _refuse_overwriting(output, (claims, *against))
    refuse_stdin_twice((claims, *against))
    probe(claims, lines=source.format == JSONL)
    names, lines = source.open()
    begun = Begun(
        output,
        {
            "--format": out_kind,
            "--target": None if against else target,
            "--against": of_files(against),
            "--model": model if against else None,
            "--encoder": encoder if against else None,
            "--calibration": of_files((calibration,)) if against and calibration else None,
            "--without": sorted(set(without)) if against else None,
            "--collection": collection.removeprefix("collections/"),
            "--as-of": as_of,
            "--max-evidence": max_evidence,
            **filter_given(given),
        },
    )
    if resume and any(os.path.isfile(path) and os.path.getsize(path) for path in (place_of(output, out_kind), output)):
        begun.refuse_others()
    done = read_done(source, names, lines, output, out_kind) if resume else Done()
    if done.finished:
        _summary(claims, output, done.tally, as_json)
        say(f"{output}: all of it was done before; without --resume it is made anew")
        _end(context, claims, done.tally, fail_on, ignore_bad)
        return
    bar = output != STDIN or sys.stdout is None or not sys.stdout.isatty()  # results and it do not share a terminal
    work = _Work(source, lines, done, collection, max_evidence, filter_of(given), begun, bar=bar)
    with open_results(source, names, output, out_kind, done if resume else None) as results:
        try:
            with open_client(target, timeout, against, model, encoder, collection, calibration, without) as client:
                client.info()  # nobody there is known at once, and not after the patience that a restart gets
                work.run(client, results)
                if work.tally["out of scope"] and work.tally["out of scope"] == work.tally["checked"]:
                    say_why_nothing_is_in_scope(client, collection)
        except BaseException as error:
            if work.count:
                where = "" if output == STDIN else f" and in {place_of(output, out_kind)}; --resume goes on"
                error.add_note(f"{work.count:,} lines are done{where}")
            raise
    _summary(claims, output, work.tally, as_json)
    _end(context, claims, work.tally, fail_on, ignore_bad)


def _end(context: click.Context, claims: str, tally: Counter[str], fail_on: frozenset[str], ignore_bad: bool) -> None:
    """The exit status: see the command's help."""
    if tally["failed"]:
        context.exit(1)
    if any(tally[verdict] for verdict in fail_on):
        context.exit(FAILED_ON)
    if tally["bad"] and not tally["checked"]:
        raise InputError(f"{shown(claims)}: no line could be checked")
    if tally["bad"] and not ignore_bad:
        context.exit(InputError.exit_code)


class _Work:
    """One run over the lines of a file. `count`: lines that are done, those of a run before this one included."""

    def __init__(
        self,
        claims: Claims,
        lines: Iterator[ClaimLine],
        done: Done,
        collection: str,
        max_evidence: int | None,
        narrowed: StatementFilter | None,
        begun: Begun,
        *,
        bar: bool,
    ) -> None:
        from onrecord.types import CheckOptions

        self._bar = bar

        self.tally = done.tally
        self.count = done.count
        self._claims = claims
        self._lines = lines
        self._before = done
        self._collection = collection
        self._filter = narrowed
        self._begun = begun
        self._options = None if max_evidence is None else CheckOptions(max_evidence=max_evidence)
        self._sent: deque[ClaimLine] = deque()  # only appended to by the thread that sends
        self._shown = self.count
        self._bad = BadLines(shown(claims.path))

    def run(self, client: Client, results: Results) -> None:
        """Check what is left; each outcome is handed on when it is there."""
        with (
            progress("checking", "claims", self._claims.count(), done=self.count, shown=self._bar) as advance,
            Waiting(client.target, PATIENCE) as waiting,
        ):
            outcomes = client.check_many(
                self._given(),
                collection=self._collection,
                options=self._options,
                in_flight=IN_FLIGHT,
                waiting=lambda error, since: waiting.begin(error),
                patience=PATIENCE,
            )
            for outcome in outcomes:
                waiting.over()
                while (line := self._sent.popleft()).claim is None:
                    self._hand_on(results, line, line.error)
                self._hand_on(results, line, outcome)
                advance(self.count - self._shown)
                self._shown = self.count
            while self._sent:
                line = self._sent.popleft()
                self._hand_on(results, line, line.error)
        self._bad.end('each of them has an "error" in the output')

    def _given(self) -> Iterator[Claim]:
        """The claims, for the thread that sends them; lines without one wait for their turn among the outcomes."""
        for line in self._lines:
            self._sent.append(line)
            if line.claim is not None:
                yield line.claim if self._filter is None else replace(line.claim, filter=self._filter)

    def _hand_on(self, results: Results, line: ClaimLine, outcome: CheckResult | OnrecordError | None) -> None:
        told = self._told(line, outcome)
        if not self.count:  # with the first line goes what was there
            self._begun.keep()
        results.write(line, told)
        results.flush()
        self.count += 1

    def _told(self, line: ClaimLine, outcome: CheckResult | OnrecordError | None) -> dict[str, Any]:
        """What the output says of a line."""
        from onrecord.errors import InvalidArgument, OnrecordError, ServerError
        from onrecord.types import Reason

        if isinstance(outcome, InvalidArgument | ServerError):
            outcome = in_line(outcome)
            count_outcome(self.tally, None, outcome.code)
            self._bad.report(f"{self._claims.unit} {line.number}", outcome.message)
            return {ERROR_KEY: {"line": line.number, **outcome.to_dict()}}
        if outcome is None or isinstance(outcome, OnrecordError):
            raise outcome or RuntimeError("a line without a claim and without an error")
        count_outcome(self.tally, outcome.verdict.value, None)
        self.tally["out of scope"] += outcome.reason is Reason.NO_STATEMENTS_IN_SCOPE
        data: dict[str, Any] = outcome.to_dict()
        self._compare(data)
        return data

    def _compare(self, result: Mapping[str, Any]) -> None:
        """Say once when the results of before are of another model."""
        before, self._before.model = self._before.model, None
        if before is not None and before != (now := model_of(result)):
            complain(f"what was there is of the model {before}; the rest is of {now}")


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

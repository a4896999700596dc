"""`onrecord replay`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from onrecord.cli._bad_lines import BadLines
from onrecord.cli._files import BadLine, probe, read_lines, refuse_stdin_twice, shown
from onrecord.cli._formats import refuse_no_results
from onrecord.cli._options import connect, ignore_bad_option, json_option, server_options
from onrecord.cli._report import InputError, complain, emit, say
from onrecord.cli._scope import say_if_missing
from onrecord.cli._settings import FILE

if TYPE_CHECKING:
    from onrecord.client import Client
    from onrecord.types import Replay

FAILED_ON = 3


@click.command("replay")
@click.argument("files", nargs=-1, required=True, metavar="RESULTS...", type=FILE)
@click.option("--claim", metavar="TEXT", help="The claim, for results that do not have it beside them.")
@click.option("--speaker", metavar="NAME", help="The --speaker that it was checked with, likewise.")
@click.option("--record-as-now", is_flag=True, help="Against the record as it is now, and not as it was then.")
@click.option("--collection", default="", metavar="ID", help="Collection of statements.  [default: that of then]")
@click.option("--fail-on-change", is_flag=True, help="Exit with 3 when a verdict or its reason is not that of then.")
@ignore_bad_option
@server_options
@json_option
@click.pass_context
def command(
    context: click.Context,
    /,
    files: tuple[str, ...],
    claim: str | None,
    speaker: str | None,
    record_as_now: bool,
    collection: str,
    fail_on_change: bool,
    ignore_bad: bool,
    target: str,
    timeout: float | None,
    as_json: bool,
) -> None:
    """Check again what was checked before, as it was checked then. Says whether the verdict is the same, and what has
    changed since: the model, its calibration, the rule, the options, the record.

    RESULTS are JSON lines as `check --json` and `batch` write them ("-" is stdin).

    \b
    onrecord check "Putin said that Russia opposes interference." --json > then.json
    onrecord replay then.json
    onrecord replay verdicts.jsonl --record-as-now --fail-on-change --target checks.example.org:50051

    The record is looked at as it was then, as far as that is still known: later statements are left out, and those
    taken back since speak as they did. With --record-as-now it tells whether the verdict still holds. Lines with an
    "error" were not checked then, and are left out. A bad line is reported and passed over; the exit status is then 2,
    or 0 with --ignore-bad.

    --json prints a line for each: "file", "line", "claim", "same", "then" and "now" (verdict, confidence, reason),
    "changes" (kind, detail, held: made as then all the same, statements), "result" (the whole result of now).
    """
    from onrecord.types import Reason

    refuse_stdin_twice(files)
    for path in files:
        refuse_no_results(path)
        probe(path, lines=True)
    tally: Counter[str] = Counter()
    empty: set[str] = set()  # collections in which nothing was in scope
    with connect(target, timeout) as client:
        for path in files:
            bad = BadLines(shown(path))
            for number, data in _results(path, bad, claim, speaker, tally):
                replayed = _replayed(client, data, bad, number, collection, record_as_now)
                if replayed is None:
                    continue
                tally["same" if replayed.same else "changed"] += 1
                if replayed.result.reason is Reason.NO_STATEMENTS_IN_SCOPE:
                    empty.add(replayed.result.provenance.collection)
                _tell(path, number, data, replayed, as_json=as_json)
            bad.end()
            tally["bad"] += bad.count
        for name in sorted(empty):
            say_if_missing(client, name)
    checked = tally["same"] + tally["changed"]
    if not as_json and checked != 1:
        say(f"{checked:,} replayed, {tally['same']:,} the same, {tally['changed']:,} not")
    if tally["unchecked"]:
        complain(f"{tally['unchecked']:,} lines with an error were left out: nothing was checked then")
    if tally["changed"] and fail_on_change:
        context.exit(FAILED_ON)
    if tally["bad"] and not checked:
        raise InputError("no line could be replayed")
    if tally["bad"] and not ignore_bad:
        context.exit(InputError.exit_code)


def _results(
    path: str, bad: BadLines, claim: str | None, speaker: str | None, tally: Counter[str]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The number of each line that holds a result, and the line with its claim."""
    for line in read_lines(path):
        try:
            data = line.json_object()
            if "verdict" not in data and isinstance(data.get("error"), dict):
                tally["unchecked"] += 1
                continue
            if not isinstance(data.get("provenance"), dict) or not isinstance(data.get("verdict"), str):
                raise BadLine('no result: it has no "verdict" with its "provenance"')
            given = claim if claim is not None else data.get("claim")
            if not isinstance(given, str):
                raise BadLine('no "claim" beside the result; give it with --claim')
            who = speaker if speaker is not None else data.get("speaker")
            if who is not None and not isinstance(who, str):
                raise BadLine('"speaker" is not a string')
        except BadLine as error:
            bad.report(f"line {line.number}", str(error))
            continue
        yield line.number, {**data, "claim": given, "speaker": who}


def _replayed(
    client: Client, data: dict[str, Any], bad: BadLines, number: int, collection: str, record_as_now: bool
) -> Replay | None:
    """None for a line that the server refuses, which is reported."""
    from onrecord.errors import InvalidArgument

    try:
        return client.replay(
            data["claim"], data, speaker=data["speaker"] or None, collection=collection, record_as_now=record_as_now
        )
    except InvalidArgument as error:
        bad.report(f"line {number}", error.message)
        return None


def _tell(path: str, number: int, then: dict[str, Any], replayed: Replay, *, as_json: bool) -> None:
    if as_json:
        told = replayed.to_dict()
        keys = ("verdict", "confidence", "reason")
        now: dict[str, Any] = replayed.result.to_dict()
        emit(
            {
                "file": path,
                "line": number,
                "claim": then["claim"],
                "same": replayed.same,
                "then": {key: then.get(key) for key in keys},
                "now": {key: now[key] for key in keys},
                "changes": told["changes"],
                "result": now,
            }
        )
        return
    from onrecord.cli import _show

    _show.replay(then, replayed)

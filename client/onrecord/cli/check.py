"""`onrecord check`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from onrecord.cli._files import STDIN, read_text, refuse_stdin_twice
from onrecord.cli._filter import filter_of, filter_options
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
from onrecord.cli._report import emit
from onrecord.cli._scope import say_why_nothing_is_in_scope

if TYPE_CHECKING:
    from datetime import datetime

FAILED_ON = 3


@click.command("check")
@click.argument("claim")
@server_options
@against_options
@collection_option
@click.option("--speaker", metavar="NAME", help="Who is claimed to have said it, when the claim itself does not tell.")
@as_of_option
@filter_options
@max_evidence_option
@fail_on_option
@json_option
@click.pass_context
def command(
    context: click.Context,
    /,
    claim: str,
    target: str,
    timeout: float | None,
    against: tuple[str, ...],
    model: str,
    encoder: str,
    calibration: str | None,
    without: tuple[str, ...],
    collection: str,
    speaker: str | None,
    as_of: datetime | None,
    max_evidence: int | None,
    fail_on: frozenset[str],
    as_json: bool,
    **given: Any,
) -> None:
    """Check CLAIM ("-" reads it from stdin) and show the verdict with its evidence.

    \b
    onrecord check "Putin said that Russia opposes interference."
    onrecord check "Russia opposes interference." --speaker Putin --against article.txt
    onrecord check "Two million were displaced." --only-publisher UNHCR --stated-from 2022-01-01
    """
    from onrecord.types import CheckOptions, Reason

    refuse_both(context, against, without)
    refuse_stdin_twice((claim, *against))
    text = read_text(STDIN).strip() if claim == STDIN else claim
    options = None if max_evidence is None else CheckOptions(max_evidence=max_evidence)
    with open_client(target, timeout, against, model, encoder, collection, calibration, without) as client:
        result = client.check(
            text, speaker=speaker, as_of=as_of, filter=filter_of(given), collection=collection, options=options
        )
        if result.reason is Reason.NO_STATEMENTS_IN_SCOPE:
            say_why_nothing_is_in_scope(client, collection)
    if as_json:
        named = {"claim": text} | ({} if speaker is None else {"speaker": speaker})
        emit(named | result.to_dict())  # with what `replay` needs
    else:
        from onrecord.cli import _show

        _show.check_result(result)
    if result.verdict in fail_on:
        context.exit(FAILED_ON)

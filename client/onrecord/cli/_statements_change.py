"""`onrecord statements update`, `retract`, `supersede`, `reinstate`."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from onrecord.cli._drafts import PATHS, draft_options, drafted, etag_option, resource_of
from onrecord.cli._options import Time, collection_option, connect, json_option, server_options
from onrecord.cli._report import emit

if TYPE_CHECKING:
    from onrecord.types import Statement

CLEARABLE = [name.replace("_", "-") for name in ("context", *PATHS) if name not in ("words", "stance")]

since_option = click.option(
    "--since", type=Time(), metavar="DATE",
    help="Since when; a check as of an earlier time still hears it.  [default: now]",
)  # fmt: skip


@click.command("update")
@click.argument("name")
@click.option("--text", metavar="TEXT", help='The proposition; "-" reads it from stdin.')
@draft_options
@click.option(
    "--clear", "cleared", multiple=True, type=click.Choice(CLEARABLE), metavar="OPTION",
    help=f"Empty a field, named as the option that sets it: {', '.join(CLEARABLE)}. Repeatable.",
)  # fmt: skip
@etag_option
@server_options
@collection_option
@json_option
def update(
    name: str,
    target: str,
    timeout: float | None,
    collection: str,
    text: str | None,
    cleared: tuple[str, ...],
    etag: str,
    as_json: bool,
    **fields: Any,
) -> None:
    """Correct fields of the statement NAME (its id or resource name); what no option names stays as it is.

    The record keeps no earlier version. Where what was said is to stay on the record, use `supersede`.

    \b
    onrecord statements update 0198a6c2f3 --speaker "Xi Jinping" --alias Xi
    onrecord statements update 0198a6c2f3 --clear relayed-by --date 2021-08-29
    """
    emptied = ["words" if option == "context" else option.replace("-", "_") for option in cleared]
    if both := sorted(option for option in emptied if fields[option]):
        raise click.UsageError(f"--clear {both[0].replace('_', '-')}: the same field has a new value")
    paths = [PATHS[option] for option, value in fields.items() if value or option in emptied]
    if text is not None:
        paths.insert(0, "text")
    if not paths:
        raise click.UsageError("nothing to change; name the fields by their options, or with --clear")
    draft = replace(drafted(text or "", fields, resource_of(name, collection)), etag=etag)
    with connect(target, timeout) as client:
        _show(client.update_statement(draft, paths), as_json=as_json)


@click.command("retract")
@click.argument("name")
@since_option
@etag_option
@server_options
@collection_option
@json_option
def retract(
    name: str, target: str, timeout: float | None, collection: str, since: datetime | None, etag: str, as_json: bool
) -> None:
    """Mark the statement NAME as taken back. It stays on the record, and checks do not hear it any more.

    \b
    onrecord statements retract 0198a6c2f3 --since 2021-09-01
    """
    with connect(target, timeout) as client:
        changed = client.retract_statement(resource_of(name, collection), etag=etag, state_time=since)
    _show(changed, as_json=as_json)


@click.command("supersede")
@click.argument("name")
@click.option("--by", metavar="NAME", help="A statement that is on the record already.")
@click.option("--text", metavar="TEXT", help='A new one, with the options below; "-" reads it from stdin.')
@draft_options
@since_option
@etag_option
@server_options
@collection_option
@json_option
def supersede(
    name: str,
    target: str,
    timeout: float | None,
    collection: str,
    by: str | None,
    text: str | None,
    since: datetime | None,
    etag: str,
    as_json: bool,
    **fields: Any,
) -> None:
    """Mark the statement NAME as replaced by another one of its collection, which is on the record or is put there.

    \b
    onrecord statements supersede 0198a6c2f3 --by 0198a6c2f9
    onrecord statements supersede 0198a6c2f3 --text "Two million were displaced." --speaker UNHCR --date 2022-03-01
    """
    if (by is None) is (text is None):
        raise click.UsageError("give --by or --text: what takes its place")
    if by is not None and (extra := [option for option, value in fields.items() if value]):
        raise click.UsageError(f"{', '.join(extra)}: for a new statement (--text); --by names one that is there")
    resource = resource_of(name, collection)
    successor = resource_of(by, collection) if by is not None else drafted(text or "", fields)
    with connect(target, timeout) as client:
        changed = client.supersede_statement(resource, successor, etag=etag, state_time=since)
    if as_json:
        emit(changed.to_dict())
    else:
        click.echo(f"{changed.statement.name} is superseded by {changed.successor.name}")


@click.command("reinstate")
@click.argument("name")
@etag_option
@server_options
@collection_option
@json_option
def reinstate(name: str, target: str, timeout: float | None, collection: str, etag: str, as_json: bool) -> None:
    """Let the statement NAME, retracted or superseded, stand again as if it had never been.

    \b
    onrecord statements reinstate 0198a6c2f3
    """
    with connect(target, timeout) as client:
        _show(client.reinstate_statement(resource_of(name, collection), etag=etag), as_json=as_json)


def _show(changed: Statement, *, as_json: bool) -> None:
    if as_json:
        emit(changed.to_dict())
        return
    from onrecord.cli import _show

    _show.statement(changed)

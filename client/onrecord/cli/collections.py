"""`onrecord collections`: list, create, get, update, delete."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import click

from onrecord.cli._drafts import etag_option
from onrecord.cli._group import Group
from onrecord.cli._options import connect, json_option, server_options, setting
from onrecord.cli._report import complain, emit

if TYPE_CHECKING:
    from onrecord.types import Collection

DEFAULT_LISTED = 50
_display_name = click.option("--display-name", metavar="TEXT", help="Its name for people.")
_description = click.option("--description", metavar="TEXT", help="What it is for.")


@click.group("collections", cls=Group)
def command() -> None:
    """List, create, describe and delete collections, the sets of statements that claims are checked against."""


@command.command("list")
@setting(
    "--limit", type=click.IntRange(min=0), default=DEFAULT_LISTED, show_default=True, metavar="N",
    help="Collections to show; 0 shows all.",
)  # fmt: skip
@server_options
@json_option
def list_(target: str, timeout: float | None, limit: int, as_json: bool) -> None:
    """Show the collections, in the order they began to exist.

    \b
    onrecord collections list
    """
    with connect(target, timeout) as client:
        collections = client.list_collections()
        shown = list(islice(collections, limit or None))
        more = bool(limit) and next(iter(collections), None) is not None
    for collection in shown if as_json else ():
        emit(collection.to_dict())
    if not as_json and shown:
        from onrecord.cli import _show

        _show.collections(shown)
    if more:
        complain(f"{len(shown):,} collections, and there are more; --limit 0 shows all")


@command.command("create")
@click.argument("identifier", metavar="[ID]", default="")
@_display_name
@_description
@server_options
@json_option
def create(
    identifier: str,
    target: str,
    timeout: float | None,
    display_name: str | None,
    description: str | None,
    as_json: bool,
) -> None:
    """Create an empty collection, ID or named by the server. It need not be created before statements are put into it.

    \b
    onrecord collections create news --display-name "News of the day"
    """
    with connect(target, timeout) as client:
        made = client.create_collection(identifier, display_name=display_name or "", description=description or "")
    if as_json:
        emit(made.to_dict())
    else:
        click.echo(made.name)


@command.command("get")
@click.argument("identifier", metavar="ID")
@server_options
@json_option
def get(identifier: str, target: str, timeout: float | None, as_json: bool) -> None:
    """Show one collection, by its id or its resource name.

    \b
    onrecord collections get news
    """
    with connect(target, timeout) as client:
        _print(client.get_collection(identifier), as_json=as_json)


@command.command("update")
@click.argument("identifier", metavar="ID")
@_display_name
@_description
@etag_option
@server_options
@json_option
def update(
    identifier: str,
    target: str,
    timeout: float | None,
    display_name: str | None,
    description: str | None,
    etag: str,
    as_json: bool,
) -> None:
    """Change the name for people or the description of a collection; "" empties it.

    \b
    onrecord collections update news --description "Articles of the agency, from 2021 on"
    """
    from onrecord.types import Collection

    given = {"display_name": display_name, "description": description}
    paths = [field for field, value in given.items() if value is not None]
    if not paths:
        raise click.UsageError("nothing to change; give --display-name or --description")
    name = identifier if identifier.startswith("collections/") else f"collections/{identifier}"
    wanted = Collection(name, display_name or "", description or "", etag=etag)
    with connect(target, timeout) as client:
        _print(client.update_collection(wanted, paths), as_json=as_json)


@command.command("delete")
@click.argument("identifier", metavar="ID")
@click.option("--force", is_flag=True, help="With all its statements; without it, a collection that holds any stays.")
@etag_option
@server_options
@json_option
def delete(identifier: str, target: str, timeout: float | None, force: bool, etag: str, as_json: bool) -> None:
    """Delete a collection.

    \b
    onrecord collections delete drafts --force
    """
    from onrecord.errors import FailedPrecondition

    with connect(target, timeout) as client:
        try:
            count = client.delete_collection(identifier, etag=etag, force=force)
        except FailedPrecondition as error:
            error.add_note("here that is --force")
            raise
    if as_json:
        emit({"deleted": identifier, "deleted_statement_count": count})
    else:
        click.echo(f"deleted {identifier}" + (f" with {count:,} statements" if count else ""))


def _print(collection: Collection, *, as_json: bool) -> None:
    if as_json:
        emit(collection.to_dict())
        return
    from onrecord.cli import _show

    _show.collection(collection)

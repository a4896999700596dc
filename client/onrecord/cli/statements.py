"""`onrecord statements`: list, get, add, delete, import, export."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from operator import itemgetter

import click

from onrecord.cli._files import STDIN, probe, read_text, refuse_stdin_twice, shown
from onrecord.cli._options import Time, collection_option, connect, json_option, server_options
from onrecord.cli._output import write_lines
from onrecord.cli._report import InputError, complain, emit, say, to_json

DEFAULT_LISTED = 50


@click.group("statements")
def command() -> None:
    """List, add, get, delete, import and export statements."""


@command.command("list")
@server_options
@collection_option
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=DEFAULT_LISTED,
    show_default=True,
    metavar="N",
    help="Statements to show; 0 shows all.",
)
@json_option
def list_(target: str, timeout: float | None, collection: str, limit: int, as_json: bool) -> None:
    """Show the statements of a collection, in the order they were put there."""
    with connect(target, timeout) as client:
        pages = client.statement_pages(collection, page_size=min(limit or 500, 500))
        if as_json:
            for statement in islice((s for page in pages for s in page.statements), limit or None):
                emit(statement.to_dict())
            return
        from onrecord.cli import _show

        left, total, count = limit, 0, 0
        for page in pages:  # a table a page, so that a long listing begins at once
            part = page.statements[:left] if limit else page.statements
            total, count, left = page.total_size, count + len(part), left - len(part)
            if part:
                _show.statements(part)
            if limit and left <= 0:
                break
    if count < total:
        complain(f"{count:,} of {total:,} statements; --limit 0 shows all")
    elif total == 0:
        complain(f"no statements in {collection}")


@command.command("get")
@click.argument("name")
@server_options
@collection_option
@json_option
def get(name: str, target: str, timeout: float | None, collection: str, as_json: bool) -> None:
    """Show one statement, by its id or its resource name."""
    with connect(target, timeout) as client:
        statement = client.get_statement(_resource(name, collection))
    if as_json:
        emit(statement.to_dict())
        return
    from onrecord.cli import _show

    _show.statement(statement)


@command.command("add")
@click.argument("text")
@server_options
@collection_option
@click.option("--speaker", default="", metavar="NAME", help="Who says it.")
@click.option("--alias", "aliases", multiple=True, metavar="NAME", help="Another name of the speaker. Repeatable.")
@click.option("--relayed-by", default="", metavar="NAME", help="Who reported that the speaker said it.")
@click.option(
    "--stance",
    type=click.Choice(["asserted", "denied", "questioned"]),
    default="asserted",
    show_default=True,
    help="Whether the speaker stands behind the text.",
)
@click.option("--context", "words", default="", metavar="TEXT", help="Words that make the text unambiguous.")
@click.option("--date", type=Time(), metavar="DATE", help="When it was said, 2021-08-29.")
@click.option("--publisher", default="", metavar="NAME", help="Where it was published.")
@click.option("--uri", default="", metavar="URI", help="Address of the publication.")
@click.option("--title", default="", metavar="TEXT", help="Its headline.")
@click.option("--label", "labels", multiple=True, metavar="TEXT", help="A label to find it by. Repeatable.")
@click.option("--id", "identifier", default="", metavar="ID", help="Its id.  [default: chosen by the server]")
@json_option
def add(
    text: str,
    target: str,
    timeout: float | None,
    collection: str,
    speaker: str,
    aliases: tuple[str, ...],
    relayed_by: str,
    stance: str,
    words: str,
    date: datetime | None,
    publisher: str,
    uri: str,
    title: str,
    labels: tuple[str, ...],
    identifier: str,
    as_json: bool,
) -> None:
    """Put TEXT ("-" reads it from stdin) on the record: one proposition, without "X said that"."""
    from onrecord.types import Source, Speaker, Stance, Statement

    draft = Statement(
        text=read_text(STDIN).strip() if text == STDIN else text,
        name=_resource(identifier, collection) if identifier else "",
        context=words,
        speaker=Speaker(speaker, aliases),
        relayed_by=relayed_by,
        stance=Stance(stance.upper()),
        source=Source(uri=uri, title=title, publisher=publisher),
        stated_time=date,
        labels=labels,
    )
    with connect(target, timeout) as client:
        stored = client.add_statement(draft, collection=collection)
    if as_json:
        emit(stored.to_dict())
    else:
        click.echo(stored.name)


@command.command("delete")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@server_options
@collection_option
@json_option
def delete(names: tuple[str, ...], target: str, timeout: float | None, collection: str, as_json: bool) -> None:
    """Take statements off the record, by their ids or resource names."""
    with connect(target, timeout) as client:
        for name in names:
            resource = _resource(name, collection)
            client.delete_statement(resource)
            if as_json:
                emit({"deleted": resource})
            else:
                click.echo(f"deleted {resource}")


@command.command("import")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@server_options
@collection_option
@click.option("--new-names", is_flag=True, help="Let the server name all statements, whatever id they have.")
@json_option
def import_(
    files: tuple[str, ...], target: str, timeout: float | None, collection: str, new_names: bool, as_json: bool
) -> None:
    """Put the statements of .jsonl files ("-" is stdin) on the record.

    A line is a statement as `export` writes it, or as little as {"text": "...", "speaker": "..."}. It keeps its id
    (`name`, else `id`: a-z, 0-9 and -, at most 63) in the given collection. A bad line, also one with an id that cannot
    be one, is reported and passed over.

    --json prints what became of each file; "failures" has the first 1,000 bad lines, each with "line", "reason" and
    "message". The reason is BAD_LINE where the line is no JSON object in UTF-8 with a "text" and an id that can
    be one, otherwise one of docs/errors.md.
    """
    from onrecord.cli._statements_file import StatementFile, import_file
    from onrecord.errors import OnrecordError

    refuse_stdin_twice(files)
    for path in files:
        probe(path)
    created = passed = 0
    with connect(target, timeout) as client:
        for path in files:
            file = StatementFile(path, collection, new_names=new_names)
            try:
                outcome = import_file(client, file, collection)
            except OnrecordError as error:
                done = created + (error.report.created_count if error.report else 0)
                error.add_note(f"{done:,} statements are on the record")
                raise
            created += outcome.created_count
            passed += file.bad_lines
            if as_json:
                emit({
                    "file": path,
                    "created_count": outcome.created_count,
                    "failed_count": file.bad_lines,
                    "failures": sorted(file.failures, key=itemgetter("line")),
                })  # fmt: skip
            else:
                click.echo(f"{shown(path)}: {outcome.created_count:,} statements put on the record, "
                           f"{file.bad_lines:,} lines passed over")  # fmt: skip
    if passed and not created:
        raise InputError("no line could be taken")


@command.command("export")
@server_options
@collection_option
@click.option("-o", "--output", default="-", metavar="FILE", help="File to write, whole or not at all; - is stdout.")
@json_option
def export(target: str, timeout: float | None, collection: str, output: str, as_json: bool) -> None:
    """Write the statements of a collection as JSON, one a line.

    `import` reads it back, names included. It does not restore when a statement was put on the record, nor the
    document that it was ingested from and its place there: that document, ingested again, adds its statements anew.
    """
    with connect(target, timeout) as client:
        lines = (to_json(statement.to_dict()) for statement in client.list_statements(collection))
        if output == "-":
            _print(lines)
            return
        count = write_lines(output, lines)
    if as_json:
        emit({"file": output, "statement_count": count})
    else:
        say(f"{output}: {count:,} statements")


def _print(lines: Iterator[str]) -> None:
    if sys.stdout is None:
        raise InputError("stdout is closed")
    for line in lines:
        sys.stdout.buffer.write(line.encode() + b"\n")
    sys.stdout.buffer.flush()


def _resource(name: str, collection: str) -> str:
    if name.startswith("collections/"):
        return name
    parent = collection if collection.startswith("collections/") else f"collections/{collection}"
    return f"{parent}/statements/{name}"

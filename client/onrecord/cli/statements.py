"""`onrecord statements`: list, get, add, delete, import, export."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from typing import Any

import click

from onrecord._interrupt import terminable
from onrecord.cli._drafts import draft_options, drafted, etag_option, resource_of
from onrecord.cli._files import PACKED, STDIN, probe, refuse_stdin_twice, shown
from onrecord.cli._filter import filter_of, filter_options
from onrecord.cli._formats import refuse_no_statements
from onrecord.cli._group import Group
from onrecord.cli._options import (
    collection_option,
    connect,
    ignore_bad_option,
    json_option,
    server_options,
    setting,
)
from onrecord.cli._output import write_lines
from onrecord.cli._report import InputError, complain, emit, say, to_json
from onrecord.cli._scope import say_if_missing
from onrecord.cli._settings import FILE
from onrecord.cli._statements_change import reinstate, retract, supersede, update

DEFAULT_LISTED = 50


@click.group("statements", cls=Group)
def command() -> None:
    """List, search, add, correct, retract, delete, import and export statements."""


for change in (update, retract, supersede, reinstate):
    command.add_command(change)


@command.command("list")
@server_options
@collection_option
@setting(
    "--limit",
    type=click.IntRange(min=0),
    default=DEFAULT_LISTED,
    show_default=True,
    metavar="N",
    help="Statements to show; 0 shows all.",
)
@filter_options
@click.option(
    "--only-state", multiple=True, type=click.Choice(["active", "retracted", "superseded"]),
    help="Only statements in this state. Repeatable: any of them.",
)  # fmt: skip
@json_option
def list_(
    target: str,
    timeout: float | None,
    collection: str,
    limit: int,
    only_state: tuple[str, ...],
    as_json: bool,
    **given: Any,
) -> None:
    """Show the statements of a collection, in the order they were put there.

    \b
    onrecord statements list --limit 0
    onrecord statements list --only-speaker "Xi Jinping" --stated-from 2021-01-01 --only-state active
    onrecord statements list --collection news --json | jq -r .text
    """
    with connect(target, timeout) as client:
        pages = client.statement_pages(
            collection, filter=filter_of(given, only_state), page_size=min(limit or 500, 500)
        )
        if as_json:
            none = True
            for statement in islice((s for page in pages for s in page.statements), limit or None):
                none = False
                emit(statement.to_dict())
            if none:
                say_if_missing(client, collection)
            return
        from onrecord.cli import _show

        left, total, count = limit, 0, 0
        for page in pages:  # a table a page, so that a long listing begins at once
            if not count:
                _show.ambiguous(page.ambiguous_names)
            part = page.statements[:left] if limit else page.statements
            total, count, left = page.total_size, count + len(part), left - len(part)
            if part:
                _show.statements(part)
            if limit and left <= 0:
                break
        if total == 0 and not say_if_missing(client, collection):
            complain(f"no statements in {collection}")
    if count < total:
        complain(f"{count:,} of {total:,} statements; --limit 0 shows all")


@command.command("search")
@click.argument("query")
@server_options
@collection_option
@filter_options
@click.option(
    "--only-state", multiple=True, type=click.Choice(["active", "retracted", "superseded"]),
    help="Only statements in this state. Repeatable: any of them.",
)  # fmt: skip
@click.option(
    "--limit", type=click.IntRange(1, 1_000), default=10, show_default=True, metavar="N", help="Statements to show."
)
@click.option("--min-similarity", type=click.FloatRange(-1, 1), metavar="S", help="Leave out what is less similar.")
@json_option
def search(
    query: str,
    target: str,
    timeout: float | None,
    collection: str,
    only_state: tuple[str, ...],
    limit: int,
    min_similarity: float | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Find statements by what they say, by words and by meaning, best first. QUERY is a sentence, or a few words.

    \b
    onrecord statements search "sovereignty of Afghanistan"
    onrecord statements search displaced --only-publisher UNHCR --limit 3 --json
    """
    with connect(target, timeout) as client:
        found = client.search(
            query,
            filter=filter_of(given, only_state),
            collection=collection,
            min_similarity=min_similarity,
            page_size=limit,
        )
        results = list(islice(found, limit))
        missing = not results and say_if_missing(client, collection)
    if as_json:
        for result in results:
            emit(result.to_dict())
    elif results:
        from onrecord.cli import _show

        _show.found(results)
    elif not missing:
        complain(f"nothing found in {collection}")


@command.command("get")
@click.argument("name")
@server_options
@collection_option
@json_option
def get(name: str, target: str, timeout: float | None, collection: str, as_json: bool) -> None:
    """Show one statement, by its id or its resource name.

    \b
    onrecord statements get 0198a6c2f3 --collection news
    """
    with connect(target, timeout) as client:
        statement = client.get_statement(resource_of(name, collection))
    if as_json:
        emit(statement.to_dict())
        return
    from onrecord.cli import _show

    _show.statement(statement)


@command.command("add")
@click.argument("text")
@server_options
@collection_option
@draft_options
@click.option("--id", "identifier", default="", metavar="ID", help="Its id.  [default: chosen by the server]")
@json_option
def add(
    text: str,
    target: str,
    timeout: float | None,
    collection: str,
    identifier: str,
    as_json: bool,
    **fields: Any,
) -> None:
    """Put TEXT ("-" reads it from stdin) on the record: one proposition, without "X said that".

    \b
    onrecord statements add "Russia opposes interference." --speaker "Vladimir Putin" --date 2021-08-29
    """
    draft = drafted(text, fields, resource_of(identifier, collection) if identifier else "")
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
@etag_option
@json_option
def delete(
    names: tuple[str, ...], target: str, timeout: float | None, collection: str, etag: str, as_json: bool
) -> None:
    """Take statements off the record, by their ids or resource names. What was said and taken back, better `retract`.

    \b
    onrecord statements delete 0198a6c2f3 0198a6c2f4 --collection news
    """
    if etag and len(names) > 1:
        raise click.UsageError("--etag is for one statement")
    with connect(target, timeout) as client:
        for name in names:
            resource = resource_of(name, collection)
            client.delete_statement(resource, etag=etag)
            if as_json:
                emit({"deleted": resource})
            else:
                click.echo(f"deleted {resource}")


@command.command("import")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=FILE)
@server_options
@collection_option
@click.option("--new-names", is_flag=True, help="Let the server name all statements, whatever id they have.")
@click.option(
    "--defer-index", is_flag=True,
    help="Store statements, found by their words at once, and embed them afterwards, in the background: much faster.",
)  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on where the last import of the same file stopped.")
@ignore_bad_option
@json_option
@click.pass_context
def import_(
    context: click.Context,
    files: tuple[str, ...],
    target: str,
    timeout: float | None,
    collection: str,
    new_names: bool,
    defer_index: bool,
    resume: bool,
    ignore_bad: bool,
    as_json: bool,
) -> None:
    """Put the statements of .jsonl files ("-" is stdin) on the record.

    \b
    onrecord statements import statements.jsonl --collection news
    onrecord statements import dump.jsonl.gz --defer-index --resume

    A line is a statement as `export` writes it, or as little as {"text": "...", "speaker": "..."}. It keeps its id
    (`name`, else `id`: a-z, 0-9 and -, at most 63) in the given collection. A bad line, also one with an id that cannot
    be one, is reported and passed over, and the exit status is then 2, or 0 with --ignore-bad.

    Up to 500 statements make a message, which is on the record whole or not at all, and is acknowledged when it is.
    How far an import has come is kept in the user's state folder: after an interrupt, a crash or a lost connection
    --resume goes on behind what was acknowledged, and what was stored without being acknowledged is not stored twice,
    as the server knows its request ids for a day. Of a file that is imported already --resume does nothing. The file
    must be as it was, and server, collection, --new-names and --defer-index the same.

    --json prints what became of each file; "failures" has the first 1,000 bad lines, each with "line", "reason" and
    "message", "pending_count" says how many statements of the collection wait for their embedding. The reason is
    BAD_LINE where the line is no JSON object in UTF-8 with a "text" and an id that can be one, otherwise one of
    docs/errors.md.
    """
    from onrecord.cli._import_run import import_one

    context.with_resource(terminable())
    refuse_stdin_twice(files)
    if resume and STDIN in files:
        raise click.UsageError("--resume needs a file: what came over stdin is gone")
    for path in files:
        refuse_no_statements(path)
        probe(path, lines=True)
    created = passed = 0
    with connect(target, timeout) as client:
        client.info()  # nobody there is known at once, and not after the patience that a restart gets
        for path in files:
            try:
                outcome = import_one(
                    client, path, collection, new_names=new_names, defer_index=defer_index, resume=resume
                )
            except BaseException as error:
                if created:
                    error.add_note(f"{created:,} statements of the files before it, too")
                raise
            created += outcome.created_count
            passed += outcome.failed_count
            if as_json:
                emit({"file": path, **outcome.to_dict()})
                continue
            word = f"{outcome.created_count:,} statements put on the record, {outcome.failed_count:,} lines passed over"
            waiting = f"; {outcome.pending_count:,} wait for their embedding" if outcome.pending_count else ""
            before = " (before this run)" if outcome.finished_before else ""
            click.echo(f"{shown(path)}: {word}{before}{waiting}")
    if passed and not created:
        raise InputError("no line could be taken")
    if passed and not ignore_bad:
        context.exit(InputError.exit_code)


@command.command("export")
@server_options
@collection_option
@click.option(
    "-o", "--output", default="-", type=FILE, metavar="FILE", help="File to write, whole or not at all; - is stdout."
)
@json_option
def export(target: str, timeout: float | None, collection: str, output: str, as_json: bool) -> None:
    """Write the statements of a collection as JSON, one a line, as they stand at one moment.

    \b
    onrecord statements export --collection news -o news.jsonl
    onrecord statements export | jq -r .text

    `import` reads it back, names included. It does not restore when a statement was put on the record, nor the
    document that it was ingested from and its place there: that document, ingested again, adds its statements anew.
    """
    if output.endswith(PACKED):
        raise InputError(f"{output}: statements are not written packed; name a file without {PACKED}")
    with connect(target, timeout) as client:
        lines = (to_json(statement.to_dict()) for statement in client.export_statements(collection))
        count = _print(lines) if output == "-" else write_lines(output, lines)
        if not count and not say_if_missing(client, collection):
            complain(f"the collection {collection} holds no statements")
    if output == "-":
        return
    if as_json:
        emit({"file": output, "statement_count": count})
    else:
        say(f"{output}: {count:,} statements")


def _print(lines: Iterator[str]) -> int:
    """Write them to stdout; how many there were."""
    if sys.stdout is None:
        raise InputError("stdout is closed")
    count = 0
    for line in lines:
        sys.stdout.buffer.write(line.encode() + b"\n")
        count += 1
    sys.stdout.buffer.flush()
    return count

"""`onrecord ingest`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from onrecord.cli._files import read_text, refuse_stdin_twice, shown
from onrecord.cli._formats import refuse_no_document
from onrecord.cli._options import Time, collection_option, connect, json_option, server_options
from onrecord.cli._report import InputError, complain, emit

if TYPE_CHECKING:
    from onrecord.types import IngestReport, Source

OPTIONS = {"--publisher": "publisher", "--date": "publish_time", "--uri": "uri", "--title": "title"}


@click.command("ingest")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@server_options
@collection_option
@click.option("--publisher", default="", metavar="NAME", help="Who published it; speaks the narrator's sentences.")
@click.option(
    "--date", type=Time(), metavar="DATE", help="When it was published, 2021-08-29.  [default: from its head]"
)
@click.option("--uri", default="", metavar="URI", help="Address of the publication.")
@click.option("--title", default="", metavar="TEXT", help="Its headline.")
@click.option("--dry-run", is_flag=True, help="Show what would be put on the record, and store nothing.")
@json_option
def command(
    files: tuple[str, ...],
    target: str,
    timeout: float | None,
    collection: str,
    publisher: str,
    date: datetime | None,
    uri: str,
    title: str,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Read documents ("-" is stdin) into attributed statements and put them on the record.

    Plain text in UTF-8, paragraphs parted by blank lines. The same text a second time changes nothing,
    whatever the options say.

    \b
    onrecord ingest article.txt --publisher "People's Daily" --date 2021-08-29
    """
    from onrecord.errors import InvalidArgument
    from onrecord.types import Source

    refuse_stdin_twice(files)
    given = Source(uri=uri, title=title, publisher=publisher, publish_time=date)
    for path in files:
        refuse_no_document(path, "statements come as JSON lines (.jsonl), and `onrecord statements import` takes them")
    texts = [(path, read_text(path)) for path in files]  # all of them are readable, or none is sent
    with connect(target, timeout) as client:
        for path, text in texts:
            try:
                report = client.ingest(
                    text,
                    publisher=publisher,
                    date=date,
                    uri=uri,
                    title=title,
                    dry_run=dry_run,
                    collection=collection,
                )
            except InvalidArgument as error:
                raise InputError(f"{shown(path)}: {error.message}") from None
            if as_json:
                emit({"file": path, **report.to_dict()})
            else:
                from onrecord.cli import _show

                _show.ingest_report(shown(path), report, dry_run=dry_run)
            if report.already_ingested and (unheeded := _unheeded(report, given)):
                complain(
                    f"{shown(path)}: it is on the record already, and {' and '.join(unheeded)} changed nothing; its "
                    "statements were left as they are: correct them with `onrecord statements update`, or delete them "
                    "and ingest it anew"
                )


def _unheeded(report: IngestReport, given: Source) -> list[str]:
    """The options that ask for another source than the one that the statements of before have."""
    there = [statement.source for statement in report.statements]
    return [
        option
        for option, field in OPTIONS.items()
        if (value := getattr(given, field)) and any(getattr(source, field) != value for source in there)
    ]

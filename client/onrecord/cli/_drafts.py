"""A statement of one's own on the command line: the options that say what is known of it, and its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from onrecord.cli._files import STDIN, read_text
from onrecord.cli._options import Function, Time

if TYPE_CHECKING:
    from onrecord.types import Statement

etag_option = click.option("--etag", default="", metavar="ETAG", help="Only while the record has this etag of it.")

_OPTIONS = (
    click.option("--speaker", metavar="NAME", help="Who says it."),
    click.option("--alias", "aliases", multiple=True, metavar="NAME", help="Another name of the speaker. Repeatable."),
    click.option("--relayed-by", metavar="NAME", help="Who reported that the speaker said it."),
    click.option(
        "--stance",
        type=click.Choice(["asserted", "denied", "questioned"]),
        help="Whether the speaker stands behind the text; asserted, where a new statement does not say.",
    ),
    click.option("--context", "words", metavar="TEXT", help="Words that make the text unambiguous."),
    click.option("--date", type=Time(), metavar="DATE", help="When it was said, 2021-08-29."),
    click.option("--valid-from", type=Time(), metavar="DATE", help="Since when it holds."),
    click.option("--valid-until", type=Time(), metavar="DATE", help="Until when it holds."),
    click.option("--publisher", metavar="NAME", help="Where it was published."),
    click.option("--published", type=Time(), metavar="DATE", help="When it was published."),
    click.option("--uri", metavar="URI", help="Address of the publication."),
    click.option("--title", metavar="TEXT", help="Its headline."),
    click.option("--label", "labels", multiple=True, metavar="TEXT", help="A label to find it by. Repeatable."),
)

PATHS = {
    "speaker": "speaker.name",
    "aliases": "speaker.aliases",
    "relayed_by": "relayed_by",
    "stance": "stance",
    "words": "context",
    "date": "stated_time",
    "valid_from": "valid_from",
    "valid_until": "valid_until",
    "publisher": "source.publisher",
    "published": "source.publish_time",
    "uri": "source.uri",
    "title": "source.title",
    "labels": "labels",
}
"""The field that each option is for."""


def draft_options(function: Function) -> Function:
    """What may be said of a statement beside its text."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def drafted(text: str, given: Mapping[str, Any], name: str = "") -> Statement:
    """A statement of these options. `text`: "-" reads it from stdin."""
    from onrecord.types import Source, Speaker, Stance, Statement

    return Statement(
        text=read_text(STDIN).strip() if text == STDIN else text,
        name=name,
        context=given["words"] or "",
        speaker=Speaker(given["speaker"] or "", given["aliases"]),
        relayed_by=given["relayed_by"] or "",
        stance=Stance((given["stance"] or "asserted").upper()),
        source=Source(
            uri=given["uri"] or "",
            title=given["title"] or "",
            publisher=given["publisher"] or "",
            publish_time=given["published"],
        ),
        stated_time=given["date"],
        valid_from=given["valid_from"],
        valid_until=given["valid_until"],
        labels=given["labels"],
    )


def resource_of(name: str, collection: str) -> str:
    """The resource name of a statement: as it is, or made of its id and its collection."""
    if name.startswith("collections/"):
        return name
    parent = collection if collection.startswith("collections/") else f"collections/{collection}"
    return f"{parent}/statements/{name}"

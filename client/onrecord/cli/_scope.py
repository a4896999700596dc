"""Why no statement was in scope of a claim: words for stderr."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onrecord.cli._report import complain

if TYPE_CHECKING:
    from onrecord.client import Client


def say_why_nothing_is_in_scope(client: Client, collection: str) -> None:
    """One line: no such collection, an empty one, or none of its statements passes. Asks the server."""
    from onrecord.errors import NotFound, OnrecordError

    short = collection.removeprefix("collections/")
    try:
        count = client.get_collection(collection).statement_count
    except NotFound:
        complain(f"there is no collection {short}; `onrecord collections list` names those that are")
        return
    except OnrecordError:  # the verdict is there; why it is this one is not worth an error
        return
    if count:
        complain(f"none of the {count:,} statements in {short} passes the filter, or is on the record at that time")
    else:
        complain(f"the collection {short} holds no statements; fill it with `onrecord ingest` or `statements import`")

"""Why nothing was found in a collection: words for stderr. A server reads one that does not exist as an empty one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onrecord.cli._report import complain

if TYPE_CHECKING:
    from onrecord.client import Client


def say_if_missing(client: Client, collection: str) -> bool:
    """One line where there is no such collection. Whether there was one to say. Asks the server."""
    count = _count(client, collection)
    if count is None:
        _say_missing(collection)
    return count is None


def say_why_nothing_is_in_scope(client: Client, collection: str) -> None:
    """One line: no such collection, an empty one, or none of its statements passes. Asks the server."""
    short = collection.removeprefix("collections/")
    count = _count(client, collection)
    if count is None:
        _say_missing(collection)
    elif count > 0:
        complain(f"none of the {count:,} statements in {short} passes the filter, or is on the record at that time")
    elif count == 0:
        complain(f"the collection {short} holds no statements; fill it with `onrecord ingest` or `statements import`")


_UNKNOWN = -1


def _count(client: Client, collection: str) -> int | None:
    """Statements in it; None when it does not exist, -1 when that cannot be told."""
    from onrecord.errors import NotFound, OnrecordError

    try:
        return client.get_collection(collection).statement_count
    except NotFound:
        return None
    except OnrecordError:  # the answer is there; why it is this one is not worth an error
        return _UNKNOWN


def _say_missing(collection: str) -> None:
    short = collection.removeprefix("collections/")
    complain(f"there is no collection {short}; `onrecord collections list` names those that are")

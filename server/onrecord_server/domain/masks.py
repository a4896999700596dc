"""Update masks: which fields an update changes, and what the change makes of a statement or a collection. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from onrecord_server.domain.errors import FieldViolation
from onrecord_server.domain.limits import MASK_PATHS
from onrecord_server.domain.types import Collection, CollectionDraft, Statement, StatementDraft

EVERYTHING = "*"

# Field -> the fields within it that a path may name.
STATEMENT_FIELDS: Mapping[str, Sequence[str]] = {
    "text": (),
    "context": (),
    "speaker": ("name", "aliases"),
    "relayed_by": (),
    "stance": (),
    "source": ("uri", "title", "publisher", "publish_time"),
    "stated_time": (),
    "valid_from": (),
    "valid_until": (),
    "labels": (),
    "original": (),
}
COLLECTION_FIELDS: Mapping[str, Sequence[str]] = {"display_name": (), "description": ()}
# Set by the server, or by another method.
STATEMENT_FIXED = frozenset(
    {
        "name",
        "document",
        "original_span",
        "create_time",
        "etag",
        "state",
        "superseded_by",
        "state_time",
        "update_time",
    }
)
COLLECTION_FIXED = frozenset({"name", "statement_count", "create_time", "update_time", "etag", "pending_count"})


def mask_violations(
    paths: Sequence[str], fields: Mapping[str, Sequence[str]], fixed: frozenset[str], field: str = "update_mask"
) -> list[FieldViolation]:
    """What is wrong with a mask's paths. They are not repeated in the messages, only their places."""
    if len(paths) > MASK_PATHS.value:
        return [FieldViolation(field, MASK_PATHS.reason, f"has {len(paths):,} paths; keep at most {MASK_PATHS.value}")]
    found = []
    for place, path in enumerate(paths):
        head, dot, tail = path.partition(".")
        if path == EVERYTHING or (head in fields and (not dot or tail in fields[head])):
            continue
        if head in fixed:
            message = "names a field that an update cannot change; leave it out"
            found.append(FieldViolation(f"{field}.paths[{place}]", "NOT_UPDATABLE", message))
        else:
            message = f"names no field; choose among {', '.join(fields)}, or *"
            found.append(FieldViolation(f"{field}.paths[{place}]", "UNKNOWN_PATH", message))
    return found


def chosen(paths: Sequence[str], populated: Iterable[str], fields: Mapping[str, Sequence[str]]) -> list[str]:
    """The paths that are changed: "*" means all, no path at all means the fields that are populated."""
    if EVERYTHING in paths:
        return list(fields)
    return list(paths) or [name for name in populated if name in fields]


def concerns(path: str, field: str) -> bool:
    """Whether a violation of `field` lies in what `path` changes, or the other way round."""
    return field == path or field.startswith((f"{path}.", f"{path}[")) or path.startswith(f"{field}.")


def changed(current: Statement, given: StatementDraft, paths: Iterable[str]) -> StatementDraft:
    """The statement with the fields of the paths as they are given. Its place in the document goes with `original`."""
    made: StatementDraft = current
    for path in paths:
        head, dot, tail = path.partition(".")
        value: Any = getattr(given, head)
        if dot:
            value = replace(getattr(made, head), **{tail: getattr(value, tail)})
        made = replace(made, **{head: value})
    return made if made.original == current.original else replace(made, original_span=None)


def changed_collection(current: Collection, given: CollectionDraft, paths: Iterable[str]) -> CollectionDraft:
    """The collection with the fields of the paths as they are given."""
    values = {path: getattr(given, path) for path in paths}
    return replace(CollectionDraft(current.name, current.display_name, current.description), **values)

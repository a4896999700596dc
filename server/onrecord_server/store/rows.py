"""Statements as rows and back. Total both ways: what goes in comes out equal (tests/property/test_rows.py)."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any, TypeVar, overload

from onrecord_server.domain.errors import StoreDamaged
from onrecord_server.domain.types import Source, Span, Speaker, Stance, State, Statement, StatementDraft

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
Value = TypeVar("Value")

_NUMBERS = {
    "source_publish_time",
    "stated_time",
    "valid_from",
    "valid_until",
    "original_start",
    "original_end",
    "create_time",
    "revision",
    "state_time",
    "update_time",
}

# In the order of `row_of` and `statement_of`.
COLUMNS = (
    "statement_id",
    "text",
    "context",
    "speaker",
    "aliases",
    "relayed_by",
    "stance",
    "source_uri",
    "source_title",
    "source_publisher",
    "source_publish_time",
    "stated_time",
    "valid_from",
    "valid_until",
    "labels",
    "document",
    "original",
    "original_start",
    "original_end",
    "create_time",
    "revision",
    "state",
    "superseded_by",
    "state_time",
    "update_time",
)

_texts = itemgetter(*(place for place, column in enumerate(COLUMNS) if column not in _NUMBERS))
_to_json = json.JSONEncoder(ensure_ascii=False).encode


@overload
def microseconds(time: datetime) -> int: ...
@overload
def microseconds(time: None) -> None: ...
@overload
def microseconds(time: datetime | None) -> int | None: ...
def microseconds(time: datetime | None) -> int | None:
    """Microseconds since 1970 UTC; exact, negative before."""
    return None if time is None else (time - _EPOCH) // _MICROSECOND


@overload
def from_microseconds(value: int) -> datetime: ...
@overload
def from_microseconds(value: None) -> None: ...
@overload
def from_microseconds(value: int | None) -> datetime | None: ...
def from_microseconds(value: int | None) -> datetime | None:
    """The instant in UTC."""
    return None if value is None else _EPOCH + value * _MICROSECOND


def _in_utc(time: datetime | None) -> datetime | None:
    return time if time is None or time.tzinfo is UTC else from_microseconds(microseconds(time))


def as_stored(draft: StatementDraft, name: str, *, now: datetime, revision: int) -> Statement:
    """The statement that a draft becomes under a name: what `statement_of` reads back of its row."""
    source, state_time = draft.source, draft.state_time
    if draft.state is not State.ACTIVE and state_time is None:
        state_time = now
    if source.publish_time is not None and source.publish_time.tzinfo is not UTC:
        source = replace(source, publish_time=_in_utc(source.publish_time))
    return Statement(
        draft.text,
        name,
        draft.context,
        draft.speaker,
        draft.relayed_by,
        draft.stance,
        source,
        _in_utc(draft.stated_time),
        _in_utc(draft.valid_from),
        _in_utc(draft.valid_until),
        draft.labels,
        draft.document,
        draft.original,
        draft.original_span,
        draft.state,
        draft.superseded_by,
        _in_utc(state_time),
        now,
        now,
        etag_of(revision),
    )


def etag_of(revision: int) -> str:
    """The etag of what was last written by this revision of the record."""
    return f"{revision:x}"


def row_of(statement: Statement, revision: int) -> tuple[object, ...]:
    """The values of COLUMNS. revision: the one that writes it."""
    source, span = statement.source, statement.original_span
    updated = statement.update_time
    return (
        id_of(statement.name),
        statement.text,
        statement.context,
        statement.speaker.name,
        _to_json(statement.speaker.aliases) if statement.speaker.aliases else "[]",
        statement.relayed_by,
        statement.stance.value,
        source.uri,
        source.title,
        source.publisher,
        microseconds(source.publish_time),
        microseconds(statement.stated_time),
        microseconds(statement.valid_from),
        microseconds(statement.valid_until),
        _to_json(statement.labels) if statement.labels else "[]",
        statement.document,
        statement.original,
        None if span is None else span.start,
        None if span is None else span.end,
        microseconds(statement.create_time),
        revision,
        statement.state.value,
        id_of(statement.superseded_by),
        microseconds(statement.state_time),
        None if updated == statement.create_time else microseconds(updated),
    )


def columns_of(
    drafts: Sequence[StatementDraft], ids: Sequence[str], now: datetime, revision: int
) -> dict[str, Sequence[object]]:
    """What `row_of` would give for the statements that drafts become, column by column. drafts: at least one.

    A column is worked out once where it is the same for all, which most are.
    """
    speakers, sources = [draft.speaker for draft in drafts], [draft.source for draft in drafts]
    spans = [draft.original_span for draft in drafts]
    states = _each([draft.state for draft in drafts], _value_of)
    ended = [draft.state_time for draft in drafts]
    if states.count(State.ACTIVE.value) < len(states):
        ended = [
            now if time is None and state != State.ACTIVE.value else time
            for time, state in zip(ended, states, strict=True)
        ]
    return {
        "statement_id": ids,
        "text": [draft.text for draft in drafts],
        "context": [draft.context for draft in drafts],
        "speaker": [speaker.name for speaker in speakers],
        "aliases": _each([speaker.aliases for speaker in speakers], _to_json),
        "relayed_by": [draft.relayed_by for draft in drafts],
        "stance": _each([draft.stance for draft in drafts], _value_of),
        "source_uri": [source.uri for source in sources],
        "source_title": [source.title for source in sources],
        "source_publisher": [source.publisher for source in sources],
        "source_publish_time": _each([source.publish_time for source in sources], microseconds),
        "stated_time": _each([draft.stated_time for draft in drafts], microseconds),
        "valid_from": _each([draft.valid_from for draft in drafts], microseconds),
        "valid_until": _each([draft.valid_until for draft in drafts], microseconds),
        "labels": _each([draft.labels for draft in drafts], _to_json),
        "document": [draft.document for draft in drafts],
        "original": [draft.original for draft in drafts],
        "original_start": [None if span is None else span.start for span in spans],
        "original_end": [None if span is None else span.end for span in spans],
        "create_time": [microseconds(now)] * len(drafts),
        "revision": [revision] * len(drafts),
        "state": states,
        "superseded_by": _each([draft.superseded_by for draft in drafts], id_of),
        "state_time": _each(ended, microseconds),
        "update_time": [None] * len(drafts),
    }


def _each(values: list[Value], convert: Callable[[Value], object]) -> list[object]:
    """Each value converted; once where all are alike."""
    first = values[0]
    if values.count(first) == len(values):
        return [convert(first)] * len(values)
    return [convert(value) for value in values]


def _value_of(member: Stance | State) -> str:
    value: str = member.value
    return value


def id_of(name: str) -> str:
    """The last part of a statement's name; "" of none."""
    return name.rpartition("/")[2]


def statement_of(parent: str, row: Sequence[Any]) -> Statement:
    """The statement in a row of COLUMNS, of the collection `parent`. Raises StoreDamaged where no onrecord wrote it."""
    try:
        if set(map(type, _texts(row))) != {str}:
            raise TypeError
        create_time = from_microseconds(row[19])
        return Statement(
            name=f"{parent}/statements/{row[0]}",
            text=row[1],
            context=row[2],
            speaker=Speaker(row[3], strings_of(row[4])),
            relayed_by=row[5],
            stance=Stance(row[6]),
            source=Source(row[7], row[8], row[9], from_microseconds(row[10])),
            stated_time=from_microseconds(row[11]),
            valid_from=from_microseconds(row[12]),
            valid_until=from_microseconds(row[13]),
            labels=strings_of(row[14]),
            document=row[15],
            original=row[16],
            original_span=_span_of(row[17], row[18]),
            create_time=create_time,
            etag=etag_of(row[20]),
            state=State(row[21]),
            superseded_by=f"{parent}/statements/{row[22]}" if row[22] else "",
            state_time=from_microseconds(row[23]),
            update_time=create_time if row[24] is None else from_microseconds(row[24]),
        )
    except UNREADABLE:
        raise damaged(
            f"{parent}/statements/{row[0]}" if isinstance(row[0], str) else f"a statement of {parent}"
        ) from None


UNREADABLE = (ValueError, TypeError, OverflowError, RecursionError)
"""What a value that no onrecord wrote raises where it is read."""


def damaged(name: str) -> StoreDamaged:
    """The error that says so of a statement or a collection."""
    return StoreDamaged(
        f"{name}: damaged in the record; restore a backup, or delete it and put it on the record again", name
    )


def strings_of(text: str) -> tuple[str, ...]:
    """The strings in the JSON of aliases or labels. Raises ValueError, TypeError for anything else."""
    if text == "[]":
        return ()
    found = json.loads(text)
    if type(found) is not list:
        raise TypeError
    "".join(found).encode()  # all are strings, of whole characters
    return tuple(found)


def _span_of(start: int | None, end: int | None) -> Span | None:
    if start is None and end is None:
        return None
    if start is None or end is None or not 0 <= start <= end < 2**31:
        raise ValueError
    return Span(start, end)

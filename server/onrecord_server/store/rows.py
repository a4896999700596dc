"""Statements as rows and back. Total both ways: what goes in comes out equal (tests/property/test_rows.py)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from onrecord_server.domain.types import Source, Span, Speaker, Stance, Statement, StatementDraft

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

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
)


def microseconds(time: datetime | None) -> int | None:
    """Microseconds since 1970 UTC; exact, negative before."""
    return None if time is None else (time - _EPOCH) // _MICROSECOND


def from_microseconds(value: int | None) -> datetime | None:
    """The instant in UTC."""
    return None if value is None else _EPOCH + value * _MICROSECOND


def row_of(draft: StatementDraft, *, statement_id: str, create_time: datetime, revision: int) -> tuple[object, ...]:
    """The values of COLUMNS."""
    span = draft.original_span
    return (
        statement_id,
        draft.text,
        draft.context,
        draft.speaker.name,
        json.dumps(draft.speaker.aliases, ensure_ascii=False),
        draft.relayed_by,
        draft.stance.value,
        draft.source.uri,
        draft.source.title,
        draft.source.publisher,
        microseconds(draft.source.publish_time),
        microseconds(draft.stated_time),
        microseconds(draft.valid_from),
        microseconds(draft.valid_until),
        json.dumps(draft.labels, ensure_ascii=False),
        draft.document,
        draft.original,
        None if span is None else span.start,
        None if span is None else span.end,
        microseconds(create_time),
        revision,
    )


def statement_of(parent: str, row: Sequence[Any]) -> Statement:
    """The statement in a row of COLUMNS, of the collection `parent`."""
    return Statement(
        name=f"{parent}/statements/{row[0]}",
        text=row[1],
        context=row[2],
        speaker=Speaker(row[3], tuple(json.loads(row[4]))),
        relayed_by=row[5],
        stance=Stance(row[6]),
        source=Source(row[7], row[8], row[9], from_microseconds(row[10])),
        stated_time=from_microseconds(row[11]),
        valid_from=from_microseconds(row[12]),
        valid_until=from_microseconds(row[13]),
        labels=tuple(json.loads(row[14])),
        document=row[15],
        original=row[16],
        original_span=None if row[17] is None else Span(row[17], row[18]),
        create_time=from_microseconds(row[19]),
        etag=f"{row[20]:x}",  # the revision that last wrote it
    )

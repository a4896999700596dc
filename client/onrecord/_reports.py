"""Those of `onrecord.types` that tell what was done, and what runs there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from onrecord._form import Record
from onrecord.errors import OnrecordError

if TYPE_CHECKING:
    from onrecord.types import CheckOptions, Statement


@dataclass(frozen=True, slots=True)
class ImportFailure(Record):
    """A statement that an import passed over: its position, from 0, and why."""

    index: int
    error: OnrecordError


@dataclass(frozen=True, slots=True)
class ImportReport(Record):
    """What an import did. `failures`: the first 1,000. `replayed_count`: of `created_count`, how many had been put on
    the record by an earlier message with the same request_id. `pending_count`: statements of the collection that were
    not embedded yet at the end.
    """

    created_count: int
    failed_count: int
    failures: tuple[ImportFailure, ...]
    replayed_count: int = 0
    pending_count: int = 0


@dataclass(frozen=True, slots=True)
class IngestReport(Record):
    """What a document was read into. `already_ingested`: this text was on the record before, nothing was added."""

    document: str
    statements: tuple[Statement, ...]
    already_ingested: bool
    publish_time: datetime | None


@dataclass(frozen=True, slots=True)
class ModelInfo(Record):
    """A model that the server has loaded. `fake`: the declared fake, only good for tests."""

    model_id: str
    revision: str
    labels: tuple[str, ...]
    precision: str
    max_tokens: int
    fake: bool


@dataclass(frozen=True, slots=True)
class Limit(Record):
    """One limit of the server, with the reason that an error has when a request exceeds it."""

    name: str
    value: int
    unit: str
    error_reason: str


@dataclass(frozen=True, slots=True)
class ServerInfo(Record):
    """What runs there and what it accepts. `pending_count`: statements that wait for their embedding."""

    version: str
    model: ModelInfo
    encoder: ModelInfo
    store: str
    statement_count: int
    default_options: CheckOptions
    limits: tuple[Limit, ...]
    pending_count: int = 0

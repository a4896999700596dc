"""What the servicers need of the rest of the server, and the place where they find it once it is loaded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from onrecord_server.domain.errors import NotReady, OnrecordError
from onrecord_server.domain.types import (
    CheckOptions,
    CheckResult,
    Claim,
    ModelInfo,
    PairScore,
    Source,
    Statement,
    StatementDraft,
)
from onrecord_server.store.base import Page


class IngestOutcome(Protocol):
    """What an ingested document became."""

    @property
    def document(self) -> str:
        """Id made from the text."""
        ...

    @property
    def statements(self) -> Sequence[StatementDraft]:
        """In document order; drafts without a name on a dry run."""
        ...

    @property
    def already_ingested(self) -> bool:
        """The collection had this text before."""
        ...

    @property
    def publish_time(self) -> datetime | None:
        """Publication time that was used."""
        ...


class RecordKeeper(Protocol):
    """checking.record.Record, as the wire uses it."""

    async def create(self, parent: str, draft: StatementDraft) -> Statement:
        """Put one statement on the record."""
        ...

    async def import_statements(
        self, parent: str, drafts: Sequence[StatementDraft]
    ) -> Sequence[Statement | OnrecordError]:
        """Put many; a bad one yields its error in its place."""
        ...

    async def get(self, name: str) -> Statement:
        """Read one."""
        ...

    async def list(self, parent: str, page_size: int, page_token: str) -> Page:
        """Read a page."""
        ...

    async def delete(self, name: str) -> None:
        """Take one off the record."""
        ...

    async def ingest(self, parent: str, text: str, source: Source, *, dry_run: bool) -> IngestOutcome:
        """Read a document into statements."""
        ...


class ClaimChecker(Protocol):
    """checking.checker.Checker, as the wire uses it. `deadline`: an instant of the event loop's clock, or None."""

    async def check(
        self, parent: str, claim: Claim, options: CheckOptions, *, deadline: float | None = None
    ) -> CheckResult:
        """Check one claim."""
        ...

    async def check_patiently(
        self, parent: str, claim: Claim, options: CheckOptions, *, deadline: float | None = None
    ) -> CheckResult:
        """Check one claim of many, waiting for room instead of being refused."""
        ...

    async def check_many(
        self,
        parent: str,
        claims: Sequence[Claim | OnrecordError],
        options: CheckOptions,
        *,
        deadline: float | None = None,
    ) -> Sequence[CheckResult | OnrecordError]:
        """Check many, in order; a bad one yields its error in its place, and so does an error among the claims."""
        ...

    async def score_pairs(
        self, pairs: Sequence[tuple[str, str]], *, deadline: float | None = None
    ) -> Sequence[PairScore]:
        """The model's word on (premise, hypothesis) pairs."""
        ...


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What runs here. `statement_count` counts all collections."""

    version: str
    model: ModelInfo
    encoder: ModelInfo
    store: str
    statement_count: int
    default_options: CheckOptions


class Describer(Protocol):
    """Says what runs here."""

    async def __call__(self) -> ServerInfo:
        """The server's description now."""
        ...


@dataclass(frozen=True, slots=True)
class Backend:
    """Everything the servicers call."""

    record: RecordKeeper
    checker: ClaimChecker
    model: ModelInfo
    describe: Describer


class BackendSlot:
    """Holds the backend once the models are loaded; the server listens, and says NOT_SERVING, before that."""

    def __init__(self, backend: Backend | None = None) -> None:
        self._backend = backend
        self.draining = asyncio.Event()
        """Set when the server is about to stop: calls that would go on without end come to one."""

    def fill(self, backend: Backend) -> None:
        """From now on calls are answered."""
        self._backend = backend

    def get(self) -> Backend:
        """The backend, or NotReady while it is being loaded."""
        if self._backend is None:
            raise NotReady(
                "the server is still loading its models; retry in a second, or wait until health says SERVING"
            )
        return self._backend

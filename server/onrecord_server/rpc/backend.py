"""What the servicers need of the rest of the server, and the place where they find it once it is loaded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from onrecord_server.domain.errors import NotReady, OnrecordError
from onrecord_server.domain.replay import PastCheck, Replay
from onrecord_server.domain.types import (
    CheckOptions,
    CheckResult,
    Claim,
    Collection,
    CollectionDraft,
    ModelInfo,
    PairScore,
    RequestKey,
    Source,
    Statement,
    StatementDraft,
    StatementFilter,
)
from onrecord_server.store.base import CollectionPage, Found, Page, Snapshot, Stored


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


class StatementChanger(Protocol):
    """checking.changes.Changes, as the wire uses it."""

    async def update(self, given: StatementDraft, paths: Sequence[str], etag: str = "") -> Statement:
        """Give the statement `given.name` these fields of `given`."""
        ...

    async def retract(self, name: str, etag: str = "", since: datetime | None = None) -> Statement:
        """Mark one as taken back."""
        ...

    async def reinstate(self, name: str, etag: str = "") -> Statement:
        """Let one stand again."""
        ...

    async def supersede(
        self, name: str, successor: str | StatementDraft, etag: str = "", since: datetime | None = None
    ) -> tuple[Statement, Statement]:
        """Mark one as replaced by another."""
        ...


class CollectionKeeper(Protocol):
    """checking.collections.Collections, as the wire uses it."""

    async def create(
        self, draft: CollectionDraft, collection_id: str = "", request: RequestKey | None = None
    ) -> Collection:
        """Create an empty one."""
        ...

    async def get(self, name: str) -> Collection:
        """Read one."""
        ...

    async def list(self, page_size: int = 0, page_token: str = "") -> CollectionPage:
        """Read a page."""
        ...

    async def update(self, given: CollectionDraft, paths: Sequence[str], etag: str = "") -> Collection:
        """Give the collection `given.name` these fields of `given`."""
        ...

    async def delete(self, name: str, etag: str = "", *, force: bool = False) -> int:
        """Delete one; the number of statements deleted with it."""
        ...


class RecordKeeper(Protocol):
    """checking.record.Record, as the wire uses it."""

    @property
    def changes(self) -> StatementChanger:
        """What changes statements."""
        ...

    @property
    def collections(self) -> CollectionKeeper:
        """The collections."""
        ...

    async def create(self, parent: str, draft: StatementDraft, request: RequestKey | None = None) -> Statement:
        """Put one statement on the record."""
        ...

    async def put(
        self,
        parent: str,
        drafts: Sequence[StatementDraft],
        *,
        request: RequestKey | None = None,
        defer_index: bool = False,
        turn: AbstractAsyncContextManager[Any] | None = None,
        offset: int = 0,
    ) -> Stored:
        """Put many in one transaction; a bad one yields its error in its place."""
        ...

    async def get(self, name: str) -> Statement:
        """Read one."""
        ...

    async def list(self, parent: str, page_size: int, page_token: str, chosen: StatementFilter | None = None) -> Page:
        """Read a page of what passes."""
        ...

    async def search(
        self,
        parent: str,
        query: str,
        page_size: int,
        page_token: str,
        chosen: StatementFilter | None = None,
        least: float | None = None,
        *,
        deadline: float | None = None,
    ) -> Found:
        """Find statements by what they say, page by page."""
        ...

    async def delete(self, name: str, etag: str = "") -> None:
        """Take one off the record."""
        ...

    async def export(self, parent: str, chosen: StatementFilter | None = None) -> Snapshot:
        """A view of a collection as it stands now."""
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

    async def replay(
        self, parent: str, claim: Claim, past: PastCheck, *, present: bool = False, deadline: float | None = None
    ) -> Replay:
        """Check a claim again as it was checked then. parent: "" takes the collection of then."""
        ...

    async def score_pairs(
        self, pairs: Sequence[tuple[str, str]], *, deadline: float | None = None
    ) -> Sequence[PairScore]:
        """The model's word on (premise, hypothesis) pairs."""
        ...


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What runs here. The counts are of all collections; `pending_count`: statements that wait for their embedding."""

    version: str
    model: ModelInfo
    encoder: ModelInfo
    store: str
    statement_count: int
    default_options: CheckOptions
    pending_count: int = 0


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

"""What the rest of the server knows of a store. Calls block; the server makes them from worker threads."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

import numpy as np
import numpy.typing as npt

from onrecord_server.domain.errors import OnrecordError
from onrecord_server.domain.types import (
    AmbiguousName,
    Collection,
    CollectionDraft,
    Horizon,
    RequestKey,
    Statement,
    StatementDraft,
    StatementFilter,
)
from onrecord_server.store.rows import as_stored

FloatArray = npt.NDArray[np.float32]

_NO_DRAFT = StatementDraft("")


@dataclass(frozen=True, slots=True)
class Hit:
    """A statement found for a query. `similarity`: cosine of the embeddings, -1 to 1, always computed.

    `pending`: it waits for its embedding, so it was found by its words and `similarity` is 0 until somebody fills it in
    (checking.indexing). `lexical_rank` and `vector_rank`: place in each list, from 1; None when not in it. `score`: the
    fused score.
    """

    statement: Statement
    similarity: float
    score: float
    lexical_rank: int | None
    vector_rank: int | None
    pending: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing. `next_page_token` empty on the last. `total_size`: of all that pass the filter.

    `ambiguous`: names of the filter that several speakers go by.
    """

    statements: Sequence[Statement]
    next_page_token: str
    total_size: int
    ambiguous: tuple[AmbiguousName, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """One page of a search, best first. `next_page_token` empty on the last. `ambiguous`: as of a Page."""

    hits: Sequence[Hit]
    next_page_token: str
    ambiguous: tuple[AmbiguousName, ...] = ()


@dataclass(frozen=True, slots=True)
class CollectionPage:
    """One page of a listing of collections. `next_page_token` empty on the last."""

    collections: Sequence[Collection]
    next_page_token: str
    total_size: int


@dataclass(frozen=True, slots=True)
class Put:
    """Drafts to be stored together; see StatementStore.put for what each field means."""

    parent: str
    drafts: Sequence[StatementDraft]
    vectors: FloatArray | None = None
    request: RequestKey | None = None
    failed: Mapping[int, OnrecordError] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of drafts: a name or an error for each, in their order.

    names: resource names, "" for a draft that was not stored. errors: of these, by place. time, revision: of the write.
    `replayed`: the request had been answered before, and this is its answer of then. `pending`: statements of the
    collection that wait for their embedding now.
    """

    drafts: Sequence[StatementDraft]
    names: Sequence[str]
    errors: Mapping[int, OnrecordError]
    time: datetime
    revision: int
    replayed: bool = False
    pending: int = 0

    @property
    def outcomes(self) -> builtins.list[Statement | OnrecordError]:
        """A statement or an error for each draft; made when it is asked for, which an import never does."""
        return [
            as_stored(draft, name, now=self.time, revision=self.revision) if name else self.errors[place]
            for place, (draft, name) in enumerate(zip(self.drafts, self.names, strict=True))
        ]

    def among(self, drafts: Sequence[StatementDraft | None], errors: Mapping[int, OnrecordError]) -> Stored:
        """The same among more drafts, some of which never came this far: their errors by place, None where no draft is.

        The drafts without an error are those of this answer, in their order.
        """
        if not errors:
            return self
        places = [place for place in range(len(drafts)) if place not in errors]
        names = [""] * len(drafts)
        for place, name in zip(places, self.names, strict=True):
            names[place] = name
        failed = {**errors, **{places[place]: error for place, error in self.errors.items()}}
        whole = [_NO_DRAFT if draft is None else draft for draft in drafts]
        return replace(self, drafts=whole, names=names, errors=failed)


@dataclass(frozen=True, slots=True)
class Pending:
    """A statement without an embedding. `row_id` grows. `revision`: the one that last wrote it, and its `text`."""

    row_id: int
    revision: int
    text: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """Statements that were looked at: the last one's row id, None at the end; names of those that cannot be read."""

    last: int | None
    damaged: Sequence[str]


class Snapshot(Protocol):
    """A collection as it stands at one moment. `total` statements; `revision`: the record's then. To be closed.

    ambiguous: names of the filter that several speakers go by. damaged: names of statements that `read` has passed over
    so far, since they cannot be read.
    """

    total: int
    revision: int
    ambiguous: Sequence[AmbiguousName]
    damaged: Sequence[str]

    def read(self, limit: int) -> builtins.list[Statement]:
        """The next statements in order of creation; none at the end, or after `close`."""
        ...

    def close(self) -> None:
        """Give the view up. Idempotent."""
        ...


class CollectionStore(Protocol):
    """The collections of a store. Errors: CollectionNotFound, CollectionExists, EtagMismatch, those of writes."""

    def create(self, draft: CollectionDraft, request: RequestKey | None = None) -> Collection:
        """Create an empty one. request: as in StatementStore.put; its ids count among those of collections."""
        ...

    def get(self, name: str) -> Collection:
        """One collection by resource name."""
        ...

    def list(self, page_size: int, page_token: str) -> CollectionPage:
        """One page in the order they began to exist."""
        ...

    def replace(self, draft: CollectionDraft, *, etag: str) -> Collection:
        """Give the collection of this name the draft's fields, while it has this etag ("": whatever it has)."""
        ...

    def delete(self, name: str, *, etag: str = "", force: bool = False) -> int:
        """Delete a collection, or raise CollectionNotEmpty unless forced; the number of statements deleted with it.

        Requests that created it or put something into it are forgotten, so that sent again they do their work again.
        """
        ...


class StatementStore(Protocol):
    """The system of record. Thread-safe. When a write returns, it is durable.

    Errors: AlreadyExists, NotFound, InvalidInput (page token), StoreReadOnly, StoreFull, StoreError; StoreDamaged where
    one statement is asked for and cannot be read. Where many are, such are passed over and logged. They can be deleted.
    """

    kind: str

    @property
    def collections(self) -> CollectionStore:
        """The collections that statements belong to."""
        ...

    def put(
        self,
        parent: str,
        drafts: Sequence[StatementDraft],
        vectors: FloatArray | None,
        *,
        all_or_none: bool = False,
        request: RequestKey | None = None,
        failed: Mapping[int, OnrecordError] | None = None,
    ) -> Stored:
        """Store the drafts in one transaction; a taken name yields AlreadyExists in its place, the rest are kept.

        vectors: shape (len(drafts), dimension), unit length; None: they are to come (`pending`). all_or_none: raise the
        AlreadyExists, and keep nothing. request: when it was answered before, change nothing and give the outcomes of
        then; else keep them with what is stored. Raises RequestIdReused. failed: errors of drafts, by place, that are
        passed over; their vectors are not looked at.
        """
        ...

    def put_many(self, puts: Sequence[Put]) -> builtins.list[Stored | Exception]:
        """As many calls of `put`, one after the other, and what each would return or raise.

        They share a transaction and so the wait for the disk, and are durable when this returns. What keeps one from
        being stored keeps only that one.
        """
        ...

    def replay(self, parent: str, drafts: Sequence[StatementDraft], request: RequestKey) -> Stored | None:
        """The outcomes of a request that was answered before, or None. Raises RequestIdReused."""
        ...

    def create(
        self, parent: str, drafts: Sequence[StatementDraft], vectors: FloatArray, *, all_or_none: bool = False
    ) -> builtins.list[Statement | OnrecordError]:
        """The outcomes of `put`, without its refinements."""
        ...

    def get(self, name: str) -> Statement:
        """One statement by resource name, or NotFound."""
        ...

    def list(self, parent: str, page_size: int, page_token: str, chosen: StatementFilter | None = None) -> Page:
        """One page in order of creation. chosen: list only what passes."""
        ...

    def replace(self, name: str, draft: StatementDraft, vector: FloatArray | None, *, etag: str) -> Statement:
        """Give a statement the draft's fields but its name, while it has this etag. Raises NotFound, EtagMismatch.

        vector: of the text, when that has changed; None keeps the embedding.
        """
        ...

    def supersede(
        self,
        name: str,
        successor: str | StatementDraft,
        vector: FloatArray | None,
        *,
        etag: str = "",
        since: datetime | None = None,
    ) -> tuple[Statement, Statement]:
        """Mark a statement as replaced by another of its collection, or by a new one with its vector; both as they are.

        etag "": whatever it has. since: None reads as now, or as it was when this changes nothing. Raises NotFound,
        EtagMismatch, AlreadyExists, InvalidInput (superseded_by NO_SUCCESSOR).
        """
        ...

    def delete(self, name: str, *, etag: str = "") -> None:
        """Take one statement off the record, while it has this etag ("": whatever). NotFound, EtagMismatch."""
        ...

    def document_statements(self, parent: str, document: str) -> builtins.list[Statement]:
        """Statements ingested from a document, in order; empty when it was not."""
        ...

    def search(
        self,
        parent: str,
        text: str,
        vector: FloatArray,
        limit: int,
        *,
        speaker_words: Sequence[str] = (),
        chosen: StatementFilter | None = None,
        horizon: Horizon | None = None,
    ) -> builtins.list[Hit]:
        """Hybrid search: BM25 over the text and cosine over the vectors, fused; best first, at most `limit`.

        speaker_words: keep to statements whose speaker's name or aliases hold one of these words. They are found by
        BM25 alone, so that what one speaker said is found in a large record whatever others said. chosen, horizon: rank
        only what passes the filter, and what was on the record then. Few that pass are found as well as many.
        """
        ...

    def export(self, parent: str, chosen: StatementFilter | None = None) -> Snapshot:
        """A view of a collection as it stands now, of what the filter lets through."""
        ...

    def inspect(self, limit: int, after: int = 0) -> Inspection:
        """Look at statements of all collections beyond a row id for those that cannot be read."""
        ...

    def pending(self, limit: int, after: int = 0) -> Sequence[Pending]:
        """The oldest statements that wait for their embedding, of all collections, beyond a row id."""
        ...

    def settle(self, done: Sequence[Pending], vectors: FloatArray) -> int:
        """Store embeddings of such statements, and say how many; what changed or went meanwhile is passed over."""
        ...

    def pending_count(self, parent: str | None = None) -> int:
        """How many statements wait for their embedding, in a collection or in all."""
        ...

    def find(
        self,
        parent: str,
        text: str,
        vector: FloatArray,
        page_size: int,
        page_token: str,
        *,
        chosen: StatementFilter | None = None,
        least: float | None = None,
    ) -> Found:
        """The same search page by page: what earlier pages did not give, of the best 1,000. `page_size`: at least 1.

        least: leave out statements whose similarity is less, save those whose similarity is not known yet. Raises
        InvalidInput for a page token that another search gave.
        """
        ...

    def ambiguous_names(self, parent: str, chosen: StatementFilter) -> tuple[AmbiguousName, ...]:
        """Names of the filter that several speakers go by, among the statements that pass."""
        ...

    def count_since(self, parent: str, chosen: StatementFilter | None, horizon: Horizon) -> int:
        """Statements that pass the filter and were put on the record after then."""
        ...

    def count(self, parent: str | None = None) -> int:
        """Statements in a collection, or in all."""
        ...

    @property
    def identity(self) -> str:
        """Which record this is: the same for a copy of it, another for every other. 16 hex digits."""
        ...

    def revision(self) -> int:
        """Number of writes so far; the same number means the same record."""
        ...

    def close(self) -> None:
        """Flush and close. Idempotent."""
        ...

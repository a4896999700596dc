"""What the rest of the server knows of a store. Calls block; the server makes them from worker threads."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from onrecord_server.domain.errors import OnrecordError
from onrecord_server.domain.types import Statement, StatementDraft

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Hit:
    """A statement found for a query. `similarity`: cosine of the embeddings, -1 to 1, always computed.

    `lexical_rank` and `vector_rank`: place in each list, from 1; None when not in it. `score`: the fused score.
    """

    statement: Statement
    similarity: float
    score: float
    lexical_rank: int | None
    vector_rank: int | None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing. `next_page_token` empty on the last."""

    statements: Sequence[Statement]
    next_page_token: str
    total_size: int


class StatementStore(Protocol):
    """The system of record. Thread-safe. When a write returns, it is durable.

    Errors: AlreadyExists, NotFound, InvalidInput (page token), StoreReadOnly, StoreFull, StoreError.
    """

    kind: str

    def create(
        self, parent: str, drafts: Sequence[StatementDraft], vectors: FloatArray, *, all_or_none: bool = False
    ) -> builtins.list[Statement | OnrecordError]:
        """Store the drafts in one transaction; a taken name yields AlreadyExists in its place, the rest are kept.

        vectors: shape (len(drafts), dimension), unit length. all_or_none: raise the AlreadyExists, and keep nothing.
        """
        ...

    def get(self, name: str) -> Statement:
        """One statement by resource name, or NotFound."""
        ...

    def list(self, parent: str, page_size: int, page_token: str) -> Page:
        """One page in order of creation."""
        ...

    def delete(self, name: str) -> None:
        """Take one statement off the record, or NotFound."""
        ...

    def document_statements(self, parent: str, document: str) -> builtins.list[Statement]:
        """Statements ingested from a document, in order; empty when it was not."""
        ...

    def search(
        self, parent: str, text: str, vector: FloatArray, limit: int, *, speaker_words: Sequence[str] = ()
    ) -> builtins.list[Hit]:
        """Hybrid search: BM25 over the text and cosine over the vectors, fused; best first, at most `limit`.

        speaker_words: keep to statements whose speaker's name or aliases hold one of these words. They are found by
        BM25 alone, so that what one speaker said is found in a large record whatever others said.
        """
        ...

    def count(self, parent: str | None = None) -> int:
        """Statements in a collection, or in all."""
        ...

    def revision(self) -> int:
        """Number of writes so far; the same number means the same record."""
        ...

    def close(self) -> None:
        """Flush and close. Idempotent."""
        ...

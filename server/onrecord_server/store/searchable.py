"""The part of a store in SQLite that finds statements: for a check, and for a caller page by page."""

from __future__ import annotations

import builtins
import sqlite3
from collections.abc import Sequence

import numpy as np

from onrecord_server.domain import limits
from onrecord_server.domain.types import AmbiguousName, Horizon, StatementFilter
from onrecord_server.store import collections, page_tokens, searching
from onrecord_server.store.base import FloatArray, Found, Hit
from onrecord_server.store.filtering import Filters, Passing, digest
from onrecord_server.store.lexical import WordCutter
from onrecord_server.store.mending import Mending, mended
from onrecord_server.store.searching import Question, Ranking
from onrecord_server.store.vectors import VectorIndex

_DEPTH = 50  # rows taken from each of the two rankings before they are fused


class Searchable(Mending):
    """The searches of a StatementStore; the store gives them its connections, words, vectors and filters."""

    _dimension: int
    _cutter: WordCutter
    _filters: Filters
    _token_key: bytes

    @mended
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
        """See StatementStore.search. Lexical and vector rankings, 50 deep or `limit`, fused by reciprocal rank."""
        if limit <= 0:
            return []
        with self._db.reading() as connection:
            question = self._question(connection, parent, text, vector, chosen, horizon, speaker_words)
            ranking = self._rank(connection, question, max(_DEPTH, limit))
            return [hit for _, hit in searching.hits(connection, question, ranking, ranking.fused[:limit])]

    @mended
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
        """See StatementStore.find. Both rankings 1,000 deep, whatever the page, so that pages agree on the order."""
        scope = page_tokens.scope_of(parent, text, digest(chosen), repr(least))
        given = page_tokens.read_given(self._token_key, scope, page_token)
        most = limits.SEARCH_RESULTS.value
        with self._db.reading() as connection:
            question = self._question(connection, parent, text, vector, chosen)
            ranking = self._rank(connection, question, most)
            found, more = searching.page(connection, question, ranking, given, page_size, most, least)
        given.update(row_id for row_id, _ in found)
        token = page_tokens.make_given(self._token_key, scope, given) if more else ""
        passing = question.passing
        return Found([hit for _, hit in found], token, () if passing is None else passing.ambiguous)

    def ambiguous_names(self, parent: str, chosen: StatementFilter) -> tuple[AmbiguousName, ...]:
        """See StatementStore.ambiguous_names."""
        with self._db.reading() as connection:
            passing = self._passing(connection, collections.find(connection, parent)[0], chosen)
        return () if passing is None else passing.ambiguous

    def count_since(self, parent: str, chosen: StatementFilter | None, horizon: Horizon) -> int:
        """See StatementStore.count_since."""
        with self._db.reading() as connection:
            collection, total = collections.find(connection, parent)
            now, then = (self._passing(connection, collection, chosen, past) for past in (None, horizon))
            return (total if now is None else len(now)) - (total if then is None else len(then))

    def _question(
        self,
        connection: sqlite3.Connection,
        parent: str,
        text: str,
        vector: FloatArray,
        chosen: StatementFilter | None,
        horizon: Horizon | None = None,
        speaker_words: Sequence[str] = (),
    ) -> Question:
        collection, _ = collections.find(connection, parent)
        query = np.asarray(vector, np.float32).reshape(self._dimension)
        passing = self._passing(connection, collection, chosen, horizon)
        return Question(parent, collection, text, query, speaker_words, passing)

    def _passing(
        self,
        connection: sqlite3.Connection,
        collection: int,
        chosen: StatementFilter | None,
        horizon: Horizon | None = None,
    ) -> Passing | None:
        """The rows that pass; None: all of them."""
        if chosen is None and horizon is None:
            return None
        return self._filters.passing(connection, collection, collections.revision_of(connection), chosen, horizon)

    def _rank(self, connection: sqlite3.Connection, question: Question, depth: int) -> Ranking:
        self._follow_writer(connection)
        if not question.collection or (question.passing is not None and not len(question.passing)):
            return searching.NOTHING
        return searching.rank(connection, self._cutter, self._index(question.collection), question, depth)

    def _index(self, collection: int) -> VectorIndex:
        """The vectors of a collection."""
        raise NotImplementedError

    def _follow_writer(self, connection: sqlite3.Connection) -> None:
        """Take in what another process has written."""
        raise NotImplementedError

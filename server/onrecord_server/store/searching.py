"""Hybrid search in one collection: two rankings of row ids, the two fused, and the statements behind them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from onrecord_server.store import fusion
from onrecord_server.store.base import FloatArray, Hit
from onrecord_server.store.damage import fetch, readable
from onrecord_server.store.filtering import Passing
from onrecord_server.store.lexical import WordCutter, match_expression
from onrecord_server.store.rows import COLUMNS, statement_of
from onrecord_server.store.vectors import VectorIndex, from_blobs

_RRF_K = 5  # chosen, as the weight, on development claims: tests/bench/retrieval_eval.py --variants
_VECTOR_WEIGHT = 0.5

# Constants, never input, are put into these texts.
_FIELDS = ", ".join(f"s.{column}" for column in COLUMNS)


@dataclass(frozen=True, slots=True)
class Ranking:
    """Places in each of two rankings by row id, and the two fused: (row id, score), best first."""

    lexical: dict[int, int]
    nearest: dict[int, int]
    fused: list[tuple[int, float]]


NOTHING = Ranking({}, {}, [])


@dataclass(frozen=True, slots=True)
class Question:
    """What is searched for, and where. passing: rank only these rows; None: all of the collection."""

    parent: str
    collection: int
    text: str
    vector: FloatArray
    speaker_words: Sequence[str] = ()
    passing: Passing | None = None


def rank(
    connection: sqlite3.Connection, cutter: WordCutter, index: VectorIndex, question: Question, depth: int
) -> Ranking:
    """Both rankings, `depth` deep, and what they make together. With speaker_words there is no ranking by vector."""
    lexical = fusion.ranks(_by_words(connection, cutter, question, depth))
    nearest = {} if question.speaker_words else fusion.ranks(index.search(question.vector, depth, question.passing))
    return Ranking(lexical, nearest, fusion.fuse(lexical, nearest, k=_RRF_K, vector_weight=_VECTOR_WEIGHT))


def hits(
    connection: sqlite3.Connection, question: Question, ranking: Ranking, some: Sequence[tuple[int, float]]
) -> list[tuple[int, Hit]]:
    """Some of what was ranked, each with its row id. Left out: what was deleted since or is damaged.

    One whose embedding is damaged waits for another, as far as its hit goes.
    """
    marks = ",".join("?" * len(some))
    rows = fetch(
        connection,
        f"SELECT s.id, e.vector, {_FIELDS} FROM statements s LEFT JOIN embeddings e ON e.id = s.id "  # noqa: S608
        f"WHERE s.id IN ({marks})",
        [row_id for row_id, _ in some],
    )
    statements = dict(readable(rows, lambda row: (row[0], statement_of(question.parent, row[2:]))))
    vectors, sound = from_blobs([row[1] for row in rows], len(question.vector))
    similarities = np.clip(vectors @ question.vector, -1.0, 1.0).tolist()
    similarity = {rows[place][0]: near for place, near in zip(sound, similarities, strict=True)}
    return [
        (
            row_id,
            Hit(
                statements[row_id],
                similarity.get(row_id, 0.0),
                score,
                ranking.lexical.get(row_id),
                ranking.nearest.get(row_id),
                pending=row_id not in similarity,
            ),
        )
        for row_id, score in some
        if row_id in statements
    ]


def page(
    connection: sqlite3.Connection,
    question: Question,
    ranking: Ranking,
    given: set[int],
    size: int,
    most: int,
    least: float | None,
) -> tuple[list[tuple[int, Hit]], bool]:
    """The best `size` of what was not given, and whether there are more; `most`: of all pages together.

    least: pass over what is less similar, save what waits for its embedding.
    """
    left = iter([item for item in ranking.fused if item[0] not in given][: max(0, most - len(given))])
    found: list[tuple[int, Hit]] = []
    while len(found) <= size and (some := list(islice(left, size + 1 - len(found)))):
        found += [
            (row_id, hit)
            for row_id, hit in hits(connection, question, ranking, some)
            if least is None or hit.pending or hit.similarity >= least
        ]
    return found[:size], len(found) > size


def _by_words(connection: sqlite3.Connection, cutter: WordCutter, question: Question, depth: int) -> list[int]:
    """Row ids by BM25, best first."""
    expression = match_expression(connection, cutter, question.text, question.speaker_words)
    if not expression:
        return []
    passing = question.passing
    if passing is not None:  # its rows are of this collection
        ranked = connection.execute(
            "SELECT rowid FROM statement_words WHERE statement_words MATCH ? ORDER BY rank", (expression,)
        )
        return list(islice((row_id for (row_id,) in ranked if row_id in passing), depth))
    ranked = connection.execute(
        "SELECT w.rowid FROM statement_words w CROSS JOIN statements s ON s.id = w.rowid "
        "WHERE w.statement_words MATCH ? AND s.collection_id = ? ORDER BY w.rank LIMIT ?",
        (expression, question.collection, depth),
    )
    return [row_id for (row_id,) in ranked]

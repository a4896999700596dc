"""Damaged values in a sound file: whoever asks for one is told, the others stay readable, and it can be deleted."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from onrecord_server.checking.inspection import inspect
from onrecord_server.domain.errors import OnrecordError, StoreDamaged
from onrecord_server.domain.types import (
    CollectionDraft,
    RequestKey,
    Source,
    Speaker,
    State,
    Statement,
    StatementDraft,
    StatementFilter,
)
from onrecord_server.store import FloatArray, open_store
from onrecord_server.store.sqlite import SqliteStore

DIMENSION = 8
PARENT = "collections/default"
BAD = f"{PARENT}/statements/s-2"
KEY = RequestKey("r-1", b"\1" * 32)

# what a row's columns are set to
DAMAGE = [
    "labels = '[\"half'",
    "labels = '{}'",
    "labels = '[1]'",
    "labels = '[\"\\ud800\"]'",
    "labels = CAST(x'5b22ff225d' AS TEXT)",
    "aliases = ''",
    "aliases = '[null]'",
    f"aliases = '{'[' * 5_000}'",
    "text = CAST(x'ff' AS TEXT)",
    "speaker = CAST(x'c3' AS TEXT)",
    "source_publisher = CAST(x'eda080' AS TEXT)",
    "superseded_by = CAST(x'80' AS TEXT)",
    "stance = 'shouted'",
    "state = ''",
    "create_time = 9223372036854775807",
    "stated_time = -9223372036854775808",
    "update_time = 300000000000000000",
    "original_start = 3",
    "original_start = 5, original_end = 2",
    "original_start = 0, original_end = 99999999999",
]


def open_at(path: Path, *, read_only: bool = False) -> SqliteStore:
    return open_store(path, dimension=DIMENSION, encoder_id="test@1", read_only=read_only)


def vectors(count: int) -> FloatArray:
    return np.eye(DIMENSION, dtype=np.float32)[np.arange(count) % DIMENSION]


def draft(number: int) -> StatementDraft:
    return StatementDraft(
        f"statement {number} on tariffs",
        f"{PARENT}/statements/s-{number}",
        speaker=Speaker("Anna", ("the minister",)),
        source=Source(publisher="Port News"),
        labels=("port",),
    )


def sql(path: Path, script: str) -> None:
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A record of five statements."""
    store = open_at(tmp_path / "record.db")
    store.put(PARENT, [draft(n) for n in range(5)], vectors(5), request=KEY)
    store.close()
    return tmp_path / "record.db"


def names(statements: list[Statement]) -> list[str]:
    return [one.name.rpartition("/")[2] for one in statements]


@pytest.mark.parametrize("damage", DAMAGE)
def test_one_damaged_statement_among_others(path: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    sql(path, f"UPDATE statements SET {damage} WHERE statement_id = 's-2'")
    store = open_at(path)
    for ask in (
        lambda: store.get(BAD),
        lambda: store.replace(BAD, draft(2), None, etag=""),
        lambda: store.supersede(BAD, draft(9), vectors(1)[0]),
        lambda: store.supersede(f"{PARENT}/statements/s-1", BAD, None),
    ):
        with pytest.raises(StoreDamaged, match=r"damaged in the record; restore a backup, or delete it") as error:
            ask()
        assert error.value.part == BAD
        assert error.value.message.startswith(BAD)
        assert error.value.__cause__ is None  # it would be logged, and may quote a text
    others = ["s-0", "s-1", "s-3", "s-4"]
    page = store.list(PARENT, 3, "")
    assert names(list(page.statements)) == ["s-0", "s-1"]
    assert names(list(store.list(PARENT, 3, page.next_page_token).statements)) == ["s-3", "s-4"]
    assert "passed over 1 damaged in the record: " + BAD in caplog.text
    hits = store.search(PARENT, "tariffs", vectors(3)[2], 10)
    assert sorted(names([hit.statement for hit in hits])) == others
    for chosen in (
        StatementFilter(speakers=("anna",), states=(State.ACTIVE,)),
        StatementFilter(labels=("Port",)),
        StatementFilter(publishers=("port news",)),
    ):
        assert names(list(store.list(PARENT, 10, "", chosen).statements)) == others
        found = store.find(PARENT, "tariffs", vectors(1)[0], 10, "", chosen=chosen)
        assert sorted(names([hit.statement for hit in found.hits])) == others
    snapshot = store.export(PARENT)
    assert names([one for _ in range(4) for one in snapshot.read(2)]) == others
    assert list(snapshot.damaged) == [BAD]
    snapshot.close()
    assert list(store.inspect(10).damaged) == [BAD]
    store.delete(BAD)
    (again,) = store.create(PARENT, [draft(2)], vectors(1))
    assert store.get(BAD) == again
    assert len(store.search(PARENT, "tariffs", vectors(3)[2], 10)) == 5
    assert store.inspect(10).damaged == []
    store.close()


def test_all_are_damaged(path: Path) -> None:
    sql(path, "UPDATE statements SET text = CAST(x'ff' AS TEXT), labels = ''")
    store = open_at(path)
    assert store.list(PARENT, 10, "").statements == []
    assert store.search(PARENT, "tariffs", vectors(1)[0], 10) == []
    snapshot = store.export(PARENT)
    assert snapshot.read(2) == []
    assert len(snapshot.damaged) == 5
    snapshot.close()
    store.close()


def test_a_name_that_cannot_be_read(path: Path) -> None:
    sql(path, "UPDATE statements SET statement_id = CAST(x'ff' AS TEXT) WHERE statement_id = 's-2'")
    store = open_at(path)
    assert len(store.list(PARENT, 10, "").statements) == 4
    assert list(store.inspect(10).damaged) == [f"a statement of {PARENT}"]
    store.close()


@pytest.mark.parametrize("damage", ["description = CAST(x'ff' AS TEXT)", "create_time = 9223372036854775807"])
def test_a_damaged_collection(path: Path, damage: str) -> None:
    store = open_at(path)
    store.collections.create(CollectionDraft("collections/other"))
    sql(path, f"UPDATE collections SET {damage} WHERE name = '{PARENT}'")
    for ask in (
        lambda: store.collections.get(PARENT),
        lambda: store.collections.replace(CollectionDraft(PARENT, "Papers"), etag=""),
    ):
        with pytest.raises(StoreDamaged, match=PARENT):
            ask()
    assert [one.name for one in store.collections.list(10, "").collections] == ["collections/other"]
    assert len(store.list(PARENT, 10, "").statements) == 5
    assert store.collections.delete(PARENT, force=True) == 5
    store.close()


@pytest.mark.parametrize(
    "answer",
    ["'['", "'[]'", "'[1,2,[3],{}]'", "'[1,2,[],{}]'", "'[1,2,3,4]'", "'[9e99,2,[],{}]'", "CAST(x'ff' AS TEXT)"],
)
def test_a_damaged_answer_of_a_request(path: Path, answer: str) -> None:
    sql(path, f"UPDATE requests SET answer = {answer}")
    store = open_at(path)
    drafts = [draft(n) for n in range(5)]
    for ask in (
        lambda: store.replay(PARENT, drafts, KEY),
        lambda: store.put(PARENT, drafts, vectors(5), request=KEY),
    ):
        with pytest.raises(StoreDamaged, match=r"^request_id: .*send another id"):
            ask()
    store.collections.delete(PARENT, force=True)
    store.close()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE embeddings SET vector = x'00' WHERE id = 3",
        "UPDATE embeddings SET vector = zeroblob(17) WHERE id = 3",
        f"UPDATE embeddings SET vector = x'007e{'00' * 14}' WHERE id = 3",  # NaN
        f"UPDATE embeddings SET vector = x'{'ff7b' * 8}' WHERE id = 3",  # 65,504 in each direction
        "DELETE FROM embeddings WHERE id = 3",
    ],
)
def test_a_damaged_embedding_is_made_again(path: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    sql(path, damage)
    reader = open_at(path, read_only=True)
    assert "damaged embeddings: 1; open it with write access" in caplog.text
    (hit,) = [h for h in reader.search(PARENT, "tariffs", vectors(3)[2], 10) if h.statement.name == BAD]
    assert (hit.pending, hit.vector_rank, hit.similarity) == (True, None, 0.0)  # a check embeds it on the spot
    reader.close()
    store = open_at(path)
    assert "damaged embeddings: 1; they are made again" in caplog.text
    (waiting,) = store.pending(10)
    assert (waiting.text, store.pending_count(PARENT)) == ("statement 2 on tariffs", 1)
    assert store.settle([waiting], vectors(3)[2:]) == 1
    (hit,) = [h for h in store.search(PARENT, "tariffs", vectors(3)[2], 10) if h.statement.name == BAD]
    assert (hit.pending, hit.vector_rank, hit.similarity) == (False, 1, 1.0)
    store.close()
    caplog.clear()
    open_at(path).close()
    assert not caplog.text


def test_an_embedding_that_is_damaged_while_the_record_is_open(path: Path) -> None:
    store = open_at(path)
    sql(path, "UPDATE embeddings SET vector = x'00' WHERE id = 3")
    hits = store.search(PARENT, "tariffs", vectors(3)[2], 10)
    assert {hit.statement.name for hit in hits if hit.pending} == {BAD}
    store.close()


def test_a_text_that_waits_for_its_embedding_and_is_damaged(path: Path) -> None:
    store = open_at(path)
    store.put(PARENT, [draft(n) for n in (7, 8, 9)], None)
    sql(path, "UPDATE statements SET text = CAST(x'ff' AS TEXT) WHERE statement_id IN ('s-7', 's-8')")
    assert [one.text for one in store.pending(2)] == ["statement 9 on tariffs"]
    store.close()


TRIGGER = "SELECT sql FROM sqlite_master WHERE name = 'statement_words_new'"


def rot(path: Path) -> None:
    """Damage texts under the index of words, as a disk does: it still has the words of before."""
    connection = sqlite3.connect(path)
    ((trigger,),) = connection.execute(TRIGGER).fetchall()
    connection.executescript(
        "DROP TRIGGER statement_words_new; UPDATE statements SET text = CAST(x'ff' AS TEXT) WHERE id = 3;"
        f"UPDATE statements SET text = CAST(zeroblob(100) AS TEXT) WHERE id = 4; {trigger}"
    )
    connection.close()


def test_the_index_of_words_is_made_again_when_it_is_damaged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "record.db"
    store = open_at(path)
    store.create(PARENT, [draft(n) for n in range(60)], vectors(60))
    store.close()
    rot(path)
    store = open_at(path)
    for number in (2, 3):  # the index is told to forget words that it does not have
        store.delete(f"{PARENT}/statements/s-{number}")
    assert len(store.search(PARENT, "tariffs", vectors(1)[0], 60)) == 58
    connection = sqlite3.connect(path)
    connection.execute("DELETE FROM statement_words_data WHERE id > 10")
    connection.commit()
    store._made_at = None  # as if it were long ago
    assert len(store.find(PARENT, "statement tariffs", vectors(1)[0], 60, "").hits) == 58
    assert "the index of words is damaged; it is made again" in caplog.text
    connection.execute("DELETE FROM statement_words_data WHERE id > 10")
    connection.commit()
    with pytest.raises(StoreDamaged, match="the file is damaged; restore it from a backup"):
        store.find(PARENT, "statement tariffs", vectors(1)[0], 60, "")  # so soon again: it is no help
    connection.close()
    store.close()


def test_nothing_raw_is_raised_whatever_stands_in_a_column(path: Path) -> None:
    """Every column that a statement is read from, set to what it never holds."""
    store = open_at(path)
    connection = sqlite3.connect(path, isolation_level=None)
    columns = connection.execute("SELECT name, type FROM pragma_table_info('statements')").fetchall()[2:]
    assert len(columns) == 25
    for column, kind in columns:
        least, most = "-9223372036854775808", "9223372036854775807"
        for value in (least, most) if kind == "INTEGER" else ("''", "CAST(x'fe' AS TEXT)"):
            connection.execute("BEGIN")
            connection.execute("CREATE TEMP TABLE kept AS SELECT * FROM statements WHERE id = 3")
            connection.execute(f"UPDATE statements SET {column} = {value} WHERE id = 3")
            connection.execute("COMMIT")
            with contextlib.suppress(OnrecordError):
                store.list(PARENT, 10, "")
                store.search(PARENT, "tariffs", vectors(3)[2], 10, chosen=StatementFilter(speakers=("anna",)))
                store.inspect(10)
                store.get(BAD)
            connection.execute("BEGIN")
            connection.execute(f"UPDATE statements SET {column} = (SELECT {column} FROM kept) WHERE id = 3")
            connection.execute("DROP TABLE kept")
            connection.execute("COMMIT")
            assert store.get(BAD).text == "statement 2 on tariffs"
    connection.close()
    store.close()


def test_the_look_through_the_record_says_it_in_one_line(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sql(path, "UPDATE statements SET stance = 'shouted' WHERE id > 1")
    store = open_at(path)
    asyncio.run(inspect(store))
    (line,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    some = ", ".join(f"{PARENT}/statements/s-{n}" for n in (1, 2, 3))
    what = f"4 damaged in the record: {some}, …; restore a backup, or delete them and put them on the record again"
    assert line.getMessage() == what
    store.close()
    caplog.clear()
    sql(path, "UPDATE statements SET stance = 'asserted'")
    store = open_at(path)
    asyncio.run(inspect(store))
    assert not caplog.records
    store.close()


def test_whoever_met_the_damage_before_it_was_mended_is_served(tmp_path: Path) -> None:
    path = tmp_path / "record.db"
    store = open_at(path)
    store.create(PARENT, [draft(n) for n in range(60)], vectors(60))
    connection = sqlite3.connect(path)
    connection.execute("DELETE FROM statement_words_data WHERE id > 10")
    connection.commit()
    connection.close()
    began = time.monotonic()
    assert store.make_words(began)  # by one
    assert store.make_words(began)  # for another, who had failed by then
    assert not store.make_words(time.monotonic())  # who fails with the new one, fails for another reason
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda _: len(store.find(PARENT, "tariffs", vectors(1)[0], 60, "").hits), range(16))
    assert set(found) == {60}
    store.close()

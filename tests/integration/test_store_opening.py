"""What becomes a record and what does not: foreign files, other versions, locks, permissions."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from onrecord_server.domain.errors import StoreReadOnly, StoreUnusable
from onrecord_server.store import connections, schema
from onrecord_server.store.sqlite import open_store
from store_files import DIMENSION, ENVIRONMENT, PARENT, fill, reopen, vectors


@pytest.mark.parametrize(
    "content", [b"short", b"not a database, whatever its name says. " * 50, b"\0" * 4096, b"SQLite format 3\0garbage"]
)
def test_not_a_sqlite_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "record.db"
    path.write_bytes(content)
    with pytest.raises(StoreUnusable, match="not a SQLite file") as error:
        reopen(path)
    assert str(path) in error.value.message
    assert "\n" not in error.value.message
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_an_empty_file_becomes_a_record(tmp_path: Path) -> None:
    path = tmp_path / "record.db"
    path.touch()
    store = reopen(path)
    assert fill(store)
    store.close()


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TABLE t (a)",
        "PRAGMA journal_mode = WAL; CREATE TABLE t (a)",
        "PRAGMA user_version = 1",
        "PRAGMA application_id = 7",
        "PRAGMA page_size = 512; " + "".join(f"CREATE TABLE t{n} (a);" for n in range(99)),
    ],
)
def test_a_database_of_another_program_is_left_alone(tmp_path: Path, script: str) -> None:
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreUnusable, match="another program"):
        reopen(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_database_of_another_program_in_use_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.executescript("PRAGMA journal_mode = WAL; CREATE TABLE t (a)")  # still in its log
    with pytest.raises(StoreUnusable, match="another program"):
        reopen(path)
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)
    connection.close()


@pytest.mark.parametrize("script", ["VACUUM", "PRAGMA journal_mode = WAL", "CREATE TABLE t (a); DROP TABLE t"])
def test_a_database_without_anything_in_it_becomes_a_record(tmp_path: Path, script: str) -> None:
    """As a start leaves it that ended before the first table was made."""
    path = tmp_path / "record.db"
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.close()
    store = reopen(path)
    assert fill(store)
    store.close()


def test_a_record_whose_first_page_is_still_in_the_log(tmp_path: Path) -> None:
    path, copy = tmp_path / "record.db", tmp_path / "copy.db"
    store = reopen(path)
    made = fill(store)
    for end in ("", "-wal"):  # as a crash leaves them
        shutil.copy(f"{path}{end}", f"{copy}{end}")
    store.close()
    assert int.from_bytes(copy.read_bytes()[68:72]) != schema.APPLICATION_ID
    again = reopen(copy)
    assert again.list(PARENT, 10, "").statements == made
    again.close()


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="a system without /proc")
def test_a_folder_where_the_system_takes_no_file() -> None:
    with pytest.raises(StoreUnusable, match=r"no (file can be made|permission to create it) in /proc"):
        reopen(Path("/proc/record.db"))


def test_a_record_from_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "record.db"
    reopen(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS) + 1}")
    connection.close()
    with pytest.raises(StoreUnusable, match="newer version"):
        reopen(path)


def test_a_record_made_with_another_encoder(tmp_path: Path) -> None:
    path = tmp_path / "record.db"
    store = reopen(path)
    fill(store)
    store.close()
    for dimension, encoder in ((DIMENSION, "other@1"), (DIMENSION + 1, "test@1")):
        with pytest.raises(StoreUnusable, match=r"encoder test@1.*export"):
            open_store(path, dimension=dimension, encoder_id=encoder)
    reopen(path).close()


def test_a_record_that_holds_nothing_yet_takes_another_encoder(tmp_path: Path) -> None:
    path = tmp_path / "record.db"
    open_store(path, dimension=DIMENSION + 1, encoder_id="other@1").close()  # as a start leaves that then failed
    store = reopen(path)
    fill(store)
    store.close()
    reopen(path).close()


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        (".", "a folder"),
        ("missing/record.db", "does not exist; create it"),
        ("file/record.db", "does not exist; create it"),
        ("x" * 300, "cannot be"),
        ("nul\0byte", "not a path"),
    ],
)
def test_places_where_no_record_can_be(tmp_path: Path, path: str, complaint: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnusable, match=complaint) as error:
        open_store(f"{tmp_path}/{path}", dimension=DIMENSION, encoder_id="test@1")
    assert "\n" not in error.value.message


def test_one_process_writes_and_others_read(tmp_path: Path) -> None:
    path = tmp_path / "record.db"
    writer = reopen(path)
    made = fill(writer)
    with pytest.raises(StoreUnusable, match="another process writes"):
        reopen(path)
    reader = reopen(path, read_only=True)
    assert reader.list(PARENT, 10, "").statements == made
    made += fill(writer, 2)
    writer.delete(made.pop(0).name)
    assert reader.count() == 4
    found = reader.search(PARENT, "tariffs", vectors(1)[0], 10)
    assert {h.statement.name for h in found} == {s.name for s in made}
    assert all(h.vector_rank for h in found)
    for write in (lambda: fill(reader), lambda: reader.delete(made[0].name)):
        with pytest.raises(StoreReadOnly):
            write()
    writer.close()
    reader.close()
    reopen(path).close()


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable, match="does not exist"):
        reopen(tmp_path / "none.db", read_only=True)
    (tmp_path / "empty.db").touch()
    with pytest.raises(StoreUnusable, match="no record in it yet"):
        reopen(tmp_path / "empty.db", read_only=True)


READER = """
import os, sys
import numpy as np
from onrecord_server.domain.errors import OnrecordError
from onrecord_server.domain.types import StatementDraft
from onrecord_server.store import open_store
if os.geteuid() == 0:
    os.setuid(65534)  # nobody: permissions mean nothing to root
for path in sys.argv[1:]:
    try:
        store = open_store(path, dimension=8, encoder_id="test@1")
        print(store.count(), len(store.search("collections/default", "tariffs", np.eye(8, dtype=np.float32)[0], 5)))
        store.create("collections/default", [StatementDraft("x")], np.eye(8, dtype=np.float32)[:1])
    except OnrecordError as error:
        print(type(error).__name__, error)
"""


def test_without_permissions(tmp_path: Path) -> None:
    """A shelf that may be read only: a record, a secret one, one that a crash left with writes in its log."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and folder.is_relative_to(tempfile.gettempdir()):
            folder.chmod(folder.stat().st_mode | 0o055)  # pytest's folders are private
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    names = ("record", "secret", "crashed", "missing")
    record, secret, crashed, missing = (shelf / f"{name}.db" for name in names)
    for path in (record, secret):
        store = reopen(path)
        fill(store)
        store.close()
    store = reopen(tmp_path / "crashed.db")
    fill(store)
    for end in ("", "-wal"):  # and without the -shm that SQLite would have to make
        shutil.copy(tmp_path / f"crashed.db{end}", f"{crashed}{end}")
    store.close()
    record.chmod(0o444)
    secret.chmod(0)
    shelf.chmod(0o555)
    try:
        done = subprocess.run(
            [sys.executable, "-c", READER, *map(str, (record, secret, crashed, missing))],
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        shelf.chmod(0o755)
    assert done.stderr == ""
    counted, read_only, no_access, waiting, no_place = done.stdout.splitlines()
    assert counted == "3 3"
    assert read_only.startswith("StoreReadOnly")
    for answer, complaint in (
        (no_access, "no permission to read it"),
        (waiting, "writes wait"),
        (no_place, "no permission to create it"),
    ):
        assert answer.startswith("StoreUnusable")
        assert complaint in answer


def test_a_store_that_is_no_regular_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/null"), Path("/dev/full")):
        with pytest.raises(StoreUnusable, match="no regular file; choose another"):
            reopen(path)


def test_a_record_that_another_program_has_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_PRAGMAS", ("PRAGMA busy_timeout = 50",))
    path = tmp_path / "record.db"
    reopen(path).close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreUnusable, match="locked by another program; stop it"):
        reopen(path)
    other.close()
    reopen(path).close()

"""The record's file among the ways that files fail: killed writers, full disks, foreign files, locks, permissions."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from onrecord_server.domain.errors import StoreError, StoreFull, StoreReadOnly, StoreUnusable
from onrecord_server.domain.types import Statement, StatementDraft
from onrecord_server.store import FloatArray, connections, schema
from onrecord_server.store.sqlite import SqliteStore, open_store

DIMENSION = 8
PARENT = "collections/default"
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}


def reopen(path: Path, *, read_only: bool = False) -> SqliteStore:
    return open_store(path, dimension=DIMENSION, encoder_id="test@1", read_only=read_only)


def vectors(count: int) -> FloatArray:
    return np.eye(DIMENSION, dtype=np.float32)[np.arange(count) % DIMENSION]


def fill(store: SqliteStore, count: int = 3) -> list[Statement]:
    made = store.create(PARENT, [StatementDraft(f"statement {n} on tariffs") for n in range(count)], vectors(count))
    return [item for item in made if isinstance(item, Statement)]


def whole(path: Path) -> None:
    """The file is sound, and rows, vectors, words and counts agree."""
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        connection.execute("INSERT INTO statement_words (statement_words, rank) VALUES ('integrity-check', 1)")
        (rows,) = connection.execute("SELECT count(*) FROM statements").fetchone()
        assert connection.execute("SELECT count(*) FROM embeddings").fetchone() == (rows,)
        assert connection.execute("SELECT sum(statement_count) FROM collections").fetchone() == (rows,)
    connection.close()


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "a folder with ? and % and #" / "record.db"
    path.parent.mkdir()
    store = reopen(path)
    made = fill(store, 5)
    store.delete(made[0].name)
    revision = store.revision()
    token = store.list(PARENT, 2, "").next_page_token
    store.close()
    assert not Path(f"{path}-wal").exists()
    whole(path)
    store = reopen(path)
    assert store.list(PARENT, 10, "").statements == made[1:]
    assert store.list(PARENT, 10, token).statements == made[3:]
    assert store.revision() == revision
    hits = store.search(PARENT, "tariffs", vectors(3)[2], 10)
    assert [h.statement for h in hits if h.similarity > 0.9] == [made[2]]
    store.close()


WRITER = """
import sys
import numpy as np
from onrecord_server.domain.types import StatementDraft
from onrecord_server.store import open_store
store = open_store(sys.argv[1], dimension=8, encoder_id="test@1")
n = 0
while True:
    drafts = [StatementDraft(f"statement {n} part {i}") for i in range(7)]
    made = store.create("collections/default", drafts, np.eye(8, dtype=np.float32)[:7])
    if n % 3 == 2:
        store.delete(made[0].name)
        made = made[1:]
    print(*(s.name for s in made), flush=True)
    n += 1
"""


def test_a_killed_writer_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "record.db"
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
    ) as writer:
        assert writer.stdout is not None
        names: list[str] = []
        for _ in range(40):
            names += writer.stdout.readline().split()
        writer.send_signal(signal.SIGKILL)
        for line in writer.stdout.read().splitlines(keepends=True):
            if line.endswith("\n"):  # a whole line was acknowledged, too
                names += line.split()
    assert len(names) >= 6 * 40
    store = reopen(path)
    for name in names:
        assert store.get(name).name == name
    assert store.count() >= len(names)
    assert len(store.search(PARENT, "statement", vectors(1)[0], 5)) == 5
    store.close()
    whole(path)


def test_a_full_disk_keeps_what_was_there_and_nothing_of_what_failed(tmp_path: Path) -> None:
    path = tmp_path / "record.db"
    store = reopen(path)
    made = fill(store)
    writer = store._db._writer
    (pages,) = writer.execute("PRAGMA page_count").fetchone()
    writer.execute(f"PRAGMA max_page_count = {pages + 20}")  # SQLite answers as on a full disk
    revision = store.revision()
    with pytest.raises(StoreFull, match="free some space"):
        store.create(PARENT, [StatementDraft(f"{n} " + "long " * 200) for n in range(500)], vectors(500))
    assert store.count() == 3
    assert store.revision() == revision
    assert store.list(PARENT, 10, "").statements == made
    assert len(store.search(PARENT, "long", vectors(1)[0], 10)) == 3
    writer.execute("PRAGMA max_page_count = 1000000")
    assert len(fill(store, 500)) == 500
    store.close()
    whole(path)


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount") is None, reason="only root may mount a small disk")
def test_a_really_full_disk(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        store = reopen(disk / "record.db")
        made = fill(store)
        with pytest.raises(StoreFull):  # noqa: PT012 - how many fit is the file system's affair
            for _ in range(100):
                made += fill(store, 100)
        assert store.list(PARENT, 1_000, "").total_size == len(made)
        store.close()
        again = reopen(disk / "record.db")
        assert again.count() == len(made)
        again.close()
    finally:
        subprocess.run(["umount", str(disk)], check=True)


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


def test_a_damaged_file_is_an_error_of_the_store(tmp_path: Path) -> None:
    path = tmp_path / "record.db"
    store = reopen(path)
    fill(store, 500)
    store.close()
    content = bytearray(path.read_bytes())
    content[4096 * 8 :] = b"\xff" * (len(content) - 4096 * 8)
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"record\.db"):  # noqa: PT012 - opening may find it already
        broken = reopen(path)
        try:
            broken.list(PARENT, 1_000, "")
        finally:
            broken.close()


def test_a_closed_record_says_so(tmp_path: Path) -> None:
    store = reopen(tmp_path / "record.db")
    made = fill(store)
    store.close()
    for call in (lambda: store.get(made[0].name), store.revision, lambda: fill(store)):
        with pytest.raises(StoreError, match="closed"):
            call()


def test_migrations_start_from_any_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "record.db"
    store = reopen(path)
    made = fill(store)
    store.close()
    monkeypatch.setattr(
        schema, "MIGRATIONS", (*schema.MIGRATIONS, "CREATE TABLE later (a);\nINSERT INTO later VALUES (7);")
    )
    store = reopen(path)
    assert store.list(PARENT, 10, "").statements == made
    store.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT a FROM later").fetchall() == [(7,)]
        assert connection.execute("PRAGMA user_version").fetchone() == (3,)
    connection.close()
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, "CREATE TABLE next (a);\nNONSENSE;"))
    with pytest.raises(StoreUnusable):
        reopen(path)
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (3,)
        assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'next'").fetchone() == (0,)
    connection.close()


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    """A limit on the size of files, or a quota: SQLite calls it an I/O error, and to a user it is a full disk."""
    path = tmp_path / "record.db"
    store = reopen(path)
    made = fill(store)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
    try:
        with pytest.raises(StoreFull, match="free some space"):
            store.create(PARENT, [StatementDraft(f"{n} " + "long " * 200) for n in range(500)], vectors(500))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert store.list(PARENT, 10, "").statements == made
    assert len(fill(store, 500)) == 500
    store.close()
    whole(path)


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM record",
        "DROP TABLE record",
        "DROP TABLE embeddings",
        "UPDATE record SET encoder_id = CAST(x'ff' AS TEXT)",
        "UPDATE record SET page_token_key = x''; DROP TABLE statements",
    ],
)
def test_a_record_that_somebody_has_changed(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "record.db"
    store = reopen(path)
    fill(store)
    store.close()
    connection = sqlite3.connect(path)
    connection.executescript(damage)
    connection.close()
    with pytest.raises(StoreUnusable, match=r"restore it from a backup") as error:
        reopen(path)
    assert error.value.message.startswith(f"{path}: ")
    path.unlink()
    reopen(path).close()  # nothing holds the lock


@pytest.mark.parametrize("kept", [100, 4_096, 20_000])
def test_a_record_cut_short(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "record.db"
    store = reopen(path)
    fill(store, 50)
    store.close()
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(StoreUnusable, match=r"damaged.*restore it from a backup"):
        reopen(path)


def test_what_travels_to_callers_does_not_tell_where_the_record_is(tmp_path: Path) -> None:
    """Errors met while serving name neither the file nor SQLite's own words; what is met at start names the file."""
    path = tmp_path / "record.db"
    store = reopen(path)
    fill(store)
    messages = []
    writer = store._db._writer
    for broken in ("ALTER TABLE statements RENAME TO gone", "PRAGMA query_only = ON"):
        writer.execute(broken)
        for use in (lambda: fill(store), lambda: store.list(PARENT, 1, "")):
            try:
                use()
            except StoreError as error:
                messages.append(error.message)
    store.close()
    for use in (lambda: fill(store), store.count):
        with pytest.raises(StoreError) as closed:
            use()
        messages.append(closed.value.message)
    assert len(messages) == 6
    for message in messages:
        assert message.startswith("the record")
        assert str(tmp_path) not in message
        assert "statements" not in message


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

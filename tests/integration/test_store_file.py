"""The record's file among the ways that files fail: killed writers, full disks, damage."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from onrecord_server.domain.errors import StoreError, StoreFull, StoreUnusable
from onrecord_server.domain.types import StatementDraft
from onrecord_server.store import schema
from store_files import ENVIRONMENT, PARENT, fill, reopen, vectors, whole


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

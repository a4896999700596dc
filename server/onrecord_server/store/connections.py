"""Connections to a record's file: opening it, one writer, many readers, and what SQLite's errors mean to a user."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from onrecord_server.domain.errors import StoreDamaged, StoreError, StoreFull, StoreReadOnly, StoreUnusable
from onrecord_server.store import schema
from onrecord_server.store.damage import undecodable
from onrecord_server.store.rows import UNREADABLE

_BUSY_MS = 10_000
_LOG_PAGES = 4_000  # 16 MB of log before it is merged: an import then writes an eighth less than with 1,000
_PRAGMAS = (
    "PRAGMA foreign_keys = ON",
    f"PRAGMA busy_timeout = {_BUSY_MS}",
    "PRAGMA temp_store = MEMORY",
)


@contextmanager
def translated() -> Iterator[None]:
    """Turn SQLite's errors into StoreError, StoreFull or StoreReadOnly.

    Their messages travel to callers: neither the file's place nor SQLite's words stand in them. Both are for the log,
    which gets the cause from where the error becomes a status.
    """
    try:
        yield
    except sqlite3.Error as error:
        if _is_full(error):
            raise StoreFull("the record: no room on the disk; nothing of this was kept, free some space") from error
        code = _code(error) & 0xFF
        if code == sqlite3.SQLITE_READONLY:
            raise StoreReadOnly("the record: may be read and not written") from error
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise StoreError("the record: locked by another program; stop it and try again") from error
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise StoreDamaged(f"the record: {DAMAGED}") from error
        if undecodable(error):
            raise StoreDamaged(f"the record: {DAMAGED}") from None
        raise StoreError("the record: could not be read or written; the server's log says why") from error


DAMAGED = "the file is damaged; restore it from a backup"

# A disk quota or a limit on the size of files stops a write as a full disk does, but SQLite calls only the latter full.
# Nothing but these and a failing disk lets a write fail.
_FULL = (sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE)


def _code(error: sqlite3.Error) -> int:
    """SQLite's extended result code; 0 when it was Python's own module that complained."""
    return getattr(error, "sqlite_errorcode", 0) or 0


def _is_full(error: sqlite3.Error) -> bool:
    return _code(error) & 0xFF == sqlite3.SQLITE_FULL or _code(error) in _FULL


def of_the_whole(error: Exception) -> bool:
    """Whether any other write would have met this error, too: the disk is full, another program has locked the file."""
    return isinstance(error, StoreFull | StoreReadOnly) or (
        getattr(error.__cause__, "sqlite_errorcode", 0) & 0xFF
        in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
    )


class Connections:
    """One writer connection behind a lock, and a pool of readers, each used by one thread at a time.

    A file has one writing process: it holds `PATH.lock` (an advisory lock that ends with the process, however it ends).
    In memory there is one connection in all, and readers take turns with the writer.
    """

    def __init__(self, path: str, *, read_only: bool, encoder_id: str, dimension: int) -> None:
        """Open or create the file and bring its schema up to date. Raises StoreUnusable."""
        self.path = path
        self.in_memory = path == ":memory:"
        self.read_only = read_only
        self._write_lock = threading.RLock()
        self._pool_lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        self._lock: filelock.BaseFileLock | None = None
        self._uri = ":memory:"
        if not self.in_memory:
            self._find_file()
        try:
            self._writer = self._open_first(encoder_id, dimension)
        except BaseException:
            self._unlock()
            raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection inside a read transaction: one unchanging view of the record."""
        with translated():
            if self.in_memory:
                with self._write_lock:
                    self._refuse_closed()
                    yield self._writer
                return
            connection = self._take()
            try:
                connection.execute("BEGIN")
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                self._put_back(connection)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the writer's lock, over one or more transactions and what must happen in step with them."""
        with self._write_lock:
            self._refuse_closed()
            yield

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """The writer inside a transaction: committed to disk on leaving, undone by any exception."""
        with self.exclusive(), translated():
            if self.read_only:
                raise StoreReadOnly("the record: opened for reading; nothing can be written")
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Merge the write-ahead log into the file and close every connection. Idempotent."""
        with self._write_lock, self._pool_lock:
            if self._closed:
                return
            self._closed = True
            for connection in self._idle:
                connection.close()
            self._idle.clear()
            try:
                if not self.in_memory and not self.read_only:
                    self._writer.execute("PRAGMA optimize")
                    self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            except sqlite3.Error:
                pass  # a full disk, say: the log holds everything and is merged at the next start
            finally:
                self._writer.close()
                self._unlock()

    # ------------------------------------------------------------------ opening

    def _find_file(self) -> None:
        """Refuse what cannot be a record, choose between writing and reading, take the lock."""
        if "\0" in self.path or not self.path:
            raise StoreUnusable("the store's path is empty or holds a NUL, so not a path; name a file")
        try:
            path = Path(self.path).absolute()
            folder = path.parent
            if path.is_dir():
                raise StoreUnusable(f"{self.path}: a folder; name a file in it")
            if not folder.is_dir():
                raise StoreUnusable(f"{self.path}: the folder {folder} does not exist; create it")
            exists = path.exists()
            if exists and not path.is_file():  # a device or a pipe, which SQLite would wait for or fail on
                raise StoreUnusable(f"{self.path}: no regular file; choose another")
        except (OSError, ValueError) as error:
            raise StoreUnusable(f"{self.path}: cannot be looked at ({error})") from error
        if exists and not os.access(path, os.R_OK):
            raise StoreUnusable(f"{self.path}: no permission to read it; change its permissions or run as its owner")
        if not exists and (self.read_only or not os.access(folder, os.W_OK | os.X_OK)):
            what = "does not exist" if self.read_only else f"no permission to create it in {folder}"
            raise StoreUnusable(f"{self.path}: {what}; choose another file")
        if not (os.access(folder, os.W_OK) and (not exists or os.access(path, os.W_OK))):
            self.read_only = True
        self._uri = path.as_uri() + ("?mode=ro" if self.read_only else "?mode=rwc")
        if path.is_file():
            try:
                schema.check_header(Path(self.path))
            except OSError as error:
                raise StoreUnusable(f"{self.path}: cannot be read ({error.strerror}); choose another file") from error
        if not self.read_only:
            lock = filelock.FileLock(f"{path}.lock", timeout=0, thread_local=False)
            try:
                lock.acquire()
            except filelock.Timeout:
                if not Path(lock.lock_file).exists():  # the system takes no file there, as in /proc
                    raise StoreUnusable(f"{self.path}: no file can be made in {folder}; choose another file") from None
                raise StoreUnusable(
                    f"{self.path}: another process writes to this record; ask that server instead, or stop it"
                ) from None
            except OSError as error:
                raise StoreUnusable(f"{self.path}.lock: cannot be locked ({error.strerror})") from error
            self._lock = lock

    def _open_first(self, encoder_id: str, dimension: int) -> sqlite3.Connection:
        try:
            connection = self._connect()
        except sqlite3.Error as error:
            raise StoreUnusable(f"{self.path}: cannot be opened ({error}); choose another file") from error
        try:
            self._prepare(connection, encoder_id, dimension)
        except sqlite3.Error as error:
            connection.close()
            if self.read_only and "immutable" not in self._uri and _is_cannot_open(error):
                return self._open_without_log(encoder_id, dimension)
            code = _code(error) & 0xFF
            if undecodable(error):  # bytes of a name or text were changed
                raise StoreUnusable(f"{self.path}: {DAMAGED}") from None
            if code == sqlite3.SQLITE_NOTADB:
                raise StoreUnusable(f"{self.path}: {schema.NOT_SQLITE}") from error
            if _is_full(error):
                raise StoreUnusable(f"{self.path}: no room on the disk to open it; free some space") from error
            if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_ERROR):  # the latter: a table is not there
                raise StoreUnusable(f"{self.path}: {DAMAGED} ({error})") from error
            if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise StoreUnusable(f"{self.path}: locked by another program; stop it and try again") from error
            raise StoreUnusable(f"{self.path}: cannot be opened ({error}); choose another file") from error
        except UNREADABLE as error:
            connection.close()
            raise StoreUnusable(f"{self.path}: {DAMAGED}") from error
        except BaseException:
            connection.close()
            raise
        return connection

    def _open_without_log(self, encoder_id: str, dimension: int) -> sqlite3.Connection:
        """A file in a folder where SQLite may not put its log: it can be read as it stands if no log is pending."""
        log = Path(f"{self.path}-wal")
        if log.exists() and log.stat().st_size:
            raise StoreUnusable(
                f"{self.path}: writes wait in {log.name} and its folder is read-only; open it once with write access"
            )
        self._uri += "&immutable=1"
        return self._open_first(encoder_id, dimension)

    def _prepare(self, connection: sqlite3.Connection, encoder_id: str, dimension: int) -> None:
        version = schema.check_identity(connection, self.path)
        if self.read_only and version < len(schema.MIGRATIONS):
            what = "no record in it yet" if version == 0 else "from an older version"
            raise StoreUnusable(f"{self.path}: {what}, and it may not be written; open it once with write access")
        if not self.read_only and not self.in_memory:
            # WAL: readers never wait for the writer. FULL: a commit is on the disk before it returns.
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
        if not self.read_only:
            schema.migrate(connection, version, encoder_id=encoder_id, dimension=dimension)
            schema.take_encoder(connection, encoder_id=encoder_id, dimension=dimension)
        schema.check_encoder(connection, self.path, encoder_id=encoder_id, dimension=dimension)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._uri,
            uri=not self.in_memory,
            isolation_level=None,  # transactions are begun and ended here, in the open
            check_same_thread=False,  # a connection moves between threads, and is used by one at a time
        )
        for pragma in _PRAGMAS:
            connection.execute(pragma)
        return connection

    # ------------------------------------------------------------------ the pool

    def _take(self) -> sqlite3.Connection:
        with self._pool_lock:
            self._refuse_closed()
            if self._idle:
                return self._idle.pop()
        connection = self._connect()
        connection.execute("PRAGMA query_only = ON")
        return connection

    def _put_back(self, connection: sqlite3.Connection) -> None:
        with self._pool_lock:
            if self._closed:
                connection.close()
            else:
                self._idle.append(connection)

    def _refuse_closed(self) -> None:
        if self._closed:
            raise StoreError("the record is closed")

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.release()


def _is_cannot_open(error: sqlite3.Error) -> bool:
    return _code(error) & 0xFF in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)

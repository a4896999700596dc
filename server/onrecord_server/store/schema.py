"""The tables of a record, as a list of migrations. Step n takes a file from `user_version` n to n + 1."""

from __future__ import annotations

import secrets
import sqlite3
import struct
from pathlib import Path

from onrecord_server.domain.errors import StoreUnusable

APPLICATION_ID = 0x4F4E5243  # "ONRC", in the file's header: what `file` and we know a record by

# `porter` folds "opposes" and "opposed" into one term. The weights of text, context, speaker, original: the text is
# what a statement says; the others help to find it.
_FIRST = """
CREATE TABLE record (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    encoder_id TEXT NOT NULL,
    dimension INTEGER NOT NULL,
    page_token_key BLOB NOT NULL,
    revision INTEGER NOT NULL
) STRICT;

CREATE TABLE collections (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    statement_count INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Times are microseconds since 1970 UTC. AUTOINCREMENT: a row id is never given twice, so page tokens stay right.
CREATE TABLE statements (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    collection_id INTEGER NOT NULL REFERENCES collections (id),
    statement_id TEXT NOT NULL,
    text TEXT NOT NULL,
    context TEXT NOT NULL,
    speaker TEXT NOT NULL,
    aliases TEXT NOT NULL,
    relayed_by TEXT NOT NULL,
    stance TEXT NOT NULL,
    source_uri TEXT NOT NULL,
    source_title TEXT NOT NULL,
    source_publisher TEXT NOT NULL,
    source_publish_time INTEGER,
    stated_time INTEGER,
    valid_from INTEGER,
    valid_until INTEGER,
    labels TEXT NOT NULL,
    document TEXT NOT NULL,
    original TEXT NOT NULL,
    original_start INTEGER,
    original_end INTEGER,
    create_time INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    UNIQUE (collection_id, statement_id)
) STRICT;
CREATE INDEX statements_in_order ON statements (collection_id, id);
CREATE INDEX statements_of_document ON statements (collection_id, document, id) WHERE document <> '';

-- Apart from the statements, so that reading rows does not drag vectors along. Half precision: see docs/benchmarks.md.
CREATE TABLE embeddings (
    id INTEGER PRIMARY KEY REFERENCES statements (id) ON DELETE CASCADE,
    vector BLOB NOT NULL
) STRICT;

CREATE VIRTUAL TABLE statement_words USING fts5 (
    text, context, speaker, aliases, original,
    content = 'statements', content_rowid = 'id', tokenize = 'porter unicode61 remove_diacritics 2'
);
INSERT INTO statement_words (statement_words, rank) VALUES ('rank', 'bm25(1.0, 0.3, 0.5, 0.0, 0.3)');
CREATE VIRTUAL TABLE statement_terms USING fts5vocab (statement_words, row);

CREATE TRIGGER statement_words_in AFTER INSERT ON statements BEGIN
    INSERT INTO statement_words (rowid, text, context, speaker, aliases, original)
    VALUES (new.id, new.text, new.context, new.speaker, new.aliases, new.original);
END;
CREATE TRIGGER statement_words_out AFTER DELETE ON statements BEGIN
    INSERT INTO statement_words (statement_words, rowid, text, context, speaker, aliases, original)
    VALUES ('delete', old.id, old.text, old.context, old.speaker, old.aliases, old.original);
END;
"""

# Collections as resources, what became of a statement, embeddings that are made later, requests that may be repeated.
_SECOND = """
ALTER TABLE record ADD COLUMN last_collection INTEGER NOT NULL DEFAULT 0;
UPDATE record SET last_collection = (SELECT coalesce(max(id), 0) FROM collections);

ALTER TABLE collections ADD COLUMN display_name TEXT NOT NULL DEFAULT '';
ALTER TABLE collections ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE collections ADD COLUMN create_time INTEGER NOT NULL DEFAULT 0;
ALTER TABLE collections ADD COLUMN update_time INTEGER NOT NULL DEFAULT 0;
ALTER TABLE collections ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE collections ADD COLUMN pending_count INTEGER NOT NULL DEFAULT 0;
UPDATE collections SET create_time = coalesce(
    (SELECT s.create_time FROM statements s WHERE s.collection_id = collections.id ORDER BY s.id LIMIT 1),
    CAST(strftime('%s', 'now') AS INTEGER) * 1000000
);
UPDATE collections SET update_time = create_time;

-- superseded_by: a statement_id of the same collection. update_time: NULL when it never changed.
ALTER TABLE statements ADD COLUMN state TEXT NOT NULL DEFAULT 'active';
ALTER TABLE statements ADD COLUMN superseded_by TEXT NOT NULL DEFAULT '';
ALTER TABLE statements ADD COLUMN state_time INTEGER;
ALTER TABLE statements ADD COLUMN update_time INTEGER;

-- Words of new statements are put in by what inserts them, many at once: a tenth faster than row by row.
DROP TRIGGER statement_words_in;
CREATE TRIGGER statement_words_new AFTER UPDATE OF text, context, speaker, aliases, original ON statements BEGIN
    INSERT INTO statement_words (statement_words, rowid, text, context, speaker, aliases, original)
    VALUES ('delete', old.id, old.text, old.context, old.speaker, old.aliases, old.original);
    INSERT INTO statement_words (rowid, text, context, speaker, aliases, original)
    VALUES (new.id, new.text, new.context, new.speaker, new.aliases, new.original);
END;

-- Statements without an embedding.
CREATE TABLE pending_embeddings (
    id INTEGER PRIMARY KEY REFERENCES statements (id) ON DELETE CASCADE
) STRICT;

-- What requests with an id have been answered. scope: the collection's name, or "collections". answer: what of it does
-- not follow from the request's body, which the fingerprint holds fast.
CREATE TABLE requests (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    scope TEXT NOT NULL,
    request_id TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    answer TEXT NOT NULL,
    create_time INTEGER NOT NULL,
    UNIQUE (scope, request_id)
) STRICT;
"""

MIGRATIONS: tuple[str, ...] = (_FIRST, _SECOND)

NOT_SQLITE = "not a SQLite file, so not a record; choose another file"
_ANOTHER_PROGRAM = "a SQLite file of another program, not a record; choose another file"

# https://www.sqlite.org/fileformat2.html: a header of 100 bytes, then the root of the table of tables.
_MAGIC = b"SQLite format 3\0"
_HEADER = struct.Struct(">60x I 4x I 28x B 2x H")  # user_version, application_id; kind of page, entries in it
_HEADER_BYTES = 100
_INNER_PAGE = 5  # has further pages below it, and so entries in them


def check_header(path: Path) -> None:
    """Refuse an existing file that is no record by its first bytes, without opening it as a database.

    Opening and locking leave files beside it. What only SQLite can tell is left to `check_identity`: an empty file, one
    cut short, one with a journal, where the truth about its first page may stand. Raises StoreUnusable, OSError.
    """
    if any(Path(f"{path}{end}").exists() for end in ("-wal", "-journal")):
        return
    with path.open("rb") as file:
        start = file.read(_HEADER.size)
    if not start:
        return
    if not start.startswith(_MAGIC) or len(start) < _HEADER_BYTES:
        raise StoreUnusable(f"{path}: {NOT_SQLITE}")
    if len(start) == _HEADER.size:
        version, application_id, page, entries = _HEADER.unpack(start)
        if application_id != APPLICATION_ID and (application_id or version or entries or page == _INNER_PAGE):
            raise StoreUnusable(f"{path}: {_ANOTHER_PROGRAM}")


def check_identity(connection: sqlite3.Connection, path: str) -> int:
    """The file's `user_version`; 0 for an empty one. Changes nothing.

    Raises StoreUnusable for a database of another program or from a newer version of this one.
    """
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application_id != APPLICATION_ID and (application_id or version or tables):
        raise StoreUnusable(f"{path}: {_ANOTHER_PROGRAM}")
    if version > len(MIGRATIONS):
        raise StoreUnusable(
            f"{path}: made by a newer version of onrecord (schema {version}, this one reads up to {len(MIGRATIONS)}); "
            "upgrade onrecord"
        )
    return int(version)


def migrate(connection: sqlite3.Connection, version: int, *, encoder_id: str, dimension: int) -> None:
    """Bring the schema from `version` to the present one, each step in a transaction of its own."""
    for step, script in enumerate(MIGRATIONS[version:], start=version):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in _statements(script):
                connection.execute(statement)
            if step == 0:
                connection.execute(
                    "INSERT INTO record VALUES (1, ?, ?, ?, 0)", (encoder_id, dimension, secrets.token_bytes(32))
                )
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {step + 1}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def take_encoder(connection: sqlite3.Connection, *, encoder_id: str, dimension: int) -> None:
    """Make a record that holds no statement one of this encoder, such as one that a failed start has left behind."""
    connection.execute(
        "UPDATE record SET encoder_id = ?1, dimension = ?2 "
        "WHERE (encoder_id, dimension) IS NOT (?1, ?2) AND NOT EXISTS (SELECT 1 FROM statements)",
        (encoder_id, dimension),
    )


def check_encoder(connection: sqlite3.Connection, path: str, *, encoder_id: str, dimension: int) -> None:
    """Raises StoreUnusable when the record's vectors come from another encoder: they cannot be compared with ours."""
    stored = connection.execute("SELECT encoder_id, dimension FROM record").fetchone()
    if stored is None:
        raise StoreUnusable(f"{path}: the file is damaged, its first row is gone; restore it from a backup")
    if stored != (encoder_id, dimension):
        raise StoreUnusable(
            f"{path}: made with the encoder {stored[0]} ({stored[1]} wide), not {encoder_id} ({dimension} wide); "
            "start with that encoder, or export the statements with it and import them into a new file"
        )


def _statements(script: str) -> list[str]:
    """Split a script into statements. (`executescript` would commit the transaction that they belong in.)"""
    found, pending = [], ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            found.append(pending)
            pending = ""
    return found

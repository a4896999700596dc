"""`onrecord statements update|retract|supersede|reinstate`, `collections …`, and imports that are resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import onrecord

Run = Callable[..., Any]
Spawn = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def stored(at_server: Run, collection: str) -> str:
    at_server(
        "statements", "add", "One million were displaced.", "--speaker", "UNHCR", "--relayed-by", "Xinhua",
        "--title", "A report", "--id", "one", "--collection", collection,
    )  # fmt: skip
    return collection


def test_named_fields_are_corrected_and_no_others(at_server: Run, stored: str) -> None:
    where = ("--collection", stored, "--json")
    before = at_server("statements", "get", "one", *where).json
    changed = at_server(
        "statements", "update", "one", "--text", "Two million were displaced.", "--clear", "relayed-by", "--alias",
        "High Commissioner", "--publisher", "Daily", "--etag", before["etag"], *where,
    ).json  # fmt: skip
    assert changed["text"] == "Two million were displaced."
    assert changed["speaker"] == {"name": "UNHCR", "aliases": ["High Commissioner"]}
    assert (changed["relayed_by"], changed["source"]["title"]) == ("", "A report")
    assert changed["source"]["publisher"] == "Daily"
    again = at_server("statements", "update", "one", "--text", "x", "--etag", before["etag"], *where)
    assert (again.status, again.err.count("\n")) == (1, 1)
    assert at_server("statements", "get", "one", *where).json == changed
    for wrong in ((), ("--clear", "title", "--title", "x"), ("--clear", "text")):
        assert at_server("statements", "update", "one", *wrong, *where).status == 2


def test_what_is_taken_back_is_not_heard(at_server: Run, stored: str) -> None:
    where = ("--collection", stored)
    claim = ("check", "One million were displaced.", *where, "--json")
    assert at_server(*claim).json["verdict"] == "SUPPORTED"
    done = at_server("statements", "retract", "one", "--since", "2022-01-01", *where, "--json")
    assert (done.json["state"], done.json["state_time"]) == ("RETRACTED", "2022-01-01T00:00:00Z")
    assert at_server(*claim).json["verdict"] == "NOT_ENOUGH_EVIDENCE"
    assert at_server(*claim, "--as-of", "2021-12-31").json["verdict"] == "SUPPORTED"
    assert "[retracted] One million" in at_server("statements", "list", *where).out
    assert "retracted since 2022-01-01" in at_server("statements", "get", "one", *where).out
    at_server("statements", "reinstate", "one", *where)
    assert at_server(*claim).json["verdict"] == "SUPPORTED"


def test_one_statement_takes_the_place_of_another(at_server: Run, stored: str) -> None:
    where = ("--collection", stored)
    done = at_server(
        "statements",
        "supersede",
        "one",
        "--text",
        "Two million were displaced.",
        "--speaker",
        "UNHCR",
        *where,
        "--json",
    )
    successor = done.json["successor"]["name"]
    assert done.json["statement"]["superseded_by"] == successor
    assert done.json["statement"]["state"] == "SUPERSEDED"
    at_server("statements", "add", "Three million were displaced.", "--id", "three", *where)
    line = at_server("statements", "supersede", successor, "--by", "three", *where).out
    assert line == f"{successor} is superseded by collections/{stored}/statements/three\n"
    for wrong in ((), ("--by", "three", "--text", "x"), ("--by", "three", "--speaker", "x")):
        assert at_server("statements", "supersede", "one", *wrong, *where).status == 2


def test_statements_are_deleted_only_as_they_were_read(at_server: Run, stored: str) -> None:
    done = at_server("statements", "delete", "one", "--etag", "another", "--collection", stored)
    assert (done.status, done.err.count("\n")) == (1, 1)
    assert at_server("statements", "delete", "one", "two", "--etag", "x", "--collection", stored).status == 2
    assert at_server("statements", "delete", "one", "--collection", stored).status == 0


def test_collections_from_creation_to_deletion(at_server: Run, collection: str) -> None:
    made = at_server("collections", "create", collection, "--display-name", "News of the day")
    assert made.out == f"collections/{collection}\n"
    assert at_server("collections", "create", collection).status == 1
    got = at_server("collections", "get", collection, "--json").json
    assert (got["display_name"], got["statement_count"]) == ("News of the day", 0)
    changed = at_server("collections", "update", collection, "--description", "What for", "--json").json
    assert (changed["display_name"], changed["description"]) == ("News of the day", "What for")
    assert at_server("collections", "update", collection, "--display-name", "", "--json").json["display_name"] == ""
    assert at_server("collections", "update", collection).status == 2
    at_server("statements", "add", "x", "--collection", collection)
    listed = at_server("collections", "list", "--limit", "0", "--json").jsons
    assert {one["name"]: one["statement_count"] for one in listed}[f"collections/{collection}"] == 1
    assert collection in at_server("collections", "list", "--limit", "0").out
    kept = at_server("collections", "delete", collection)
    assert (kept.status, "--force" in kept.err) == (1, True)
    done = at_server("collections", "delete", collection, "--force", "--json")
    assert done.json == {"deleted": collection, "deleted_statement_count": 1}
    assert at_server("collections", "get", collection).status == 1


def statements(path: Path, count: int) -> str:
    path.write_text(
        "".join(json.dumps({"text": f"Statement number {i}.", "speaker": "A"}) + "\n" for i in range(count))
    )
    return str(path)


def test_a_killed_import_is_resumed_and_nothing_stored_twice(
    at_server: Run, spawn: Spawn, client: onrecord.Client, server: str, collection: str, tmp_path: Path
) -> None:
    path = statements(tmp_path / "s.jsonl", 20_000)
    with open(path, "a") as stream:
        stream.write('{"text": ""}\nno json\n')
    command = ("statements", "import", path, "--collection", collection)
    process = spawn(*command, "--target", server, stderr=subprocess.PIPE, stdout=subprocess.PIPE)

    def there() -> int:
        try:
            return client.get_collection(collection).statement_count
        except onrecord.NotFound:
            return 0

    while there() < 1_000:
        assert process.poll() is None
    process.kill()
    process.communicate()
    assert there() < 20_000
    done = at_server(*command, "--resume", "--json")
    assert done.status == 2  # of the two bad lines
    assert (done.json["created_count"], done.json["failed_count"]) == (20_000, 2)
    assert [failure["line"] for failure in done.json["failures"]] == [20_001, 20_002]
    listed = [statement.text for statement in client.list_statements(collection)]
    assert listed == [f"Statement number {i}." for i in range(20_000)]
    again = at_server(*command, "--resume", "--json", "--ignore-bad")
    assert (again.status, again.json["finished_before"], again.json["created_count"]) == (0, True, 20_000)
    assert there() == 20_000


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_import_says_how_far_it_is(
    at_server: Run, spawn: Spawn, server: str, collection: str, tmp_path: Path, number: int, status: int
) -> None:
    path = statements(tmp_path / "s.jsonl", 200_000)  # seconds, of which the first is enough
    command = ("statements", "import", path, "--collection", collection)
    process = spawn(*command, "--target", server, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    folder = Path(os.environ["XDG_STATE_HOME"], "onrecord", "imports")
    while not any('"messages": 0' not in file.read_text() for file in folder.glob("*.json")):
        assert process.poll() is None
    process.send_signal(number)
    _, told = process.communicate(timeout=20)
    assert process.returncode == status
    assert told.decode().endswith(" are on the record; --resume goes on\n")
    with open(path, "a") as stream:
        stream.write('{"text": "One more."}\n')
    changed = at_server(*command, "--resume")
    assert (changed.status, changed.err.count("\n"), "has changed" in changed.err) == (2, 1, True)


def test_a_deferred_import_is_found_by_words_at_once(at_server: Run, collection: str, tmp_path: Path) -> None:
    path = statements(tmp_path / "s.jsonl", 700)
    done = at_server("statements", "import", path, "--collection", collection, "--defer-index", "--json")
    assert (done.status, done.json["created_count"]) == (0, 700)
    assert "pending_count" in done.json
    found = at_server("check", "Statement number 321.", "--collection", collection, "--json").json
    assert found["evidence"][0]["statement"]["text"] == "Statement number 321."
    assert at_server("statements", "import", "-", "--resume", "--collection", collection).status == 2
    otherwise = at_server("statements", "import", path, "--collection", collection, "--resume")
    assert (otherwise.status, otherwise.err.count("\n")) == (2, 1)
    assert "was begun with --defer-index; give the same again" in otherwise.err


def test_statements_are_narrowed_and_searched(at_server: Run, stored: str) -> None:
    where = ("--collection", stored)
    at_server(
        "statements", "add", "Two million were displaced.", "--speaker", "The Minister", "--label", "war", "--date",
        "2022-03-01", "--publisher", "Gazette", "--id", "two", *where,
    )  # fmt: skip

    def ids(*arguments: str) -> list[str]:
        listed = at_server("statements", "list", *arguments, *where, "--json").jsons
        return [one["name"].rpartition("/")[2] for one in listed]

    assert ids("--only-speaker", "unhcr") == ["one"]
    assert ids("--only-speaker", "UNHCR", "--only-speaker", "the minister") == ["one", "two"]
    for narrowed in (("--only-label", "WAR"), ("--only-publisher", "gazette"), ("--stated-from", "2022-03-01")):
        assert ids(*narrowed) == ["two"]
    assert ids("--stated-until", "2022-03-01") == []
    at_server("statements", "retract", "two", *where)
    assert ids("--only-state", "retracted") == ["two"]
    found = at_server("statements", "search", "million displaced", "--limit", "1", *where, "--json").json
    assert found.keys() == {"statement", "score", "similarity"}
    shown = at_server("statements", "search", "displaced", "--only-state", "active", *where)
    assert "One million" in shown.out
    assert "via Xinhua" in shown.out
    assert "Two million" not in shown.out
    nothing = at_server("statements", "search", "displaced", "--only-label", "peace", *where)
    assert (nothing.status, nothing.out, nothing.err.count("\n")) == (0, "", 1)


def test_a_check_looks_only_at_what_passes(at_server: Run, stored: str) -> None:
    claim, where = "One million were displaced.", ("--collection", stored)
    assert at_server("check", claim, "--only-speaker", "UNHCR", *where, "--json").json["verdict"] == "SUPPORTED"
    other = at_server("check", claim, "--only-speaker", "Somebody", *where, "--json").json
    assert other["reason"] == "NO_STATEMENTS_IN_SCOPE"
    line = json.dumps({"claim": claim}).encode()
    assert at_server("batch", "-", "--only-speaker", "Somebody", *where, stdin=line).json["reason"] == other["reason"]

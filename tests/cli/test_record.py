"""`onrecord ingest`, `statements …` and `info` against a real server."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from concurrent import futures
from pathlib import Path
from typing import Any

import pytest

import onrecord

Run = Callable[..., Any]
ARTICLE = "Vladimir Putin said that Russia respects China.\n\nXi Jinping said that China supports Russia.\n"


@pytest.fixture
def article(tmp_path: Path) -> str:
    path = tmp_path / "article.txt"
    path.write_text(ARTICLE)
    return str(path)


def test_ingest_then_list_then_check(at_server: Run, collection: str, article: str) -> None:
    where = ("--collection", collection)
    trial = at_server("ingest", article, "--dry-run", *where)
    assert trial.status == 0
    assert "nothing stored" in trial.out
    assert at_server("statements", "list", *where).out == ""
    done = at_server("ingest", article, "--publisher", "The Daily", "--date", "2021-08-29", *where, "--json")
    assert done.json["file"] == article
    assert done.json["publish_time"] == "2021-08-29T00:00:00Z"
    assert [s["speaker"]["name"] for s in done.json["statements"]] == ["Vladimir Putin", "Xi Jinping"]
    assert "on the record before" in at_server("ingest", article, *where).out
    listed = at_server("statements", "list", *where, "--json").jsons
    assert [s["text"] for s in listed] == [s["text"] for s in done.json["statements"]]
    assert at_server("check", "Russia respects China.", *where, "--json").json["verdict"] == "SUPPORTED"


def test_a_second_ingest_says_that_its_options_changed_nothing(at_server: Run, collection: str, article: str) -> None:
    first = ("ingest", article, "--collection", collection, "--publisher", "The Daily", "--date", "2021-08-29")
    assert at_server(*first).err == ""
    assert at_server(*first).err == ""  # asks for what is there
    done = at_server(*first[:4], "--publisher", "The Weekly", "--date", "2021-08-29", "--title", "A call")
    assert done.status == 0
    assert done.err == (
        f"onrecord: {article}: it is on the record already, and --publisher and --title changed nothing; "
        "its statements were left as they are: correct them with `onrecord statements update`, or delete them and "
        "ingest it anew\n"
    )


def test_a_document_from_stdin(at_server: Run, collection: str) -> None:
    done = at_server("ingest", "-", "--collection", collection, stdin=ARTICLE.encode())
    assert done.out.startswith("stdin  2 statements put on the record")


def test_all_files_are_readable_or_none_is_sent(at_server: Run, collection: str, article: str) -> None:
    done = at_server("ingest", article, "missing.txt", "--collection", collection)
    assert (done.status, done.err) == (2, "onrecord: missing.txt: No such file or directory\n")
    assert at_server("statements", "list", "--collection", collection, "--json").out == ""


@pytest.mark.parametrize("date", ["yesterday", "2021-13-01", "2021-08-29T10:00"])
def test_a_date_that_is_none(at_server: Run, article: str, date: str) -> None:
    done = at_server("ingest", article, "--date", date)
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert repr(date) in done.err


def test_a_statement_is_added_shown_and_deleted(at_server: Run, collection: str) -> None:
    where = ("--collection", collection)
    added = at_server(
        "statements", "add", "China respects Afghanistan.", "--speaker", "Xi Jinping", "--alias", "Xi", "--stance",
        "denied", "--date", "2021-08-29", "--label", "asia", "--relayed-by", "People's Daily", "--id", "one", *where,
    )  # fmt: skip
    assert added.out == f"collections/{collection}/statements/one\n"
    shown = at_server("statements", "get", "one", *where)
    assert "Xi Jinping" in shown.out
    assert "denied" in shown.out
    got = at_server("statements", "get", added.out.strip(), "--json").json
    assert (got["stance"], got["stated_time"], got["labels"]) == ("DENIED", "2021-08-29T00:00:00Z", ["asia"])
    again = at_server("statements", "add", "x", "--id", "one", *where)
    assert (again.status, "the name is taken" in again.err) == (1, True)
    assert at_server("statements", "delete", "one", *where, "--json").json == {"deleted": added.out.strip()}
    gone = at_server("statements", "get", "one", *where)
    assert (gone.status, gone.err.count("\n")) == (1, 1)
    assert f"collections/{collection}/statements/one" in gone.err


def test_a_long_listing_is_cut_and_says_so(at_server: Run, client: onrecord.Client, collection: str) -> None:
    client.import_statements((f"Statement number {i}." for i in range(60)), collection=collection)
    done = at_server("statements", "list", "--collection", collection)
    assert done.out.count("Statement number") == 50
    assert done.err == "onrecord: 50 of 60 statements; --limit 0 shows all\n"
    assert at_server("statements", "list", "--collection", collection, "--limit", "0").out.count("number") == 60


def test_export_and_import_carry_everything(
    at_server: Run, client: onrecord.Client, collection: str, article: str, tmp_path: Path
) -> None:
    at_server("ingest", article, "--publisher", "The Daily", "--collection", collection)
    out = tmp_path / "export.jsonl"
    done = at_server("statements", "export", "--collection", collection, "-o", str(out))
    assert done.status == 0
    assert stat.S_IMODE(out.stat().st_mode) == 0o666 & ~_umask()
    copy = f"{collection}-copy"
    taken = at_server("statements", "import", str(out), "--collection", copy, "--json")
    assert taken.json == {
        "file": str(out), "created_count": 2, "failed_count": 0, "failures": [], "pending_count": 0,
        "finished_before": False,
    }  # fmt: skip

    def essence(statement: onrecord.Statement) -> tuple[object, ...]:
        return (statement.name.rpartition("/")[2], statement.text, statement.speaker, statement.source)

    before, after = (list(map(essence, client.list_statements(name))) for name in (collection, copy))
    assert after == before
    # a second import meets the names of the first, unless the server is to choose new ones
    again = at_server("statements", "import", str(out), "--collection", copy)
    assert again.status == 2
    assert again.err.count("the name is taken") == 2
    assert at_server("statements", "import", str(out), "--collection", copy, "--new-names").status == 0
    piped = at_server("statements", "export", "--collection", collection)
    assert piped.out == out.read_text()


def test_bad_lines_in_the_middle_of_an_import(
    at_server: Run, client: onrecord.Client, collection: str, tmp_path: Path
) -> None:
    path = tmp_path / "s.jsonl"
    lines = [json.dumps({"text": f"Statement number {i}.", "speaker": "Xi"}).encode() for i in range(1_100)]
    lines[600] = b'{"text": "cut'
    lines[700] = b'{"text": "caf\xe9"}'
    lines[1_050] = b'{"text": ""}'
    path.write_bytes(b"\n".join(lines))
    done = at_server("statements", "import", str(path), "--collection", collection)
    assert done.status == 2
    assert done.out == f"{path}: 1,097 statements put on the record, 3 lines passed over\n"
    told = done.err.splitlines()
    assert [line.partition(": line ")[2].partition(":")[0] for line in told] == ["601", "701", "1051"]
    texts = [statement.text for statement in client.list_statements(collection)]
    assert len(texts) == 1_097
    assert texts[-1] == "Statement number 1099."


def test_ids_of_lines_become_names_or_are_reported(
    at_server: Run, client: onrecord.Client, collection: str, tmp_path: Path
) -> None:
    """An id that were silently replaced would put its statement on the record again with every import."""
    path = tmp_path / "s.jsonl"
    lines = [
        {"id": "good-one", "text": "One."}, {"id": 17, "text": "Two."}, {"id": None, "text": "Three."},
        {"id": "Not an id!", "text": "Four."}, {"id": "x" * 500, "text": "Five."}, {"id": True, "text": "Six."},
        {"id": [1], "text": "Seven."}, {"id": "other", "name": "mine", "text": "Eight."},
    ]  # fmt: skip
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    where = ("--collection", collection)
    done = at_server("statements", "import", str(path), *where, "--json")
    assert [failure["line"] for failure in done.json["failures"]] == [4, 5, 6, 7]
    assert "line 4: the id 'Not an id!' cannot be one" in done.err
    assert "line 7: the id that is a list cannot be one" in done.err
    assert max(map(len, done.err.splitlines())) < 300
    assert done.err.splitlines()[-1].endswith("not read: id")  # the last line's, which has a name, too
    ids = [statement.name.rpartition("/")[2] for statement in client.list_statements(collection)]
    assert ids[:2] == ["good-one", "17"]
    assert (len(ids), ids[3]) == (4, "mine")
    path.write_text(json.dumps(lines[0]))
    assert "not read" not in at_server("statements", "import", str(path), "--collection", f"{collection}-b").err
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    again = at_server("statements", "import", str(path), *where, "--new-names")
    assert (again.status, again.err) == (0, "")


def test_json_of_an_import_says_which_lines_failed_and_why(at_server: Run, collection: str, tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_text('{"text": "One.", "id": "one"}\n{"text": ""}\n\n{"txt": 1}\n{"text": "One again.", "id": "one"}\n')
    done = at_server("statements", "import", str(path), "--collection", collection, "--json")
    assert (done.json["created_count"], done.json["failed_count"]) == (1, 3)
    assert [(failure["line"], failure["reason"]) for failure in done.json["failures"]] == [
        (2, "INVALID_FIELDS"), (4, "BAD_LINE"), (5, "STATEMENT_EXISTS"),
    ]  # fmt: skip
    assert done.json["failures"][0]["violations"][0]["field"] == "text"
    assert done.json["failures"][0]["message"] in done.err


def test_an_export_that_fails_leaves_the_file_as_it_was(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "export.jsonl"
    out.write_text("of before\n")
    assert run("statements", "export", "-o", str(out), "--target", "127.0.0.1:1").status == 1
    assert out.read_text() == "of before\n"
    assert os.listdir(tmp_path) == ["export.jsonl"]
    done = run("statements", "export", "-o", str(tmp_path / "no" / "x"), "--target", "127.0.0.1:1")
    assert (done.status, done.err) == (2, f"onrecord: {tmp_path / 'no' / 'x'}: No such file or directory\n")


def test_an_export_writes_through_links_and_into_pipes(
    at_server: Run, client: onrecord.Client, collection: str, tmp_path: Path
) -> None:
    client.add_statement("China respects Afghanistan.", collection=collection)
    link, real = tmp_path / "link", tmp_path / "real.jsonl"
    link.symlink_to(real)
    at_server("statements", "export", "--collection", collection, "-o", str(link))
    assert link.is_symlink()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with futures.ThreadPoolExecutor(1) as pool:
        reading = pool.submit(pipe.read_text)
        at_server("statements", "export", "--collection", collection, "-o", str(pipe))
        assert reading.result(10) == real.read_text()
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_info(at_server: Run, server: str) -> None:
    done = at_server("info")
    assert f"at {server}" in done.out
    assert "FAKE" in done.out
    info = at_server("info", "--json").json
    assert info["model"]["fake"] is True
    assert {"name": "batch_claims", "value": 256, "unit": "items", "error_reason": "TOO_MANY_CLAIMS"} in info["limits"]


def test_help_and_version(run: Run) -> None:
    for arguments in (["-h"], ["--help"], ["check", "-h"], ["statements", "import", "--help"], ["serve", "--help"]):
        done = run(*arguments)
        assert (done.status, done.err) == (0, "")
        assert done.out.startswith("Usage: onrecord")
    assert run("--version").out == f"onrecord {onrecord.__version__}\n"
    assert run().status == 2


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

"""`onrecord batch`: every line comes out, in order, whatever is wrong with some."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import onrecord

Run = Callable[..., Any]
Spawn = Callable[..., subprocess.Popen[bytes]]
FAKE = ("--model", "fake", "--encoder", "fake")
STATEMENT = "Russia opposes interference in the affairs of China."


@pytest.fixture
def stored(client: onrecord.Client, collection: str) -> str:
    client.add_statement(STATEMENT, speaker="Vladimir Putin", collection=collection)
    return collection


def write(path: Path, *lines: bytes | dict[str, Any]) -> str:
    path.write_bytes(
        b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines)
    )
    return str(path)


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_every_line_comes_out_with_its_result_or_its_error(at_server: Run, stored: str, tmp_path: Path) -> None:
    claims = write(
        tmp_path / "claims.jsonl",
        b'\xef\xbb\xbf{"claim": "' + STATEMENT.encode() + b'", "label": "kept", "n": 1}',
        b'{"claim": ',
        b"",
        {"nope": 1},
        {"claim": 7},
        {"claim": "x", "speaker": 5},
        b'{"claim": "a\\ud800"}',
        {"claim": "", "speaker": "Putin"},
        b'{"claim": "caf\xe9"}',
        b"[" * 100_000,
        {"claim": STATEMENT, "speaker": "Putin"},
    )
    out = tmp_path / "out.jsonl"
    done = at_server("batch", claims, "-o", str(out), "--collection", stored)
    assert (done.status, done.out) == (2, "")
    written = read(out)
    assert len(written) == 10
    assert written[0]["label"] == "kept"
    assert written[0]["verdict"] == written[-1]["verdict"] == "SUPPORTED"
    assert [line["error"]["line"] for line in written[1:-1]] == [2, 4, 5, 6, 7, 8, 9, 10]
    assert written[1]["input"] == '{"claim":'
    assert written[2]["nope"] == 1
    assert written[6]["speaker"] == "Putin"
    assert "\\xe9" in written[7]["input"]
    assert [line["error"]["reason"] for line in written[1:-1]] == [
        *["BAD_LINE"] * 4, "INVALID_FIELDS", "INVALID_FIELDS", *["BAD_LINE"] * 2
    ]  # fmt: skip
    assert [v["reason"] for v in written[5]["error"]["violations"]] == ["NOT_UNICODE"]  # the server's word for it
    told = done.err.splitlines()
    assert len([line for line in told if line.endswith("passed over") and ": line " in line]) == 8
    assert any(": line 8: claim: is empty" in line for line in told)
    assert told[-1].endswith("2 claims checked (2 supported), 8 lines passed over")


def test_files_and_a_server_give_the_same(run: Run, at_server: Run, stored: str, tmp_path: Path) -> None:
    statements = write(tmp_path / "s.jsonl", {"text": STATEMENT, "speaker": "Vladimir Putin"})
    claims = write(tmp_path / "c.jsonl", *({"claim": f"{STATEMENT} {i}"} for i in range(70)), {"claim": ""})

    def settled(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{key: line.get(key) for key in ("claim", "verdict", "reason", "confidence", "error")} for line in lines]

    asked = at_server("batch", claims, "--collection", stored)
    local = run("batch", claims, "--against", statements, *FAKE)
    assert settled(local.jsons) == settled(asked.jsons)
    assert [line["claim"] for line in local.jsons[:70]] == [f"{STATEMENT} {i}" for i in range(70)]


def test_an_output_can_be_checked_again(at_server: Run, stored: str, tmp_path: Path) -> None:
    claims = write(tmp_path / "c.jsonl", {"claim": STATEMENT, "evidence": "my own"}, {"claim": ""})
    first, second = tmp_path / "1.jsonl", tmp_path / "2.jsonl"
    at_server("batch", claims, "-o", str(first), "--collection", stored)
    at_server("batch", str(first), "-o", str(second), "--collection", stored)
    assert [line.keys() for line in read(second)] == [line.keys() for line in read(first)]


def test_what_the_output_sets_does_not_hide_what_the_input_has(at_server: Run, stored: str, tmp_path: Path) -> None:
    own = {"verdict": "CONTRADICTED", "error": "none", "input_error": 1, "provenance": "a thesis"}
    claims = write(tmp_path / "c.jsonl", {"claim": STATEMENT, **own}, {"claim": "", **own})
    out = tmp_path / "out.jsonl"
    at_server("batch", claims, "-o", str(out), "--collection", stored)
    checked, refused = read(out)
    assert (checked["verdict"], "error" in checked, refused["error"]["line"]) == ("SUPPORTED", False, 2)
    assert "verdict" not in refused
    for line in (checked, refused):
        assert line["input_verdict"] == "CONTRADICTED"
        assert line["input_provenance"] == "a thesis"
        assert (line["input_error"], line["input_input_error"]) == (1, "none")


def test_help_names_every_key_that_the_output_sets(run: Run) -> None:
    told = run("batch", "--help").out
    result = {field.name for field in dataclasses.fields(onrecord.CheckResult)}
    assert {key for key in (*result, "input_verdict", "error", "BAD_LINE") if key not in told} == set()


def test_json_summary(at_server: Run, stored: str, tmp_path: Path) -> None:
    claims = write(tmp_path / "c.jsonl", {"claim": STATEMENT}, {"claim": "Bananas are yellow."}, b"x")
    out = str(tmp_path / "out.jsonl")
    done = at_server("batch", claims, "-o", out, "--json", "--collection", stored, "--fail-on", "supported")
    assert done.status == 3
    assert done.json == {
        "file": out,
        "checked_count": 2,
        "failed_count": 1,
        "verdicts": {"SUPPORTED": 1, "NOT_ENOUGH_EVIDENCE": 1},
    }


@pytest.mark.parametrize("most", [0, 1])
def test_as_much_evidence_as_asked_for(at_server: Run, client: onrecord.Client, stored: str, most: int) -> None:
    client.add_statement(f"{STATEMENT} It said so.", collection=stored)
    line = json.dumps({"claim": STATEMENT}).encode()
    done = at_server("batch", "-", "--collection", stored, "--max-evidence", str(most), stdin=line)
    assert len(done.json["evidence"]) == most


def test_stdin_to_stdout(at_server: Run, stored: str) -> None:
    done = at_server("batch", "-", "--collection", stored, stdin=json.dumps({"claim": STATEMENT}).encode())
    assert done.jsons[0]["verdict"] == "SUPPORTED"


def test_nothing_that_can_be_checked_is_unusable_input(at_server: Run, tmp_path: Path) -> None:
    done = at_server("batch", write(tmp_path / "c.jsonl", b"not", b"json"))
    assert done.status == 2
    assert done.err.splitlines()[-1].endswith("no line could be checked")


def test_its_input_is_never_overwritten(at_server: Run, tmp_path: Path) -> None:
    claims = write(tmp_path / "c.jsonl", {"claim": "x"})
    link = tmp_path / "link.jsonl"
    link.symlink_to(claims)
    before = Path(claims).read_bytes()
    for arguments in (["-o", claims], ["-o", str(link)], ["-o", str(link), "--against", claims]):
        done = at_server("batch", claims, *arguments)
        assert done.status == 2
        assert "read by this command" in done.err
    assert Path(claims).read_bytes() == before


def test_work_that_never_begins_leaves_the_output_as_it_was(run: Run, tmp_path: Path) -> None:
    claims = write(tmp_path / "c.jsonl", {"claim": "x"})
    old, new = tmp_path / "old.jsonl", tmp_path / "new.jsonl"
    old.write_text("results of before\n")
    for out in (old, new):
        assert run("batch", claims, "-o", str(out), "--target", "127.0.0.1:1").status == 1
    assert old.read_text() == "results of before\n"
    assert not new.exists()
    done = run("batch", claims, "-o", str(tmp_path / "no" / "out.jsonl"), "--target", "127.0.0.1:1")
    assert (done.status, "No such file or directory" in done.err) == (2, True)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs the device that is always full")
def test_a_full_disk(at_server: Run, stored: str, tmp_path: Path) -> None:
    claims = write(tmp_path / "c.jsonl", {"claim": STATEMENT})
    done = at_server("batch", claims, "-o", "/dev/full", "--collection", stored)
    assert (done.status, done.err.count("\n")) == (1, 1)
    assert done.err.startswith("onrecord: /dev/full: No space left on device")


def test_a_missing_file(run: Run) -> None:
    done = run("batch", "missing.jsonl")
    assert (done.status, done.err) == (2, "onrecord: missing.jsonl: No such file or directory\n")


ENDINGS = [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]


@pytest.mark.parametrize(("number", "status", "word"), ENDINGS, ids=["SIGINT", "SIGTERM"])
def test_an_interrupt_keeps_what_is_done(
    spawn: Spawn, server: str, stored: str, tmp_path: Path, number: int, status: int, word: str
) -> None:
    out = tmp_path / "out.jsonl"
    process = spawn(
        "batch", "-", "-o", str(out), "--target", server, "--collection", stored,
        stdin=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin
    assert process.stderr
    # all of them are answered: the command then waits for its input
    process.stdin.write(b"".join(json.dumps({"claim": f"{STATEMENT} {i}"}).encode() + b"\n" for i in range(40)))
    process.stdin.flush()
    while not out.exists() or out.read_bytes().count(b"\n") < 32:
        assert process.poll() is None
        time.sleep(0.02)  # another process: there is nothing to wait on but its file
    process.send_signal(number)
    _, told = process.communicate(timeout=20)
    assert process.returncode == status
    done = read(out)
    assert told.decode() == f"onrecord: {word}; {len(done)} lines are done and in {out}; --resume goes on\n"
    assert [line["claim"] for line in done] == [f"{STATEMENT} {i}" for i in range(len(done))]


@pytest.mark.parametrize(("number", "status", "word"), ENDINGS, ids=["SIGINT", "SIGTERM"])
def test_an_interrupt_in_one_process_keeps_what_is_done(
    spawn: Spawn, tmp_path: Path, number: int, status: int, word: str
) -> None:
    claims = write(tmp_path / "c.jsonl", *({"claim": f"{STATEMENT} {i}"} for i in range(200_000)))
    (tmp_path / "said.txt").write_text(f"Jane Roe said that {STATEMENT}")
    out = tmp_path / "out.jsonl"
    command = ("batch", claims, "-o", str(out), "--against", str(tmp_path / "said.txt"), *FAKE)
    process = spawn(*command, stderr=subprocess.PIPE)
    while not out.exists() or out.read_bytes().count(b"\n") < 100:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    _, told = process.communicate(timeout=30)
    assert process.returncode == status
    assert told.decode() == f"onrecord: {word}; {len(read(out))} lines are done and in {out}; --resume goes on\n"


def test_a_reader_that_leaves_is_no_error(spawn: Spawn, server: str, stored: str, tmp_path: Path) -> None:
    claims = write(tmp_path / "c.jsonl", *({"claim": f"{STATEMENT} {i}"} for i in range(100)))
    reading, writing = os.pipe()
    os.close(reading)
    process = spawn("batch", claims, "--target", server, "--collection", stored, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    _, error = process.communicate(timeout=30)
    assert (process.returncode, error) == (0, b"")


def test_progress_is_shown_on_a_terminal_only(spawn: Spawn, server: str, stored: str, tmp_path: Path) -> None:
    claims = write(tmp_path / "c.jsonl", *({"claim": f"{STATEMENT} {i}"} for i in range(300)), b"bad")
    out = tmp_path / "out.jsonl"
    controller, terminal = os.openpty()
    process = spawn("batch", claims, "-o", str(out), "--target", server, "--collection", stored, stderr=terminal)
    os.close(terminal)
    shown = b""
    while True:
        try:
            part = os.read(controller, 4096)
        except OSError:  # the other side has closed
            break
        if not part:
            break
        shown += part
    assert process.wait(20) == 2
    os.close(controller)
    assert b"checking" in shown
    assert b"claims/s" in shown
    assert b"line 301: not JSON" in shown
    assert len(read(out)) == 301


def test_a_line_may_be_as_of_a_moment_of_its_own(run: Run, tmp_path: Path) -> None:
    said = write(tmp_path / "said.jsonl", {"text": STATEMENT, "stated_time": "2021-08-29"})
    claims = write(
        tmp_path / "claims.jsonl",
        {"claim": STATEMENT, "as_of": "2021-08-29"},
        {"claim": STATEMENT},
        {"claim": STATEMENT, "as_of": "yesterday"},
    )
    done = run("batch", claims, "--against", said, *FAKE, "--as-of", "2020-01-01")
    first, second, third = (json.loads(line) for line in done.out.splitlines())
    assert (first["verdict"], first["provenance"]["as_of"]) == ("SUPPORTED", "2021-08-29T23:59:59.999999Z")
    assert (second["reason"], second["provenance"]["as_of"]) == ("NOT_VALID_THEN", "2020-01-01T23:59:59.999999Z")
    assert third["error"]["reason"] == "BAD_LINE"

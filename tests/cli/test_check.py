"""`onrecord check`: what people and programs get, against a server and against files."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import onrecord

Run = Callable[..., Any]
FAKE = ("--model", "fake", "--encoder", "fake")
STATEMENT = "Russia opposes interference in the affairs of China."


@pytest.fixture
def statements(tmp_path: Path) -> str:
    path = tmp_path / "statements.jsonl"
    lines = [{"id": "one", "text": STATEMENT, "speaker": "Vladimir Putin"}, {"text": "The moon is made of rock."}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(path)


@pytest.fixture
def stored(client: onrecord.Client, collection: str) -> str:
    """A collection with the same statements as the file."""
    name = f"collections/{collection}/statements/one"
    client.add_statement(onrecord.Statement(STATEMENT, name=name), speaker="Vladimir Putin", collection=collection)
    client.add_statement("The moon is made of rock.", collection=collection)
    return collection


def test_the_verdict_comes_first_then_who_said_what(at_server: Run, stored: str) -> None:
    done = at_server("check", STATEMENT, "--collection", stored)
    assert done.status == 0
    lines = done.out.splitlines()
    assert lines[0].startswith("SUPPORTED  confidence 0.")
    assert any(line.startswith("supports") and "Vladimir Putin" in line for line in lines)
    assert f"“{STATEMENT}”" in done.out
    assert "\x1b" not in done.out  # no colours where nobody sees them
    assert done.err == ""


def test_json_is_one_object_with_the_contracts_names(at_server: Run, stored: str) -> None:
    result = at_server("check", STATEMENT, "--collection", stored, "--json", "--max-evidence", "1").json
    assert result["verdict"] == "SUPPORTED"
    assert result["reason"] is None
    assert len(result["evidence"]) == 1
    assert result["evidence"][0]["relation"] == "SUPPORTS"
    assert result["evidence"][0]["statement"]["speaker"]["name"] == "Vladimir Putin"
    assert result["evidence"][0]["statement"]["name"] == f"collections/{stored}/statements/one"


def test_files_and_a_server_give_the_same(at_server: Run, run: Run, stored: str, statements: str) -> None:
    def settled(result: dict[str, Any]) -> dict[str, Any]:
        """Without what differs by nature: times, and the revision and names of another record."""
        result.pop("timings")
        for key in ("store_revision", "as_of", "check_time", "record_id", "collection"):
            result["provenance"].pop(key)
        for evidence in result["evidence"]:
            for key in ("name", "create_time", "update_time", "etag"):
                evidence["statement"].pop(key)
        return result

    asked = at_server("check", STATEMENT, "--collection", stored, "--json")
    local = run("check", STATEMENT, "--against", statements, *FAKE, "--json")
    assert local.err == ""
    assert settled(local.json) == settled(asked.json)


def test_a_document_is_read_into_statements(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "article.txt"
    path.write_bytes("\N{ZERO WIDTH NO-BREAK SPACE}Putin said that Russia respects China.\r\n".encode())
    result = run("check", "Russia respects China.", "--against", str(path), *FAKE, "--json").json
    assert result["evidence"][0]["statement"]["speaker"]["name"] == "Putin"


def test_bad_lines_of_a_file_are_reported_and_passed_over(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_bytes(
        b'\xef\xbb\xbf{"text": "Russia respects China."}\n{"text": \n\n["x"]\n{"text": "caf\xe9"}\n{"text": 5}\n'
        b'{"text": "a\\ud800"}\n{"text": ""}\n{"text": "x", "color": "red"}\n{"txt": "x"}\n{"text": NaN}\n'
    )
    done = run("check", "Russia respects China.", "--against", str(path), *FAKE, "--json")
    assert done.status == 0
    assert done.json["verdict"] == "SUPPORTED"
    told = done.err.splitlines()
    assert [line.split(": ")[2] for line in told if ": line " in line] == [
        *(f"line {number}" for number in (2, 4, 5, 10, 11)),
        *(f"line {number}" for number in (6, 7, 8)),
    ]
    assert all(line.startswith(f"onrecord: {path}: ") for line in told)
    assert "not UTF-8 at byte 13" in done.err
    assert "not read: color" in told[-1]


def test_the_same_fault_on_many_lines_is_reported_five_times_and_counted(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "claims.jsonl"
    path.write_text('{"claim": "x"}\n' * 43 + '{"text": 5}\n')
    done = run("check", "x", "--against", str(path), *FAKE)
    assert done.status == 2
    assert done.err.splitlines() == [
        *(f'onrecord: {path}: line {number}: no "text"; passed over' for number in range(1, 6)),
        f"onrecord: {path}: line 44: text: needs a string, not a number; passed over",
        f'onrecord: {path}: and 38 more lines: no "text"; passed over',
        f"onrecord: {path}: no statement in it",
    ]


def test_any_id_will_do_for_a_record_that_is_not_kept(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_text(json.dumps({"id": "Doc_1", "text": STATEMENT}))
    done = run("check", STATEMENT, "--against", str(path), *FAKE, "--json")
    assert (done.status, done.json["verdict"]) == (0, "SUPPORTED")
    assert done.err == f"onrecord: {path}: keys that are not part of a statement were not read: id\n"


def test_a_claim_from_stdin(run: Run, statements: str) -> None:
    done = run("check", "-", "--against", statements, *FAKE, "--json", stdin=f"{STATEMENT}\n".encode())
    assert done.json["attribution"]["content"].startswith("Russia opposes")


@pytest.mark.parametrize(
    ("verdicts", "status"), [("supported", 3), ("contradicted,conflicting", 0), ("Not-Enough-Evidence, SUPPORTED", 3)]
)
def test_fail_on(run: Run, statements: str, verdicts: str, status: int) -> None:
    assert run("check", STATEMENT, "--against", statements, *FAKE, "--fail-on", verdicts).status == status


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check"], "missing argument 'CLAIM'"),
        (["check", "x", "--nope"], "no such option"),
        (["check", "x", "--fail-on", "wrong"], "'WRONG' is no verdict"),
        (["check", "x", "--max-evidence", "99"], "'--max-evidence'"),
        (["check", "x", "--target", "a:1", "--against", "f"], "give --target or --against, not both"),
        (["check", "x", "--against", "missing.txt"], "missing.txt: No such file or directory"),
        (["check", "x", "--against", "missing.jsonl"], "missing.jsonl: No such file or directory"),
        (["check", "x", "--against", "."], ".: Is a directory"),
        (["check", "x", "--against", "a\0b"], "null"),
        (["chekc", "x"], "no such command 'chekc'"),
    ],
)
def test_wrong_use_is_one_line_and_status_2(run: Run, arguments: list[str], said: str) -> None:
    done = run(*arguments)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("onrecord: ")
    assert said in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"one\ncaf\xe9\n", "not UTF-8 at byte 7 (line 2)"),
        (b"\xff\xfeo\0n\0e\0", "UTF-16, not UTF-8, at byte 0"),
        (b"", "is empty"),
        (b"a\0b", "control character"),
    ],
)
def test_a_document_that_cannot_be_read(run: Run, tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "article.txt"
    path.write_bytes(data)
    done = run("check", "x", "--against", str(path), *FAKE)
    assert (done.status, done.out) == (2, "")
    assert f"{path}: " in done.err
    assert said in done.err
    assert done.err.count("\n") == 1


def test_a_claim_that_the_server_refuses(at_server: Run) -> None:
    for claim, said in (("", "claim.text"), ("x" * 2_001, "has 2,001 code points"), ("a\x00b", "claim.text")):
        done = at_server("check", claim)
        assert (done.status, done.err.count("\n")) == (2, 1)
        assert said in done.err


def test_an_argument_that_is_not_utf8(at_server: Run) -> None:
    done = at_server("check", "caf\udce9")  # as Python hands over the byte E9
    assert done.status == 2
    assert "claim.text: holds a lone surrogate" in done.err


def test_no_server(run: Run) -> None:
    done = run("check", "x", "--target", "127.0.0.1:1")
    assert (done.status, done.out) == (1, "")
    assert done.err == (
        "onrecord: no server at 127.0.0.1:1, or it just stopped; start one with `onrecord serve`, or give another "
        "address\n"
    )


def test_a_host_that_does_not_exist(run: Run) -> None:
    done = run("check", "x", "--target", "nowhere.invalid:1", "--timeout", "20")
    assert done.status == 1
    assert "nowhere.invalid:1: no such host" in done.err


def test_a_deadline_that_cannot_be_met(at_server: Run) -> None:
    done = at_server("check", "x", "--timeout", "0.000001")
    assert done.status == 1
    # who notices first says so: the client, or a server that got the call after all
    assert "within 1e-06 s" in done.err or "deadline" in done.err


@pytest.mark.model
def test_a_model_that_cannot_be_loaded(run: Run, statements: str, tmp_path: Path) -> None:
    done = run("check", "x", "--against", statements, "--model", str(tmp_path), "--encoder", "fake")
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith("onrecord: ")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("width", [40, 80, 120])
def test_lines_fit_the_terminal(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    path = tmp_path / "s.jsonl"
    text = "Russia \x1b[31mrespects 中国 " * 20 + "[bold]not markup[/bold]"
    path.write_text(json.dumps({"text": text.replace("\x1b", ""), "speaker": "P" * 60}))
    done = run("check", "Russia respects China.", "--against", str(path), *FAKE)
    assert done.status == 0
    assert "[bold]not markup[/bold]" in " ".join(done.out.split())
    assert max(len(line) for line in done.out.splitlines()) <= width


@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colours_are_for_terminals_and_can_be_switched_off(
    spawn: Callable[..., Any], server: str, stored: str, variables: dict[str, str], coloured: bool
) -> None:
    controller, terminal = os.openpty()
    variables = {"TERM": "xterm-256color", **variables}
    process = spawn(
        "check", STATEMENT, "--target", server, "--collection", stored, variables=variables, stdout=terminal
    )
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
    assert process.wait(20) == 0
    os.close(controller)
    assert b"SUPPORTED" in shown
    assert (b"\x1b[1;32m" in shown) is coloured


PARTED = "Russia opposes interference in the affairs of China and the moon is made of rock."


def test_the_parts_of_a_compound_claim_are_shown(at_server: Run, stored: str) -> None:
    done = at_server("check", PARTED, "--collection", stored)
    assert done.out.startswith("SUPPORTED")
    parts = [line.split() for line in done.out.splitlines() if line.startswith("part ")]
    assert [(line[1], line[2]) for line in parts] == [("1", "supported"), ("2", "supported")]
    result = at_server("check", PARTED, "--collection", stored, "--json").json
    assert [part["text"] for part in result["parts"]] == [STATEMENT, "The moon is made of rock."]
    first = result["parts"][0]
    assert PARTED[first["span"]["start"] : first["span"]["end"]] == STATEMENT.removesuffix(".")
    assert [result["evidence"][place]["part"] for place in first["deciding"]] == [1]


def test_a_date_is_the_record_at_the_end_of_that_day(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "dated.jsonl"
    path.write_text(json.dumps({"text": STATEMENT, "stated_time": "2021-08-29T15:00:00Z"}))

    def as_of(date: str) -> tuple[str, str]:
        result = run("check", STATEMENT, "--against", str(path), *FAKE, "--json", "--as-of", date).json
        return result["verdict"], result["reason"]

    assert as_of("2021-08-29") == ("SUPPORTED", None)
    assert as_of("2021-08-28") == ("NOT_ENOUGH_EVIDENCE", "NOT_VALID_THEN")
    assert as_of("2021-08-29T14:00:00Z") == ("NOT_ENOUGH_EVIDENCE", "NOT_VALID_THEN")


def test_parts_of_the_rule_can_be_left_out_in_process(run: Run, statements: str) -> None:
    result = run("check", PARTED, "--against", statements, *FAKE, "--json", "--without", "compounds").json
    assert result["provenance"]["switched_off"] == ["compounds"]
    assert result["parts"] == []
    unknown = run("check", PARTED, "--against", statements, *FAKE, "--without", "moon_guard")
    assert unknown.status == 2
    assert "moon_guard is no part of the rule" in unknown.err
    assert run("check", PARTED, "--without", "compounds").status == 2  # a server has its own

"""What a newcomer meets: files of another kind, names that are taken, commands that are spelled otherwise."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

import onrecord
from onrecord.cli import cli
from onrecord.cli._main import COMMANDS
from onrecord.testing import FakeServer

Run = Callable[..., Any]
FAKE = ("--model", "fake", "--encoder", "fake")
NOWHERE = ("--target", "127.0.0.1:1")
STATEMENT = "Russia opposes interference in the affairs of China."


@pytest.mark.parametrize(
    ("name", "holds", "said"),
    [
        ("claims.xlsx", "PK", "a spreadsheet; save it as CSV"),
        ("claims.tsv", "claim\tspeaker\n", "tab-separated; save it as CSV"),
        ("claims.txt", "Russia does.\n", "say with --format what it holds"),
        ("claims.json", '[{"claim": "x"},\n {"claim": "y"}]', "jq -c '.[]'"),
        ("claims.jsonl", '[\n {"claim": "y"}\n]', "one JSON array"),
        ("claims.json", '{\n "claim": "y"\n}', "jq -c ."),
        ("claims.csv", "claim;speaker\nx;y\n", "parted by semicolons"),
        ("claims.csv", "claim\tspeaker\nx\ty\n", "parted by tabs"),
    ],
)
def test_files_of_another_kind(run: Run, tmp_path: Path, name: str, holds: str, said: str) -> None:
    path = tmp_path / name
    path.write_text(holds)
    done = run("batch", str(path), *NOWHERE)
    assert (done.status, done.out, done.err.count("\n")) == (2, "", 1)
    assert said in done.err


def test_a_json_file_may_hold_lines_and_format_tells_what_no_ending_does(
    at_server: Run, collection: str, tmp_path: Path
) -> None:
    path = tmp_path / "claims.json"
    path.write_text('{"claim": "x"}\n')
    assert at_server("batch", str(path), "--collection", collection).status == 0
    path = tmp_path / "claims.txt"
    path.write_text("claim\nx\n")
    assert at_server("batch", str(path), "--format", "csv", "--collection", collection).status == 0
    done = at_server("batch", str(path), "--format", "csv", "-o", str(tmp_path / "out.xlsx"))
    assert (done.status, (tmp_path / "out.xlsx").exists()) == (0, True)  # as it is told
    done = at_server("batch", "-", "-o", str(tmp_path / "other.xlsx"))
    assert (done.status, (tmp_path / "other.xlsx").exists()) == (2, False)


@pytest.mark.parametrize("name", ["said.csv", "said.parquet", "said.xlsx", "said.tsv"])
def test_statements_are_json_lines(run: Run, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("text,speaker\nx,y\n")
    done = run("statements", "import", str(tmp_path / name), *NOWHERE)
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert ".jsonl" in done.err


@pytest.mark.parametrize("name", ["said.csv", "said.parquet", "said.xlsx", "said.tsv", "said.CSV.gz"])
@pytest.mark.parametrize("command", [("check", STATEMENT), ("batch", "claims.jsonl"), ("eval", "--claims", "c.jsonl")])
def test_a_table_is_not_checked_against_as_prose(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("claims.jsonl").write_text(json.dumps({"claim": STATEMENT}))
    Path("c.jsonl").write_text(json.dumps({"claim": STATEMENT, "verdict": "SUPPORTED"}))
    Path(name).write_text(f"text,speaker\n{STATEMENT},Putin\n")
    done = run(*command, "--statements" if command[0] == "eval" else "--against", name, *FAKE)
    assert (done.status, done.out, done.err.count("\n")) == (2, "", 1)
    assert f"{name}: " in done.err
    assert ".jsonl" in done.err


def test_json_is_checked_against_as_statements(run: Run, tmp_path: Path) -> None:
    said = tmp_path / "said.json"
    said.write_text(json.dumps({"text": STATEMENT, "speaker": "Putin"}))
    done = run("check", STATEMENT, "--against", str(said), *FAKE, "--json")
    assert done.json["supporting_speakers"] == ["Putin"]
    said.write_text(json.dumps([{"text": STATEMENT}]))
    done = run("check", STATEMENT, "--against", str(said), *FAKE)
    assert (done.status, "one JSON array, not one object a line" in done.err) == (2, True)


@pytest.mark.parametrize("name", ["said.csv", "said.parquet", "said.xlsx", "said.jsonl", "said.json"])
def test_statements_are_not_ingested_as_prose(run: Run, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(json.dumps({"text": STATEMENT}))
    done = run("ingest", str(tmp_path / name), *NOWHERE)
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert "`onrecord statements import` takes them" in done.err


def test_bad_lines_are_not_all_shown(at_server: Run, collection: str, tmp_path: Path) -> None:
    path = tmp_path / "claims.jsonl"
    path.write_text('{"claim": "x"}\n' + '{"claim": 7}\n' * 30 + '{"speaker": "x"}\n')
    done = at_server("batch", str(path), "-o", str(tmp_path / "out.jsonl"), "--collection", collection)
    assert (done.status, done.err.count('"claim" is not a string; passed over')) == (2, 6)
    assert 'and 25 more lines: "claim" is not a string; passed over' in done.err
    assert 'line 32: no "claim"' in done.err  # another fault is
    assert (tmp_path / "out.jsonl").read_text().count('"error"') == 31


def test_names_that_are_taken(at_server: Run, collection: str, tmp_path: Path) -> None:
    path = tmp_path / "said.jsonl"
    path.write_text("".join(json.dumps({"id": f"s-{i}", "text": f"Statement {i}."}) + "\n" for i in range(9)))
    assert at_server("statements", "import", str(path), "--collection", collection).status == 0
    done = at_server("statements", "import", str(path), "--collection", collection)
    assert done.status == 2
    assert done.err.count("the name is taken") == 6
    assert "and 4 more lines" in done.err
    assert "--new-names" in done.err
    assert at_server("statements", "import", str(path), "--collection", collection, "--new-names").status == 0


def test_nothing_in_scope_says_why(at_server: Run, client: onrecord.Client, collection: str, tmp_path: Path) -> None:
    done = at_server("check", STATEMENT, "--collection", collection)
    assert (done.status, done.err) == (
        0, f"onrecord: there is no collection {collection}; `onrecord collections list` names those that are\n"
    )  # fmt: skip
    client.create_collection(collection)
    assert "holds no statements" in at_server("check", STATEMENT, "--collection", collection, "--json").err
    client.add_statement(STATEMENT, collection=collection)
    assert at_server("check", STATEMENT, "--collection", collection).err == ""
    done = at_server("check", STATEMENT, "--collection", collection, "--only-speaker", "Nobody")
    assert "none of the 1 statements" in done.err
    claims = b'{"claim": "x"}\n'
    assert "there is no collection" in at_server("batch", "-", "--collection", f"{collection}x", stdin=claims).err


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (("chek",), "'check'"),
        (("server",), "'serve'"),
        (("import", "x"), "'statements import'"),
        (("statements", "lst"), "'list'"),
        (("check", "x", "--colection", "y"), "--collection"),
    ],
)
def test_what_may_have_been_meant(run: Run, given: tuple[str, ...], meant: str) -> None:
    done = run(*given)
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert "id you mean" in done.err
    assert meant in done.err


def test_a_search_explains_its_order(at_server: Run, client: onrecord.Client, collection: str) -> None:
    client.add_statement("Rain falls in Spain.", collection=collection)
    (only,) = at_server("statements", "search", "rain", "--collection", collection).out.splitlines()[-1:]
    assert "words and meaning" not in only
    results = [onrecord.SearchResult(onrecord.Statement("x"), score, near) for score, near in ((0.9, 0.2), (0.8, 0.7))]
    from onrecord.cli import _show

    with pytest.MonkeyPatch.context() as patched:
        lines: list[str] = []
        patched.setattr(click, "echo", lambda line, **_: lines.append(line))
        _show.found(results)
    assert "words and meaning" in lines[-2] + lines[-1]


@pytest.mark.parametrize("command", [(), ("serve",), ("bench",), ("statements", "list"), ("batch",)])
def test_a_template_may_be_taken_as_it_is(run: Run, tmp_path: Path, command: tuple[str, ...]) -> None:
    template = run("config", *command, "--template").out
    path = tmp_path / "config.toml"
    path.write_text(
        "".join(line.removeprefix("# ") if " = " in line.split("(")[0] else line for line in template.splitlines(True))
    )
    shown = run("config", *command, "--config", str(path), "--json")
    assert (shown.status, shown.err) == (0, "")
    assert {row["name"]: row["value"] for row in shown.json["settings"]} == {
        row["name"]: row["value"] for row in run("config", *command, "--json").json["settings"]
    }


def test_config_completes_commands() -> None:
    from click.shell_completion import ShellComplete

    complete = ShellComplete(cli, {}, "onrecord", "_X")
    assert [item.value for item in complete.get_completions(["config"], "s")] == ["statements", "serve"]
    assert [item.value for item in complete.get_completions(["config", "statements"], "li")] == ["list"]
    assert len(complete.get_completions(["config"], "")) == len(COMMANDS)


def test_a_server_that_goes_is_waited_for_aloud(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "claims.jsonl"
    path.write_text("".join(json.dumps({"claim": f"Claim {i}."}) + "\n" for i in range(4_000)))

    with FakeServer() as server:

        def away() -> None:
            while len(server.checks) < 100:
                time.sleep(0.001)
            server.stop()
            time.sleep(2.5)
            server.start()

        leaving = threading.Thread(target=away)
        leaving.start()
        done = run("batch", str(path), "-o", str(tmp_path / "out.jsonl"), "--target", server.target)
        leaving.join()
        target = server.target
    assert done.status == 0
    # gRPC writes lines of its own where it was awake before the command
    gone, back, counts = [line for line in done.err.splitlines() if "chttp2" not in line]
    assert gone == f"onrecord: the server at {target} does not answer any more; it is tried again for up to 60 s"
    assert back == f"onrecord: the server at {target} answers again"
    assert "4,000 claims checked" in counts


def test_update_does_not_say_that_it_changes_the_stance(run: Run) -> None:
    assert "default: asserted" not in run("statements", "update", "--help").out


def test_keys_that_look_like_others_are_told(at_server: Run, collection: str, tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_text(json.dumps({"text": STATEMENT, "date": "2021-08-29", "speakr": "A", "colour": "red"}))
    done = at_server("statements", "import", str(path), "--collection", collection)
    assert done.err.endswith("colour, date (did you mean stated_time?), speakr (did you mean speaker?)\n")


READING = [("statements", "list"), ("statements", "list", "--json"), ("statements", "search", "anything"),
           ("statements", "search", "anything", "--json"), ("statements", "export"), ("check", STATEMENT)]  # fmt: skip


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_what_reads_a_collection_that_does_not_exist_says_so(
    at_server: Run, client: onrecord.Client, collection: str, command: tuple[str, ...]
) -> None:
    done = at_server(*command, "--collection", collection)
    assert (done.status, done.err) == (
        0, f"onrecord: there is no collection {collection}; `onrecord collections list` names those that are\n"
    )  # fmt: skip
    client.create_collection(collection)
    assert "there is no collection" not in at_server(*command, "--collection", collection).err


def test_a_replay_in_a_collection_that_is_gone_says_so(
    at_server: Run, client: onrecord.Client, collection: str, tmp_path: Path
) -> None:
    then = tmp_path / "then.json"
    client.add_statement(STATEMENT, collection=collection)
    then.write_text(at_server("check", STATEMENT, "--collection", collection, "--json").out)
    assert "there is no collection" not in at_server("replay", str(then)).err
    client.delete_collection(collection, force=True)
    assert f"there is no collection {collection};" in at_server("replay", str(then)).err


def test_an_export_of_nothing_says_so(at_server: Run, client: onrecord.Client, collection: str) -> None:
    client.create_collection(collection)
    done = at_server("statements", "export", "--collection", collection)
    assert (done.status, done.out) == (0, "")
    assert done.err == f"onrecord: the collection {collection} holds no statements\n"

"""Input that breaks programs: one clear line each, the right exit status, nothing lost, no hang."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
Spawn = Callable[..., subprocess.Popen[bytes]]
FAKE = ("--model", "fake", "--encoder", "fake")

_LONG = "k" * 100
GOOD = '{"claim": "It rains."}\n'


def strict(line: str) -> Any:
    """JSON as the standard has it: no NaN, no Infinity."""

    def refuse(name: str) -> object:
        raise ValueError(name)

    return json.loads(line, parse_constant=refuse)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("1e999", "a number in it is too large"),
        ("[-1e999]", "a number in it is too large"),
        ("9" * 5_000, "a number in it has too many digits"),
        ('{"a": 1, "a": 2}', "the key 'a' stands in it twice"),
        ('1, "claim": "It snows."', "the key 'claim' stands in it twice"),
        (f'{{"{_LONG}": 1, "{_LONG}": 2}}', f"the key '{_LONG[:40]}' stands in it twice"),
        ("[" * 5_000 + "]" * 5_000, "nested too deep"),
    ],
)
def test_json_that_no_line_of_output_could_repeat(at_server: Run, tmp_path: Path, value: str, why: str) -> None:
    file, out = tmp_path / "claims.jsonl", tmp_path / "out.jsonl"
    file.write_text(GOOD + f'{{"claim": "It rains.", "note": {value}}}\n' + GOOD)
    done = at_server("batch", str(file), "-o", str(out))
    assert done.status == 2
    assert f"line 2: {why}" in done.err or f"line 2: not JSON that can be read: {why}" in done.err
    assert "sys." not in done.err
    lines = [strict(line) for line in out.read_text().splitlines()]
    assert ["error" in line for line in lines] == [False, True, False]


def test_nesting_that_is_read_is_written(at_server: Run, tmp_path: Path) -> None:
    """Reading and writing have recursion limits of their own; no depth may pass the one and break at the other."""
    file, out = tmp_path / "claims.jsonl", tmp_path / "out.jsonl"
    depths = range(900, 1_000, 3)
    file.write_text("".join(f'{{"claim": "It rains.", "n": {"[" * d + "]" * d}}}\n' for d in depths))
    done = at_server("batch", str(file), "-o", str(out))
    assert "defect" not in done.err
    assert len(out.read_text().splitlines()) == len(depths)


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "-"),
        ("batch", "-"),
        ("ingest", "-"),
        ("statements", "import", "-"),
        ("statements", "add", "-"),
        ("check", "It rains.", *FAKE, "--against", "-"),
    ],
)
def test_closed_stdin(run: Run, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]) -> None:
    monkeypatch.setattr("io.TextIOWrapper", lambda *args, **kwargs: None)  # `run` makes sys.stdin of it
    done = run(*arguments)
    assert done.status == 2
    assert done.err == "onrecord: stdin is closed; name a file instead of -\n"


def test_closed_stdout(server: str, spawn: Spawn) -> None:
    process = spawn("info", "--json", "--target", server, stderr=subprocess.PIPE, preexec_fn=lambda: os.close(1))
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (2, b"onrecord: stdout is closed\n")


@pytest.mark.parametrize("broken", ["closed", "full"])
def test_nobody_reads_stderr(server: str, spawn: Spawn, tmp_path: Path, broken: str) -> None:
    """The exit status tells even so, and work that only has something to say goes on."""
    file, out = tmp_path / "claims.jsonl", tmp_path / "out.jsonl"
    file.write_text(GOOD + "{\n" + GOOD)
    with open("/dev/full", "wb") as full:
        how: dict[str, Any] = {"preexec_fn": lambda: os.close(2)} if broken == "closed" else {"stderr": full}
        refused = spawn("check", "", "--target", server, **how)
        worked = spawn("batch", str(file), "-o", str(out), "--target", server, **how)
        assert refused.wait(60) == 2
        assert worked.wait(60) == 2  # of the bad line
    assert len(out.read_text().splitlines()) == 3


@pytest.mark.parametrize("command", ["batch", "import", "against"])
def test_named_pipe(run: Run, server: str, tmp_path: Path, collection: str, command: str) -> None:
    """A pipe is opened once: a second reader would wait for a writer that has left."""
    pipe = tmp_path / "pipe.jsonl"
    os.mkfifo(pipe)
    text = GOOD if command == "batch" else '{"text": "It rains."}\n'
    threading.Thread(target=pipe.write_text, args=(text,), daemon=True).start()
    arguments = {
        "batch": ("batch", str(pipe), "--target", server),
        "import": ("statements", "import", str(pipe), "--target", server, "--collection", collection),
        "against": ("check", "It rains.", "--against", str(pipe), *FAKE),
    }[command]
    assert run(*arguments).status == 0


@pytest.mark.parametrize("columns", ["0", "1", "7", "no number"])
def test_terminal_too_narrow_to_draw_on(
    at_server: Run, monkeypatch: pytest.MonkeyPatch, columns: str, collection: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    at_server("statements", "add", "It rains.", "--speaker", "Ann", "--collection", collection)
    assert "SUPPORTED" in at_server("check", "It rains.", "--collection", collection).out
    assert "It rains." in at_server("statements", "list", "--collection", collection).out
    assert "fake" in at_server("info").out


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "-", *FAKE, "--against", "-"),
        ("batch", "-", *FAKE, "--against", "-"),
        ("ingest", "-", "-"),
        ("statements", "import", "-", "-"),
    ],
)
def test_stdin_for_two_files(at_server: Run, arguments: tuple[str, ...]) -> None:
    done = at_server(*arguments, stdin=b"It rains.")
    assert (done.status, done.err) == (2, 'onrecord: stdin ("-") can be read only once; give it once\n')


def test_a_name_that_no_collection_can_have_is_refused_at_once(at_server: Run, tmp_path: Path) -> None:
    out = tmp_path / "verdicts.jsonl"
    out.write_text("kept\n")
    (tmp_path / "claims.jsonl").write_text(GOOD)
    done = at_server("batch", str(tmp_path / "claims.jsonl"), "--collection", "No Such!", "-o", str(out))
    assert done.status == 2
    assert done.err.count("\n") == 1
    assert "--collection" in done.err
    assert out.read_text() == "kept\n"

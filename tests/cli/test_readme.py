"""The README's session is what a reader gets: its commands are run and their output compared."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
FAKE = ("--model", "fake", "--encoder", "fake")
ROOT = Path(__file__).resolve().parents[2]
SESSION = re.compile(r"<!-- session:.*?-->\n```console\n(.*?)```", re.DOTALL)
NUMBER = re.compile(r"\d\.\d\d")


def session() -> list[tuple[str, str]]:
    """(command, output) pairs."""
    match = SESSION.search((ROOT / "README.md").read_text("utf-8"))
    assert match, "README.md has no session"
    steps = re.split(r"^\$ ", match.group(1), flags=re.MULTILINE)[1:]
    return [(command, output.strip()) for command, _, output in (step.partition("\n") for step in steps)]


def run(command: str) -> str:
    """Standard output of one command, run in the repository as a reader would."""
    program, *arguments = shlex.split(command)
    assert program == "onrecord"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "100", "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "onrecord", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())


def block(language: str, containing: str) -> list[str]:
    """Lines of the code block with these words."""
    blocks = re.findall(rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    (found,) = [lines for lines in blocks if containing in lines]
    return list(found.splitlines())


def test_the_commands_of_the_readme_work_in_a_checkout(
    at_server: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "seeds").symlink_to(ROOT / "seeds")
    monkeypatch.chdir(tmp_path)
    for line in block("console", "onrecord batch"):
        program, *arguments = shlex.split(line, comments=True)
        assert program == "onrecord"
        if arguments[0] != "serve":  # one runs already
            done = at_server(*arguments, *(FAKE if "--against" in arguments else ()))
            assert (done.status, "line " in done.err) == (0, False), line


def test_the_lines_of_the_readme_are_what_the_commands_read(at_server: Run, collection: str) -> None:
    claim, statement = (line.encode() for line in block("json", '"claim"'))
    taken = at_server("statements", "import", "-", "--collection", collection, stdin=statement)
    assert (taken.status, taken.err) == (0, "")
    assert at_server("batch", "-", "--collection", collection, stdin=claim).json["verdict"]


@pytest.mark.model
@pytest.mark.parametrize(("command", "output"), session())
def test_the_session_of_the_readme(command: str, output: str) -> None:
    found = run(command)
    assert NUMBER.sub("#", found) == NUMBER.sub("#", output)
    # processors round differently; a probability may move in its second place
    numbers = zip(NUMBER.findall(found), NUMBER.findall(output), strict=True)
    assert all(abs(float(a) - float(b)) <= 0.02 for a, b in numbers)

"""The README's session is what a reader gets: its commands are run and their output compared."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.model
@pytest.mark.parametrize(("command", "output"), session())
def test_the_session_of_the_readme(command: str, output: str) -> None:
    found = run(command)
    assert NUMBER.sub("#", found) == NUMBER.sub("#", output)
    # processors round differently; a probability may move in its second place
    numbers = zip(NUMBER.findall(found), NUMBER.findall(output), strict=True)
    assert all(abs(float(a) - float(b)) <= 0.02 for a, b in numbers)

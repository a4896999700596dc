"""seeds/demo.py, with the declared fake model: what it shows while it works, and how it marks what is wrong."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

DEMO = Path(__file__).resolve().parents[2] / "seeds" / "demo.py"


def test_it_says_what_it_does_and_marks_every_wrong_verdict(child_environment: Callable[..., dict[str, str]]) -> None:
    done = subprocess.run(
        [sys.executable, str(DEMO)],
        env=child_environment(ONRECORD_MODEL="fake", ONRECORD_ENCODER="fake", NO_COLOR="1", PYTHONUTF8="1"),
        capture_output=True,
        encoding="utf-8",
        timeout=100,
        check=True,
    )
    assert done.stdout.startswith("Starting the server")
    said = re.findall(r"^(Starting|Server|Ingesting|Ingested|Checking) ", done.stdout, re.MULTILINE)
    assert said == ["Starting", "Server", "Ingesting", "Ingested", "Checking"]
    counted = re.search(r"(\d+) of (\d+) verdicts", done.stdout)
    assert counted
    right, total = map(int, counted.groups())
    assert 0 < right < total  # the fake is not that good, and not that bad
    assert done.stdout.count("✗ expected") == total - right

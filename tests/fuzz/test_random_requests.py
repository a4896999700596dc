"""A few of the random requests; tests/fuzz/random_requests.py sends as many as one likes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import onrecord
import onrecord_server
from onrecord_server.rpc.server import METHODS

SCRIPT = Path(__file__).with_name("random_requests.py")
PATHS = [str(Path(str(package.__file__)).parents[1]) for package in (onrecord, onrecord_server)]


@pytest.mark.timeout(300)
def test_nothing_ends_in_internal_unknown_or_not_at_all(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    inherited = os.environ.get("PYTHONPATH", "")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*PATHS, inherited]).rstrip(os.pathsep)}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--requests", "1000", "--seed", "7", "--json", str(report)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answers = json.loads(report.read_text())["answers"]
    answered = {entry["method"] for entry in answers if entry["code"] == "OK"}
    assert answered == {method.rpartition("/")[2] for method in METHODS}, "refused throughout: it reaches nothing"

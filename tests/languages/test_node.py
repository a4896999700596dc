"""The client of examples/node, with @grpc/grpc-js from the npm registry, against a server."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

# what npm says when it cannot reach its registry, or may not
UNREACHABLE = re.compile(
    r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ERR_SOCKET|E403|ENOTCACHED"
)

Node = Callable[..., str]


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory, tool: Callable[..., str]) -> Path:
    """The example with its packages, in a folder of its own beside the contract."""
    tool("node")
    npm = tool("npm")
    root = tmp_path_factory.mktemp("node")
    for part in ("proto", "examples/proto", "examples/node"):
        shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("node_modules"))
    folder = root / "examples" / "node"
    shutil.copy(Path(__file__).with_name("node") / "job.mjs", folder)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1", "--fetch-timeout=20000"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=110, check=False)
    if done.returncode and UNREACHABLE.search(done.stderr):
        pytest.skip(f"the npm registry cannot be reached: {done.stderr.strip().splitlines()[0]}")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def node(installed: Path, server: Any, tool: Callable[..., str]) -> Node:
    """Runs a script of the example against the server; what it prints."""

    def run(script: str, *arguments: str) -> str:
        done = subprocess.run(
            [tool("node"), script, server.address, *arguments],
            cwd=installed, env={"ONRECORD_TOKEN": server.token},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    return run


@pytest.mark.timeout(240)  # with the installation
def test_the_example_does_the_main_job(node: Node) -> None:
    """Health, import, check, batch, stream, and the error of a bad claim."""
    assert node("main.js").splitlines() == [
        "health: SERVING",
        "import: 2 stored, 1 failed",
        "  statement 2: statements[2].text: is empty; give 1 to 8,000 code points",
        "check: VERDICT_SUPPORTED 0.96 - Vladimir Putin",
        "batch: VERDICT_SUPPORTED, INVALID_FIELDS, VERDICT_SUPPORTED",
        "stream: 0 VERDICT_SUPPORTED, 1 INVALID_FIELDS, 2 VERDICT_SUPPORTED",
        'error: INVALID_ARGUMENT INVALID_FIELDS [{"field":"claim.text","reason":"REQUIRED"}]',
    ]


def test_a_deadline_reaches_the_server(node: Node, server: Any, told: Callable[[str], bool]) -> None:
    with server.standing_still():
        error = json.loads(node("job.mjs", "deadline"))
        assert error["code"] == "DEADLINE_EXCEEDED"
        assert told(r"ScorePairs (DEADLINE_EXCEEDED|CANCELLED)")  # the server has let go of it, too


def test_an_overloaded_server_says_when_to_come_back(node: Node, server: Any) -> None:
    with server.overloaded():
        error = json.loads(node("job.mjs", "overload"))
    assert (error["code"], error["reason"]) == ("RESOURCE_EXHAUSTED", "OVERLOADED")
    assert error["retrySeconds"] > 0

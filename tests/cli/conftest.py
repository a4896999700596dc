"""The command line against a real server process with the declared fake model."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import onrecord
from onrecord.cli import main

# where this process finds the packages, a child finds them, too
PATHS = [
    str(Path(spec.origin).parents[1])
    for spec in map(importlib.util.find_spec, ("onrecord", "onrecord_server", "onrecord_models"))
    if spec is not None and spec.origin is not None
]
COMMAND = [sys.executable, "-m", "onrecord"]
FAKE = ("--model", "fake", "--encoder", "fake")


@dataclass(frozen=True)
class Done:
    """What a command left."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its output as one JSON value."""
        return json.loads(self.out)

    @property
    def jsons(self) -> list[Any]:
        """Its output as one JSON value a line."""
        return [json.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Done]


def environment(**variables: str) -> dict[str, str]:
    """The environment of a child process that finds the packages of this checkout."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("ONRECORD_")}
    inherited = os.environ.get("PYTHONPATH", "")
    nobodys = {"XDG_CONFIG_HOME": os.devnull}  # not the settings of whoever runs the tests
    return {**kept, **nobodys, "PYTHONPATH": os.pathsep.join([*PATHS, inherited]).rstrip(os.pathsep), **variables}


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a served record that is empty at first. TEST_SERVER: one that runs already (scripts/compat.py)."""
    if running := os.environ.get("TEST_SERVER"):
        yield running
        return
    folder = tmp_path_factory.mktemp("server")
    ready = folder / "ready"
    arguments = ["serve", "--listen", "127.0.0.1:0", "--ready-file", str(ready), "--store", str(folder / "record.db")]
    with open(folder / "log", "w+") as log:
        process = subprocess.Popen([*COMMAND, *arguments, *FAKE], env=environment(), stdout=log, stderr=log)
        try:
            until = time.monotonic() + 60
            while not ready.exists():
                if process.poll() is not None or time.monotonic() > until:
                    log.seek(0)
                    pytest.fail(f"the server did not start: {log.read()}")
                time.sleep(0.05)  # another process: there is nothing to wait on but its file
            yield ready.read_text().strip()
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture
def child_environment() -> Callable[..., dict[str, str]]:
    """`environment`, for tests that start another program than `onrecord`."""
    return environment


@pytest.fixture
def collection() -> str:
    """A collection of the test's own."""
    return f"t{uuid.uuid4().hex}"


@pytest.fixture
def run(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    """Runs a command in this process."""
    for name in [name for name in os.environ if name.startswith("ONRECORD_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", os.devnull)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))

    def run(*arguments: str, stdin: bytes = b"") -> Done:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return Done(int(ended.value.code or 0), out, err)

    return run


@pytest.fixture
def at_server(run: Run, server: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command that finds the server by the environment."""
    monkeypatch.setenv("ONRECORD_TARGET", server)
    return run


@pytest.fixture
def client(server: str) -> Iterator[onrecord.Client]:
    with onrecord.Client(server) as client:
        yield client


@pytest.fixture
def spawn() -> Callable[..., subprocess.Popen[bytes]]:
    """Starts a command as a process of its own."""

    def spawn(*arguments: str, variables: dict[str, str] | None = None, **options: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*COMMAND, *arguments], env=environment(**(variables or {})), **options)

    return spawn


@pytest.fixture
def fake(run: Run, tmp_path: Path) -> Run:
    """Runs a command with the fake model, keeping scores in a folder of the test's own."""

    def fake(command: str, *arguments: str, **options: Any) -> Any:
        return run(command, *arguments, "--model", "fake", "--cache", str(tmp_path / "cache"), **options)

    return fake

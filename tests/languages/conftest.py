"""A server process for clients in other languages: it wants a token, its queue is small, its model can be held up."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from onrecord.v1 import check_service_pb2 as pb
from onrecord.v1.check_service_pb2_grpc import CheckServiceStub

TOKEN = "a-secret"

# While the file is there the model stands still; that it does it tells by another file.
SERVE = """
import os, sys, time
from onrecord_server.config import serve_command
import onrecord_server.nli.fake as fake
hold, held = {hold!r}, {held!r}
score = fake.FakeScorer.score
def slow(self, batch):
    while os.path.exists(hold):
        open(held, "w").close()
        time.sleep(0.02)
    return score(self, batch)
fake.FakeScorer.score = slow
serve_command()()
"""


@dataclass(frozen=True)
class Server:
    """Where it is, over gRPC and over HTTP, its token, its log, and the means to hold up its model."""

    address: str
    http: str
    token: str
    log: Path
    _hold: Path
    _held: Path

    @contextlib.contextmanager
    def standing_still(self) -> Iterator[None]:
        """While inside, the model scores nothing."""
        self._hold.touch()
        try:
            yield
        finally:
            self._hold.unlink()
            self._held.unlink(missing_ok=True)

    @contextlib.contextmanager
    def overloaded(self) -> Iterator[None]:
        """While inside, the queue is full."""
        word = uuid.uuid4().hex  # what was scored before is remembered
        texts = [f"{word} statement number {i}" for i in range(20)]
        request = pb.ScorePairsRequest(pairs=[pb.Pair(premise=text, hypothesis=text) for text in texts])
        with grpc.insecure_channel(self.address) as channel:
            with self.standing_still():
                metadata = [("authorization", f"Bearer {self.token}")]
                call = CheckServiceStub(channel).ScorePairs.future(request, metadata=metadata)
                until = time.monotonic() + 60
                while not self._held.exists():
                    assert time.monotonic() < until
                    time.sleep(0.02)  # another process: there is nothing to wait on but its file
                yield
            call.result(timeout=60)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server, over gRPC and HTTP."""
    folder = tmp_path_factory.mktemp("server")
    ready, log, hold, held, token = (folder / name for name in ("ready", "log", "hold", "held", "token"))
    token.write_text(TOKEN)
    arguments = [
        *("--model", "fake", "--encoder", "fake", "--store", ":memory:", "--listen", "127.0.0.1:0"),
        *("--http", "127.0.0.1:0", "--ready-file", str(ready), "--token-file", str(token)),
        *("--max-batch-tokens", "64", "--max-queue-tokens", "64"),
    ]
    code = SERVE.format(hold=str(hold), held=str(held))
    environment = {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONWARNINGS": "error"}
    with log.open("w") as out:
        process = subprocess.Popen([sys.executable, "-c", code, *arguments], env=environment, stdout=out, stderr=out)
        try:
            until = time.monotonic() + 60
            while not ready.exists():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < until
                time.sleep(0.05)
            http = re.search(r"HTTP/JSON at (http://\S+)", log.read_text())
            assert http
            yield Server(ready.read_text().strip(), http[1], TOKEN, log, hold, held)
        finally:
            process.terminate()
            process.wait(60)


@pytest.fixture
def told(server: Server) -> Callable[[str], bool]:
    """Whether the server's log has told of something since the test began; waits for it a little."""
    begun = len(server.log.read_text())

    def told(pattern: str) -> bool:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            if re.search(pattern, server.log.read_text()[begun:]):
                return True
            time.sleep(0.05)
        return False

    return told


@pytest.fixture(scope="session")
def tool() -> Callable[..., str]:
    """Path of the first of some programs that is here; skips the test where none is."""

    def tool(*names: str) -> str:
        for name in names:
            if found := shutil.which(name):
                return found
        pytest.skip(f"not on this machine: {', '.join(names)}")

    return tool

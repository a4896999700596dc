"""`onrecord serve --http` as a process: the port, the start, the drain, and what is said when it cannot be had."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

FAKES = ["--model", "fake", "--encoder", "fake", "--store", ":memory:", "--listen", "127.0.0.1:0"]
SERVE = "from onrecord_server.config import serve_command; serve_command()()"
NO_UVICORN = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("uvicorn", "h11"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Block())
"""
# the first batch of the fake model tells that it has begun, and waits for a file
SLOW = """
import os, time
import onrecord_server.nli.fake as fake
score = fake.FakeScorer.score
def slow(self, batch):
    open({begun!r}, "w").close()
    while not os.path.exists({go!r}):
        time.sleep(0.02)
    return score(self, batch)
fake.FakeScorer.score = slow
"""
SCORE = "/onrecord.v1.CheckService/ScorePairs"
PAIR = {"pairs": [{"premise": "A said it.", "hypothesis": "A said it."}]}


def environment() -> dict[str, str]:
    """A bare one, with the code of this checkout."""
    return {"PYTHONPATH": ":".join(sys.path), "PYTHONWARNINGS": "error"}


def post(url: str, body: Any, **headers: str) -> tuple[int, Any]:
    """Status and JSON of a call; blocks."""
    headers = {"Content-Type": "application/json"} | {name.replace("_", "-"): v for name, v in headers.items()}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


@pytest.fixture
async def start() -> AsyncIterator[Any]:
    """Starts a server; gives its process and the URL of its HTTP door. Kills what is left."""
    processes: list[Process] = []

    async def begin(*arguments: str, code: str = "") -> tuple[Process, str]:
        arguments = ("--http", "127.0.0.1:0", *arguments)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", f"{code}\n{SERVE}", *FAKES, *arguments, stdout=PIPE, stderr=PIPE, env=environment()
        )
        processes.append(process)
        assert process.stderr is not None
        assert process.stdout is not None
        async with asyncio.timeout(60):
            while line := (await process.stderr.readline()).decode():
                if found := re.search(r"HTTP/JSON at (http://[0-9.:]+)", line):
                    break
            else:
                raise AssertionError("it did not say where")
            assert b"serving on" in await process.stdout.readline()
        return process, found[1]

    yield begin
    for process in processes:
        if process.returncode is None:
            process.kill()
            await process.communicate()


def fails(*arguments: str, code: str = "", status: int = 1) -> str:
    """The last line on stderr of a server that does not start."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{SERVE}", *FAKES, *arguments],
        capture_output=True, text=True, env=environment(), timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (status, ""), done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.strip().splitlines()[-1]


async def appears(path: Path) -> None:
    """Wait for a file of another process: there is nothing else to wait on."""
    async with asyncio.timeout(60):
        while not path.exists():  # noqa: ASYNC110, ASYNC240
            await asyncio.sleep(0.02)


async def ended(process: Process) -> tuple[int | None, str]:
    """Exit status and the rest of stderr."""
    async with asyncio.timeout(60):
        _, err = await process.communicate()
    return process.returncode, err.decode()


async def test_it_answers_until_it_is_stopped(start: Any, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    process, url = await start("--token-file", str(tmp_path / "token"), "--log-format", "json")
    status, _ = await asyncio.to_thread(post, f"{url}{SCORE}", PAIR)
    assert status == 401
    status, answer = await asyncio.to_thread(post, f"{url}{SCORE}", PAIR, authorization="Bearer secret")
    assert (status, len(answer["scores"])) == (200, 1)
    process.send_signal(signal.SIGTERM)
    status, err = await ended(process)
    assert status == 0
    lines = [json.loads(line) for line in err.splitlines()]
    access = [line for line in lines if line["logger"] == "onrecord_server.access"]
    assert [(line["code"], line["peer"]) for line in access] == [("UNAUTHENTICATED", "http"), ("OK", "http")]
    assert {line["logger"] for line in lines} == {
        "onrecord_server.access",
        "onrecord_server.app",
    }  # nothing of uvicorn's


async def test_a_call_in_flight_is_answered_before_the_stop(start: Any, tmp_path: Path) -> None:
    begun, go = tmp_path / "begun", tmp_path / "go"
    process, url = await start(code=SLOW.format(begun=str(begun), go=str(go)))
    calling = asyncio.create_task(asyncio.to_thread(post, f"{url}{SCORE}", PAIR))
    await appears(begun)
    async with asyncio.timeout(60):
        process.send_signal(signal.SIGTERM)
        while True:  # until the door is shut
            with socket.socket() as probe:
                probe.settimeout(5)
                host, port = url.removeprefix("http://").split(":")
                if probe.connect_ex((host, int(port))):
                    break
            await asyncio.sleep(0.02)
    go.touch()
    status, answer = await calling
    assert (status, len(answer["scores"])) == (200, 1)
    assert (await ended(process))[0] == 0


async def test_a_call_that_outlasts_the_drain_is_told_so(start: Any, tmp_path: Path) -> None:
    begun, go = tmp_path / "begun", tmp_path / "go"
    process, url = await start("--drain-seconds", "1", code=SLOW.format(begun=str(begun), go=str(go)))
    calling = asyncio.create_task(asyncio.to_thread(post, f"{url}{SCORE}", PAIR))
    await appears(begun)
    process.send_signal(signal.SIGTERM)
    status, answer = await calling
    go.touch()
    assert (status, answer["code"], answer["details"][0]["reason"]) == (503, 14, "SHUTTING_DOWN")
    status, err = await ended(process)
    assert status == 0
    assert "Traceback" not in err


IMPATIENT = "import onrecord_server.app as app; app.STALLED_SECONDS = 0.5"
HEAD = "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"


async def test_a_body_that_does_not_come_does_not_hold_up_the_stop(start: Any) -> None:
    process, url = await start("--drain-seconds", "200", code=IMPATIENT)  # longer than `ended` waits
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(HEAD.format(path=SCORE, length=100).encode() + b'{"pairs": [')
    await asyncio.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    status, err = await ended(process)
    assert status == 0
    assert "ScorePairs UNAVAILABLE SHUTTING_DOWN" in err
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert json.loads(body)["details"][0]["reason"] == "SHUTTING_DOWN"
    writer.close()


SERVICE = "/onrecord.v1.StatementService/"


@contextlib.asynccontextmanager
async def asking_for_much(url: str, times: int) -> AsyncIterator[socket.socket]:
    """A connection that has asked for megabytes so many times, and takes next to nothing of them."""
    request = {"statements": [{"text": "é" * 8_000} for _ in range(80)], "deferIndex": True}
    for _ in range(3):
        assert (await asyncio.to_thread(post, f"{url}{SERVICE}BatchCreateStatements", request))[0] == 200
    host, port = url.removeprefix("http://").split(":")
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
        connection.connect((host, int(port)))
        for _ in range(times):
            connection.sendall(HEAD.format(path=f"{SERVICE}ListStatements", length=2).encode() + b"{}")
        await asyncio.sleep(2)
        yield connection


async def test_an_answer_that_nobody_takes_does_not_hold_up_the_stop(start: Any) -> None:
    process, url = await start("--drain-seconds", "200", code=IMPATIENT)
    async with asking_for_much(url, 4):  # more than the system takes for him
        process.send_signal(signal.SIGTERM)
        status, err = await ended(process)
    assert status == 0
    assert "Traceback" not in err


async def test_an_answer_that_nobody_takes_is_not_kept_for_ever(start: Any) -> None:
    _, url = await start(code="import onrecord_server.http.door as door; door.ANSWER_SECONDS = 0.5")
    async with asking_for_much(url, 1) as connection:
        connection.settimeout(10)
        taken = 0
        with contextlib.suppress(ConnectionResetError):
            while part := connection.recv(65_536):
                taken += len(part)
    assert taken < 3 * 80 * 16_000  # it was hung up on in the middle of the answer


async def test_off_unless_asked_for() -> None:
    code = NO_UVICORN  # as if it were not installed: it must not be missed
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", f"{code}\n{SERVE}", *FAKES, stdout=PIPE, stderr=PIPE, env=environment()
    )
    assert process.stdout is not None
    assert b"serving on" in await process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    status, err = await ended(process)
    assert (status, "HTTP" in err) == (0, False)


def test_without_the_extra_it_says_what_to_install() -> None:
    line = fails("--http", "127.0.0.1:0", code=NO_UVICORN)
    why = "uvicorn is missing; pip install ./server/models '.[server,http]' in a checkout"
    assert line == f"onrecord: --http 127.0.0.1:0: {why}"


def test_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        assert f"--http {listen}: Address already in use" in fails("--http", listen)


def test_it_stays_on_this_machine_unless_told_otherwise() -> None:
    assert "--http 0.0.0.0:0: not a loopback address" in fails("--http", "0.0.0.0:0", status=2)
    assert "--http 8080: give HOST:PORT" in fails("--http", "8080", status=2)


def test_a_start_that_fails_later_leaves_one_line(tmp_path: Path) -> None:
    line = fails("--http", "127.0.0.1:0", "--model", os.fspath(tmp_path / "none"))
    assert str(tmp_path / "none") in line

"""`python -m onrecord_server` as a process, on the declared fakes: start, refusal to start, drain, death."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import sqlite3
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock
import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from onrecord.v1 import server_info_service_pb2 as info_pb
from onrecord.v1 import server_info_service_pb2_grpc, statement_service_pb2_grpc
from onrecord.v1 import statement_pb2 as statement
from onrecord.v1 import statement_service_pb2 as pb
from onrecord_server.app import open_engine
from onrecord_server.config import ServerConfig
from onrecord_server.nli import identify_encoder, load_encoder

FAKES = ["--model", "fake", "--encoder", "fake", "--listen", "127.0.0.1:0"]


@dataclass
class Running:
    """A server process that says it is SERVING."""

    process: Process
    address: str
    ready_line: str
    channel: grpc.aio.Channel

    async def stop(self) -> tuple[int, str, str]:
        """Wait for the end: exit status, the rest of stdout, stderr."""
        async with asyncio.timeout(30):
            out, err = await self.process.communicate()
        return self.process.returncode or 0, out.decode(), err.decode()


def command(*arguments: str, code: str | None = None) -> list[str]:
    """The server's command line; with `code`, that runs first in the same interpreter."""
    if code is None:
        return [sys.executable, "-m", "onrecord_server", *FAKES, *arguments]
    run = "from onrecord_server.config import serve_command; serve_command()()"
    return [sys.executable, "-c", f"{code}\n{run}", *FAKES, *arguments]


async def spawn(*arguments: str, code: str | None = None) -> Process:
    """Start a server process."""
    env = {"PYTHONPATH": ":".join(sys.path), "PYTHONWARNINGS": "error"}
    return await asyncio.create_subprocess_exec(*command(*arguments, code=code), stdout=PIPE, stderr=PIPE, env=env)


Start = Callable[..., Any]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts servers and waits until they say that they serve; kills what is left."""
    running: list[Running] = []

    async def begin(*arguments: str, code: str | None = None) -> Running:
        store = [] if "--store" in arguments else ["--store", str(tmp_path / "record.db")]
        process = await spawn(*store, *arguments, code=code)
        assert process.stdout is not None
        async with asyncio.timeout(60):
            line = (await process.stdout.readline()).decode()
        found = re.search(r"serving on (\S+:\d+) ", line)
        assert found, (line, (await process.communicate())[1].decode())
        server = Running(process, found[1], line, grpc.aio.insecure_channel(found[1]))
        running.append(server)
        return server

    yield begin
    for server in running:
        await server.channel.close()
        with contextlib.suppress(ProcessLookupError):
            server.process.kill()
        await server.process.wait()


async def fails(*arguments: str, code: str | None = None) -> str:
    """The last line on stderr of a server that cannot start; only what it was about to load stands before it.

    It exits with status 1.
    """
    process = await spawn(*arguments, code=code)
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    lines = err.decode().strip().splitlines()
    assert (process.returncode, out.decode()) == (1, ""), (out, err)
    assert all("loading the model" in line for line in lines[:-1]), err
    assert len(lines) <= 2
    assert lines[-1].startswith("onrecord: ")
    return lines[-1]


async def test_where_the_log_is_json_so_is_the_line_that_says_why_it_ends() -> None:
    process = await spawn(
        "--listen", "nobody.invalid:0", "--allow-remote", "--store", ":memory:", "--log-format", "json"
    )
    async with asyncio.timeout(60):
        _, err = await process.communicate()
    assert process.returncode == 1
    last = json.loads(err.splitlines()[-1])
    assert last["level"] == "critical"
    assert "--listen" in last["message"]


async def test_ready_line_ready_file_health_and_a_clean_stop(start: Start, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    server = await start("--ready-file", str(ready))
    assert re.fullmatch(r"onrecord \S+ serving on 127\.0\.0\.1:\d+ \(fake\)\n", server.ready_line)
    assert ready.read_text() == f"{server.address}\n"
    health = await health_pb2_grpc.HealthStub(server.channel).Check(health_pb2.HealthCheckRequest())
    assert health.status == health_pb2.HealthCheckResponse.SERVING
    infos = server_info_service_pb2_grpc.ServerInfoServiceStub(server.channel)
    assert (await infos.GetServerInfo(info_pb.GetServerInfoRequest())).model.fake
    server.process.send_signal(signal.SIGINT)
    status, out, err = await server.stop()
    assert (status, out) == (0, "")
    loading, *_, stopping = err.splitlines()
    assert loading.endswith(f"loading the model fake; the record is {tmp_path / 'record.db'}")
    assert "stopping on SIGINT" in stopping
    assert not ready.exists()


BLOCKED = """
import pathlib, onrecord_server.nli.fake as fake
load = fake.FakeEncoder.__init__
fake.FakeEncoder.__init__ = lambda self: (pathlib.Path({path!r}).read_text(), load(self))[1]
"""


@pytest.fixture
async def loading(tmp_path: Path) -> AsyncIterator[tuple[Process, grpc.aio.Channel, Callable[[], None]]]:
    """A server whose encoder takes until told to load: its process, a channel to it, and the word to go on."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    process = await spawn("--store", ":memory:", "--listen", address, code=BLOCKED.format(path=str(gate)))
    # while nobody listens yet, try again soon
    channel = grpc.aio.insecure_channel(address, options=[("grpc.max_reconnect_backoff_ms", 200)])
    yield process, channel, lambda: gate.write_text("go")
    await channel.close()
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()


async def test_not_serving_while_the_models_load_then_serving(loading: Any) -> None:
    process, channel, go = loading
    watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), wait_for_ready=True)
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
    infos = server_info_service_pb2_grpc.ServerInfoServiceStub(channel)
    with pytest.raises(grpc.aio.AioRpcError, match="still loading"):
        await infos.GetServerInfo(info_pb.GetServerInfoRequest())
    await asyncio.to_thread(go)
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
    assert (await infos.GetServerInfo(info_pb.GetServerInfoRequest())).model.fake
    process.terminate()
    async with asyncio.timeout(30):
        await process.communicate()
    assert process.returncode == 0


async def test_sigterm_while_the_models_load(loading: Any) -> None:
    process, channel, go = loading
    health = health_pb2_grpc.HealthStub(channel)
    await health.Check(health_pb2.HealthCheckRequest(), wait_for_ready=True)
    process.terminate()
    await asyncio.to_thread(go)
    async with asyncio.timeout(30):
        out, err = await process.communicate()
    assert (process.returncode, out) == (0, b"")
    loads, stops = err.decode().splitlines()
    assert loads.endswith("loading the model fake; the record is in memory")
    assert "stopping on SIGTERM" in stops


async def test_a_quiet_server_says_nothing_of_its_life(start: Start) -> None:
    server = await start("--log-level", "warning")
    server.process.send_signal(signal.SIGTERM)
    assert await server.stop() == (0, "", "")


def one(text: str) -> pb.ImportStatementsRequest:
    return pb.ImportStatementsRequest(statements=[statement.Statement(text=text)])


async def test_sigterm_lets_calls_in_flight_finish_and_keeps_what_they_wrote(start: Start, tmp_path: Path) -> None:
    server = await start()
    watch = health_pb2_grpc.HealthStub(server.channel).Watch(health_pb2.HealthCheckRequest())
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
    draining = asyncio.Event()

    async def sending() -> AsyncIterator[Any]:
        yield one("Before the signal.")
        server.process.send_signal(signal.SIGTERM)
        await draining.wait()
        yield one("After the signal.")

    call = statement_service_pb2_grpc.StatementServiceStub(server.channel).ImportStatements(sending())
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
    draining.set()
    assert (await call).created_count == 2
    assert (await server.stop())[0] == 0
    restarted = await start("--store", str(tmp_path / "record.db"))
    page = await statement_service_pb2_grpc.StatementServiceStub(restarted.channel).ListStatements(
        pb.ListStatementsRequest()
    )
    assert [s.text for s in page.statements] == ["Before the signal.", "After the signal."]


async def test_a_call_that_outlasts_the_drain_is_ended(start: Start) -> None:
    server = await start("--drain-seconds", "0.5")

    async def sending() -> AsyncIterator[Any]:
        yield one("The only one.")
        server.process.send_signal(signal.SIGTERM)
        await asyncio.Event().wait()

    call = statement_service_pb2_grpc.StatementServiceStub(server.channel).ImportStatements(sending())
    status, _, err = await server.stop()
    assert status == 0
    assert "Traceback" not in err
    with pytest.raises(grpc.aio.AioRpcError):
        await call


async def test_health_watchers_do_not_hold_up_the_stop(start: Start) -> None:
    server = await start("--drain-seconds", "60")  # longer than `stop` waits
    watch = health_pb2_grpc.HealthStub(server.channel).Watch(health_pb2.HealthCheckRequest())
    await watch.read()
    server.process.send_signal(signal.SIGTERM)
    assert (await server.stop())[0] == 0


IMPATIENT = "import onrecord_server.app as app; app.STALLED_SECONDS = 0.5"


async def test_an_export_that_nobody_reads_does_not_hold_up_the_stop(start: Start) -> None:
    server = await start("--drain-seconds", "60", code=IMPATIENT)  # longer than `stop` waits
    # a window that stays as it is, or the reader's gRPC would take megabytes for him
    async with grpc.aio.insecure_channel(server.address, options=[("grpc.http2.bdp_probe", 0)]) as channel:
        statements = statement_service_pb2_grpc.StatementServiceStub(channel)
        for _ in range(4):
            texts = [statement.Statement(text="𝔘" * 8_000) for _ in range(50)]
            await statements.BatchCreateStatements(pb.BatchCreateStatementsRequest(statements=texts, defer_index=True))
        call = statements.ExportStatements(pb.ExportStatementsRequest())
        await call.read()
        server.process.send_signal(signal.SIGTERM)
        status, _, err = await server.stop()
    assert status == 0
    assert "ExportStatements UNAVAILABLE SHUTTING_DOWN" in err
    assert "Traceback" not in err


async def test_a_dead_worker_ends_the_server_with_status_1(start: Start) -> None:
    server = await start(
        code="import onrecord_server.nli.fake as f\n"
        "def die(self, texts): raise SystemExit('out of memory')\n"
        "f.FakeEncoder.encode = die"
    )
    watch = health_pb2_grpc.HealthStub(server.channel).Watch(health_pb2.HealthCheckRequest())
    await watch.read()
    request = pb.CreateStatementRequest(statement=statement.Statement(text="A text."))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await statement_service_pb2_grpc.StatementServiceStub(server.channel).CreateStatement(request)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE  # another server may do better
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
    status, _, err = await server.stop()
    assert status == 1
    assert "the inference worker died (out of memory)" in err


async def test_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        line = await fails("--listen", listen, "--store", ":memory:")
    assert f"--listen {listen}: Address already in use" in line


async def test_a_host_that_is_not_here() -> None:
    assert "--listen" in await fails("--listen", "nobody.invalid:0", "--allow-remote", "--store", ":memory:")


async def test_store_that_is_not_a_record(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("Not a database. " * 100)
    assert str(path) in await fails("--store", str(path))
    assert path.read_text() == "Not a database. " * 100


async def test_store_from_a_newer_version(tmp_path: Path, start: Start) -> None:
    path = tmp_path / "record.db"
    server = await start("--store", str(path))
    server.process.send_signal(signal.SIGTERM)
    await server.stop()
    with contextlib.closing(sqlite3.connect(path)) as record:
        record.execute("PRAGMA user_version = 999")
    assert str(path) in await fails("--store", str(path))


async def test_damage_in_the_store_is_said_at_the_start_and_the_rest_is_served(tmp_path: Path, start: Start) -> None:
    path = tmp_path / "record.db"
    server = await start("--store", str(path))
    statements = statement_service_pb2_grpc.StatementServiceStub(server.channel)
    name = "collections/default/statements/s-{}"
    made = [statement.Statement(name=name.format(n), text=f"Harbour {n}.") for n in range(4)]
    await statements.BatchCreateStatements(pb.BatchCreateStatementsRequest(statements=made))
    server.process.send_signal(signal.SIGTERM)
    await server.stop()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as record:
        record.execute("UPDATE statements SET labels = '[' WHERE id = 2")
        record.execute("UPDATE statements SET text = CAST(x'ff' AS TEXT) WHERE id = 3")
        record.execute("UPDATE embeddings SET vector = x'00' WHERE id = 4")
    server = await start("--store", str(path))
    lines = []
    async with asyncio.timeout(30):
        while "damaged in the record" not in "".join(lines):
            lines.append((await server.process.stderr.readline()).decode())
    assert "damaged embeddings: 1; they are made again" in lines[1]
    assert f"2 damaged in the record: {name.format(1)}, {name.format(2)}; restore a backup" in lines[-1]
    assert "Traceback" not in "".join(lines)
    statements = statement_service_pb2_grpc.StatementServiceStub(server.channel)
    page = await statements.ListStatements(pb.ListStatementsRequest())
    assert [one.name for one in page.statements] == [name.format(0), name.format(3)]


async def test_store_that_another_server_writes_to(tmp_path: Path, start: Start) -> None:
    await start()
    line = await fails("--store", str(tmp_path / "record.db"))
    assert "record.db: another process writes to this record" in line


@pytest.mark.parametrize("trouble", ["locked", "bad path"])
async def test_what_is_wrong_with_the_store_is_said_before_any_model_is_loaded(tmp_path: Path, trouble: str) -> None:
    path = tmp_path / "record.db" if trouble == "locked" else tmp_path / "nowhere" / "record.db"
    code = """
import onrecord_server.app as app
def never(*args, **kwargs):
    raise SystemExit("a model was loaded")
from onrecord_server.nli.models import Here
Here.load = never
"""
    with contextlib.ExitStack() as other:
        if trouble == "locked":
            other.enter_context(filelock.FileLock(f"{path}.lock"))
        process = await spawn("--store", str(path), code=code)
        async with asyncio.timeout(30):
            _, err = await process.communicate()
    assert process.returncode == 1
    assert b"record.db" in err
    assert b"a model was loaded" not in err


async def test_an_encoder_is_identified_as_what_is_loaded_then() -> None:
    for name in ("fake", "builtin"):
        encoder = load_encoder(name)
        assert identify_encoder(name) == (f"{encoder.info.model_id}@{encoder.info.revision}", encoder.dimension)


async def test_store_in_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "record.db" in await fails("--store", str(tmp_path / "file" / "record.db"))
    assert "record.db" in await fails("--store", "/proc/record.db")


async def test_the_default_record_of_another_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))  # where Linux' folders of users' data are
    config = ServerConfig(model="fake", encoder="fake")
    if not config.store_path.startswith(str(tmp_path)):
        pytest.skip("another system's folders")
    async with open_engine(config):
        assert (tmp_path / "data" / "onrecord" / "record-fake.db").is_file()
    assert not (tmp_path / "data" / "onrecord" / "record.db").exists()


async def test_model_that_is_not_there(tmp_path: Path) -> None:
    assert str(tmp_path / "none") in await fails("--model", str(tmp_path / "none"), "--store", ":memory:")


async def test_ready_file_that_cannot_be_written(tmp_path: Path) -> None:
    ready = tmp_path / "none" / "ready"
    assert f"--ready-file {ready}: No such file" in await fails("--ready-file", str(ready), "--store", ":memory:")


async def test_token_file_that_is_not_there(tmp_path: Path) -> None:
    assert "--token-file" in await fails("--token-file", str(tmp_path / "none"), "--store", ":memory:")

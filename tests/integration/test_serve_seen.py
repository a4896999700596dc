"""`python -m onrecord_server` as a process: what it tells of itself when asked, and that it does not when not."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import subprocess
import sys
import urllib.request
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)

from onrecord.v1 import server_info_service_pb2 as info_pb
from onrecord.v1 import server_info_service_pb2_grpc

FAKES = ["--model", "fake", "--encoder", "fake", "--store", ":memory:", "--listen", "127.0.0.1:0"]
SERVE = "from onrecord_server.config import serve_command; serve_command()()"
BLOCKED = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Block())
"""


def environment() -> dict[str, str]:
    """A bare one, with the code of this checkout."""
    return {"PYTHONPATH": ":".join(sys.path), "PYTHONWARNINGS": "error"}


class Served:
    """A server process that serves; what it writes to stderr is read line by line."""

    def __init__(self, process: Process, address: str) -> None:
        self.process = process
        self.address = address
        self.lines: list[str] = []

    async def line(self, pattern: str) -> re.Match[str]:
        """The next line on stderr that has this."""
        assert self.process.stderr is not None
        async with asyncio.timeout(30):
            while line := (await self.process.stderr.readline()).decode():
                self.lines.append(line)
                if found := re.search(pattern, line):
                    return found
        raise AssertionError(self.lines)

    async def call(self) -> None:
        """Ask it who it is."""
        async with grpc.aio.insecure_channel(self.address) as channel:
            infos = server_info_service_pb2_grpc.ServerInfoServiceStub(channel)
            await infos.GetServerInfo(info_pb.GetServerInfoRequest())

    async def stop(self) -> int:
        """Its exit status after SIGTERM."""
        self.process.terminate()
        async with asyncio.timeout(30):
            _, rest = await self.process.communicate()
        self.lines += rest.decode().splitlines(keepends=True)
        return self.process.returncode or 0


@pytest.fixture
async def start() -> AsyncIterator[Any]:
    """Starts servers and waits until they serve; kills what is left."""
    processes: list[Process] = []

    async def begin(*arguments: str, code: str = "") -> Served:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", f"{code}\n{SERVE}", *FAKES, *arguments, stdout=PIPE, stderr=PIPE, env=environment()
        )
        processes.append(process)
        assert process.stdout is not None
        async with asyncio.timeout(60):
            line = (await process.stdout.readline()).decode()
        found = re.search(r"serving on (\S+:\d+) ", line)
        assert found, (await process.communicate())[1].decode()
        return Served(process, found[1])

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


async def test_metrics_can_be_scraped_until_the_end(start: Any) -> None:
    server = await start("--metrics-listen", "127.0.0.1:0")
    url = (await server.line(r"metrics at (http://127\.0\.0\.1:\d+/metrics)"))[1]
    await server.call()

    def scrape() -> str:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return str(answer.read().decode())

    told = await asyncio.to_thread(scrape)
    assert re.search(r'^grpc_server_handled_total\{grpc_code="OK",grpc_method="GetServerInfo",.*\} 1\.0$', told, re.M)
    assert re.search(r"^onrecord_serving 1\.0$", told, re.M)
    assert await server.stop() == 0


async def test_without_being_asked_it_opens_no_second_port_and_loads_neither_library(start: Any) -> None:
    # as if neither were installed: it must not miss them
    server = await start(code=BLOCKED.format(blocked=["prometheus_client", "opentelemetry"]))
    await server.call()
    assert await server.stop() == 0
    assert not any("metrics" in line or "Traceback" in line for line in server.lines)


def test_a_metrics_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        assert f"--metrics-listen {listen}: Address already in use" in fails("--metrics-listen", listen)


def test_metrics_stay_on_this_machine_unless_told_otherwise() -> None:
    assert "--metrics-listen 0.0.0.0:0: not a loopback address" in fails("--metrics-listen", "0.0.0.0:0", status=2)
    assert "--metrics-listen 9464: give HOST:PORT" in fails("--metrics-listen", "9464", status=2)


def test_without_the_extra_traces_say_what_to_install() -> None:
    line = fails("--traces", "otlp", code=BLOCKED.format(blocked=["opentelemetry"]))
    why = "opentelemetry is missing; pip install ./server/models '.[server,otel]' in a checkout"
    assert line == f"onrecord: --traces otlp: {why}"


async def test_spans_on_stderr_are_json_and_the_standard_variables_hold(start: Any) -> None:
    variables = {"OTEL_SERVICE_NAME": "ours", "OTEL_RESOURCE_ATTRIBUTES": "team=a"}
    code = f"import os; os.environ.update({variables!r})"
    server = await start("--traces", "console", "--log-format", "json", code=code)
    await server.call()
    assert await server.stop() == 0
    entries = [json.loads(line) for line in server.lines]
    (span,) = [entry for entry in entries if "kind" in entry]
    (access,) = [entry for entry in entries if entry.get("logger") == "onrecord_server.access"]
    assert span["name"] == access["method"] == "onrecord.v1.ServerInfoService/GetServerInfo"
    assert span["context"]["trace_id"] == f"0x{access['trace_id']}"
    assert span["attributes"]["onrecord.request_id"] == access["request_id"]
    assert (span["resource"]["attributes"]["service.name"], span["resource"]["attributes"]["team"]) == ("ours", "a")


class Collector(TraceServiceServicer):
    """Keeps the spans that it is sent."""

    def __init__(self) -> None:
        self.names: list[str] = []

    async def Export(self, request: Any, context: Any) -> ExportTraceServiceResponse:
        """Keep them."""
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.names += [span.name for span in scope.spans]
        return ExportTraceServiceResponse()


async def test_a_collector_has_every_span_when_the_server_has_stopped(start: Any) -> None:
    collector, listening = Collector(), grpc.aio.server()
    add_TraceServiceServicer_to_server(collector, listening)
    port = listening.add_insecure_port("127.0.0.1:0")
    await listening.start()
    code = f"import os; os.environ['OTEL_EXPORTER_OTLP_ENDPOINT'] = 'http://127.0.0.1:{port}'"
    server = await start("--traces", "otlp", code=code)
    await server.call()
    assert await server.stop() == 0
    await listening.stop(None)
    assert collector.names == ["onrecord.v1.ServerInfoService/GetServerInfo"]


async def test_a_collector_that_is_away_holds_up_neither_calls_nor_the_end(start: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and says nothing
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        code = f"import os; os.environ['OTEL_EXPORTER_OTLP_ENDPOINT'] = {endpoint!r}"
        server = await start("--traces", "otlp", code=code)
        await server.call()
        assert await server.stop() == 0


def test_only_the_protocol_that_is_there() -> None:
    code = "import os; os.environ['OTEL_EXPORTER_OTLP_PROTOCOL'] = 'http/protobuf'"
    assert "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf: only grpc" in fails("--traces", "otlp", code=code)

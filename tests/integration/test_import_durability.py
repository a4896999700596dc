"""A server that is killed in the middle of an import: what it acknowledged is there, and what waited is embedded."""

from __future__ import annotations

import asyncio
import re
import signal
import sqlite3
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from onrecord.v1 import statement_pb2 as statement
from onrecord.v1 import statement_service_pb2 as pb
from onrecord.v1 import statement_service_pb2_grpc as pb_grpc

PARENT = "collections/default"
MESSAGES = 200


@dataclass
class Running:
    """A server process on the fakes."""

    process: Process
    channel: grpc.aio.Channel


Start = Callable[[], Awaitable[Running]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts servers on one record; kills what is left of them."""
    running: list[Running] = []

    async def begin() -> Running:
        flags = ["--model", "fake", "--encoder", "fake", "--listen", "127.0.0.1:0", "--store", "record.db"]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "onrecord_server", *flags),
            stdout=PIPE,
            stderr=DEVNULL,
            cwd=tmp_path,
            env={"PYTHONPATH": ":".join(sys.path)},
        )
        assert process.stdout is not None
        async with asyncio.timeout(60):
            line = (await process.stdout.readline()).decode()
        found = re.search(r"serving on (\S+:\d+) ", line)
        assert found, line
        server = Running(process, grpc.aio.insecure_channel(found[1]))
        running.append(server)
        return server

    yield begin
    for server in running:
        await server.channel.close()
        if server.process.returncode is None:
            server.process.kill()
        await server.process.wait()


def message(number: int, defer_index: bool) -> pb.StreamImportStatementsRequest:
    """Message so-and-so of an import."""
    made = [statement.Statement(text=f"Fact {number} {n}.") for n in range(20)]
    return pb.StreamImportStatementsRequest(statements=made, request_id=f"m-{number}", defer_index=defer_index)


async def send(server: Running, defer_index: bool, *, kill_after: int | None = None) -> list[Any]:
    """Import all messages; the answers that came."""

    async def sending() -> AsyncIterator[Any]:
        for number in range(MESSAGES):
            yield message(number, defer_index)

    answers: list[Any] = []
    call = pb_grpc.StatementServiceStub(server.channel).StreamImportStatements(sending())
    while (answer := await _next(call)) is not grpc.aio.EOF:
        answers.append(answer)
        if len(answers) == kill_after:
            server.process.send_signal(signal.SIGKILL)
    return answers


async def _next(call: Any) -> Any:
    """The next answer, or EOF when there is none any more because the server is gone."""
    try:
        return await call.read()
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.UNAVAILABLE:
            raise
        return grpc.aio.EOF


async def names_at(server: Running) -> list[str]:
    """Names of all statements, from an export."""
    call = pb_grpc.StatementServiceStub(server.channel).ExportStatements(pb.ExportStatementsRequest())
    return [s.name async for part in call for s in part.statements]


@pytest.mark.parametrize("defer_index", [False, True])
async def test_a_killed_server_keeps_what_it_acknowledged(start: Start, tmp_path: Path, defer_index: bool) -> None:
    server = await start()
    answers = await send(server, defer_index, kill_after=30)
    await server.process.wait()
    assert 30 <= len(answers) < MESSAGES
    again = await start()
    stored = await names_at(again)
    acknowledged = [name for answer in answers for name in answer.names]
    assert stored[: len(acknowledged)] == acknowledged
    assert len(stored) % 20 == 0  # whole messages only
    resumed = await send(again, defer_index)
    assert len(resumed) == MESSAGES
    assert [a.replayed for a in resumed] == [True] * (len(stored) // 20) + [False] * (MESSAGES - len(stored) // 20)
    assert [name for a in resumed[: len(answers)] for name in a.names] == acknowledged
    assert await names_at(again) == [name for a in resumed for name in a.names]
    async with asyncio.timeout(60):
        while await waiting(again):
            pass
    again.process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(30):
        assert await again.process.wait() == 0
    with sqlite3.connect(tmp_path / "record.db") as connection:
        (rows,) = connection.execute("SELECT count(*) FROM embeddings").fetchone()
        assert rows == 20 * MESSAGES
        connection.execute("INSERT INTO statement_words (statement_words, rank) VALUES ('integrity-check', 1)")
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


async def waiting(server: Running) -> int:
    """Statements that wait for their embedding."""
    stub = pb_grpc.StatementServiceStub(server.channel)
    found = await stub.GetCollection(pb.GetCollectionRequest(name=PARENT))
    return int(found.collection.pending_count)


async def test_what_waits_for_its_embedding_is_embedded_after_a_restart(start: Start, tmp_path: Path) -> None:
    server = await start()
    call = pb_grpc.StatementServiceStub(server.channel).StreamImportStatements(iter([message(0, True)]))
    assert [answer.pending_count async for answer in call] == [20]
    server.process.send_signal(signal.SIGKILL)
    await server.process.wait()
    with sqlite3.connect(tmp_path / "record.db") as connection:
        assert connection.execute("SELECT count(*) FROM pending_embeddings").fetchone() == (20,)
    connection.close()
    again = await start()
    async with asyncio.timeout(60):
        while await waiting(again):
            pass

"""Where a client may be used: threads, forks, event loops."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from concurrent import futures
from pathlib import Path

import pytest

import onrecord
from onrecord import AsyncClient, errors
from onrecord.testing import FakeServer

CLIENT = str(Path(onrecord.__file__).parents[1])

FORKED = """
import os, sys, onrecord
client = onrecord.Client(sys.argv[1], timeout=20)
early = sys.argv[2] == "before"
if not early:
    client.check("parent")
child = os.fork()
if child == 0:
    try:
        client.check("child")
        print("answered", flush=True)
    except onrecord.ClientMisplaced as error:
        print(error, flush=True)
    os._exit(0)
os.waitpid(child, 0)
client.check("parent again")
client.close()
"""


def forked(fake: FakeServer, when: str, **variables: str) -> str:
    environment = {**os.environ, "PYTHONPATH": CLIENT, "PYTHONWARNINGS": "ignore", **variables}
    done = subprocess.run(
        [sys.executable, "-c", FORKED, fake.target, when], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert [call.claim.text for call in fake.checks][-1] == "parent again"
    return done.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
class TestForks:
    def test_before_the_first_call_a_client_may_be_inherited(self, fake: FakeServer) -> None:
        assert forked(fake, "before") == "answered\n"

    def test_after_it_the_child_is_told_instead_of_left_hanging(self, fake: FakeServer) -> None:
        assert "gRPC does not survive that" in forked(fake, "after")

    def test_with_grpcs_own_support_the_child_connects_anew(self, fake: FakeServer) -> None:
        assert forked(fake, "after", GRPC_ENABLE_FORK_SUPPORT="1") == "answered\n"


def test_one_async_client_in_one_loop_after_another(fake: FakeServer) -> None:
    client = AsyncClient(fake.target)  # outside of any loop

    async def use() -> onrecord.Verdict:
        return (await client.check("x")).verdict

    assert [asyncio.run(use()) for _ in range(3)] == ["NOT_ENOUGH_EVIDENCE"] * 3
    asyncio.run(client.close())
    with pytest.raises(errors.ClientClosed):
        asyncio.run(use())


async def test_another_loop_while_the_first_is_open_is_refused(fake: FakeServer) -> None:
    async with fake.async_client() as client:
        await client.check("x")
        with pytest.raises(errors.ClientMisplaced, match="another event loop"):
            await asyncio.to_thread(asyncio.run, client.check("x"))
        await client.check("x")


async def test_tasks_share_a_client(fake: FakeServer) -> None:
    async with fake.async_client() as client:
        results = await asyncio.gather(*(client.check(f"{i}") for i in range(50)))
    assert len(results) == 50


def test_threads_share_a_client_from_its_first_call(fake: FakeServer) -> None:
    with fake.client() as client, futures.ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(client.check, map(str, range(40))))) == 40


async def test_closing_ends_what_is_under_way(fake: FakeServer) -> None:
    client = fake.async_client()
    gate = asyncio.Event()

    async def never() -> onrecord.CheckResult:
        async for _ in client.check_stream(waiting()):
            gate.set()
        raise AssertionError

    async def waiting():  # type: ignore[no-untyped-def]
        yield "x"
        await asyncio.Event().wait()

    task = asyncio.create_task(never())
    await gate.wait()
    await client.close()
    with pytest.raises((errors.Cancelled, errors.ClientClosed)):
        await task


async def test_a_cancelled_call_stays_cancelled(fake: FakeServer) -> None:
    async with fake.async_client() as client:
        fake.serving(False)
        task = asyncio.create_task(client.wait_ready(30))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

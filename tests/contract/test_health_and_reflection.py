"""Health follows the model; reflection tells a foreign client everything."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2

from onrecord_server.rpc.server import SERVICES

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def probe(wire: Any) -> set[int]:
    """The statuses of the server and of each service."""
    return {(await wire.probes.Check(health_pb2.HealthCheckRequest(service=name))).status for name in ("", *SERVICES)}


async def test_not_serving_until_told_then_serving_then_not(serve: Any) -> None:
    wire = await serve(None)
    assert await probe(wire) == {NOT_SERVING}
    await wire.health.serving()
    assert await probe(wire) == {SERVING}
    await wire.health.not_serving()
    assert await probe(wire) == {NOT_SERVING}


async def test_watchers_see_every_change(serve: Any) -> None:
    wire = await serve(None)
    watch = wire.probes.Watch(health_pb2.HealthCheckRequest(service=SERVICES[0]))
    assert (await watch.read()).status == NOT_SERVING
    await wire.health.serving()
    assert (await watch.read()).status == SERVING
    await wire.health.not_serving()
    assert (await watch.read()).status == NOT_SERVING


async def test_a_watcher_outlives_another_that_leaves(serve: Any) -> None:
    wire = await serve(None)
    request = health_pb2.HealthCheckRequest()
    stays, leaves = wire.probes.Watch(request), wire.probes.Watch(request)
    await stays.read()
    await leaves.read()
    leaves.cancel()
    async with asyncio.timeout(20):
        while wire.health.watching > 1:  # until the server has seen it leave
            await probe(wire)
        await wire.health.serving()
        assert (await stays.read()).status == SERVING


async def test_an_unknown_service_is_not_found(serve: Any) -> None:
    wire = await serve(None)
    got = await wire.error(wire.probes.Check(health_pb2.HealthCheckRequest(service="nobody.v1.Nothing")))
    assert got.code is grpc.StatusCode.NOT_FOUND


async def test_probes_need_no_token(serve: Any) -> None:
    wire = await serve(None, token="s3cret")
    assert await probe(wire) == {NOT_SERVING}


async def test_buf_curl_lists_the_methods_by_reflection(serve: Any) -> None:
    wire = await serve(None)
    listed = await buf_curl(wire, "--list-methods", f"http://{wire.address}")
    methods = set(listed.split())
    assert {"onrecord.v1.CheckService/CheckClaim", "onrecord.v1.StatementService/ImportStatements"} <= methods
    assert {m.partition("/")[0] for m in methods} >= set(SERVICES) | {"grpc.health.v1.Health"}


async def test_buf_curl_reads_health(serve: Any) -> None:
    wire = await serve(None)
    answer = await buf_curl(wire, "-d", "{}", f"http://{wire.address}/grpc.health.v1.Health/Check")
    assert json.loads(answer) == {"status": "NOT_SERVING"}


async def test_buf_curl_checks_a_claim(wire: Any) -> None:
    created = '{"statement": {"text": "Freedonia respects the treaty.", "speaker": {"name": "Anna Keller"}}}'
    await buf_curl(wire, "-d", created, f"http://{wire.address}/onrecord.v1.StatementService/CreateStatement")
    claim = '{"claim": {"text": "Freedonia does not respect the treaty."}}'
    answer = await buf_curl(wire, "-d", claim, f"http://{wire.address}/onrecord.v1.CheckService/CheckClaim")
    result = json.loads(answer)["result"]
    assert result["verdict"] == "VERDICT_CONTRADICTED"
    assert result["contradictingSpeakers"] == ["Anna Keller"]


async def buf_curl(wire: Any, *arguments: str) -> str:
    """What the foreign client `buf curl` prints."""
    buf = Path(sys.executable).parent / "buf"
    curl = [str(buf), "curl", "--protocol", "grpc", "--http2-prior-knowledge", *arguments]
    process = await asyncio.create_subprocess_exec(
        *curl, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()

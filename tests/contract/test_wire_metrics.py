"""What Prometheus reads from a server that has been called."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2
from prometheus_client.parser import text_string_to_metric_families

from onrecord.v1 import check_service_pb2 as check_pb
from onrecord.v1 import statement_pb2, statement_service_pb2
from onrecord_server.app import Engine, open_engine, version
from onrecord_server.checking.batching import Priority
from onrecord_server.config import ServerConfig
from onrecord_server.rpc.server import METHODS
from onrecord_server.telemetry.telemetry import Telemetry

LISTEN = "127.0.0.1:0"

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    """Metrics on a free port."""
    opened = Telemetry(version(), METHODS, metrics_listen=LISTEN, queue_limit=1_000)
    yield opened
    opened.close()


@pytest.fixture
async def engine(telemetry: Telemetry) -> AsyncIterator[Engine]:
    """The engine on the declared fakes, which tells of its work."""
    config = ServerConfig(store=":memory:", model="fake", encoder="fake")
    async with open_engine(config, telemetry.meter) as opened:
        yield opened


@pytest.fixture
async def watched(serve: Any, engine: Engine, telemetry: Telemetry) -> Any:
    """The engine, served and watched."""
    telemetry.watch(engine.worker, engine.store, engine.model, engine.encoder)
    return await serve(engine.backend, observers=telemetry.observers)


def scrape(telemetry: Telemetry) -> Series:
    """Every series. Blocks the event loop meanwhile: who answers must not need it."""
    assert telemetry.metrics_url is not None
    with urllib.request.urlopen(telemetry.metrics_url, timeout=20) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def value(series: Series, name: str, **labels: str) -> float:
    """The sum of the series of that name with these labels; that there are some is part of the question."""
    found = [v for (n, have), v in series.items() if n == name and labels.items() <= dict(have).items()]
    assert found, (name, labels)
    return sum(found)


def check(wire: Any, text: str, **options: Any) -> Any:
    """A check."""
    return wire.checks.CheckClaim(check_pb.CheckClaimRequest(claim=check_pb.Claim(text=text)), **options)


def importing(*texts: str) -> Any:
    """A stream of an import, one statement a message."""

    async def sending() -> AsyncIterator[Any]:
        for text in texts:
            statement = statement_pb2.Statement(text=text)
            yield statement_service_pb2.ImportStatementsRequest(statements=[statement])

    return sending()


async def test_calls_are_counted_by_method_and_code(watched: Any, telemetry: Telemetry) -> None:
    await check(watched, "Freedonia respects the treaty.")
    await check(watched, "Freedonia respects the treaty.")
    await watched.error(check(watched, ""))
    seen = scrape(telemetry)
    labels = {"grpc_type": "unary", "grpc_service": "onrecord.v1.CheckService", "grpc_method": "CheckClaim"}
    assert value(seen, "grpc_server_started_total", **labels) == 3
    assert value(seen, "grpc_server_handled_total", grpc_code="OK", **labels) == 2
    assert value(seen, "grpc_server_handled_total", grpc_code="InvalidArgument", **labels) == 1
    assert value(seen, "grpc_server_handled_total", **labels) == 3
    assert value(seen, "grpc_server_handling_seconds_count", **labels) == 3
    assert value(seen, "grpc_server_handling_seconds_bucket", le="+Inf", **labels) == 3
    assert value(seen, "grpc_server_msg_received_total", **labels) == 3
    assert value(seen, "grpc_server_msg_sent_total", **labels) == 2
    assert value(seen, "grpc_server_in_flight") == 0


async def test_a_stream_is_seen_while_it_runs(watched: Any, telemetry: Telemetry) -> None:
    method = {"grpc_method": "ImportStatements", "grpc_type": "client_stream"}
    more = asyncio.Event()

    async def sending() -> AsyncIterator[Any]:
        async for message in importing("One."):
            yield message
        await more.wait()
        async for message in importing("Two.", "Three."):
            yield message

    call = watched.statements.ImportStatements(sending())
    async with asyncio.timeout(20):
        while not value(scrape(telemetry), "grpc_server_msg_received_total", **method):
            await watched.probes.Check(health_pb2.HealthCheckRequest())  # the server has more to do meanwhile
    during = scrape(telemetry)
    assert value(during, "grpc_server_in_flight", **method) == 1
    assert value(during, "grpc_server_handled_total", **method) == 0
    more.set()
    assert (await call).created_count == 3
    after = scrape(telemetry)
    assert value(after, "grpc_server_in_flight", **method) == 0
    assert value(after, "grpc_server_msg_received_total", **method) == 3
    assert value(after, "grpc_server_handled_total", grpc_code="OK", **method) == 1


async def test_items_that_fail_alone_are_counted_though_their_calls_are_ok(watched: Any, telemetry: Telemetry) -> None:
    claims = [check_pb.Claim(text=text) for text in ("Freedonia respects the treaty.", "", " ")]
    await watched.checks.BatchCheckClaims(check_pb.BatchCheckClaimsRequest(claims=claims))
    taken = statement_pb2.Statement(name="collections/default/statements/s1", text="One.")
    request = statement_service_pb2.ImportStatementsRequest(statements=[taken, taken])
    await watched.statements.ImportStatements(iter([request]))
    seen = scrape(telemetry)
    assert value(seen, "onrecord_failed_items_total", reason="INVALID_FIELDS") == 2
    assert value(seen, "onrecord_failed_items_total", reason="STATEMENT_EXISTS") == 1
    assert value(seen, "onrecord_failed_items_total") == 3
    assert value(seen, "grpc_server_handled_total", grpc_code="OK") == 2


async def test_a_stream_of_claims_is_counted_message_by_message(watched: Any, telemetry: Telemetry) -> None:
    method = {"grpc_method": "StreamCheckClaims", "grpc_type": "bidi_stream"}
    call = watched.checks.StreamCheckClaims()
    for text in ("Freedonia respects the treaty.", ""):
        await call.write(check_pb.StreamCheckClaimsRequest(claim=check_pb.Claim(text=text)))
        await call.read()
    during = scrape(telemetry)
    assert value(during, "grpc_server_msg_received_total", **method) == 2
    assert value(during, "grpc_server_msg_sent_total", **method) == 2
    assert value(during, "grpc_server_in_flight", **method) == 1
    assert value(during, "onrecord_failed_items_total", reason="INVALID_FIELDS") == 1
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
    assert value(scrape(telemetry), "grpc_server_handled_total", grpc_code="OK", **method) == 1


async def test_who_left_is_in_flight_no_more(watched: Any, telemetry: Telemetry) -> None:
    call = watched.statements.ImportStatements()
    async with asyncio.timeout(20):
        while not value(scrape(telemetry), "grpc_server_in_flight"):
            await watched.probes.Check(health_pb2.HealthCheckRequest())
    call.cancel()
    await watched.guard.idle()
    after = scrape(telemetry)
    assert value(after, "grpc_server_in_flight") == 0
    assert value(after, "grpc_server_handled_total") == 1


async def test_the_engine_s_work_is_counted(watched: Any, telemetry: Telemetry) -> None:
    pairs = [check_pb.Pair(premise=f"Statement {i}.", hypothesis="A claim.") for i in range(3)]
    await watched.statements.ImportStatements(importing("Freedonia respects the treaty.", "Sylvania does not."))
    await check(watched, "Freedonia respects the treaty.")
    before = scrape(telemetry)
    assert value(before, "onrecord_stage_seconds_count", stage="total") == 1
    assert value(before, "onrecord_stage_seconds_count", stage="retrieval") == 1
    assert value(before, "onrecord_inputs_total", kind="text") >= 2
    for _ in range(2):
        await watched.checks.ScorePairs(check_pb.ScorePairsRequest(pairs=pairs))
    after = scrape(telemetry)

    def more(name: str, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    assert more("onrecord_inputs_total", kind="pair") == 3
    assert more("onrecord_tokens_total", kind="pair") > 3
    assert more("onrecord_batch_tokens_count", kind="pair") >= 1
    assert more("onrecord_pair_cache_total", result="miss") == 3
    assert more("onrecord_pair_cache_total", result="hit") == 3
    assert more("onrecord_stage_seconds_count", stage="tokenise") == 1
    assert more("onrecord_stage_seconds_count", stage="inference") >= 1
    assert more("onrecord_stage_seconds_count", stage="total") == 0  # which is that of checks
    assert value(after, "onrecord_model_tokens_per_second") > 0
    assert value(after, "onrecord_queue_tokens") == 0
    assert value(after, "onrecord_stage_seconds_count", stage="other") == 0


async def test_the_queue_and_who_was_refused_are_told(serve: Any, telemetry: Telemetry) -> None:
    config = ServerConfig(store=":memory:", model="fake", encoder="fake", max_batch_tokens=64, max_queue_tokens=64)
    async with open_engine(config, telemetry.meter) as engine:
        telemetry.watch(engine.worker, engine.store, engine.model, engine.encoder)
        with engine.worker.admit(50, priority=Priority.BULK):
            assert value(scrape(telemetry), "onrecord_queue_tokens", priority="bulk") == 50
            assert value(scrape(telemetry), "onrecord_queue_tokens", priority="interactive") == 0
            wire = await serve(engine.backend, observers=telemetry.observers)
            pairs = [check_pb.Pair(premise=f"A longer statement {i}.", hypothesis="A claim.") for i in range(30)]
            got = await wire.error(wire.checks.ScorePairs(check_pb.ScorePairsRequest(pairs=pairs)))
            assert got.info.reason == "OVERLOADED"
            seen = scrape(telemetry)
            assert value(seen, "onrecord_refused_total", reason="OVERLOADED") == 1
            assert value(seen, "onrecord_refused_total") == 1


async def test_the_record_and_what_runs_are_told(watched: Any, engine: Engine, telemetry: Telemetry) -> None:
    await watched.statements.ImportStatements(importing("One.", "Two."))
    seen = scrape(telemetry)
    assert value(seen, "onrecord_statements") == 2
    assert value(seen, "onrecord_store_revision") == engine.store.revision()
    assert value(seen, "onrecord_build_info", version=version()) == 1
    assert value(seen, "onrecord_model_info", part="nli", model_id="fake", precision="fp32") == 1
    assert value(seen, "onrecord_queue_limit_tokens") == 1_000
    assert value(seen, "process_resident_memory_bytes") > 0


async def test_serving_follows_health(watched: Any, telemetry: Telemetry) -> None:
    assert value(scrape(telemetry), "onrecord_serving") == 0
    telemetry.serving(True)
    assert value(scrape(telemetry), "onrecord_serving") == 1
    telemetry.serving(False)
    assert value(scrape(telemetry), "onrecord_serving") == 0


async def test_nothing_that_callers_send_makes_a_series(watched: Any, telemetry: Telemetry) -> None:
    before = set(scrape(telemetry))
    await check(watched, "Quentin Quill said that Zanzibar sells apples.", metadata=(("x-request-id", "abc"),))
    await watched.error(watched.channel.unary_unary("/onrecord.v1.CheckService/Nothing")(b""))
    await watched.error(watched.channel.unary_unary("/onrecord.v1.CheckService/CheckClaim")(b"\xff"))
    await watched.statements.ImportStatements(importing("Quentin Quill's words."))
    after = set(scrape(telemetry))
    assert after == before
    told = " ".join(v for _, labels in after for _, v in labels)
    assert not any(word in told for word in ("Quentin", "Quill", "Zanzibar", "apples", "abc", "Nothing"))


async def test_after_the_store_is_closed_the_last_figures_stand(
    watched: Any, engine: Engine, telemetry: Telemetry
) -> None:
    await watched.statements.ImportStatements(importing("One.", "Two."))
    assert value(scrape(telemetry), "onrecord_statements") == 2
    engine.store.close()
    assert value(scrape(telemetry), "onrecord_statements") == 2
    with pytest.raises(grpc.aio.AioRpcError):
        await check(watched, "One.")

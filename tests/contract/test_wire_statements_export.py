"""Exports over the wire: everything once, as it stood when the export began, bounded whatever the reader does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from onrecord.v1 import filter_pb2 as filter_pb
from onrecord.v1 import statement_pb2 as statement
from onrecord.v1 import statement_service_pb2 as pb
from onrecord_server.app import Engine, open_engine
from onrecord_server.config import ServerConfig
from onrecord_server.domain.limits import EXPORTS
from onrecord_server.rpc.calls import Call, CallObserver
from onrecord_server.rpc.services import exporting, statements
from onrecord_server.store.snapshot import Snapshot

NAME = "collections/default/statements/s-{}"


@pytest.fixture(params=["file", "memory"])
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Engine]:
    """The real engine on the declared fakes, its record on disk or in memory."""
    store = str(tmp_path / "record.db") if request.param == "file" else ":memory:"
    async with open_engine(ServerConfig(store=store, model="fake", encoder="fake")) as opened:
        yield opened


class Seen(CallObserver):
    """How exports ended."""

    def __init__(self) -> None:
        self.ends: list[tuple[grpc.StatusCode, str]] = []

    def ended(self, call: Call) -> None:
        if call.method.endswith("/ExportStatements"):
            self.ends.append((call.code, call.reason))


async def fill(wire: Any, count: int, text: str = "Fact {}.") -> None:
    made = [statement.Statement(text=text.format(n), name=NAME.format(n)) for n in range(count)]
    for start in range(0, count, 50):
        request = pb.BatchCreateStatementsRequest(statements=made[start : start + 50], defer_index=True)
        await wire.statements.BatchCreateStatements(request)


def export(wire: Any, parent: str = "") -> Any:
    return wire.statements.ExportStatements(pb.ExportStatementsRequest(parent=parent))


async def test_everything_comes_once_in_order_with_its_states(wire: Any) -> None:
    await fill(wire, 120)
    await wire.statements.RetractStatement(pb.RetractStatementRequest(name=NAME.format(7)))
    request = pb.SupersedeStatementRequest(name=NAME.format(8), superseded_by=NAME.format(9))
    await wire.statements.SupersedeStatement(request)
    messages = [message async for message in export(wire)]
    got = [s for message in messages for s in message.statements]
    assert [s.name for s in got] == [NAME.format(n) for n in range(120)]
    assert {message.total_size for message in messages} == {120}
    assert [s.state for s in got[6:9]] == [1, statement.STATE_RETRACTED, statement.STATE_SUPERSEDED]
    for s in got[5:10]:
        assert (await wire.statements.GetStatement(pb.GetStatementRequest(name=s.name))).statement == s


async def test_what_is_exported_can_be_imported_as_it_was(wire: Any) -> None:
    await fill(wire, 3)
    await wire.statements.RetractStatement(pb.RetractStatementRequest(name=NAME.format(1)))
    before = [s for message in [m async for m in export(wire)] for s in message.statements]
    await wire.statements.DeleteCollection(pb.DeleteCollectionRequest(name="collections/default", force=True))
    again = pb.BatchCreateStatementsRequest(statements=before)
    items = (await wire.statements.BatchCreateStatements(again)).items
    for old, new in zip(before, [item.statement for item in items], strict=True):
        for field in ("create_time", "update_time", "etag"):
            old.ClearField(field)
            new.ClearField(field)
        assert old == new


async def test_an_export_of_what_a_filter_lets_through(wire: Any) -> None:
    await fill(wire, 30)
    for n in (4, 9):
        await wire.statements.RetractStatement(pb.RetractStatementRequest(name=NAME.format(n)))
    chosen = filter_pb.StatementFilter(states=[statement.STATE_RETRACTED])
    call = wire.statements.ExportStatements(pb.ExportStatementsRequest(filter=chosen))
    (message,) = [m async for m in call]
    assert ([s.name for s in message.statements], message.total_size) == ([NAME.format(4), NAME.format(9)], 2)
    wrong = pb.ExportStatementsRequest(filter=filter_pb.StatementFilter(states=[0]), parent="nothing")
    error = await wire.error(wire.statements.ExportStatements(wrong).read())
    assert set(error.fields) == {"parent", "filter.states[0]"}


async def test_an_export_of_nothing(wire: Any) -> None:
    (message,) = [m async for m in export(wire, "collections/empty")]
    assert (list(message.statements), message.total_size) == ([], 0)
    error = await wire.error(export(wire, "nothing").read())
    assert error.fields == {"parent": "INVALID_RESOURCE_NAME"}


async def test_others_write_meanwhile_and_the_export_stays_as_it_was(wire: Any) -> None:
    """The reader takes one message and then waits, with megabytes to come, while everything is changed."""
    await fill(wire, 600, "𝔘" * 7_000 + " {}")
    call = export(wire)
    first = await call.read()
    await wire.statements.UpdateStatement(
        pb.UpdateStatementRequest(statement=statement.Statement(name=NAME.format(599), text="Changed."))
    )
    await wire.statements.DeleteStatement(pb.DeleteStatementRequest(name=NAME.format(598)))
    await wire.statements.CreateStatement(pb.CreateStatementRequest(statement=statement.Statement(text="New.")))
    got = list(first.statements)
    while (message := await call.read()) is not grpc.aio.EOF:
        assert message.ByteSize() < 2 * exporting.MESSAGE_BYTES
        assert (message.total_size, message.store_revision) == (600, first.store_revision)
        got += message.statements
    assert [s.text.rpartition(" ")[2] for s in got] == [str(n) for n in range(600)]
    later = [s.name for message in [m async for m in export(wire)] for s in message.statements]
    assert len(later) == 600
    assert NAME.format(598) not in later


async def test_a_reader_who_takes_nothing_loses_the_view(
    serve: Any, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = asyncio.Event()
    close = Snapshot.close

    def closing(snapshot: Snapshot) -> None:
        close(snapshot)
        closed.set()

    monkeypatch.setattr(Snapshot, "close", closing)
    monkeypatch.setattr(statements, "Exports", lambda: exporting.Exports(patience=0.5))
    seen = Seen()
    wire = await serve(engine.backend, observers=[seen])
    await fill(wire, 600, "𝔘" * 7_000 + " {}")
    call = export(wire)
    await call.read()
    await asyncio.wait_for(closed.wait(), 30)
    await asyncio.wait_for(wire.guard.idle(), 30)  # for the server it is over before the reader reads on
    assert seen.ends == [(grpc.StatusCode.ABORTED, "EXPORT_STALLED")]

    async def rest() -> None:
        while await call.read() is not grpc.aio.EOF:
            pass

    error = await wire.error(rest())
    assert (error.code, error.info.reason) == (grpc.StatusCode.ABORTED, "EXPORT_STALLED")


async def test_a_drain_waits_no_longer_for_a_reader_who_takes_nothing(wire: Any) -> None:
    await fill(wire, 600, "𝔘" * 7_000 + " {}")
    stalled, read = export(wire), export(wire)
    await stalled.read()
    cutting = asyncio.create_task(wire.guard.cut_stalled(1.0))
    texts = [s.text async for message in read for s in message.statements]
    assert len(texts) == 600  # who reads has it all
    await asyncio.wait_for(wire.guard.idle(), 30)
    cutting.cancel()

    async def rest() -> None:
        while await stalled.read() is not grpc.aio.EOF:
            pass

    error = await wire.error(rest())
    assert (error.code, error.info.reason) == (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
    assert error.trailers["x-request-id"]


async def test_an_export_gives_all_that_can_be_read_before_it_tells_of_damage(wire: Any, engine: Engine) -> None:
    await fill(wire, 130)
    store: Any = engine.store
    ids = ", ".join(f"'s-{n}'" for n in range(10, 80))
    store._db._writer.execute(f"UPDATE statements SET text = CAST(x'ff' AS TEXT) WHERE statement_id IN ({ids})")
    got: list[str] = []

    async def read() -> None:
        async for message in export(wire):
            got.extend(one.name for one in message.statements)

    error = await wire.error(read())
    assert got == [NAME.format(n) for n in range(130) if not 10 <= n < 80]
    assert (error.code, error.info.reason) == (grpc.StatusCode.DATA_LOSS, "STORE_DAMAGED")
    assert error.message.startswith(f"{NAME.format(10)} and 69 more: damaged in the record; all others were given")


async def test_so_many_exports_at_once(wire: Any) -> None:
    await fill(wire, 600, "𝔘" * 7_000 + " {}")
    calls = [export(wire) for _ in range(EXPORTS.value)]
    for call in calls:
        await call.read()
    error = await wire.error(export(wire).read())
    assert (error.code, error.info.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
    for call in calls:
        call.cancel()
    await wire.guard.idle()
    messages = [m async for m in export(wire)]  # those who leave make room
    assert sum(len(m.statements) for m in messages) == 600

"""Every row of the error table and every reason of a field, provoked on a real server where a caller can provoke it.

A new error or reason without an entry here fails the suite: provoke it, or say why no caller can.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Protocol

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2

from onrecord.v1 import check_service_pb2 as check_pb
from onrecord.v1 import server_info_service_pb2 as info_pb
from onrecord.v1 import statement_pb2 as pb
from onrecord.v1 import statement_service_pb2 as statement_pb
from onrecord_server.app import Engine, open_engine
from onrecord_server.config import ServerConfig
from onrecord_server.domain import errors
from onrecord_server.domain.reasons import FIELD_REASONS
from onrecord_server.nli.base import EncodedPair, FloatArray
from onrecord_server.nli.fake import FakeScorer
from onrecord_server.rpc.errors import TABLE
from scripted import use_models

NAME = "collections/default/statements/s1"
FACT = "The harbour was closed."
Call = Awaitable[Any]


class Broken(FakeScorer):
    """The fake, which fails on one word, and on another takes its thread down."""

    def score(self, batch: Sequence[EncodedPair]) -> FloatArray:
        ids = {word for pair in batch for word in pair.ids}
        if self._ids.get("poison") in ids:
            raise RuntimeError("/secret/path: not to be scored")
        if self._ids.get("deadly") in ids:
            raise SystemExit("the model took the thread down")
        return super().score(batch)


class Slow(FakeScorer):
    """The fake, at a pace that can be measured."""

    def score(self, batch: Sequence[EncodedPair]) -> FloatArray:
        time.sleep(0.1)
        return super().score(batch)


def create(wire: Any, **fields: Any) -> Call:
    """Create a statement."""
    statement = pb.Statement(**{"text": FACT, **fields})
    return wire.statements.CreateStatement(statement_pb.CreateStatementRequest(statement=statement))  # type: ignore[no-any-return]


def check(wire: Any, text: str = FACT, timeout: float | None = None, **fields: Any) -> Call:
    """Check a claim."""
    request = check_pb.CheckClaimRequest(claim=check_pb.Claim(text=text), **fields)
    return wire.checks.CheckClaim(request, timeout=timeout)  # type: ignore[no-any-return]


def score(wire: Any, premise: str, hypothesis: str) -> Call:
    """Score one pair."""
    pair = check_pb.Pair(premise=premise, hypothesis=hypothesis)
    return wire.checks.ScorePairs(check_pb.ScorePairsRequest(pairs=[pair]))  # type: ignore[no-any-return]


def get(wire: Any, name: str = NAME) -> Call:
    """Read a statement."""
    return wire.statements.GetStatement(statement_pb.GetStatementRequest(name=name))  # type: ignore[no-any-return]


def sql(engine: Engine, statement: str) -> None:
    """Change how the record's connection behaves: SQLite then answers as on such a disk."""
    store: Any = engine.store
    store._db._writer.execute(statement)


class Provoke(Protocol):
    """Serves the engine, or not, and makes the call that fails."""

    async def __call__(self, serve: Any, engine: Engine, stack: ExitStack) -> tuple[Any, Call]:
        """The wire and the call."""
        ...


def at_once(call: Callable[[Any], Call]) -> Provoke:
    """A call that fails on any server."""

    async def provoke(serve: Any, engine: Engine, stack: ExitStack) -> tuple[Any, Call]:
        wire = await serve(engine.backend)
        return wire, call(wire)

    return provoke


async def taken_name(serve: Any, engine: Engine, stack: ExitStack) -> tuple[Any, Call]:
    """A second statement of the same name."""
    wire = await serve(engine.backend)
    await create(wire, name=NAME)
    return wire, create(wire, name=NAME)


async def no_token(serve: Any, engine: Engine, stack: ExitStack) -> tuple[Any, Call]:
    """A call without the token."""
    wire = await serve(engine.backend, token="s3cret")
    return wire, get(wire)


async def not_loaded(serve: Any, engine: Engine, stack: ExitStack) -> tuple[Any, Call]:
    """A call before the models are there."""
    wire = await serve(None)
    return wire, wire.infos.GetServerInfo(info_pb.GetServerInfoRequest())


async def full_queue(serve: Any, engine: Engine, stack: ExitStack) -> tuple[Any, Call]:
    """A call when as much waits as may."""
    wire = await serve(engine.backend)
    await create(wire)
    with suppress(errors.Overloaded):
        while True:
            stack.enter_context(engine.worker.admit(2_000))
    return wire, check(wire)


async def long_queue(serve: Any, engine: Engine, stack: ExitStack) -> tuple[Any, Call]:
    """A call with less time than what waits will take."""
    use_models(engine.worker, Slow())
    wire = await serve(engine.backend)
    await create(wire)
    for words in (1, 20, 200):  # so that the pace is known
        await score(wire, "k " * words, FACT)
    for _ in range(75):
        stack.enter_context(engine.worker.admit(2_000))
    return wire, check(wire, timeout=5)


async def stopping(serve: Any, engine: Engine, stack: ExitStack) -> tuple[Any, Call]:
    """A call when the worker takes no more."""
    wire = await serve(engine.backend)
    await engine.worker.stop(0)
    return wire, score(wire, FACT, FACT)


async def dead_model(serve: Any, engine: Engine, stack: ExitStack) -> tuple[Any, Call]:
    """A call after one that took the model down."""
    use_models(engine.worker, Broken())
    wire = await serve(engine.backend)
    await wire.error(score(wire, "deadly", "deadly"))
    return wire, score(wire, FACT, FACT)


async def failing_model(serve: Any, engine: Engine, stack: ExitStack) -> tuple[Any, Call]:
    """A pair that the model fails on."""
    use_models(engine.worker, Broken())
    wire = await serve(engine.backend)
    return wire, score(wire, "poison", "poison")


async def closed_store(serve: Any, engine: Engine, stack: ExitStack) -> tuple[Any, Call]:
    """A call when the record cannot be read."""
    wire = await serve(engine.backend)
    await asyncio.to_thread(engine.store.close)
    return wire, get(wire)


async def damaged(serve: Any, engine: Engine, stack: ExitStack) -> tuple[Any, Call]:
    """A statement whose labels somebody has cut short."""
    wire = await serve(engine.backend)
    await create(wire, name=NAME)
    sql(engine, "UPDATE statements SET labels = '[\"ha'")
    return wire, get(wire)


async def read_only(serve: Any, engine: Engine, stack: ExitStack) -> tuple[Any, Call]:
    """A write to a record that takes none."""
    wire = await serve(engine.backend)
    sql(engine, "PRAGMA query_only = 1")
    return wire, create(wire)


async def full_disk(serve: Any, engine: Engine, stack: ExitStack) -> tuple[Any, Call]:
    """A write to a record that may not grow."""
    wire = await serve(engine.backend)
    sql(engine, "PRAGMA max_page_count = 1")  # SQLite makes it as many pages as there are
    messages = statement_pb.ImportStatementsRequest(statements=[pb.Statement(text=f"{n} " * 999) for n in range(500)])
    return wire, wire.statements.ImportStatements(iter([messages]))


COLLECTION = "collections/papers"


def collect(wire: Any) -> Call:
    """Create a collection."""
    request = statement_pb.CreateCollectionRequest(collection_id="papers")
    return wire.statements.CreateCollection(request)  # type: ignore[no-any-return]


async def taken_collection(serve: Any, engine: Engine, stack: ExitStack) -> tuple[Any, Call]:
    """A second collection of the same name."""
    wire = await serve(engine.backend)
    await collect(wire)
    return wire, collect(wire)


async def full_collection(serve: Any, engine: Engine, stack: ExitStack) -> tuple[Any, Call]:
    """Deleting a collection that holds a statement."""
    wire = await serve(engine.backend)
    statement = pb.Statement(text=FACT)
    await wire.statements.CreateStatement(statement_pb.CreateStatementRequest(parent=COLLECTION, statement=statement))
    return wire, wire.statements.DeleteCollection(statement_pb.DeleteCollectionRequest(name=COLLECTION))


async def old_etag(serve: Any, engine: Engine, stack: ExitStack) -> tuple[Any, Call]:
    """Deleting a statement as it no longer is."""
    wire = await serve(engine.backend)
    made = (await create(wire, name=NAME)).statement
    made.text = "The harbour was opened."
    await wire.statements.UpdateStatement(statement_pb.UpdateStatementRequest(statement=made))
    return wire, wire.statements.DeleteStatement(statement_pb.DeleteStatementRequest(name=NAME, etag=made.etag))


async def reused_id(serve: Any, engine: Engine, stack: ExitStack) -> tuple[Any, Call]:
    """Another request under the id of an earlier one."""
    wire = await serve(engine.backend)
    first, second = (
        statement_pb.CreateStatementRequest(statement=pb.Statement(text=text), request_id="r1")
        for text in (FACT, "The harbour was opened.")
    )
    await wire.statements.CreateStatement(first)
    return wire, wire.statements.CreateStatement(second)


PROVOKED: dict[type[errors.OnrecordError], Provoke] = {
    errors.InvalidInput: at_once(lambda wire: check(wire, "")),
    errors.Unauthenticated: no_token,
    errors.NotFound: at_once(get),
    errors.AlreadyExists: taken_name,
    errors.CollectionNotFound: at_once(
        lambda wire: wire.statements.GetCollection(statement_pb.GetCollectionRequest(name=COLLECTION))
    ),
    errors.CollectionExists: taken_collection,
    errors.CollectionNotEmpty: full_collection,
    errors.EtagMismatch: old_etag,
    errors.RequestIdReused: reused_id,
    errors.Overloaded: full_queue,
    errors.DeadlineUnreachable: long_queue,
    errors.StoreError: closed_store,
    errors.StoreDamaged: damaged,
    errors.StoreReadOnly: read_only,
    errors.StoreFull: full_disk,
    errors.ModelError: failing_model,
    errors.ClaimTooLongForModel: at_once(lambda wire: score(wire, FACT, "k " * 600)),
    errors.ModelUnusable: dead_model,
    errors.NotReady: not_loaded,
    errors.ShuttingDown: stopping,
}
# every row is injected by test_wire_errors.test_each_row_arrives, these too
NOT_BY_A_CALLER = {
    errors.ExportStalled: "takes a minute; test_wire_limits.export_patience has it in less",
    errors.DeadlineTooShort: "the caller's own gRPC ends the call at the same instant",
    errors.StoreUnusable: "found at start, before the server listens",
    errors.ConfigError: "found at start, before the server listens",
    errors.OnrecordError: "a defect; none is known",
}


@pytest.fixture
async def own_engine(tmp_path: Path) -> Any:
    """An engine with a record on disk."""
    async with open_engine(ServerConfig(store=str(tmp_path / "record.db"), model="fake", encoder="fake")) as opened:
        yield opened


def test_every_row_is_provoked_or_says_why_not() -> None:
    assert set(TABLE) == {*PROVOKED, *NOT_BY_A_CALLER}


@pytest.mark.parametrize("kind", PROVOKED, ids=lambda kind: kind.reason)
async def test_row(serve: Any, own_engine: Engine, kind: type[errors.OnrecordError]) -> None:
    with ExitStack() as stack:
        wire, call = await PROVOKED[kind](serve, own_engine, stack)
        got = await wire.error(call)
    row = TABLE[kind]
    assert (got.code, got.info.domain, got.info.reason) == (row.code, "onrecord", kind.reason)
    assert got.message
    assert "\n" not in got.message
    assert "/secret" not in str(got.status)
    for detail in got.details(error_details_pb2.RetryInfo):
        assert detail.retry_delay.ToMilliseconds() > 0
    assert (kind is errors.InvalidInput) == bool(got.fields)


DAMAGED = b"\x12\x04\x0a\x02\xff\xfe"
FAR = Timestamp(seconds=2**40)


def raw(wire: Any, data: bytes) -> Call:
    """CheckClaim with bytes that no stub would send."""
    return wire.channel.unary_unary("/onrecord.v1.CheckService/CheckClaim")(data)  # type: ignore[no-any-return]


def changed_parent(wire: Any) -> Call:
    """An import into two collections."""
    parents = ("collections/a", "collections/b")
    messages = [statement_pb.ImportStatementsRequest(parent=parent, statements=[pb.Statement(text=FACT)])
                for parent in parents]  # fmt: skip
    return wire.statements.ImportStatements(iter(messages))  # type: ignore[no-any-return]


def listed(wire: Any, **fields: Any) -> Call:
    """A page."""
    return wire.statements.ListStatements(statement_pb.ListStatementsRequest(**fields))  # type: ignore[no-any-return]


def updated(wire: Any, path: str) -> Call:
    """Change a field by its path."""
    request = statement_pb.UpdateStatementRequest(statement=pb.Statement(name=NAME))
    request.update_mask.paths.append(path)
    return wire.statements.UpdateStatement(request)  # type: ignore[no-any-return]


async def superseded(wire: Any) -> None:
    """Put a statement that is not there in the place of one that is."""
    made = (await create(wire)).statement.name
    request = statement_pb.SupersedeStatementRequest(name=made, superseded_by=NAME)
    await wire.statements.SupersedeStatement(request)


def under_id(wire: Any, request_id: str) -> Call:
    """Create a statement under an id."""
    request = statement_pb.CreateStatementRequest(statement=pb.Statement(text=FACT), request_id=request_id)
    return wire.statements.CreateStatement(request)  # type: ignore[no-any-return]


FIELDS: dict[str, Callable[[Any], Call]] = {
    "REQUIRED": lambda wire: check(wire, ""),
    "BLANK": lambda wire: check(wire, "\u200b"),
    "CONTROL_CHARACTER": lambda wire: check(wire, "a\x00b"),
    "OUT_OF_RANGE": lambda wire: create(wire, stated_time=FAR),
    "UNKNOWN_ENUM_VALUE": lambda wire: create(wire, stance=99),
    "INVALID_RESOURCE_NAME": lambda wire: get(wire, "s1"),
    "WRONG_PARENT": lambda wire: create(wire, name="collections/other/statements/s1"),
    "PARENT_CHANGED": changed_parent,
    "INVALID_REQUEST_ID": lambda wire: under_id(wire, "a b"),
    "UNKNOWN_PATH": lambda wire: updated(wire, "nothing.there"),
    "NOT_UPDATABLE": lambda wire: updated(wire, "create_time"),
    "WRONG_STATE": lambda wire: create(wire, superseded_by=NAME),
    "NO_SUCCESSOR": superseded,
    "INVALID_PAGE_TOKEN": lambda wire: listed(wire, page_token="x"),
    "MALFORMED_MESSAGE": lambda wire: raw(wire, DAMAGED),
}
# protobuf carries neither lone surrogates nor times without a zone, and passes over unknown fields; JSON over HTTP does
# not (test_http.py)
ELSEWHERE_ONLY = {"NOT_UNICODE", "NO_TIME_ZONE", "UNKNOWN_FIELD"}


def test_every_reason_of_a_field_is_provoked() -> None:
    assert {reason.name for reason in FIELD_REASONS} == {*FIELDS, *ELSEWHERE_ONLY}


@pytest.mark.parametrize("reason", FIELDS)
async def test_field(wire: Any, reason: str) -> None:
    got = await wire.error(FIELDS[reason](wire))
    assert got.info.reason == "INVALID_FIELDS"
    assert reason in got.fields.values()
    assert got.info.metadata["reason"] == reason

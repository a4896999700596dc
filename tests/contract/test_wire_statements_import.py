"""Batches, repeated requests and acknowledged imports over the wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from onrecord.v1 import check_service_pb2 as check_pb
from onrecord.v1 import server_info_service_pb2 as info_pb
from onrecord.v1 import statement_pb2 as statement
from onrecord.v1 import statement_service_pb2 as pb
from onrecord_server.app import Engine
from onrecord_server.domain.errors import Overloaded, StoreFull
from onrecord_server.domain.limits import IMPORT_AHEAD, IMPORT_CHUNK, REQUEST_ID_CHARACTERS
from onrecord_server.store import requests

PARENT = "collections/default"
MANY = (pb.BatchCreateStatementsRequest, pb.ImportStatementsRequest, pb.StreamImportStatementsRequest)


def facts(*numbers: int) -> list[statement.Statement]:
    return [statement.Statement(text=f"Fact {n}.", speaker=statement.Speaker(name="Anna Keller")) for n in numbers]


def piece(*numbers: int, request_id: str = "", **fields: Any) -> pb.StreamImportStatementsRequest:
    return pb.StreamImportStatementsRequest(statements=facts(*numbers), request_id=request_id, **fields)


async def stream(wire: Any, *messages: Any) -> list[pb.StreamImportStatementsResponse]:
    return [answer async for answer in wire.statements.StreamImportStatements(iter(messages))]


async def texts(wire: Any) -> list[str]:
    page = await wire.statements.ListStatements(pb.ListStatementsRequest(page_size=1_000))
    return [s.text for s in page.statements]


def reason(status: status_pb2.Status) -> tuple[str, dict[str, str]]:
    """The reason of an item's error, and those of its fields."""
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for packed in status.details:
        packed.Unpack(info)
        packed.Unpack(bad)
    return info.reason, {v.field: v.reason for v in bad.field_violations}


# batches


async def test_a_batch_keeps_order_and_what_is_good(wire: Any) -> None:
    name = f"{PARENT}/statements/taken"
    some = facts(0, 1, 2, 3)
    some[1].text = ""
    some[2].name = some[3].name = name
    answer = await wire.statements.BatchCreateStatements(pb.BatchCreateStatementsRequest(statements=some))
    assert [item.WhichOneof("outcome") for item in answer.items] == ["statement", "error", "statement", "error"]
    assert answer.items[2].statement.name == name
    assert reason(answer.items[1].error) == ("INVALID_FIELDS", {"statements[1].text": "REQUIRED"})
    assert reason(answer.items[3].error)[0] == "STATEMENT_EXISTS"
    assert await texts(wire) == ["Fact 0.", "Fact 2."]


async def test_a_batch_has_a_limit(wire: Any) -> None:
    most = IMPORT_CHUNK.value
    await wire.statements.BatchCreateStatements(pb.BatchCreateStatementsRequest(statements=facts(*range(most))))
    for numbers, code in ((range(most + 1), IMPORT_CHUNK.reason), (range(0), "REQUIRED")):
        request = pb.BatchCreateStatementsRequest(statements=facts(*numbers))
        assert (await wire.error(wire.statements.BatchCreateStatements(request))).fields == {"statements": code}


# request ids


async def test_a_repeated_creation_is_answered_as_before_whatever_became_of_it(wire: Any) -> None:
    request = pb.CreateStatementRequest(statement=facts(0)[0], request_id="9b2e-1")
    first = await wire.statements.CreateStatement(request)
    assert await wire.statements.CreateStatement(request) == first
    await wire.statements.DeleteStatement(pb.DeleteStatementRequest(name=first.statement.name))
    assert await wire.statements.CreateStatement(request) == first
    assert await texts(wire) == []


async def test_creations_at_once_with_one_id_are_one(wire: Any) -> None:
    request = pb.CreateStatementRequest(statement=facts(0)[0], request_id="at-once")
    answers = await asyncio.gather(*(wire.statements.CreateStatement(request) for _ in range(8)))
    assert all(answer == answers[0] for answer in answers)
    assert await texts(wire) == ["Fact 0."]


async def test_a_batch_repeated_is_answered_as_before(wire: Any) -> None:
    some = facts(0, 1, 2)
    some[1].text = ""
    some[2].name = f"{PARENT}/statements/taken"
    await wire.statements.CreateStatement(pb.CreateStatementRequest(statement=some[2]))
    request = pb.BatchCreateStatementsRequest(statements=some, request_id="batch")
    first = await wire.statements.BatchCreateStatements(request)
    await wire.statements.DeleteStatement(pb.DeleteStatementRequest(name=some[2].name))
    assert await wire.statements.BatchCreateStatements(request) == first
    assert await texts(wire) == ["Fact 0."]


async def test_an_id_with_another_body_is_refused(wire: Any) -> None:
    await wire.statements.CreateStatement(pb.CreateStatementRequest(statement=facts(0)[0], request_id="once"))
    for call in (
        wire.statements.CreateStatement(pb.CreateStatementRequest(statement=facts(1)[0], request_id="once")),
        wire.statements.BatchCreateStatements(pb.BatchCreateStatementsRequest(statements=facts(0), request_id="once")),
        wire.statements.ImportStatements(iter([pb.ImportStatementsRequest(statements=facts(0), request_id="once")])),
    ):
        error = await wire.error(call)
        assert (error.code, error.info.reason) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")
    assert await texts(wire) == ["Fact 0."]
    other = pb.CreateStatementRequest(statement=facts(1)[0], request_id="once", parent="collections/other")
    await wire.statements.CreateStatement(other)  # an id counts within its collection


async def test_what_failed_as_a_whole_is_not_remembered(wire: Any) -> None:
    name = f"{PARENT}/statements/taken"
    await wire.statements.CreateStatement(
        pb.CreateStatementRequest(statement=statement.Statement(text="A.", name=name))
    )
    request = pb.CreateStatementRequest(statement=statement.Statement(text="B.", name=name), request_id="later")
    assert (await wire.error(wire.statements.CreateStatement(request))).info.reason == "STATEMENT_EXISTS"
    await wire.statements.DeleteStatement(pb.DeleteStatementRequest(name=name))
    assert (await wire.statements.CreateStatement(request)).statement.text == "B."


async def test_a_collection_that_was_deleted_takes_its_ids_with_it(wire: Any) -> None:
    message = piece(0, request_id="m-0", parent="collections/a")
    await stream(wire, message)
    await wire.statements.DeleteCollection(pb.DeleteCollectionRequest(name="collections/a", force=True))
    (answer,) = await stream(wire, message)
    assert not answer.replayed


@pytest.mark.parametrize(
    ("request_id", "code"),
    [
        ("x" * (REQUEST_ID_CHARACTERS.value + 1), REQUEST_ID_CHARACTERS.reason),
        ("-x", "INVALID_REQUEST_ID"),
        ("a b", "INVALID_REQUEST_ID"),
        ("é", "INVALID_REQUEST_ID"),
        ("a\n", "INVALID_REQUEST_ID"),
    ],
)
async def test_ids_that_are_none(wire: Any, request_id: str, code: str) -> None:
    request = pb.CreateStatementRequest(statement=facts(0)[0], request_id=request_id)
    assert (await wire.error(wire.statements.CreateStatement(request))).fields == {"request_id": code}
    (answer,) = await stream(wire, piece(0, request_id=request_id))
    assert reason(answer.error) == ("INVALID_FIELDS", {"request_id": code})


async def test_the_longest_id(wire: Any) -> None:
    message = piece(0, request_id="a" + "_" * (REQUEST_ID_CHARACTERS.value - 1))
    first, second = await stream(wire, message, message)
    assert (first.replayed, second.replayed, second.names) == (False, True, first.names)


async def test_ids_are_forgotten_when_there_are_too_many_or_they_are_old(
    wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "REQUEST_IDS", replace(requests.REQUEST_IDS, value=3))
    await stream(wire, *(piece(n, request_id=f"m-{n}") for n in range(4)))
    kept, forgotten = await stream(wire, piece(1, request_id="m-1"), piece(0, request_id="m-0"))
    assert (kept.replayed, forgotten.replayed) == (True, False)
    monkeypatch.setattr(requests, "_KEPT", -requests._KEPT)  # all are older than that
    (old,) = await stream(wire, piece(3, request_id="m-3"))
    assert not old.replayed


# acknowledged imports


async def test_each_message_is_acknowledged_with_its_names_and_failures(wire: Any) -> None:
    bad = facts(2, 3, 4)
    bad[0].text, bad[2].stated_time.seconds = "", 2**60
    answers = await stream(
        wire, piece(0, 1, request_id="a"), pb.StreamImportStatementsRequest(statements=bad), piece(5, request_id="c")
    )
    assert [(a.message_index, a.request_id, a.first_index) for a in answers] == [(0, "a", 0), (1, "", 2), (2, "c", 5)]
    assert [len(a.names) for a in answers] == [2, 3, 1]
    assert [bool(name) for name in answers[1].names] == [False, True, False]
    assert [f.index for f in answers[1].failures] == [2, 4]
    assert reason(answers[1].failures[1].status)[1] == {"statements[4].stated_time": "OUT_OF_RANGE"}
    assert await texts(wire) == ["Fact 0.", "Fact 1.", "Fact 3.", "Fact 5."]
    found = await wire.statements.GetStatement(pb.GetStatementRequest(name=answers[2].names[0]))
    assert found.statement.text == "Fact 5."


async def test_a_message_that_cannot_be_kept_fails_alone(wire: Any) -> None:
    raw = wire.channel.stream_stream("/onrecord.v1.StatementService/StreamImportStatements")
    sent = [
        piece(0, request_id="a"),
        piece(1, request_id="a"),
        piece(),
        piece(*range(IMPORT_CHUNK.value + 1)),
        piece(2, parent="nothing"),
        piece(3),
    ]
    damaged = b"\x12\xff"
    messages = [*(message.SerializeToString() for message in sent[:5]), damaged, sent[5].SerializeToString()]
    answers = [pb.StreamImportStatementsResponse.FromString(data) async for data in raw(iter(messages))]
    assert [a.message_index for a in answers] == list(range(7))
    assert [reason(a.error) if a.HasField("error") else "" for a in answers] == [
        "",
        ("REQUEST_ID_REUSED", {}),
        ("INVALID_FIELDS", {"statements": "REQUIRED"}),
        ("INVALID_FIELDS", {"statements": IMPORT_CHUNK.reason}),
        ("INVALID_FIELDS", {"parent": "INVALID_RESOURCE_NAME"}),
        ("INVALID_FIELDS", {"request": "MALFORMED_MESSAGE"}),
        "",
    ]
    assert await texts(wire) == ["Fact 0.", "Fact 3."]


async def test_each_message_has_its_own_collection(wire: Any) -> None:
    one, other = await stream(wire, piece(0, parent="collections/a"), piece(1, parent="collections/b"))
    assert one.names[0].startswith("collections/a/")
    assert other.names[0].startswith("collections/b/")


async def test_a_client_that_dies_resumes_and_nothing_is_there_twice(wire: Any) -> None:
    """What was acknowledged is there, what was not sent is not, and a resumed import completes it."""
    sent = [piece(2 * n, 2 * n + 1, request_id=f"m-{n}") for n in range(6)]
    never = asyncio.Event()

    async def sending() -> AsyncIterator[Any]:
        for message in sent[:3]:
            yield message
        await never.wait()

    call = wire.statements.StreamImportStatements(sending())
    names: list[str] = []
    async for answer in call:
        names += answer.names
        if answer.message_index == 2:
            break
    call.cancel()
    await wire.guard.idle()
    assert await texts(wire) == [f"Fact {n}." for n in range(6)]
    answers = await stream(wire, *sent)
    assert [a.replayed for a in answers] == [True] * 3 + [False] * 3
    assert [name for a in answers[:3] for name in a.names] == names
    assert await texts(wire) == [f"Fact {n}." for n in range(12)]
    done = await wire.statements.ImportStatements(
        iter([pb.ImportStatementsRequest(statements=m.statements, request_id=m.request_id) for m in sent])
    )
    assert (done.created_count, done.replayed_count) == (12, 12)
    assert len(await texts(wire)) == 12


async def test_an_import_reads_no_further_than_it_answers(serve: Any, engine: Engine) -> None:
    class Slow:
        """A record whose store stands still."""

        def __init__(self) -> None:
            self.go = asyncio.Event()

        async def put(self, parent: str, drafts: Any, **how: Any) -> Any:
            await self.go.wait()
            return await engine.record.put(parent, drafts, **how)

    slow = Slow()
    wire = await serve(replace(engine.backend, record=slow))
    taken = 0

    async def sending() -> AsyncIterator[Any]:
        nonlocal taken
        for n in range(50):
            taken = n
            big = facts(n)
            big[0].context = "x" * 2_000
            yield pb.StreamImportStatementsRequest(statements=big * IMPORT_CHUNK.value)

    reading = asyncio.create_task(_all(wire.statements.StreamImportStatements(sending())))
    before = -1
    while taken != before:  # until the transport takes no more
        before = taken
        await asyncio.sleep(0.5)
    assert IMPORT_AHEAD.value <= taken < 49
    slow.go.set()
    answers = await reading
    assert [a.message_index for a in answers] == list(range(50))


async def _all(call: Any) -> list[Any]:
    return [answer async for answer in call]


async def test_what_stops_everything_ends_the_stream_after_what_was_stored(serve: Any, engine: Engine) -> None:
    class Filling:
        """A record whose disk is full after one message."""

        room = 1

        async def put(self, parent: str, drafts: Any, **how: Any) -> Any:
            self.room -= 1
            if self.room < 0:
                raise StoreFull("the record: no room on the disk; free some space")
            return await engine.record.put(parent, drafts, **how)

    wire = await serve(replace(engine.backend, record=Filling()))
    call = wire.statements.StreamImportStatements(iter([piece(0), piece(1)]))
    answers: list[Any] = []

    async def read() -> None:
        while (answer := await call.read()) is not grpc.aio.EOF:
            answers.append(answer)

    error = await wire.error(read())
    assert (len(answers), error.info.reason) == (1, "STORE_FULL")


async def test_a_busy_server_makes_an_import_wait(serve: Any, engine: Engine) -> None:
    class Busy:
        refusals = 2

        async def put(self, parent: str, drafts: Any, **how: Any) -> Any:
            if self.refusals:
                self.refusals -= 1
                raise Overloaded(0.0)
            return await engine.record.put(parent, drafts, **how)

    wire = await serve(replace(engine.backend, record=Busy()))
    answers = await stream(wire, piece(0), piece(1), piece(2))
    assert [len(a.names) for a in answers] == [1, 1, 1]
    assert await texts(await serve(engine.backend)) == ["Fact 0.", "Fact 1.", "Fact 2."]  # in their order all the same


# embeddings that are put off


@pytest.fixture
def held(engine: Engine) -> Callable[[], None]:
    """Holds the embedding of bulk work back until it is called."""
    embed, free = engine.worker.embed, asyncio.Event()

    async def held_back(texts: Any, **how: Any) -> Any:
        if how.get("priority"):
            await free.wait()
        return await embed(texts, **how)

    engine.worker.embed = held_back  # type: ignore[method-assign]
    return free.set


async def pending(wire: Any) -> int:
    return int((await wire.infos.GetServerInfo(info_pb.GetServerInfoRequest())).pending_count)


async def test_a_deferred_import_is_checked_against_at_once_and_embedded_afterwards(
    wire: Any, held: Callable[[], None]
) -> None:
    text = "Freedonia respects the border treaty."
    message = pb.StreamImportStatementsRequest(statements=[statement.Statement(text=text)], defer_index=True)
    (answer,) = await stream(wire, message)
    assert (answer.pending_count, await pending(wire)) == (1, 1)
    claim = check_pb.CheckClaimRequest(claim=check_pb.Claim(text=text))
    result = (await wire.checks.CheckClaim(claim)).result
    assert result.verdict == check_pb.VERDICT_SUPPORTED
    assert result.evidence[0].similarity > 0.99
    held()
    async with asyncio.timeout(30):
        while await pending(wire):
            pass
    collection = await wire.statements.GetCollection(pb.GetCollectionRequest(name=PARENT))
    assert (collection.collection.statement_count, collection.collection.pending_count) == (1, 0)
    later = (await wire.checks.CheckClaim(claim)).result
    assert (later.verdict, later.evidence[0].similarity) == (result.verdict, pytest.approx(1, abs=0.01))
    assert later.provenance.store_revision > result.provenance.store_revision


async def test_what_waits_may_change_or_go(wire: Any, held: Callable[[], None]) -> None:
    request = pb.BatchCreateStatementsRequest(statements=facts(0, 1, 2), defer_index=True)
    items = (await wire.statements.BatchCreateStatements(request)).items
    assert await pending(wire) == 3
    await wire.statements.DeleteStatement(pb.DeleteStatementRequest(name=items[0].statement.name))
    changed = statement.Statement(name=items[1].statement.name, text="The bridge is safe.")
    await wire.statements.UpdateStatement(pb.UpdateStatementRequest(statement=changed))
    assert await pending(wire) == 1
    held()
    async with asyncio.timeout(30):
        while await pending(wire):
            pass
    claim = check_pb.CheckClaimRequest(claim=check_pb.Claim(text="The bridge is safe."))
    assert (await wire.checks.CheckClaim(claim)).result.verdict == check_pb.VERDICT_SUPPORTED


async def test_a_deferred_import_repeated_is_answered_as_before(wire: Any) -> None:
    messages = [piece(0, 1, request_id="a", defer_index=True), piece(0, 1, request_id="a")]
    first, second = await stream(wire, *messages)
    assert (first.replayed, second.replayed, list(second.names)) == (False, True, list(first.names))
    assert await texts(wire) == ["Fact 0.", "Fact 1."]


def test_the_messages_of_all_methods_have_the_same_fields() -> None:
    """An id given with one method is found by another: the body that it stands for must read alike."""
    fields = [{f.name: f.number for f in kind.DESCRIPTOR.fields} for kind in MANY]
    assert fields[0] == fields[1] == fields[2]

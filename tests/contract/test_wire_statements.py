"""StatementService over the wire, on a real store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2

from onrecord.v1 import statement_pb2 as statement
from onrecord.v1 import statement_service_pb2 as pb
from onrecord_server.domain.errors import Overloaded
from onrecord_server.domain.limits import ALIASES, IMPORT_CHUNK, LABELS, MESSAGE_BYTES, STATEMENT_CODE_POINTS

DOCUMENT = """Officials met in Geneva

GENEVA, May 3 -- Minister Anna Keller said that Freedonia respects the treaty.

Keller denied that Freedonia had moved its border posts."""


def draft(text: str = "Water boils at 100 degrees.", **fields: Any) -> statement.Statement:
    """A statement to create."""
    return statement.Statement(text=text, speaker=statement.Speaker(name="Anna Keller"), **fields)


async def create(wire: Any, *drafts: statement.Statement, parent: str = "") -> list[statement.Statement]:
    """Create statements one by one."""
    return [
        (await wire.statements.CreateStatement(pb.CreateStatementRequest(parent=parent, statement=d))).statement
        for d in drafts
    ]


async def refused(wire: Any, wrong: statement.Statement, parent: str = "") -> Any:
    """The error of a creation."""
    return await wire.error(wire.statements.CreateStatement(pb.CreateStatementRequest(parent=parent, statement=wrong)))


async def listing(wire: Any, **request: Any) -> pb.ListStatementsResponse:
    return await wire.statements.ListStatements(pb.ListStatementsRequest(**request))


async def test_create_get_list_delete(wire: Any) -> None:
    full = draft(
        context="At sea level.",
        relayed_by="The Courier",
        stance=statement.STANCE_DENIED,
        source=statement.Source(uri="https://example.org/a", title="A", publisher="The Courier"),
        stated_time=Timestamp(seconds=1_700_000_000, nanos=123_456_000),
        labels=["physics"],
        original="Keller denied that water boils at 100 degrees.",
    )
    (made,) = await create(wire, full)
    assert made.name.startswith("collections/default/statements/")
    assert made.etag
    assert made.HasField("create_time")
    for field in ("text", "context", "relayed_by", "stance", "source", "stated_time", "labels", "original", "speaker"):
        assert getattr(made, field) == getattr(full, field), field
    got = await wire.statements.GetStatement(pb.GetStatementRequest(name=made.name))
    assert got.statement == made
    page = await listing(wire)
    assert (list(page.statements), page.next_page_token, page.total_size) == ([made], "", 1)
    await wire.statements.DeleteStatement(pb.DeleteStatementRequest(name=made.name))
    gone = await wire.error(wire.statements.GetStatement(pb.GetStatementRequest(name=made.name)))
    assert (gone.code, gone.info.reason) == (grpc.StatusCode.NOT_FOUND, "STATEMENT_NOT_FOUND")
    assert gone.details(error_details_pb2.ResourceInfo)[0].resource_name == made.name
    again = await wire.error(wire.statements.DeleteStatement(pb.DeleteStatementRequest(name=made.name)))
    assert again.code is grpc.StatusCode.NOT_FOUND


async def test_a_taken_name(wire: Any) -> None:
    name = "collections/physics/statements/boiling"
    await create(wire, draft(name=name), parent="collections/physics")
    got = await refused(wire, draft(name=name), parent="collections/physics")
    assert (got.code, got.info.reason) == (grpc.StatusCode.ALREADY_EXISTS, "STATEMENT_EXISTS")


async def test_all_bad_fields_at_once(wire: Any) -> None:
    wrong = draft(
        " \n",
        labels=["x" * 101],
        stance=7,
        stated_time=Timestamp(seconds=2**60),
        relayed_by="bell\x07",
    )
    got = await refused(wire, wrong)
    assert got.code is grpc.StatusCode.INVALID_ARGUMENT
    assert got.info.reason == "INVALID_FIELDS"
    assert got.fields == {
        "statement.text": "BLANK",
        "statement.labels[0]": "LABEL_TOO_LONG",
        "statement.stance": "UNKNOWN_ENUM_VALUE",
        "statement.stated_time": "OUT_OF_RANGE",
        "statement.relayed_by": "CONTROL_CHARACTER",
    }


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"text": "𝔘" * STATEMENT_CODE_POINTS.value}, STATEMENT_CODE_POINTS.reason),
        ({"labels": ["l"] * LABELS.value}, LABELS.reason),
        ({"aliases": ["a"] * ALIASES.value}, ALIASES.reason),
    ],
)
async def test_limits_from_both_sides(wire: Any, fields: dict[str, Any], reason: str) -> None:
    def with_fields(values: dict[str, Any]) -> statement.Statement:
        made = draft(values.get("text", "Water is wet."), labels=values.get("labels", []))
        made.speaker.aliases.extend(values.get("aliases", []))
        return made

    await create(wire, with_fields(fields))
    got = await refused(wire, with_fields({k: v + v[:1] for k, v in fields.items()}))
    assert list(got.fields.values()) == [reason]


@pytest.mark.parametrize("parent", ["physics", "collections/", "collections/A", "collections/a/b", "collections/\n"])
async def test_parents_that_are_none(wire: Any, parent: str) -> None:
    for call in (
        wire.statements.CreateStatement(pb.CreateStatementRequest(parent=parent, statement=draft())),
        wire.statements.ListStatements(pb.ListStatementsRequest(parent=parent)),
        wire.statements.IngestDocument(pb.IngestDocumentRequest(parent=parent, text=DOCUMENT)),
        wire.statements.ImportStatements(iter([pb.ImportStatementsRequest(parent=parent, statements=[draft()])])),
    ):
        got = await wire.error(call)
        assert got.fields == {"parent": "INVALID_RESOURCE_NAME"}


async def test_a_name_of_a_megabyte_fits_the_answer(wire: Any) -> None:
    got = await wire.error(wire.statements.GetStatement(pb.GetStatementRequest(name="n" * 1_000_000)))
    assert got.fields == {"name": "INVALID_RESOURCE_NAME"}


async def test_pages_in_order_and_tokens_survive_writes(wire: Any) -> None:
    made = await create(wire, *(draft(f"Fact {i}.") for i in range(5)))
    first = await listing(wire, page_size=2)
    await create(wire, draft("A late fact."))
    await wire.statements.DeleteStatement(pb.DeleteStatementRequest(name=made[1].name))
    rest = await listing(wire, page_size=100, page_token=first.next_page_token)
    assert [s.text for s in (*first.statements, *rest.statements)] == [
        *(f"Fact {i}." for i in range(5)),
        "A late fact.",
    ]
    assert rest.next_page_token == ""


@pytest.mark.parametrize("token", ["x", "-1", "9" * 400, "\x00", "' OR 1=1 --", "AAAA", "é", "MQ==", "collections/x"])
async def test_hostile_page_tokens(wire: Any, token: str) -> None:
    await create(wire, draft())
    got = await wire.error(wire.statements.ListStatements(pb.ListStatementsRequest(page_token=token)))
    assert (got.code, got.fields) == (grpc.StatusCode.INVALID_ARGUMENT, {"page_token": "INVALID_PAGE_TOKEN"})


async def test_page_sizes(wire: Any) -> None:
    await create(wire, draft("One."), draft("Two."))
    assert len((await listing(wire, page_size=2**31 - 1)).statements) == 2
    got = await wire.error(wire.statements.ListStatements(pb.ListStatementsRequest(page_size=-1)))
    assert got.fields == {"page_size": "OUT_OF_RANGE"}


async def test_a_page_always_fits_a_message(wire: Any) -> None:
    """150 statements of 32 kB are more than clients accept in one message; all arrive, in several."""
    big = [draft("𝔘" * 7_990 + f" {i}") for i in range(150)]
    await wire.statements.ImportStatements(
        iter([pb.ImportStatementsRequest(statements=big[:75]), pb.ImportStatementsRequest(statements=big[75:])])
    )
    seen, token = [], ""
    while True:
        page = await listing(wire, page_size=1_000, page_token=token)
        assert page.ByteSize() <= MESSAGE_BYTES.value
        assert page.total_size == 150
        seen += [s.text.rpartition(" ")[2] for s in page.statements]
        if not (token := page.next_page_token):
            break
    assert seen == [str(i) for i in range(150)]


async def test_ingest_twice_changes_nothing(wire: Any) -> None:
    request = pb.IngestDocumentRequest(text=DOCUMENT, source=statement.Source(publisher="The Courier"))
    dry = await wire.statements.IngestDocument(pb.IngestDocumentRequest(text=DOCUMENT, dry_run=True))
    assert dry.statements
    assert (await listing(wire)).total_size == 0
    first = await wire.statements.IngestDocument(request)
    assert not first.already_ingested
    assert {s.document for s in first.statements} == {first.document}
    assert all(s.original in DOCUMENT for s in first.statements)
    for s in first.statements:
        assert DOCUMENT[s.original_span.start : s.original_span.end] == s.original
    again = await wire.statements.IngestDocument(request)
    assert again.already_ingested
    assert list(again.statements) == list(first.statements)
    assert (await listing(wire)).total_size == len(first.statements)


async def test_ingest_refuses_a_time_that_is_none(wire: Any) -> None:
    source = statement.Source(publish_time=Timestamp(seconds=-(2**62)))
    got = await wire.error(wire.statements.IngestDocument(pb.IngestDocumentRequest(text=DOCUMENT, source=source)))
    assert got.fields == {"source.publish_time": "OUT_OF_RANGE"}


def messages(drafts: Iterable[statement.Statement], chunk: int, parent: str = "") -> Iterable[Any]:
    """The messages of an import."""
    drafts = list(drafts)
    for start in range(0, len(drafts), chunk):
        yield pb.ImportStatementsRequest(parent=parent, statements=drafts[start : start + chunk])


async def test_import_passes_over_what_is_bad(wire: Any) -> None:
    drafts = [draft(f"Fact {i}.") for i in range(10)]
    drafts[2] = draft("")
    drafts[5] = draft("Fact 5.", stated_time=Timestamp(seconds=2**60))
    drafts[9] = draft("Fact 9.", name="elsewhere")
    done = await wire.statements.ImportStatements(messages(drafts, 3))
    assert (done.created_count, done.failed_count) == (7, 3)
    assert [f.index for f in done.failures] == [2, 5, 9]
    reasons = []
    for failure in done.failures:
        bad = error_details_pb2.BadRequest()
        assert any(packed.Unpack(bad) for packed in failure.status.details)
        reasons.append(bad.field_violations[0].reason)
    assert reasons == ["REQUIRED", "OUT_OF_RANGE", "INVALID_RESOURCE_NAME"]
    texts = [s.text for s in (await listing(wire)).statements]
    assert texts == [f"Fact {i}." for i in range(10) if i not in (2, 5, 9)]


async def test_import_lists_the_first_thousand_failures_and_counts_all(wire: Any) -> None:
    done = await wire.statements.ImportStatements(messages((draft("") for _ in range(1_200)), IMPORT_CHUNK.value))
    assert (done.created_count, done.failed_count, len(done.failures)) == (0, 1_200, 1_000)
    assert done.failures[-1].index == 999


async def test_import_of_nothing(wire: Any) -> None:
    done = await wire.statements.ImportStatements(iter([]))
    assert (done.created_count, done.failed_count) == (0, 0)


async def test_an_import_message_has_a_limit(wire: Any) -> None:
    drafts = [draft(f"Fact {i}.") for i in range(IMPORT_CHUNK.value + 1)]
    done = await wire.statements.ImportStatements(messages(drafts[:-1], IMPORT_CHUNK.value))
    assert done.created_count == IMPORT_CHUNK.value
    got = await wire.error(wire.statements.ImportStatements(messages(drafts, len(drafts))))
    assert got.fields == {"statements": IMPORT_CHUNK.reason}


async def test_an_import_has_one_collection(wire: Any) -> None:
    both = [*messages([draft()], 1, "collections/a"), *messages([draft()], 1, "collections/b")]
    got = await wire.error(wire.statements.ImportStatements(iter(both)))
    assert got.fields == {"parent": "PARENT_CHANGED"}


async def test_a_client_that_leaves_mid_import_loses_nothing_it_was_done_with(wire: Any) -> None:
    """What was read before is on the record, whole messages only, and the server goes on."""
    leave = asyncio.Event()

    async def sending() -> AsyncIterator[Any]:
        yield pb.ImportStatementsRequest(statements=[draft(f"Fact {i}.") for i in range(3)])
        leave.set()
        await asyncio.Event().wait()

    call = wire.statements.ImportStatements(sending())
    await leave.wait()
    async with asyncio.timeout(20):
        while not (await listing(wire)).total_size:
            pass
    call.cancel()
    await wire.guard.idle()
    assert [s.text for s in (await listing(wire)).statements] == ["Fact 0.", "Fact 1.", "Fact 2."]


async def test_an_import_waits_for_room_instead_of_failing(serve: Any, engine: Any) -> None:
    class Busy:
        """A record that is full twice, then takes what comes."""

        refusals = 2

        async def put(self, parent: str, drafts: Any, **how: Any) -> Any:
            if self.refusals:
                self.refusals -= 1
                raise Overloaded(0.0)
            return await engine.record.put(parent, drafts, **how)

    wire = await serve(replace(engine.backend, record=Busy()))
    done = await wire.statements.ImportStatements(messages([draft()], 1))
    assert done.created_count == 1


async def test_an_import_gives_up_on_a_server_that_stays_full(serve: Any, engine: Any) -> None:
    class Full:
        async def put(self, parent: str, drafts: Any, **how: Any) -> Any:
            raise Overloaded(0.0)

    wire = await serve(replace(engine.backend, record=Full()))
    got = await wire.error(wire.statements.ImportStatements(messages([draft()], 1)))
    assert (got.code, got.info.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")


async def test_failures_of_an_import_are_named_by_their_place_in_the_stream(wire: Any) -> None:
    """Also when what is before them did not count for whoever found them, and in a later message."""
    bad = [
        statement.Statement(text="a", stance=9),
        statement.Statement(text=""),
        statement.Statement(text="b"),
        statement.Statement(stance=4),
    ]
    messages = [draft("first")], bad
    report = await wire.statements.ImportStatements(
        iter([pb.ImportStatementsRequest(statements=some) for some in messages])
    )
    assert (report.created_count, report.failed_count) == (2, 3)
    found = {}
    for failure in report.failures:
        (packed,) = [detail for detail in failure.status.details if detail.Is(error_details_pb2.BadRequest.DESCRIPTOR)]
        details = error_details_pb2.BadRequest()
        packed.Unpack(details)
        found[failure.index] = [violation.field for violation in details.field_violations]
    assert found == {
        1: ["statements[1].stance"],
        2: ["statements[2].text"],
        4: ["statements[4].stance", "statements[4].text"],
    }


async def test_an_import_of_nothing_into_a_collection_that_cannot_be(wire: Any) -> None:
    error = await wire.error(wire.statements.ImportStatements(iter([pb.ImportStatementsRequest(parent="X")])))
    assert error.fields == {"parent": "INVALID_RESOURCE_NAME"}

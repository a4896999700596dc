"""Correcting, retracting, superseding and reinstating statements over the wire, and what a check makes of it."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2

from onrecord.v1 import check_service_pb2 as check_pb
from onrecord.v1 import statement_pb2 as statement
from onrecord.v1 import statement_service_pb2 as pb
from onrecord_server.domain.limits import ETAG_CODE_POINTS, MASK_PATHS, STATEMENT_CODE_POINTS

SAFE = "The bridge is safe."
NAME = "collections/default/statements/nobody"


async def create(wire: Any, text: str = SAFE, **fields: Any) -> statement.Statement:
    made = statement.Statement(text=text, speaker=statement.Speaker(name="Anna Keller", aliases=["Keller"]), **fields)
    return (await wire.statements.CreateStatement(pb.CreateStatementRequest(statement=made))).statement


async def get(wire: Any, name: str) -> statement.Statement:
    return (await wire.statements.GetStatement(pb.GetStatementRequest(name=name))).statement


def updating(name: str, *paths: str, etag: str = "", **fields: Any) -> pb.UpdateStatementRequest:
    return pb.UpdateStatementRequest(
        statement=statement.Statement(name=name, etag=etag, **fields), update_mask=FieldMask(paths=paths)
    )


async def update(wire: Any, name: str, *paths: str, **fields: Any) -> statement.Statement:
    return (await wire.statements.UpdateStatement(updating(name, *paths, **fields))).statement


async def check(wire: Any, text: str = SAFE, as_of: int | None = None) -> check_pb.CheckResult:
    claim = check_pb.Claim(text=text, as_of=None if as_of is None else Timestamp(seconds=as_of))
    options = check_pb.CheckOptions(topic_threshold=0.2)
    return (await wire.checks.CheckClaim(check_pb.CheckClaimRequest(claim=claim, options=options))).result


async def test_many_at_once_change_a_statement_whatever_its_etag(wire: Any) -> None:
    old = await create(wire)
    made = await asyncio.gather(*(update(wire, old.name, "labels", labels=[str(n)]) for n in range(30)))
    assert {label for new in made for label in new.labels} == {str(n) for n in range(30)}
    assert len({new.etag for new in made}) == 30


async def test_an_update_changes_what_its_mask_names_and_nothing_else(wire: Any) -> None:
    old = await create(wire, context="In May.", labels=["a"], source=statement.Source(uri="u:1", title="One"))
    new = await update(
        wire,
        old.name,
        "source.title",
        "labels",
        "speaker.name",
        text="not looked at",
        source=statement.Source(title="Two", uri="u:2"),
        speaker=statement.Speaker(name="Bo Lind"),
    )
    assert (new.source.title, new.source.uri, list(new.labels)) == ("Two", "u:1", [])
    assert (new.speaker.name, list(new.speaker.aliases)) == ("Bo Lind", ["Keller"])
    assert (new.text, new.context, new.create_time) == (old.text, old.context, old.create_time)
    assert new.etag != old.etag
    assert new.update_time.ToDatetime() > old.update_time.ToDatetime()
    assert await get(wire, old.name) == new


async def test_without_a_mask_the_fields_that_are_set_are_changed(wire: Any) -> None:
    old = await create(wire, context="In May.")
    new = await update(wire, old.name, text="The bridge is old.", document="not yours", etag=old.etag)
    assert (new.text, new.context, new.document) == ("The bridge is old.", "In May.", "")


async def test_a_star_replaces_everything(wire: Any) -> None:
    old = await create(wire, context="In May.", labels=["a"])
    new = await update(wire, old.name, "*", text="The bridge is old.")
    assert (new.context, list(new.labels), new.speaker) == ("", [], statement.Speaker())


async def test_a_new_text_is_what_a_check_reads(wire: Any) -> None:
    old = await create(wire, "The bridge was opened in 1998.")
    assert (await check(wire, "The bridge was opened in 2004.")).verdict == check_pb.VERDICT_CONTRADICTED
    await update(wire, old.name, text="The bridge was opened in 2004.")
    assert (await check(wire, "The bridge was opened in 2004.")).verdict == check_pb.VERDICT_SUPPORTED
    assert (await check(wire, "The bridge was opened in 1998.")).verdict == check_pb.VERDICT_CONTRADICTED


async def test_an_update_that_changes_nothing_leaves_the_etag(wire: Any) -> None:
    old = await create(wire)
    assert await update(wire, old.name, "text", text=old.text) == old


@pytest.mark.parametrize(
    ("paths", "reasons"),
    [
        (["text", "colour"], {"update_mask.paths[1]": "UNKNOWN_PATH"}),
        (["source.colour"], {"update_mask.paths[0]": "UNKNOWN_PATH"}),
        (["text.length"], {"update_mask.paths[0]": "UNKNOWN_PATH"}),
        ([""], {"update_mask.paths[0]": "UNKNOWN_PATH"}),
        (["name"], {"update_mask.paths[0]": "NOT_UPDATABLE"}),
        (["state", "etag"], {"update_mask.paths[0]": "NOT_UPDATABLE", "update_mask.paths[1]": "NOT_UPDATABLE"}),
        (["text"] * (MASK_PATHS.value + 1), {"update_mask": MASK_PATHS.reason}),
    ],
)
async def test_masks_that_are_none(wire: Any, paths: list[str], reasons: dict[str, str]) -> None:
    old = await create(wire)
    error = await wire.error(wire.statements.UpdateStatement(updating(old.name, *paths, text="Else.")))
    assert (error.code, error.fields) == (grpc.StatusCode.INVALID_ARGUMENT, reasons)
    assert await get(wire, old.name) == old


async def test_a_mask_may_have_so_many_paths(wire: Any) -> None:
    old = await create(wire)
    assert (await update(wire, old.name, *["text"] * MASK_PATHS.value, text="Else.")).text == "Else."


async def test_what_an_update_makes_is_judged_as_a_whole(wire: Any) -> None:
    old = await create(wire, valid_until=Timestamp(seconds=100))
    long, never = "x" * (STATEMENT_CODE_POINTS.value + 1), Timestamp(seconds=2**60)
    for request, reasons in (
        (updating(old.name, "text"), {"text": "REQUIRED"}),
        (updating(old.name, "text", text=long), {"text": "STATEMENT_TOO_LONG"}),
        (updating(old.name, "valid_from", valid_from=Timestamp(seconds=101)), {"valid_until": "OUT_OF_RANGE"}),
        (updating(old.name, "stated_time", stated_time=never), {"stated_time": "OUT_OF_RANGE"}),
        (updating("elsewhere", "text", text="x"), {"name": "INVALID_RESOURCE_NAME"}),
    ):
        error = await wire.error(wire.statements.UpdateStatement(request))
        assert error.fields == {f"statement.{field}": reason for field, reason in reasons.items()}
    unmasked = updating(old.name, "text", text="Else.", stated_time=never)
    assert (await wire.statements.UpdateStatement(unmasked)).statement.text == "Else."


async def test_a_wrong_etag_changes_nothing(wire: Any) -> None:
    old = await create(wire)
    other = await create(wire, "The bridge is old.")
    stale, old = old.etag, await update(wire, old.name, text="The bridge is new.")
    for call in (
        wire.statements.UpdateStatement(updating(old.name, text="Else.", etag=stale)),
        wire.statements.DeleteStatement(pb.DeleteStatementRequest(name=old.name, etag=stale)),
        wire.statements.RetractStatement(pb.RetractStatementRequest(name=old.name, etag=stale)),
        wire.statements.ReinstateStatement(pb.ReinstateStatementRequest(name=old.name, etag=stale)),
        wire.statements.SupersedeStatement(
            pb.SupersedeStatementRequest(name=old.name, etag=stale, superseded_by=other.name)
        ),
    ):
        error = await wire.error(call)
        assert (error.code, error.info.reason) == (grpc.StatusCode.ABORTED, "ETAG_MISMATCH")
        assert error.details(error_details_pb2.ResourceInfo)[0].resource_name == old.name
    assert await get(wire, old.name) == old
    await wire.statements.DeleteStatement(pb.DeleteStatementRequest(name=old.name, etag=old.etag))


async def test_etags_have_a_limit(wire: Any) -> None:
    old = await create(wire)
    long = "é" * ETAG_CODE_POINTS.value
    error = await wire.error(wire.statements.DeleteStatement(pb.DeleteStatementRequest(name=old.name, etag=long)))
    assert error.info.reason == "ETAG_MISMATCH"
    error = await wire.error(wire.statements.DeleteStatement(pb.DeleteStatementRequest(name=old.name, etag=long + "é")))
    assert error.fields == {"etag": ETAG_CODE_POINTS.reason}


async def test_of_updates_with_one_etag_one_wins(wire: Any) -> None:
    old = await create(wire)
    calls = [wire.statements.UpdateStatement(updating(old.name, text=f"Fact {n}.", etag=old.etag)) for n in range(8)]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    won = [o for o in outcomes if not isinstance(o, Exception)]
    assert len(won) == 1
    assert {o.code() for o in outcomes if isinstance(o, grpc.aio.AioRpcError)} == {grpc.StatusCode.ABORTED}
    assert await get(wire, old.name) == won[0].statement


async def test_what_is_not_there_is_not_changed(wire: Any) -> None:
    made = await create(wire)
    for call in (
        wire.statements.UpdateStatement(updating(NAME, text="Else.")),
        wire.statements.RetractStatement(pb.RetractStatementRequest(name=NAME)),
        wire.statements.ReinstateStatement(pb.ReinstateStatementRequest(name=NAME)),
        wire.statements.SupersedeStatement(pb.SupersedeStatementRequest(name=NAME, superseded_by=made.name)),
        wire.statements.DeleteStatement(pb.DeleteStatementRequest(name=NAME)),
    ):
        error = await wire.error(call)
        assert (error.code, error.info.reason) == (grpc.StatusCode.NOT_FOUND, "STATEMENT_NOT_FOUND")


async def test_a_retracted_statement_does_not_speak_and_can_be_reinstated(wire: Any) -> None:
    made = await create(wire)
    retracted = (await wire.statements.RetractStatement(pb.RetractStatementRequest(name=made.name))).statement
    assert retracted.state == statement.STATE_RETRACTED
    assert retracted.HasField("state_time")
    result = await check(wire)
    assert (result.verdict, result.reason) == (check_pb.VERDICT_NOT_ENOUGH_EVIDENCE, check_pb.REASON_RETRACTED)
    assert "retracted" in result.evidence[0].notes
    assert "retracted" in result.explanation
    again = (await wire.statements.RetractStatement(pb.RetractStatementRequest(name=made.name))).statement
    assert again == retracted
    back = (await wire.statements.ReinstateStatement(pb.ReinstateStatementRequest(name=made.name))).statement
    assert (back.state, back.HasField("state_time")) == (statement.STATE_ACTIVE, False)
    assert (await check(wire)).verdict == check_pb.VERDICT_SUPPORTED


async def test_a_check_as_of_an_earlier_time_still_hears_it(wire: Any) -> None:
    made = await create(wire)
    request = pb.RetractStatementRequest(name=made.name, state_time=Timestamp(seconds=1_000))
    await wire.statements.RetractStatement(request)
    assert (await check(wire, as_of=999)).verdict == check_pb.VERDICT_SUPPORTED
    assert (await check(wire, as_of=1_000)).reason == check_pb.REASON_RETRACTED
    later = pb.RetractStatementRequest(name=made.name, state_time=Timestamp(seconds=250_000_000_000))
    assert (await wire.statements.RetractStatement(later)).statement.state == statement.STATE_RETRACTED
    assert (await check(wire)).verdict == check_pb.VERDICT_SUPPORTED  # it takes effect then


async def test_a_new_statement_takes_the_place_of_an_old_one(wire: Any) -> None:
    old = await create(wire, "The bridge was opened in 1998.")
    request = pb.SupersedeStatementRequest(
        name=old.name, etag=old.etag, statement=statement.Statement(text="The bridge was opened in 2004.")
    )
    answer = await wire.statements.SupersedeStatement(request)
    assert (answer.statement.state, answer.statement.superseded_by) == (
        statement.STATE_SUPERSEDED,
        answer.successor.name,
    )
    assert await get(wire, old.name) == answer.statement
    assert await get(wire, answer.successor.name) == answer.successor
    result = await check(wire, "The bridge was opened in 2004.")
    assert result.verdict == check_pb.VERDICT_SUPPORTED
    assert [list(e.notes) for e in result.evidence if e.statement.name == old.name] == [["superseded"]]
    again = await wire.error(wire.statements.SupersedeStatement(request))
    assert again.info.reason == "ETAG_MISMATCH"


async def test_a_statement_on_the_record_takes_the_place_of_another(wire: Any) -> None:
    old, new = await create(wire), await create(wire, "The bridge is old.")
    request = pb.SupersedeStatementRequest(name=old.name, superseded_by=new.name)
    answer = await wire.statements.SupersedeStatement(request)
    assert (answer.statement.superseded_by, answer.successor) == (new.name, new)
    assert await wire.statements.SupersedeStatement(request) == answer  # nothing more to change
    back = pb.SupersedeStatementRequest(name=new.name, superseded_by=old.name)
    error = await wire.error(wire.statements.SupersedeStatement(back))
    assert error.fields == {"superseded_by": "NO_SUCCESSOR"}  # it does not stand itself


@pytest.mark.parametrize(
    ("fields", "reasons"),
    [
        ({}, {"superseded_by": "REQUIRED"}),
        ({"superseded_by": "old"}, {"superseded_by": "NO_SUCCESSOR"}),
        ({"superseded_by": NAME}, {"superseded_by": "NO_SUCCESSOR"}),
        ({"superseded_by": "nothing"}, {"superseded_by": "INVALID_RESOURCE_NAME"}),
        ({"superseded_by": "collections/other/statements/a"}, {"superseded_by": "WRONG_PARENT"}),
        ({"statement": statement.Statement()}, {"statement.text": "REQUIRED"}),
        ({"statement": statement.Statement(text="A.", state=2)}, {"statement.state": "WRONG_STATE"}),
        ({"superseded_by": NAME, "state_time": Timestamp(seconds=2**60)}, {"state_time": "OUT_OF_RANGE"}),
    ],
)
async def test_successors_that_are_none(wire: Any, fields: dict[str, Any], reasons: dict[str, str]) -> None:
    old = await create(wire, name="collections/default/statements/old")
    fields = {k: old.name if v == "old" else v for k, v in fields.items()}
    request = pb.SupersedeStatementRequest(name=old.name, **fields)
    error = await wire.error(wire.statements.SupersedeStatement(request))
    assert (error.code, error.fields) == (grpc.StatusCode.INVALID_ARGUMENT, reasons)
    assert await get(wire, old.name) == old


async def test_a_record_is_imported_with_its_states(wire: Any) -> None:
    """Also when a statement comes before the one that took its place."""
    name = "collections/default/statements/new"
    old = await create(wire, state=statement.STATE_SUPERSEDED, superseded_by=name, state_time=Timestamp(seconds=7))
    assert (old.state, old.superseded_by, old.state_time.seconds) == (statement.STATE_SUPERSEDED, name, 7)
    assert (await check(wire, as_of=6)).verdict == check_pb.VERDICT_SUPPORTED
    assert (await check(wire)).reason == check_pb.REASON_RETRACTED


@pytest.mark.parametrize(
    ("fields", "reasons"),
    [
        ({"state": statement.STATE_SUPERSEDED}, {"statement.superseded_by": "REQUIRED"}),
        ({"superseded_by": NAME}, {"statement.superseded_by": "WRONG_STATE"}),
        ({"state": statement.STATE_RETRACTED, "superseded_by": NAME}, {"statement.superseded_by": "WRONG_STATE"}),
        ({"state_time": Timestamp(seconds=1)}, {"statement.state_time": "WRONG_STATE"}),
        ({"state": 9}, {"statement.state": "UNKNOWN_ENUM_VALUE"}),
        (
            {"state": statement.STATE_SUPERSEDED, "superseded_by": NAME, "name": NAME},
            {"statement.superseded_by": "NO_SUCCESSOR"},
        ),
    ],
)
async def test_states_that_cannot_be(wire: Any, fields: dict[str, Any], reasons: dict[str, str]) -> None:
    wrong = statement.Statement(text=SAFE, **fields)
    error = await wire.error(wire.statements.CreateStatement(pb.CreateStatementRequest(statement=wrong)))
    assert error.fields == reasons

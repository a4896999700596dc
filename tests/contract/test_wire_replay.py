"""ReplayCheck over the wire: the verdict of then again, or a clear word on what changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from onrecord.v1 import check_service_pb2 as pb
from onrecord.v1 import statement_pb2
from onrecord.v1 import statement_service_pb2 as statements_pb
from onrecord.v1.filter_pb2 import StatementFilter
from onrecord_server.app import Engine, open_engine
from onrecord_server.checking.checker import Checker
from onrecord_server.config import ServerConfig
from onrecord_server.domain.limits import MAX_EVIDENCE
from onrecord_server.domain.switches import Switches
from onrecord_server.domain.verdict import DEFAULT_OPTIONS
from onrecord_server.rpc.backend import Backend

SAFE = "The bridge is safe."
KIND = pb.ChangeKind.Name
FATE = pb.StatementChangeKind.Name
OPTIONS = pb.CheckOptions(topic_threshold=0.3)  # the fake encoder's similarities are word overlap


@pytest.fixture
async def record(wire: Any) -> Any:
    """The wire with one statement, "safe", on its record."""
    await put(wire, SAFE, "safe")
    return wire


async def put(wire: Any, text: str, name: str, **fields: Any) -> None:
    made = statement_pb2.Statement(
        text=text,
        name=f"collections/default/statements/{name}",
        speaker=statement_pb2.Speaker(name="Ann Lee"),
        **fields,
    )
    await wire.statements.CreateStatement(statements_pb.CreateStatementRequest(statement=made))


async def check(wire: Any, text: str = SAFE, options: pb.CheckOptions = OPTIONS, **claim: Any) -> pb.CheckResult:
    request = pb.CheckClaimRequest(claim=pb.Claim(text=text, **claim), options=options)
    return (await wire.checks.CheckClaim(request)).result


async def replay(wire: Any, then: pb.CheckResult, text: str = SAFE, **fields: Any) -> Any:
    claim = fields.pop("claim", pb.Claim(text=text))
    # as it is kept by whoever stores results: bytes
    kept = pb.CheckResult.FromString(then.SerializeToString())
    return await wire.checks.ReplayCheck(pb.ReplayCheckRequest(claim=claim, result=kept, **fields))


def told(answer: pb.ReplayCheckResponse) -> dict[str, bool]:
    """Kind -> held of the changes."""
    return {KIND(change.kind).removeprefix("CHANGE_KIND_"): change.held for change in answer.changes}


def fates(answer: pb.ReplayCheckResponse) -> dict[str, str]:
    """What became of each statement."""
    return {
        one.name.rpartition("/")[2]: FATE(one.kind).removeprefix("STATEMENT_CHANGE_KIND_")
        for change in answer.changes
        for one in change.statements
    }


def comparable(result: pb.CheckResult) -> pb.CheckResult:
    """A result without its timings."""
    copy = pb.CheckResult.FromString(result.SerializeToString())
    copy.ClearField("timings")
    return copy


async def test_nothing_changed(record: Any) -> None:
    then = await check(record)
    got = await replay(record, then)
    assert (got.same, list(got.changes)) == (True, [])
    assert comparable(got.result) == comparable(then)


async def test_provenance_tells_all_that_a_replay_needs(record: Any, engine: Engine) -> None:
    chosen = StatementFilter(speakers=["ann lee"])
    provenance = (await check(record, filter=chosen)).provenance
    for field in pb.Provenance.DESCRIPTOR.fields:
        value = getattr(provenance, field.name)
        # the fake has neither calibration nor weighing, and all parts of the rule are as they are by default
        empty = {"calibration_revision", "weighing_revision", "switched_off", "switched_on"}
        assert bool(value) is (field.name not in empty), field.name
    assert provenance.filter == chosen
    assert provenance.as_of == provenance.check_time
    assert provenance.record_id == engine.store.identity
    assert all(provenance.options.HasField(option.name) for option in pb.CheckOptions.DESCRIPTOR.fields)


async def test_the_claim_is_looked_at_as_then_though_only_its_text_was_kept(record: Any) -> None:
    await put(record, "The bridge is not safe.", "unsafe", stated_time=Timestamp(seconds=2_000), labels=["late"])
    for claim in (
        {"as_of": Timestamp(seconds=1_000)},
        {"filter": StatementFilter(stated_from=Timestamp(seconds=1))},
        {"as_of": Timestamp(seconds=1_000), "filter": StatementFilter(labels=["late"])},
    ):
        then = await check(record, **claim)
        got = await replay(record, then)
        assert (got.same, list(got.changes)) == (True, [])
        assert comparable(got.result) == comparable(then)
        # and a replay of the replay is the same again
        again = await replay(record, got.result)
        assert (again.same, list(again.changes)) == (True, [])


async def test_what_came_since_is_not_looked_at_unless_asked_for(record: Any) -> None:
    then = await check(record)
    await put(record, "The bridge is not safe.", "unsafe")
    got = await replay(record, then)
    assert (got.same, told(got), fates(got)) == (True, {"RECORD": True}, {})
    assert "1 statement in scope came since" in got.changes[0].detail
    assert [e.statement.text for e in got.result.evidence] == [SAFE]
    again = await replay(record, got.result)
    assert (again.same, told(again)) == (True, {"RECORD": True})

    present = await replay(record, then, record_as_now=True)
    assert present.result.verdict == pb.VERDICT_CONFLICTING
    assert (present.same, told(present), fates(present)) == (False, {"RECORD": False}, {"unsafe": "NEW"})


async def test_changed_and_deleted_evidence_is_named(record: Any) -> None:
    await put(record, "The bridge is safe for lorries.", "lorries")
    then = await check(record)
    assert len(then.evidence) == 2
    changed = statement_pb2.Statement(name="collections/default/statements/safe", text="The mill grinds rye.")
    await record.statements.UpdateStatement(statements_pb.UpdateStatementRequest(statement=changed))
    name = "collections/default/statements/lorries"
    await record.statements.DeleteStatement(statements_pb.DeleteStatementRequest(name=name))
    got = await replay(record, then)
    assert (got.same, told(got)) == (False, {"RECORD": False})
    assert fates(got) == {"safe": "CHANGED", "lorries": "DELETED"}
    assert "of the evidence of then 2 of 2 are not as they were" in got.changes[0].detail


async def test_what_was_retracted_since_speaks_as_it_did(record: Any) -> None:
    then = await check(record)
    name = "collections/default/statements/safe"
    await record.statements.RetractStatement(statements_pb.RetractStatementRequest(name=name))
    got = await replay(record, then)
    assert (got.same, told(got), fates(got)) == (True, {"RECORD": True}, {"safe": "RETRACTED"})
    present = await replay(record, then, record_as_now=True)
    assert (present.same, told(present), fates(present)) == (False, {"RECORD": False}, {"safe": "RETRACTED"})
    assert present.result.reason == pb.REASON_RETRACTED
    # taken back as of a time before the check: then it would not have been heard
    early = Timestamp(seconds=1)
    await record.statements.RetractStatement(statements_pb.RetractStatementRequest(name=name, state_time=early))
    got = await replay(record, then)
    assert (got.same, told(got), fates(got)) == (False, {"RECORD": False}, {"safe": "RETRACTED"})


async def test_what_was_superseded_since_speaks_as_it_did(record: Any) -> None:
    then = await check(record)
    request = statements_pb.SupersedeStatementRequest(name="collections/default/statements/safe")
    request.statement.text = "The bridge is not safe."
    await record.statements.SupersedeStatement(request)
    got = await replay(record, then)
    assert (got.same, told(got), fates(got)) == (True, {"RECORD": True}, {"safe": "SUPERSEDED"})


async def test_validity_is_judged_at_the_time_of_then(serve: Any, engine: Engine, record: Any) -> None:
    until = datetime.now(UTC) + timedelta(hours=1)
    stamp = Timestamp()
    stamp.FromDatetime(until)
    await put(record, "The tunnel is open.", "tunnel", valid_until=stamp)
    claim = "The tunnel is open."
    then = await check(record, claim)
    assert then.verdict == pb.VERDICT_SUPPORTED
    version = then.provenance.server_version
    checker = Checker(engine.store, engine.worker, clock=lambda: until + timedelta(hours=1), version=version)
    later = await serve(Backend(engine.record, checker, engine.model, engine.describe))
    got = await replay(later, then, claim)
    assert (got.same, told(got)) == (True, {})
    present = await replay(later, then, claim, record_as_now=True)
    assert (present.same, present.result.reason) == (False, pb.REASON_NOT_VALID_THEN)


async def test_options_and_parts_of_the_rule_are_those_of_then(serve: Any, engine: Engine, record: Any) -> None:
    """A server with other defaults, and that runs without a part of the rule, replays what another one checked."""
    await put(record, "The tunnel is open.", "tunnel")
    claim = "The bridge is safe and the tunnel is open."
    then = await check(record, claim)
    assert len(then.parts) == 2
    switches = Switches().without(["compounds"]).including(["unnamed_guard"])
    defaults = replace(DEFAULT_OPTIONS, support_threshold=0.9)
    checker = Checker(engine.store, engine.worker, defaults, switches, version=then.provenance.server_version)
    other = await serve(Backend(engine.record, checker, engine.model, engine.describe))
    assert not (await check(other, claim)).parts
    got = await replay(other, then, claim)
    assert (got.same, told(got)) == (True, {"OPTIONS": True, "RULE": True})
    options, rule = (change.detail for change in got.changes)
    assert options == "then support_threshold 0.5, here 0.9 by default; replayed as then"
    assert "compounds on then, not here" in rule
    assert "unnamed_guard off then, not here" in rule
    # and the other way round, what that server checked
    elsewhere = await check(other, claim)
    assert list(elsewhere.provenance.switched_off) == ["compounds"]
    assert list(elsewhere.provenance.switched_on) == ["unnamed_guard"]
    back = await replay(record, elsewhere, claim)
    assert (back.same, len(back.result.parts)) == (True, 0)
    assert told(back)["RULE"] is True


def _set(**fields: Any) -> Callable[[pb.CheckResult], None]:
    def change(result: pb.CheckResult) -> None:
        for name, value in fields.items():
            setattr(result.provenance, name, value)

    return change


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (_set(model_revision="older"), "MODEL", "@older, now "),
        (_set(model_id="m"), "MODEL", "then m@"),
        (_set(encoder_revision="older"), "ENCODER", "@older, now "),
        (_set(calibration_revision="c1"), "CALIBRATION", "then c1, now none"),
        (_set(weighing_revision="w1"), "WEIGHING", "then w1, now none"),
        (_set(precision="int8"), "PRECISION", "then int8, now "),
        (_set(server_version="0.0.1"), "VERSION", "then 0.0.1, now "),
        (_set(record_id="0123456789abcdef"), "RECORD", "another record: then 0123456789abcdef"),
        (_set(collection="collections/other"), "RECORD", "of the evidence of then"),
        (_set(store_revision=99), "RECORD", "an older state of the record"),
        (lambda r: r.provenance.switched_off.append("no_such_part"), "RULE", "1 names are of no part"),
        (lambda r: setattr(r.attribution, "content", "The mill is old."), "CLAIM", "reads otherwise than then"),
    ],
)
async def test_each_change_is_told(record: Any, change: Any, kind: str, words: str) -> None:
    then = await check(record)
    change(then)
    got = await replay(record, then, parent="collections/default")
    assert told(got) == {kind: False}
    assert words in got.changes[0].detail
    assert got.same


async def test_another_filter_or_moment_than_then_is_told(record: Any) -> None:
    then = await check(record, filter=StatementFilter(speakers=["Ann Lee"]), as_of=Timestamp(seconds=5))
    claim = pb.Claim(text=SAFE, filter=StatementFilter(speakers=["Bo"]), as_of=Timestamp(seconds=6))
    got = await replay(record, then, claim=claim)
    assert (got.same, told(got)) == (False, {"CLAIM": False})
    assert "another filter" in got.changes[0].detail
    assert "another as_of" in got.changes[0].detail


async def test_a_result_of_an_older_version_is_replayed_with_what_it_tells(record: Any) -> None:
    """Its provenance lacked most of the fields, and named in switched_off what is off by default."""
    then = await check(record)
    old = pb.CheckResult(verdict=then.verdict, reason=then.reason)
    for field in ("model_id", "model_revision", "options", "store_revision", "as_of"):
        value = getattr(then.provenance, field)
        if isinstance(value, str | int):
            setattr(old.provenance, field, value)
        else:
            getattr(old.provenance, field).CopyFrom(value)
    old.provenance.switched_off.append("unnamed_guard")
    got = await replay(record, old)
    assert (got.same, told(got)) == (True, {})


async def test_all_bad_fields_at_once(record: Any) -> None:
    got = await record.error(record.checks.ReplayCheck(pb.ReplayCheckRequest()))
    assert (got.code, got.info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELDS")
    assert got.fields == {"claim.text": "REQUIRED", "result.verdict": "REQUIRED", "result.provenance": "REQUIRED"}

    wrong = pb.CheckResult(verdict=9, reason=99, evidence=[pb.Evidence()] * (MAX_EVIDENCE.value + 1))
    wrong.parts.add()
    provenance = wrong.provenance
    provenance.options.support_threshold = float("nan")
    provenance.store_revision = -1
    provenance.collection = "nowhere"
    provenance.model_id = "m" * 2_001
    provenance.check_time.seconds = 2**60
    provenance.filter.states.append(9)
    provenance.switched_off.extend(["x"] * 33)
    request = pb.ReplayCheckRequest(parent="X", claim=pb.Claim(text=SAFE), result=wrong)
    got = await record.error(record.checks.ReplayCheck(request))
    assert got.fields == {
        "parent": "INVALID_RESOURCE_NAME",
        "result.verdict": "UNKNOWN_ENUM_VALUE",
        "result.reason": "UNKNOWN_ENUM_VALUE",
        "result.parts[0].verdict": "REQUIRED",
        "result.evidence": "TOO_MUCH_EVIDENCE",
        "result.provenance.options.support_threshold": "OUT_OF_RANGE",
        "result.provenance.store_revision": "OUT_OF_RANGE",
        "result.provenance.collection": "INVALID_RESOURCE_NAME",
        "result.provenance.model_id": "URI_TOO_LONG",
        "result.provenance.check_time": "OUT_OF_RANGE",
        "result.provenance.filter.states[0]": "UNKNOWN_ENUM_VALUE",
        "result.provenance.switched_off": "TOO_MANY_VALUES",
    }


async def test_a_replay_after_a_restart(serve: Any, tmp_path: Path) -> None:
    def start(*without: str) -> Any:
        config = ServerConfig(store=str(tmp_path / "r.db"), model="fake", encoder="fake", without=without)
        return open_engine(config)

    async with start() as engine:
        wire = await serve(engine.backend)
        await put(wire, SAFE, "safe")
        then = await check(wire)
    async with start("number_guard") as engine:
        got = await replay(await serve(engine.backend), then)
    assert (got.same, told(got)) == (True, {"RULE": True})

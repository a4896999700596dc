"""The JSON form of the types: names and values of the contract, and back."""

from __future__ import annotations

import dataclasses
import json
import typing
from datetime import UTC, datetime, timedelta, timezone

import pytest
from google.protobuf.descriptor import Descriptor, EnumDescriptor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onrecord import errors, types
from onrecord._answer import statement as from_wire
from onrecord._request import Fields
from onrecord._request import statement as to_wire
from onrecord.v1 import check_service_pb2 as check_pb
from onrecord.v1 import server_info_service_pb2 as info_pb
from onrecord.v1 import statement_pb2
from onrecord.v1 import statement_service_pb2 as record_pb

MESSAGES: list[tuple[type, Descriptor]] = [
    (types.TextSpan, statement_pb2.TextSpan.DESCRIPTOR),
    (types.Speaker, statement_pb2.Speaker.DESCRIPTOR),
    (types.Source, statement_pb2.Source.DESCRIPTOR),
    (types.Statement, statement_pb2.Statement.DESCRIPTOR),
    (types.Claim, check_pb.Claim.DESCRIPTOR),
    (types.CheckOptions, check_pb.CheckOptions.DESCRIPTOR),
    (types.NliScores, check_pb.NliScores.DESCRIPTOR),
    (types.PairScore, check_pb.PairScore.DESCRIPTOR),
    (types.Evidence, check_pb.Evidence.DESCRIPTOR),
    (types.ClaimAttribution, check_pb.ClaimAttribution.DESCRIPTOR),
    (types.ClaimPart, check_pb.ClaimPart.DESCRIPTOR),
    (types.Provenance, check_pb.Provenance.DESCRIPTOR),
    (types.Timings, check_pb.Timings.DESCRIPTOR),
    (types.CheckResult, check_pb.CheckResult.DESCRIPTOR),
    (types.StatementPage, record_pb.ListStatementsResponse.DESCRIPTOR),
    (types.ImportReport, record_pb.ImportStatementsResponse.DESCRIPTOR),
    (types.IngestReport, record_pb.IngestDocumentResponse.DESCRIPTOR),
    (types.ModelInfo, info_pb.ModelInfo.DESCRIPTOR),
    (types.Limit, info_pb.Limit.DESCRIPTOR),
    (types.ServerInfo, info_pb.GetServerInfoResponse.DESCRIPTOR),
]
ENUMS: list[tuple[type, EnumDescriptor]] = [
    (types.Verdict, check_pb.Verdict.DESCRIPTOR),
    (types.Reason, check_pb.Reason.DESCRIPTOR),
    (types.Relation, check_pb.Relation.DESCRIPTOR),
    (types.Stance, statement_pb2.Stance.DESCRIPTOR),
]

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
times = st.none() | st.datetimes(
    datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.sampled_from([UTC, timezone(timedelta(hours=-5))])
)
statements = st.builds(
    types.Statement,
    text=words,
    name=words,
    context=words,
    speaker=st.builds(types.Speaker, words, st.lists(words, max_size=2).map(tuple)),
    relayed_by=words,
    stance=st.sampled_from([types.Stance.ASSERTED, types.Stance.DENIED, types.Stance.QUESTIONED]),
    source=st.builds(types.Source, words, words, words, times),
    stated_time=times,
    valid_from=times,
    valid_until=times,
    labels=st.lists(words, max_size=2).map(tuple),
    original=words,
)


@pytest.mark.parametrize(("kind", "descriptor"), MESSAGES)
def test_fields_are_those_of_the_contract(kind: type, descriptor: Descriptor) -> None:
    assert {field.name for field in dataclasses.fields(kind)} == {field.name for field in descriptor.fields}


@pytest.mark.parametrize(("kind", "descriptor"), ENUMS)
def test_values_are_those_of_the_contract_without_their_prefix(kind: type, descriptor: EnumDescriptor) -> None:
    prefix = f"{kind.__name__.upper()}_"
    assert {member.value for member in kind} == {value.name.removeprefix(prefix) for value in descriptor.values}  # type: ignore[attr-defined]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(statements)
def test_a_statement_survives_the_wire(statement: types.Statement) -> None:
    fields = Fields()
    message = to_wire(fields, statement)
    assert not fields.violations
    assert from_wire(message) == statement


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(statements)
def test_a_statement_survives_json(statement: types.Statement) -> None:
    data = json.loads(json.dumps(statement.to_dict()))
    assert types.Statement.from_dict(data) == statement
    assert set(data) == {field.name for field in statement_pb2.Statement.DESCRIPTOR.fields}


def test_times_and_enums_and_what_is_unknown() -> None:
    when = datetime(2021, 8, 29, 14, 30, tzinfo=timezone(timedelta(hours=8)))
    data = types.Statement("t", stance=types.Stance.DENIED, stated_time=when).to_dict()
    assert data["stated_time"] == "2021-08-29T06:30:00Z"
    assert data["stance"] == "DENIED"
    assert data["valid_from"] is None
    assert data["speaker"] == {"name": "", "aliases": []}


def test_a_speaker_may_be_a_name_and_a_time_a_date() -> None:
    statement = types.Statement.from_dict({"text": "t", "speaker": "Putin", "stated_time": "2021-08-29", "extra": 1})
    assert statement.speaker == types.Speaker("Putin")
    assert statement.stated_time == datetime(2021, 8, 29, tzinfo=UTC)


def test_all_wrong_fields_are_named_at_once() -> None:
    bad: dict[str, typing.Any] = {
        "text": 5,
        "speaker": {"name": [], "aliases": "Putin"},
        "source": "somewhere",
        "stance": "MAYBE",
        "stated_time": "yesterday",
        "valid_from": "2021-08-29T10:00:00",
        "labels": [1],
    }
    with pytest.raises(errors.InvalidArgument) as caught:
        types.Statement.from_dict(bad)
    assert {violation.field for violation in caught.value.violations} == {
        "statement.speaker.name",
        "statement.speaker.aliases",
        "statement.text",
        "statement.stance",
        "statement.source",
        "statement.stated_time",
        "statement.valid_from",
        "statement.labels",
    }
    assert str(caught.value).endswith("(and 7 more)")

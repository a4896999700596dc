"""Whatever protobuf accepts converts, or is a violation; what the domain holds comes back as it went."""

from __future__ import annotations

import enum
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onrecord.v1 import check_service_pb2 as check_pb
from onrecord.v1 import statement_pb2 as statement_pb
from onrecord_server.domain.replay import ChangeKind, StatementChangeKind
from onrecord_server.domain.types import (
    AmbiguousName,
    CheckOptions,
    CheckResult,
    Claim,
    ClaimAttribution,
    ClaimPart,
    Evidence,
    ModelInfo,
    NliScores,
    Provenance,
    Reason,
    Relation,
    Source,
    Span,
    Speaker,
    Stance,
    State,
    Statement,
    StatementDraft,
    StatementFilter,
    Timings,
    Verdict,
)
from onrecord_server.rpc import convert, convert_checks, enums

# protobuf strings hold every code point but surrogates, NUL and the private ones included
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
TIMES = st.datetimes(timezones=st.just(UTC))
MAYBE_TIME = st.none() | TIMES
SPANS = st.tuples(st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1)).map(lambda s: Span(*sorted(s)))
FINITE = st.floats(allow_nan=False, allow_infinity=False)
SPEAKERS = st.builds(Speaker, name=TEXT, aliases=TEXTS)
SOURCES = st.builds(Source, uri=TEXT, title=TEXT, publisher=TEXT, publish_time=MAYBE_TIME)
DRAFT_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXT,
    "name": TEXT,
    "context": TEXT,
    "speaker": SPEAKERS,
    "relayed_by": TEXT,
    "stance": st.sampled_from(Stance),
    "source": SOURCES,
    "stated_time": MAYBE_TIME,
    "valid_from": MAYBE_TIME,
    "valid_until": MAYBE_TIME,
    "labels": TEXTS,
    "original": TEXT,
    "state": st.sampled_from(State),
    "superseded_by": TEXT,
    "state_time": MAYBE_TIME,
}
STATEMENTS = st.builds(
    Statement,
    **DRAFT_FIELDS,
    document=TEXT,
    original_span=st.none() | SPANS,
    create_time=MAYBE_TIME,
    update_time=MAYBE_TIME,
    etag=TEXT,
)
OPTIONS = st.builds(
    CheckOptions,
    support_threshold=st.none() | FINITE,
    contradiction_threshold=st.none() | FINITE,
    contradiction_margin=st.none() | FINITE,
    topic_threshold=st.none() | FINITE,
    max_evidence=st.none() | st.integers(-(2**31), 2**31 - 1),
    explain=st.none() | st.booleans(),
)
FILTERS = st.builds(
    StatementFilter,
    speakers=TEXTS,
    publishers=TEXTS,
    labels=TEXTS,
    stated_from=MAYBE_TIME,
    stated_until=MAYBE_TIME,
    states=st.lists(st.sampled_from(State), max_size=3).map(tuple),
).filter(lambda chosen: chosen != StatementFilter())
SCORES = st.tuples(st.floats(0, 0.5), st.floats(0, 0.5)).map(lambda p: NliScores(p[0], p[1], 1 - p[0] - p[1]))
EVIDENCE = st.builds(
    Evidence,
    statement=STATEMENTS,
    relation=st.sampled_from(Relation),
    scores=SCORES,
    similarity=FINITE,
    quote=TEXT,
    quote_span=SPANS,
    notes=TEXTS,
    truncated=st.booleans(),
    part=st.integers(0, 4),
    weighed_scores=st.none() | SCORES,
)
ATTRIBUTIONS = st.builds(
    ClaimAttribution,
    content=TEXT,
    speaker=TEXT,
    stance=st.sampled_from(Stance),
    exclusive=st.booleans(),
    excluded_speakers=TEXTS,
)
PARTS = st.builds(
    ClaimPart,
    text=TEXT,
    span=SPANS,
    attribution=ATTRIBUTIONS,
    verdict=st.sampled_from(Verdict),
    confidence=FINITE,
    reason=st.sampled_from(Reason),
    deciding=st.lists(st.integers(0, 31), max_size=3).map(tuple),
)
RESULTS = st.builds(
    CheckResult,
    verdict=st.sampled_from(Verdict),
    confidence=FINITE,
    reason=st.sampled_from(Reason),
    evidence=st.lists(EVIDENCE, max_size=2).map(tuple),
    supporting_speakers=TEXTS,
    contradicting_speakers=TEXTS,
    attribution=ATTRIBUTIONS,
    provenance=st.builds(
        Provenance,
        model_id=TEXT,
        model_revision=TEXT,
        options=OPTIONS,
        store_revision=st.integers(0, 2**63 - 1),
        as_of=MAYBE_TIME,
        switched_off=TEXTS,
        encoder_id=TEXT,
        encoder_revision=TEXT,
        collection=TEXT,
        filter=st.none() | FILTERS,
        calibration_revision=TEXT,
        weighing_revision=TEXT,
        switched_on=TEXTS,
        server_version=TEXT,
        precision=TEXT,
        record_id=TEXT,
        check_time=MAYBE_TIME,
        requested_options=OPTIONS,
    ),
    timings=st.builds(Timings, retrieval_ms=FINITE, queue_ms=FINITE, inference_ms=FINITE, total_ms=FINITE),
    explanation=TEXT,
    parts=st.lists(PARTS, max_size=1).map(tuple),
    ambiguous_names=st.lists(st.builds(AmbiguousName, name=TEXT, speakers=TEXTS), max_size=2).map(tuple),
)
ENUM_PREFIX = {State: "STATE_", Stance: "STANCE_", Verdict: "VERDICT_", Relation: "RELATION_", Reason: "REASON_"}


def assert_same(domain: Any, wire: Any) -> None:
    """Every field of the dataclass stands under its own name in the message, with the same value."""
    for item in fields(domain):
        value, sent = getattr(domain, item.name), getattr(wire, item.name)
        where = f"{type(domain).__name__}.{item.name}"
        if is_dataclass(value):
            assert_same(value, sent)
        elif isinstance(value, datetime):
            assert sent.ToDatetime(tzinfo=UTC) == value, where
        elif value is None:
            assert not wire.HasField(item.name), where
        elif isinstance(value, enum.Enum):
            descriptor = wire.DESCRIPTOR.fields_by_name[item.name].enum_type
            name = descriptor.values_by_number[sent].name
            expected = "UNSPECIFIED" if value is Reason.NONE else value.name
            assert name == ENUM_PREFIX[type(value)] + expected, where
        elif isinstance(value, tuple) and value and is_dataclass(value[0]):
            assert len(value) == len(sent), where
            for one, other in zip(value, sent, strict=True):
                assert_same(one, other)
        elif isinstance(value, tuple) and value and isinstance(value[0], enum.Enum):
            assert [f"STATE_{one.name}" for one in value] == [statement_pb.State.Name(one) for one in sent], where
        elif isinstance(value, tuple):
            assert value == tuple(sent), where
        else:
            assert value == sent, where


@pytest.mark.parametrize(
    ("table", "domain", "wire"),
    [
        (enums.STANCE_TO_PROTO, Stance, statement_pb.Stance),
        (enums.STATE_TO_PROTO, State, statement_pb.State),
        (enums.VERDICT_TO_PROTO, Verdict, check_pb.Verdict),
        (enums.RELATION_TO_PROTO, Relation, check_pb.Relation),
        (enums.REASON_TO_PROTO, Reason, check_pb.Reason),
        (enums.CHANGE_TO_PROTO, ChangeKind, check_pb.ChangeKind),
        (enums.STATEMENT_CHANGE_TO_PROTO, StatementChangeKind, check_pb.StatementChangeKind),
    ],
)
def test_enum_tables_are_total_both_ways(table: dict[Any, int], domain: Any, wire: Any) -> None:
    assert set(table) == set(domain)
    unspecified = set() if domain is Reason else {0}
    assert sorted(table.values()) == sorted(set(wire.values()) - unspecified)


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])  # large examples, slow to draw
@given(RESULTS)
def test_results_arrive_whole(result: CheckResult) -> None:
    message = convert_checks.check_result_to_proto(result)
    assert_same(result, check_pb.CheckResult.FromString(message.SerializeToString()))


@given(STATEMENTS)
def test_statements_arrive_whole(statement: Statement) -> None:
    assert_same(statement, convert.statement_to_proto(statement))


@given(st.builds(StatementDraft, **DRAFT_FIELDS))
def test_drafts_come_back(draft: StatementDraft) -> None:
    violations: list[Any] = []
    message = statement_pb.Statement.FromString(convert.statement_to_proto(draft).SerializeToString())
    assert convert.draft_from_proto(message, "statement", violations) == draft
    assert not violations


@given(STATEMENTS)
def test_creation_ignores_output_only_fields(statement: Statement) -> None:
    draft = convert.draft_from_proto(convert.statement_to_proto(statement), "statement", [])
    assert (draft.document, draft.original_span) == ("", None)
    assert type(draft) is StatementDraft


@given(OPTIONS)
def test_options_come_back_with_zero_apart_from_unset(options: CheckOptions) -> None:
    assert convert_checks.options_from_proto(convert_checks.options_to_proto(options)) == options


@given(st.builds(Claim, text=TEXT, speaker=TEXT, as_of=MAYBE_TIME))
def test_claims_come_back(claim: Claim) -> None:
    violations: list[Any] = []
    assert convert_checks.claim_from_proto(convert_checks.claim_to_proto(claim), "claim", violations) == claim
    assert not violations


def test_a_claim_as_of_no_calendar_day_is_a_violation() -> None:
    violations: list[Any] = []
    message = check_pb.Claim(text="A.", as_of=Timestamp(seconds=2**40))
    convert_checks.claim_from_proto(message, "claims[3]", violations)
    assert [(v.field, v.reason) for v in violations] == [("claims[3].as_of", "OUT_OF_RANGE")]


@given(st.builds(ModelInfo, model_id=TEXT, revision=TEXT, labels=TEXTS, precision=TEXT))
def test_model_info_arrives_whole(info: ModelInfo) -> None:
    assert_same(info, convert.model_info_to_proto(info))


@given(TIMES, st.integers(-14 * 60, 14 * 60))
def test_a_time_of_any_zone_is_the_same_instant(when: datetime, minutes: int) -> None:
    try:
        elsewhere = when.astimezone(timezone(timedelta(minutes=minutes)))
    except OverflowError:  # the zone pushes it over the calendar's edge
        return
    assert convert.timestamp_from_proto(convert.timestamp_to_proto(elsewhere), "t", []) == when


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**31), 2**31 - 1))
def test_any_timestamp_converts_or_is_a_violation(seconds: int, nanos: int) -> None:
    violations: list[Any] = []
    when = convert.timestamp_from_proto(Timestamp(seconds=seconds, nanos=nanos), "statement.stated_time", violations)
    if when is None:
        assert [(v.field, v.reason) for v in violations] == [("statement.stated_time", "OUT_OF_RANGE")]
    else:
        assert not violations
        assert when.tzinfo is UTC
        assert convert.timestamp_to_proto(when).seconds == seconds


@given(st.integers(-(2**31), 2**31 - 1))
def test_any_stance_converts_or_is_a_violation(value: int) -> None:
    violations: list[Any] = []
    stance = convert.stance_from_proto(value, "statement.stance", violations)
    assert stance in Stance
    assert bool(violations) == (value not in statement_pb.Stance.values())


def test_all_times_of_a_statement_are_judged_at_once() -> None:
    message = statement_pb.Statement(text="Water is wet.", stance=9)  # type: ignore[arg-type]  # an open enum
    for time in (message.stated_time, message.valid_from, message.valid_until, message.source.publish_time):
        time.seconds = 2**62
    violations: list[Any] = []
    convert.draft_from_proto(message, "statement", violations)
    assert {v.field for v in violations} == {
        "statement.stance",
        "statement.stated_time",
        "statement.valid_from",
        "statement.valid_until",
        "statement.source.publish_time",
    }

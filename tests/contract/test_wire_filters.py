"""StatementFilter over the wire: what listings and checks see through one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from onrecord.v1 import check_service_pb2 as check_pb
from onrecord.v1 import statement_pb2
from onrecord.v1 import statement_service_pb2 as pb
from onrecord.v1.filter_pb2 import StatementFilter
from onrecord_server.domain.limits import FILTER_VALUES, LABEL_CODE_POINTS, NAME_CODE_POINTS


def day(number: int) -> Timestamp:
    """A day of May 2024, at its beginning in UTC."""
    return Timestamp(seconds=int(datetime(2024, 5, number, tzinfo=UTC).timestamp()))


def said(text: str, speaker: str = "", *aliases: str, **fields: Any) -> statement_pb2.Statement:
    return statement_pb2.Statement(text=text, speaker=statement_pb2.Speaker(name=speaker, aliases=aliases), **fields)


def source(publisher: str, published: int | None = None) -> statement_pb2.Source:
    return statement_pb2.Source(publisher=publisher, publish_time=None if published is None else day(published))


STATEMENTS = {
    "apples": said(
        "The harbour sells apples.", "Anna Keller", "Keller", "the minister", source=source("The Courier", 3)
    ),
    "pears": said(
        "The harbour sells pears.", "Bo Roe", "the minister", labels=["Food", "port"], source=source("THE COURIER", 5)
    ),
    "plums": said("The harbour sells plums.", "Ömer Şahin", labels=["food"], stated_time=day(4)),
    "ships": said("The harbour builds ships.", labels=["port"], source=source("Gazette"), stated_time=day(7)),
    "boats": said("The harbour builds boats.", "Keller", source=source("Gazette", 1), stated_time=day(8)),
}


@pytest.fixture
async def record(wire: Any) -> Any:
    """The wire with a few statements on its record; `apples` has been retracted."""
    for name, statement in STATEMENTS.items():
        statement = statement_pb2.Statement.FromString(statement.SerializeToString())
        statement.name = f"collections/default/statements/{name}"
        if name == "apples":
            statement.state = statement_pb2.STATE_RETRACTED
        await wire.statements.CreateStatement(pb.CreateStatementRequest(statement=statement))
    return wire


async def listing(wire: Any, chosen: StatementFilter, **request: Any) -> tuple[list[str], Any]:
    page = await wire.statements.ListStatements(pb.ListStatementsRequest(filter=chosen, **request))
    return [statement.name.rpartition("/")[2] for statement in page.statements], page


@pytest.mark.parametrize(
    ("chosen", "passing"),
    [
        (StatementFilter(), "apples pears plums ships boats"),
        (StatementFilter(speakers=["Anna Keller"]), "apples"),
        (StatementFilter(speakers=["KELLER"]), "apples boats"),
        (StatementFilter(speakers=["Anna"]), ""),  # whole names: a filter does not guess
        (StatementFilter(speakers=["  anna   keller "]), "apples"),
        (StatementFilter(speakers=["ÖMER ŞAHIN", "bo roe"]), "pears plums"),
        (StatementFilter(speakers=[""]), "ships"),
        (StatementFilter(publishers=["the courier"]), "apples pears"),
        (StatementFilter(publishers=["Courier"]), ""),
        (StatementFilter(publishers=["Gazette", "The Courier"]), "apples pears ships boats"),
        (StatementFilter(labels=["food"]), "pears plums"),
        (StatementFilter(labels=["food", "PORT"]), "pears"),
        (StatementFilter(stated_from=day(5)), "pears ships boats"),  # of apples: published on the 3rd
        (StatementFilter(stated_until=day(5)), "apples plums"),
        (StatementFilter(stated_from=day(5), stated_until=day(5)), ""),
        (StatementFilter(stated_from=day(4), stated_until=day(8)), "pears plums ships"),
        (StatementFilter(states=[statement_pb2.STATE_RETRACTED]), "apples"),
        (StatementFilter(states=[statement_pb2.STATE_ACTIVE], speakers=["the minister"]), "pears"),
        (StatementFilter(states=[1, 1, 2]), "apples pears plums ships boats"),
        (StatementFilter(speakers=["Keller"], publishers=["Gazette"], stated_from=day(8)), "boats"),
        (StatementFilter(speakers=["'; DROP TABLE statements; --", '"', "%", "\n x"]), ""),
    ],
)
async def test_what_a_listing_shows(record: Any, chosen: StatementFilter, passing: str) -> None:
    names, page = await listing(record, chosen)
    assert names == passing.split()
    assert (page.total_size, page.next_page_token) == (len(names), "")
    first, half = await listing(record, chosen, page_size=1)
    rest: list[str] = []
    while half.next_page_token:
        more, half = await listing(record, chosen, page_size=1, page_token=half.next_page_token)
        rest += more
    assert first + rest == names


async def test_a_name_that_two_speakers_go_by_lets_both_through_and_the_answer_says_so(record: Any) -> None:
    names, page = await listing(record, StatementFilter(speakers=["The Minister", "Ömer Şahin", "Keller"]))
    assert names == ["apples", "pears", "plums", "boats"]
    (ambiguous,) = page.ambiguous_names  # "Keller" can be Anna Keller: one speaker as far as anybody can tell
    assert (ambiguous.name, list(ambiguous.speakers)) == ("The Minister", ["Anna Keller", "Bo Roe"])
    # among what passes it is only one
    _, page = await listing(record, StatementFilter(speakers=["the minister"], labels=["port"]))
    assert not page.ambiguous_names


async def test_page_tokens_of_a_filter_survive_writes_and_fit_no_other(record: Any) -> None:
    chosen = StatementFilter(labels=["food"])
    first, page = await listing(record, chosen, page_size=1)
    await record.statements.DeleteStatement(pb.DeleteStatementRequest(name="collections/default/statements/pears"))
    late = said("The harbour sells nuts.", labels=["FOOD"], name="collections/default/statements/nuts")
    await record.statements.CreateStatement(pb.CreateStatementRequest(statement=late))
    rest, last = await listing(record, chosen, page_token=page.next_page_token)
    assert (first, rest, last.total_size) == (["pears"], ["plums", "nuts"], 2)
    for other in (StatementFilter(), StatementFilter(labels=["port"])):
        request = pb.ListStatementsRequest(filter=other, page_token=page.next_page_token)
        got = await record.error(record.statements.ListStatements(request))
        assert got.fields == {"page_token": "INVALID_PAGE_TOKEN"}


async def test_limits_from_both_sides(record: Any) -> None:
    most, name = FILTER_VALUES.value, "n" * NAME_CODE_POINTS.value
    label = "l" * LABEL_CODE_POINTS.value
    good = StatementFilter(speakers=[name] * most, publishers=[name] * most, labels=[label] * most, states=[1] * most)
    assert (await listing(record, good))[0] == []
    wrong = StatementFilter(
        speakers=["x"] * (most + 1), publishers=[name + "n"], labels=[label + "l", ""], states=[1] * (most + 1)
    )
    got = await record.error(record.statements.ListStatements(pb.ListStatementsRequest(filter=wrong, page_size=-1)))
    assert (got.code, got.info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELDS")
    assert got.fields == {
        "filter.speakers": "TOO_MANY_VALUES",
        "filter.publishers[0]": "NAME_TOO_LONG",
        "filter.labels[0]": "LABEL_TOO_LONG",
        "filter.labels[1]": "REQUIRED",
        "filter.states": "TOO_MANY_VALUES",
        "page_size": "OUT_OF_RANGE",
    }


@pytest.mark.parametrize(
    ("wrong", "fields"),
    [
        (StatementFilter(stated_from=day(2), stated_until=day(1)), {"stated_until": "OUT_OF_RANGE"}),
        (StatementFilter(stated_from=Timestamp(seconds=2**60)), {"stated_from": "OUT_OF_RANGE"}),
        (StatementFilter(states=[0]), {"states[0]": "UNKNOWN_ENUM_VALUE"}),
        (StatementFilter(states=[1, 9]), {"states[1]": "UNKNOWN_ENUM_VALUE"}),
        (StatementFilter(speakers=[" "], labels=["\x07"]), {"speakers[0]": "BLANK", "labels[0]": "CONTROL_CHARACTER"}),
    ],
)
async def test_bad_filters_everywhere(record: Any, wrong: StatementFilter, fields: dict[str, str]) -> None:
    calls = {
        "filter": record.statements.ListStatements(pb.ListStatementsRequest(filter=wrong)),
        "claim.filter": record.checks.CheckClaim(
            check_pb.CheckClaimRequest(claim=check_pb.Claim(text="x", filter=wrong))
        ),
    }
    for prefix, call in calls.items():
        assert (await record.error(call)).fields == {f"{prefix}.{field}": reason for field, reason in fields.items()}
    search = pb.SearchStatementsRequest(query="harbour", filter=wrong)
    got = await record.error(record.statements.SearchStatements(search))
    assert got.fields == {f"filter.{field}": reason for field, reason in fields.items()}


# -- checks --------------------------------------------------------------------------------------------------------

OPTIONS = check_pb.CheckOptions(topic_threshold=0.3)  # the fake encoder's similarities are word overlap


async def check(wire: Any, text: str, chosen: StatementFilter | None = None, **claim: Any) -> check_pb.CheckResult:
    request = check_pb.CheckClaimRequest(claim=check_pb.Claim(text=text, filter=chosen, **claim), options=OPTIONS)
    return (await wire.checks.CheckClaim(request)).result


async def test_a_check_looks_only_at_what_passes(record: Any) -> None:
    claim = "The harbour sells pears."
    assert (await check(record, claim)).verdict == check_pb.VERDICT_SUPPORTED
    by_roe = await check(record, claim, StatementFilter(speakers=["bo roe"]))
    assert by_roe.verdict == check_pb.VERDICT_SUPPORTED
    assert [e.statement.speaker.name for e in by_roe.evidence] == ["Bo Roe"]
    assert by_roe.provenance.filter == StatementFilter(speakers=["bo roe"])
    without = await check(record, claim, StatementFilter(speakers=["Ömer Şahin", "Keller"]))
    assert without.verdict == check_pb.VERDICT_NOT_ENOUGH_EVIDENCE
    assert {e.statement.speaker.name for e in without.evidence} <= {"Ömer Şahin", "Anna Keller", "Keller"}
    nothing = await check(record, claim, StatementFilter(labels=["nowhere"]))
    assert nothing.verdict == check_pb.VERDICT_NOT_ENOUGH_EVIDENCE
    assert (nothing.reason, len(nothing.evidence)) == (check_pb.REASON_NO_STATEMENTS_IN_SCOPE, 0)


async def test_a_filter_does_not_make_the_silent_speak(record: Any) -> None:
    retracted = await check(
        record, "The harbour sells apples.", StatementFilter(states=[statement_pb2.STATE_RETRACTED])
    )
    assert (retracted.verdict, retracted.reason) == (
        check_pb.VERDICT_NOT_ENOUGH_EVIDENCE,
        check_pb.REASON_RETRACTED,
    )


async def test_a_filter_and_a_speaker_are_two_things(record: Any) -> None:
    """Who is claimed to have said it is judged; who is filtered for is not even looked at."""
    claim = "Bo Roe said that the harbour sells plums."
    assert (await check(record, claim)).reason == check_pb.REASON_OTHER_SPEAKER
    narrowed = await check(record, claim, StatementFilter(speakers=["Bo Roe"]))
    assert narrowed.reason not in (check_pb.REASON_OTHER_SPEAKER, check_pb.REASON_NO_STATEMENTS_IN_SCOPE)


async def test_a_compound_claim_is_checked_within_the_filter(record: Any) -> None:
    for made in (said("The bridge is safe.", "Ann Lee"), said("The tunnel is open.", "Bo Roe")):
        await record.statements.CreateStatement(pb.CreateStatementRequest(statement=made))
    claim = "The bridge is safe and the tunnel is open."
    whole = await check(record, claim)
    assert (whole.verdict, len(whole.parts)) == (check_pb.VERDICT_SUPPORTED, 2)
    narrowed = await check(record, claim, StatementFilter(speakers=["Bo Roe"]))
    assert [part.verdict for part in narrowed.parts] == [
        check_pb.VERDICT_NOT_ENOUGH_EVIDENCE,
        check_pb.VERDICT_SUPPORTED,
    ]


async def test_each_claim_of_a_batch_and_of_a_stream_has_its_own_filter(record: Any) -> None:
    text = "The harbour sells pears."
    filters = [None, StatementFilter(labels=["nowhere"]), StatementFilter(states=[9]), StatementFilter(labels=["food"])]
    claims = [check_pb.Claim(text=text, filter=chosen) for chosen in filters]
    batch = await record.checks.BatchCheckClaims(check_pb.BatchCheckClaimsRequest(claims=claims, options=OPTIONS))

    async def requests() -> AsyncIterator[check_pb.StreamCheckClaimsRequest]:
        for claim in claims:
            yield check_pb.StreamCheckClaimsRequest(claim=claim, options=OPTIONS)

    streamed = [answer async for answer in record.checks.StreamCheckClaims(requests())]
    for outcomes in (batch.items, streamed):
        first, none, bad, last = outcomes
        assert first.result.verdict == last.result.verdict == check_pb.VERDICT_SUPPORTED
        assert none.result.reason == check_pb.REASON_NO_STATEMENTS_IN_SCOPE
        assert bad.error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]


async def test_a_check_tells_of_names_that_two_speakers_go_by(record: Any) -> None:
    """Decided so: a name means all who go by it, in a filter and in a claim; the answer says who they are."""
    by_filter = await check(record, "The harbour sells pears.", StatementFilter(speakers=["the minister"]))
    (found,) = by_filter.ambiguous_names
    assert (found.name, list(found.speakers)) == ("the minister", ["Anna Keller", "Bo Roe"])
    for text in ("The harbour trades in wool.", "The harbour trades in silk."):
        first = "Cara" if "wool" in text else "Dora"
        made = said(text, f"{first} Lind", "Lind")
        await record.statements.CreateStatement(pb.CreateStatementRequest(statement=made))
    by_claim = await check(record, "Lind said that the harbour trades in wool.")
    assert by_claim.verdict == check_pb.VERDICT_SUPPORTED
    assert list(by_claim.supporting_speakers) == ["Cara Lind"]
    (found,) = by_claim.ambiguous_names
    assert (found.name, list(found.speakers)) == ("Lind", ["Cara Lind", "Dora Lind"])
    plain = await check(record, "Cara Lind said that the harbour trades in wool.")
    assert not plain.ambiguous_names


async def test_an_explanation_is_left_out_on_request(record: Any) -> None:
    for explain, words in ((None, True), (True, True), (False, False)):
        options = check_pb.CheckOptions(explain=explain)
        request = check_pb.CheckClaimRequest(claim=check_pb.Claim(text="The harbour sells pears."), options=options)
        result = (await record.checks.CheckClaim(request)).result
        assert bool(result.explanation) is words
        assert result.provenance.options.explain is words

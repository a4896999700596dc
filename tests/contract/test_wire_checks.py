"""CheckService and ServerInfoService over the wire, on the real engine with the declared fakes."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2

from onrecord.v1 import check_service_pb2 as pb
from onrecord.v1 import server_info_service_pb2 as info_pb
from onrecord.v1 import statement_pb2 as statement
from onrecord.v1 import statement_service_pb2 as statements_pb
from onrecord_server.domain.limits import (
    ALL_LIMITS,
    BATCH_CLAIMS,
    BATCH_PAIRS,
    CLAIM_CODE_POINTS,
    MAX_EVIDENCE,
    STATEMENT_CODE_POINTS,
)

FACTS = {
    "Freedonia respects the border treaty.": "Anna Keller",
    "The bridge was opened in 1998.": "Bo Lind",
    "Sylvania does not export wheat.": "Bo Lind",
}


@pytest.fixture
async def record(wire: Any) -> Any:
    """A served record with a few facts."""
    for text, name in FACTS.items():
        made = statement.Statement(text=text, speaker=statement.Speaker(name=name))
        await wire.statements.CreateStatement(statements_pb.CreateStatementRequest(statement=made))
    return wire


def claim(text: str = "Freedonia respects the border treaty.", **fields: Any) -> pb.CheckClaimRequest:
    return pb.CheckClaimRequest(claim=pb.Claim(text=text), **fields)


async def test_a_claim_is_checked_with_evidence_and_provenance(record: Any) -> None:
    result = (await record.checks.CheckClaim(claim())).result
    assert result.verdict == pb.VERDICT_SUPPORTED
    first = result.evidence[0]
    assert first.relation == pb.RELATION_SUPPORTS
    assert first.statement.text[first.quote_span.start : first.quote_span.end] == first.quote
    assert list(result.supporting_speakers) == ["Anna Keller"]
    assert result.provenance.model_id == "fake"
    assert result.provenance.options.HasField("topic_threshold")
    assert result.timings.total_ms > 0


async def test_a_wrong_number_is_contradicted(record: Any) -> None:
    result = (await record.checks.CheckClaim(claim("The bridge was opened in 2004."))).result
    assert result.verdict == pb.VERDICT_CONTRADICTED


async def test_an_empty_collection_is_undecided_for_a_reason(record: Any) -> None:
    result = (await record.checks.CheckClaim(claim(parent="collections/empty"))).result
    assert (result.verdict, result.reason) == (pb.VERDICT_NOT_ENOUGH_EVIDENCE, pb.REASON_NO_STATEMENTS_IN_SCOPE)


async def test_options_set_to_zero_are_not_the_default(record: Any) -> None:
    none = await record.checks.CheckClaim(claim(options=pb.CheckOptions(max_evidence=0)))
    default = await record.checks.CheckClaim(claim(options=pb.CheckOptions()))
    assert (len(none.result.evidence), none.result.provenance.options.max_evidence) == (0, 0)
    assert len(default.result.evidence) > 0


async def test_all_bad_fields_of_a_check_at_once(record: Any) -> None:
    options = pb.CheckOptions(support_threshold=float("nan"), topic_threshold=-2, max_evidence=MAX_EVIDENCE.value + 1)
    request = pb.CheckClaimRequest(parent="nowhere", claim=pb.Claim(text="\t"), options=options)
    got = await record.error(record.checks.CheckClaim(request))
    assert got.fields == {
        "parent": "INVALID_RESOURCE_NAME",
        "claim.text": "BLANK",
        "options.support_threshold": "OUT_OF_RANGE",
        "options.topic_threshold": "OUT_OF_RANGE",
        "options.max_evidence": "TOO_MUCH_EVIDENCE",
    }


async def test_a_request_without_a_claim(record: Any) -> None:
    got = await record.error(record.checks.CheckClaim(pb.CheckClaimRequest()))
    assert got.fields == {"claim.text": "REQUIRED"}
    assert dict(got.info.metadata) == {"field": "claim.text", "reason": "REQUIRED"}


async def test_claim_length_from_both_sides(record: Any) -> None:
    longest = ("wheat " * CLAIM_CODE_POINTS.value)[: CLAIM_CODE_POINTS.value - 1] + "."
    assert (await record.checks.CheckClaim(claim(longest))).result.verdict != pb.VERDICT_UNSPECIFIED
    got = await record.error(record.checks.CheckClaim(claim(longest + ".")))
    assert got.fields == {"claim.text": CLAIM_CODE_POINTS.reason}


async def test_a_batch_keeps_its_order_and_a_bad_claim_fails_alone(record: Any) -> None:
    texts = [
        "The bridge was opened in 1998.",
        "",
        "Sylvania exports wheat.",
        "x" * 2_001,
        "Freedonia respects the treaty.",
    ]
    request = pb.BatchCheckClaimsRequest(claims=[pb.Claim(text=t) for t in texts])
    items = (await record.checks.BatchCheckClaims(request)).items
    assert [item.WhichOneof("outcome") for item in items] == ["result", "error", "result", "error", "result"]
    assert [items[i].result.verdict for i in (0, 2, 4)] == [
        pb.VERDICT_SUPPORTED,
        pb.VERDICT_CONTRADICTED,
        pb.VERDICT_SUPPORTED,
    ]
    for index, reason in ((1, "REQUIRED"), (3, "CLAIM_TOO_LONG")):
        error = items[index].error
        assert error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        assert error.details[0].Unpack(info)
        assert error.details[1].Unpack(bad)
        assert info.reason == "INVALID_FIELDS"
        assert [(v.field, v.reason) for v in bad.field_violations] == [(f"claims[{index}].text", reason)]


async def test_a_moment_outside_the_calendar_fails_alone(record: Any) -> None:
    bad = pb.Claim(text="", as_of=Timestamp(seconds=2**40))
    request = pb.BatchCheckClaimsRequest(claims=[claim().claim, bad, claim().claim])
    items = (await record.checks.BatchCheckClaims(request)).items
    assert [item.WhichOneof("outcome") for item in items] == ["result", "error", "result"]
    found = error_details_pb2.BadRequest()
    assert items[1].error.details[1].Unpack(found)
    assert [v.field for v in found.field_violations] == ["claims[1].as_of", "claims[1].text"]


async def test_a_compound_claim_comes_back_in_parts(record: Any) -> None:
    text = "Freedonia respects the border treaty and the bridge was opened in 1998."
    result = (await record.checks.CheckClaim(claim(text))).result
    assert [part.verdict for part in result.parts] == [pb.VERDICT_SUPPORTED] * 2
    assert [text[part.span.start : part.span.end] for part in result.parts] == [
        "Freedonia respects the border treaty",
        "the bridge was opened in 1998",
    ]
    for number, part in enumerate(result.parts, start=1):
        assert [result.evidence[place].part for place in part.deciding] == [number]


async def test_batch_sizes_from_both_sides(record: Any) -> None:
    claims = [pb.Claim(text="Sylvania exports wheat.")] * BATCH_CLAIMS.value
    done = await record.checks.BatchCheckClaims(pb.BatchCheckClaimsRequest(claims=claims))
    assert {item.result.verdict for item in done.items} == {pb.VERDICT_CONTRADICTED}
    for wrong, reason in (([*claims, claims[0]], BATCH_CLAIMS.reason), ([], "REQUIRED")):
        got = await record.error(record.checks.BatchCheckClaims(pb.BatchCheckClaimsRequest(claims=wrong)))
        assert got.fields == {"claims": reason}


async def test_bad_options_are_the_whole_batch_s(record: Any) -> None:
    request = pb.BatchCheckClaimsRequest(
        parent="x", claims=[pb.Claim(text="a")], options=pb.CheckOptions(support_threshold=2)
    )
    got = await record.error(record.checks.BatchCheckClaims(request))
    assert got.fields == {"parent": "INVALID_RESOURCE_NAME", "options.support_threshold": "OUT_OF_RANGE"}


def pair(premise: str, hypothesis: str) -> pb.Pair:
    return pb.Pair(premise=premise, hypothesis=hypothesis)


async def test_pairs_are_scored_in_order(record: Any) -> None:
    pairs = [
        pair("Sylvania exports wheat.", "Sylvania exports wheat."),
        pair("Sylvania does not export wheat.", "Sylvania exports wheat."),
        pair("The bridge is old.", "Sylvania exports wheat."),
    ]
    done = await record.checks.ScorePairs(pb.ScorePairsRequest(pairs=pairs))
    best = [max(("entailment", "neutral", "contradiction"), key=lambda k: getattr(s.scores, k)) for s in done.scores]
    assert best == ["entailment", "contradiction", "neutral"]
    assert (done.model_id, done.model_revision) == ("fake", "1")


async def test_limits_of_pairs_from_both_sides(record: Any) -> None:
    longest = pair("p" * STATEMENT_CODE_POINTS.value, "h" * CLAIM_CODE_POINTS.value)
    done = await record.checks.ScorePairs(pb.ScorePairsRequest(pairs=[longest] * BATCH_PAIRS.value))
    assert len(done.scores) == BATCH_PAIRS.value
    wrong = [pair(longest.premise + "p", ""), pair("", longest.hypothesis + "h")]
    got = await record.error(record.checks.ScorePairs(pb.ScorePairsRequest(pairs=wrong)))
    assert got.fields == {
        "pairs[0].premise": STATEMENT_CODE_POINTS.reason,
        "pairs[0].hypothesis": "REQUIRED",
        "pairs[1].premise": "REQUIRED",
        "pairs[1].hypothesis": CLAIM_CODE_POINTS.reason,
    }
    got = await record.error(
        record.checks.ScorePairs(pb.ScorePairsRequest(pairs=[pair("a", "b")] * (BATCH_PAIRS.value + 1)))
    )
    assert got.fields == {"pairs": BATCH_PAIRS.reason}


async def test_a_deadline_of_one_millisecond(record: Any) -> None:
    claims = [pb.Claim(text=f"Claim {i} about the border treaty.") for i in range(BATCH_CLAIMS.value)]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await record.checks.BatchCheckClaims(pb.BatchCheckClaimsRequest(claims=claims), timeout=0.001)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await record.guard.idle()
    assert (await record.checks.CheckClaim(claim())).result.verdict == pb.VERDICT_SUPPORTED


async def test_many_callers_at_once(record: Any) -> None:
    texts = list(FACTS) * 20
    answers = await asyncio.gather(*(record.checks.CheckClaim(claim(text)) for text in texts))
    assert {a.result.verdict for a in answers} == {pb.VERDICT_SUPPORTED}
    assert [a.result.evidence[0].statement.text for a in answers] == texts


async def test_server_info_tells_models_defaults_and_every_limit(record: Any) -> None:
    info = await record.infos.GetServerInfo(info_pb.GetServerInfoRequest())
    assert (info.store, info.statement_count, info.model.fake, info.encoder.fake) == ("sqlite", len(FACTS), True, True)
    assert list(info.model.labels) == ["entailment", "neutral", "contradiction"]
    assert info.default_options.HasField("support_threshold")
    assert {(limit.name, limit.value, limit.unit, limit.error_reason) for limit in info.limits} == {
        (limit.name, limit.value, limit.unit, limit.reason) for limit in ALL_LIMITS
    }


async def test_a_claim_that_the_model_cannot_read(record: Any) -> None:
    """Within the limit in code points and beyond the model's in tokens: no defect of the model, nor of the server."""
    text = "a " * 999  # as many tokens
    options = pb.CheckOptions(topic_threshold=-1)
    result = (await record.checks.CheckClaim(claim(text, options=options))).result
    assert (result.verdict, result.reason) == (pb.VERDICT_NOT_ENOUGH_EVIDENCE, pb.REASON_CLAIM_TOO_LONG)
    batch = pb.BatchCheckClaimsRequest(claims=[pb.Claim(text=text), pb.Claim(text="Bo.")], options=options)
    items = (await record.checks.BatchCheckClaims(batch)).items
    assert [item.result.reason == pb.REASON_CLAIM_TOO_LONG for item in items] == [True, False]
    pair = pb.Pair(premise="Bo.", hypothesis=text)
    error = await record.error(record.checks.ScorePairs(pb.ScorePairsRequest(pairs=[pair])))
    assert (error.code, error.info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "CLAIM_TOO_LONG")

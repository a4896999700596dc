"""What the client sends for what it is given, what it refuses to send, and what it reads of the answers."""

from __future__ import annotations

from concurrent import futures
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

import onrecord
from onrecord import errors
from onrecord.v1 import check_service_pb2 as check_pb
from onrecord.v1 import statement_pb2
from onrecord.v1 import statement_service_pb2 as record_pb
from replies import Script, answer


class TestRequests:
    def test_threads_share_a_client(self, client: onrecord.Client, script: Script) -> None:
        script.replies = [answer()] * 40
        with futures.ThreadPoolExecutor(8) as pool:
            results = list(pool.map(client.check, ["x"] * 40))
        assert all(result.verdict is onrecord.Verdict.SUPPORTED for result in results)

    @pytest.mark.parametrize("token", [" ", "caf\u00e9", "a\nb"])
    def test_a_token_that_no_header_can_carry(self, token: str) -> None:
        with pytest.raises(errors.InvalidArgument, match="token: needs printable ASCII"):
            onrecord.Client(token=token)

    @pytest.mark.parametrize("target", ["", " ", "a\nb"])
    def test_an_address_that_is_none(self, target: str) -> None:
        with pytest.raises(errors.InvalidArgument, match="target: needs an address"):
            onrecord.Client(target)

    def test_a_token_is_sent_with_every_call(self, target: str, script: Script) -> None:
        script.replies = [answer()]
        with onrecord.Client(target, token="secret") as client:
            client.check("x")
        assert script.metadata[0]["authorization"] == "Bearer secret"

    def test_check_fills_the_request(self, client: onrecord.Client, script: Script) -> None:
        script.replies = [answer()] * 3
        options = onrecord.CheckOptions(support_threshold=0, max_evidence=0)
        client.check("said", speaker="Putin", collection="news", options=options)
        client.check(onrecord.Claim("said", "Xi"), collection="collections/news")
        client.check(onrecord.Claim("said", "Xi"), speaker="")
        first, second, third = script.requests
        assert isinstance(first, check_pb.CheckClaimRequest)
        assert first.parent == second.parent == "collections/news"
        assert first.claim == check_pb.Claim(text="said", speaker="Putin")
        # a threshold of 0 is not an unset one
        assert first.options.HasField("support_threshold")
        assert first.options.HasField("max_evidence")
        assert not first.options.HasField("topic_threshold")
        assert second.claim.speaker == "Xi"
        assert third.claim.speaker == ""

    def test_a_check_as_of_a_day_is_of_its_end(self, client: onrecord.Client, script: Script) -> None:
        script.replies = [answer()] * 3
        noon = datetime(2021, 8, 29, 12, tzinfo=UTC)
        client.check("said", as_of=date(2021, 8, 29))
        client.check(onrecord.Claim("said", as_of=noon))
        client.check(onrecord.Claim("said", as_of=noon), as_of=datetime(2020, 1, 1, tzinfo=UTC))
        moments = [request.claim.as_of.ToDatetime(UTC) for request in script.requests]
        assert moments == [
            datetime(2021, 8, 29, 23, 59, 59, 999_999, tzinfo=UTC),
            noon,
            datetime(2020, 1, 1, tzinfo=UTC),
        ]
        with pytest.raises(errors.InvalidArgument, match=r"claim\.as_of: needs a datetime with a time zone"):
            client.check("said", as_of=datetime(2021, 8, 29))

    def test_times_travel_as_instants(self, client: onrecord.Client, script: Script) -> None:
        stored = record_pb.CreateStatementResponse(statement=statement_pb2.Statement(text="t"))
        script.replies = [stored]
        east = timezone(timedelta(hours=8))
        client.add_statement(onrecord.Statement("t", stated_time=datetime(2021, 8, 29, 8, 0, 0, 5, tzinfo=east)))
        assert script.requests[0].statement.stated_time.ToJsonString() == "2021-08-29T00:00:00.000005Z"

    def test_a_date_is_its_midnight(self, client: onrecord.Client, script: Script) -> None:
        script.replies = [record_pb.IngestDocumentResponse()]
        client.ingest("text", date=date(2021, 8, 29), publisher="P")
        assert script.requests[0].source.publish_time.ToJsonString() == "2021-08-29T00:00:00Z"

    def test_what_utf8_cannot_carry_is_refused_with_its_field(self, client: onrecord.Client, script: Script) -> None:
        with pytest.raises(errors.InvalidArgument) as caught:
            client.check("a\ud800", speaker="\udfff")
        assert [v.field for v in caught.value.violations] == ["claim.text", "claim.speaker"]
        assert "U+D800 at code point 1" in str(caught.value)
        with pytest.raises(errors.InvalidArgument, match=r"statement\.stated_time: .*time zone"):
            client.add_statement(onrecord.Statement("t", stated_time=datetime(2021, 8, 29)))
        assert script.requests == []

    @pytest.mark.parametrize("claim", [None, 3, b"bytes", ["a"]])
    def test_a_claim_of_the_wrong_type(self, client: onrecord.Client, claim: object) -> None:
        with pytest.raises(errors.InvalidArgument, match=r"claim\.text: needs a str"):
            client.check(claim)  # type: ignore[arg-type]

    def test_a_statement_with_fields_of_the_wrong_type(self, client: onrecord.Client) -> None:
        wrong: dict[str, Any] = {"speaker": "Putin", "source": "Daily", "stance": "MAYBE", "labels": "one"}
        wrong |= {"stated_time": "2021", "context": None}
        with pytest.raises(errors.InvalidArgument) as caught:
            client.add_statement(onrecord.Statement("t", **wrong))
        assert {violation.field for violation in caught.value.violations} == {f"statement.{key}" for key in wrong}

    @pytest.mark.parametrize("value", [float("inf"), True, "0.5", 10**400])
    def test_options_of_the_wrong_type(self, client: onrecord.Client, script: Script, value: Any) -> None:
        script.replies = [answer()]
        options = onrecord.CheckOptions(support_threshold=value, max_evidence=2**31)
        with pytest.raises(errors.InvalidArgument, match=r"max_evidence|support_threshold"):
            client.check("x", options=options)
        assert script.requests == []

    def test_a_message_too_large_for_any_server(self, client: onrecord.Client) -> None:
        with pytest.raises(errors.InvalidArgument) as caught:
            client.check("x" * 9_000_000)
        assert caught.value.reason == "MESSAGE_TOO_LARGE"


class TestAnswers:
    def test_what_a_newer_server_says_is_not_lost_on_an_older_client(
        self, client: onrecord.Client, script: Script
    ) -> None:
        newer = check_pb.CheckResult()
        newer.verdict = newer.reason = 99  # type: ignore[assignment]
        newer.evidence.add(relation=99)  # type: ignore[arg-type]
        script.replies = [check_pb.CheckClaimResponse(result=newer)]
        result = client.check("x")
        assert result.verdict is onrecord.Verdict.UNSPECIFIED
        assert result.reason is onrecord.Reason.UNSPECIFIED
        assert result.evidence[0].relation is onrecord.Relation.UNSPECIFIED

    def test_times_come_back_aware(self, client: onrecord.Client, script: Script) -> None:
        stored = statement_pb2.Statement(text="t")
        stored.create_time.FromJsonString("2021-08-29T10:00:00.123456Z")
        stored.stated_time.seconds = 10**15  # no year has it
        script.replies = [record_pb.GetStatementResponse(statement=stored)]
        statement = client.get_statement("collections/c/statements/s")
        assert statement.create_time == datetime(2021, 8, 29, 10, 0, 0, 123456, tzinfo=UTC)
        assert statement.stated_time is None
        assert statement.valid_from is None

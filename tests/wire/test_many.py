"""Batches and imports: messages of a size, order, and failures in the place of their item."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2

import onrecord
from onrecord import errors
from onrecord.v1 import check_service_pb2 as check_pb
from onrecord.v1 import statement_pb2
from onrecord.v1 import statement_service_pb2 as record_pb
from replies import Reply, Script, fail, info, status, supported


class TestBatch:
    @staticmethod
    def echo(script: Script) -> Reply:
        """Answers a batch with each claim's text as its explanation."""

        def reply(context: grpc.ServicerContext) -> Message:
            request = script.requests[-1]
            assert isinstance(request, check_pb.BatchCheckClaimsRequest)
            return check_pb.BatchCheckClaimsResponse(
                items=[check_pb.BatchCheckItem(result=supported(claim.text)) for claim in request.claims]
            )

        return reply

    def test_order_is_kept_over_messages_and_bad_claims(self, client: onrecord.Client, script: Script) -> None:
        script.replies = [self.echo(script)] * 3
        claims = [f"claim {i}" if i % 50 else "bad \ud800" for i in range(600)]
        outcomes = client.check_batch(iter(claims))
        assert [len(request.claims) for request in script.requests] == [256, 256, 76]
        for index, (claim, outcome) in enumerate(zip(claims, outcomes, strict=True)):
            if index % 50:
                assert isinstance(outcome, onrecord.CheckResult)
                assert outcome.explanation == claim
            else:
                assert isinstance(outcome, errors.InvalidArgument)
                assert outcome.violations[0].field == f"claims[{index}].text"

    def test_messages_are_split_by_bytes_too(self, client: onrecord.Client, script: Script) -> None:
        script.replies = [self.echo(script)] * 3
        client.check_batch(["x" * 1_000_000] * 9)
        assert [len(request.claims) for request in script.requests] == [3, 3, 3]
        assert all(request.ByteSize() < 4 * 1024 * 1024 for request in script.requests)

    def test_a_claim_that_no_message_can_hold_fails_alone(self, client: onrecord.Client, script: Script) -> None:
        script.replies = [self.echo(script)] * 2
        first, huge, last = client.check_batch(["a", "x" * 9_000_000, "b"])
        assert isinstance(huge, errors.InvalidArgument)
        assert isinstance(first, onrecord.CheckResult)
        assert isinstance(last, onrecord.CheckResult)

    def test_a_field_is_named_by_its_place_among_all(self, client: onrecord.Client, script: Script) -> None:
        bad = error_details_pb2.BadRequest()
        bad.field_violations.add(field="claims[3].text", description="is empty", reason="REQUIRED")
        error = status(code_pb2.INVALID_ARGUMENT, "claims[3].text: is empty", info("INVALID_FIELDS"), bad)
        items = [check_pb.BatchCheckItem(result=supported())] * 3 + [check_pb.BatchCheckItem(error=error)]
        script.replies = [self.echo(script), check_pb.BatchCheckClaimsResponse(items=items)]
        outcome = client.check_batch(["x"] * 260)[259]
        assert isinstance(outcome, errors.InvalidArgument)
        assert str(outcome) == "claims[259].text: is empty"
        assert outcome.violations[0].field == "claims[259].text"

    def test_wrong_options_are_raised_not_repeated_for_each_claim(
        self, client: onrecord.Client, script: Script
    ) -> None:
        script.replies = [fail(status(code_pb2.INVALID_ARGUMENT, "options.max_evidence: too many"))]
        with pytest.raises(errors.InvalidArgument, match=r"options\.max_evidence"):
            client.check_batch(["a"])

    def test_an_item_error_is_the_exception_of_its_status(self, client: onrecord.Client, script: Script) -> None:
        error = status(code_pb2.INVALID_ARGUMENT, "too long", info("INVALID_FIELDS"))
        items = [check_pb.BatchCheckItem(error=error), check_pb.BatchCheckItem(result=supported())]
        script.replies = [check_pb.BatchCheckClaimsResponse(items=items)]
        bad, good = client.check_batch(["a", "b"])
        assert isinstance(bad, errors.InvalidArgument)
        assert isinstance(good, onrecord.CheckResult)

    def test_a_failure_of_the_first_message_is_raised(self, client: onrecord.Client, script: Script) -> None:
        script.replies = [fail(status(code_pb2.UNAUTHENTICATED, "no token"))]
        with pytest.raises(errors.Unauthenticated):
            client.check_batch(["a"])

    def test_a_later_failure_keeps_what_was_checked(self, client: onrecord.Client, script: Script) -> None:
        script.replies = [self.echo(script), fail(status(code_pb2.INTERNAL, "broken"))]
        outcomes = client.check_batch([f"{i}" for i in range(600)])
        assert sum(isinstance(outcome, onrecord.CheckResult) for outcome in outcomes) == 256
        assert sum(isinstance(outcome, errors.ServerError) for outcome in outcomes) == 344
        assert len(script.requests) == 2

    def test_an_answer_of_the_wrong_length_is_no_result(self, client: onrecord.Client, script: Script) -> None:
        script.replies = [check_pb.BatchCheckClaimsResponse()]
        with pytest.raises(errors.ServerError, match="0 of 1 claims"):
            client.check_batch(["a"])

    def test_nothing_asks_nothing(self, client: onrecord.Client, script: Script) -> None:
        assert client.check_batch([]) == []
        assert client.score_pairs([]) == []
        assert script.requests == []


class TestRecord:
    def test_pages_are_followed_as_they_are_read(self, client: onrecord.Client, script: Script) -> None:
        def page(texts: str, token: str) -> record_pb.ListStatementsResponse:
            listed = [statement_pb2.Statement(text=text) for text in texts]
            return record_pb.ListStatementsResponse(statements=listed, next_page_token=token, total_size=4)

        script.replies = [page("ab", "two"), page("", "three"), page("cd", "")]
        statements = client.list_statements()
        assert next(statements).text == "a"
        assert len(script.requests) == 1
        assert [statement.text for statement in statements] == ["b", "c", "d"]
        assert [request.page_token for request in script.requests] == ["", "two", "three"]

"""The client on the wire, against a gRPC server that says what each test tells it to."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent import futures
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

import onrecord
from onrecord import errors
from onrecord._status import CLASSES
from onrecord.v1 import check_service_pb2 as check_pb
from onrecord.v1 import statement_pb2
from onrecord.v1 import statement_service_pb2 as record_pb

Reply = Message | Callable[[grpc.ServicerContext], Message]
REQUESTS = {
    "CheckClaim": check_pb.CheckClaimRequest,
    "BatchCheckClaims": check_pb.BatchCheckClaimsRequest,
    "ScorePairs": check_pb.ScorePairsRequest,
    "CreateStatement": record_pb.CreateStatementRequest,
    "GetStatement": record_pb.GetStatementRequest,
    "DeleteStatement": record_pb.DeleteStatementRequest,
    "ListStatements": record_pb.ListStatementsRequest,
    "ImportStatements": record_pb.ImportStatementsRequest,
    "IngestDocument": record_pb.IngestDocumentRequest,
}


class Script(grpc.GenericRpcHandler):
    """Answers calls with the replies given, in order, and keeps what was asked."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.requests: list[Message] = []
        self.metadata: list[dict[str, str | bytes]] = []

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        name = details.method.rpartition("/")[2]
        if name not in REQUESTS:
            return None
        kind = (
            grpc.stream_unary_rpc_method_handler if name == "ImportStatements" else grpc.unary_unary_rpc_method_handler
        )
        return kind(self._answer, REQUESTS[name].FromString, lambda message: message.SerializeToString())

    def _answer(self, request: Message | Iterator[Message], context: grpc.ServicerContext) -> Message:
        self.requests.extend([request] if isinstance(request, Message) else request)
        self.metadata.append(dict(context.invocation_metadata()))
        reply = self.replies.pop(0)
        return reply if isinstance(reply, Message) else reply(context)


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def target(script: Script) -> Iterator[str]:
    server = grpc.server(
        futures.ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", 8 << 20)]
    )
    server.add_generic_rpc_handlers((script,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


@pytest.fixture
def client(target: str) -> Iterator[onrecord.Client]:
    with onrecord.Client(target, timeout=10, batch_timeout=10) as client:
        yield client


def status(code: int, message: str = "no", *details: Message) -> status_pb2.Status:
    packed = []
    for detail in details:
        packed.append(AnyMessage())
        packed[-1].Pack(detail)
    return status_pb2.Status(code=code, message=message, details=packed)


def fail(said: status_pb2.Status, **trailers: str) -> Callable[[grpc.ServicerContext], Message]:
    """A reply that ends the call with that status, details in the trailer as servers send them."""

    def reply(context: grpc.ServicerContext) -> Message:
        extra = [(key.replace("_", "-"), value) for key, value in trailers.items()]
        context.set_trailing_metadata((("grpc-status-details-bin", said.SerializeToString()), *extra))
        context.abort(next(c for c in grpc.StatusCode if c.value[0] == said.code), said.message)
        raise AssertionError("abort raises")

    return reply


def supported(explanation: str = "") -> check_pb.CheckResult:
    return check_pb.CheckResult(verdict=check_pb.VERDICT_SUPPORTED, confidence=0.9, explanation=explanation)


def answer(explanation: str = "") -> check_pb.CheckClaimResponse:
    return check_pb.CheckClaimResponse(result=supported(explanation))


def info(reason: str) -> error_details_pb2.ErrorInfo:
    return error_details_pb2.ErrorInfo(reason=reason, domain="onrecord")


class TestErrors:
    def test_every_status_has_one_exception(self) -> None:
        assert set(CLASSES) == {code.name for code in grpc.StatusCode} - {"OK"}

    @pytest.mark.parametrize("code", sorted(set(code_pb2.Code.values()) - {code_pb2.OK}))
    def test_code_reason_and_message_arrive(self, client: onrecord.Client, script: Script, code: int) -> None:
        script.replies = [fail(status(code, "why it failed", info("SOME_REASON")))] * 5
        with pytest.raises(errors.OnrecordError) as caught:
            client.get_statement("collections/c/statements/s")
        assert caught.value.code == code_pb2.Code.Name(code)
        assert caught.value.reason == "SOME_REASON"
        assert str(caught.value) == "why it failed"

    def test_no_grpc_frame_or_class_reaches_the_caller(self, client: onrecord.Client, script: Script) -> None:
        script.replies = [fail(status(code_pb2.NOT_FOUND, "nothing there"))]
        with pytest.raises(errors.NotFound) as caught:
            client.get_statement("collections/c/statements/s")
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None
        frames = traceback.extract_tb(caught.value.__traceback__)
        assert not any("/grpc/" in frame.filename for frame in frames)

    def test_all_violations_are_listed(self, client: onrecord.Client, script: Script) -> None:
        bad = error_details_pb2.BadRequest()
        bad.field_violations.add(field="claim.text", description="is empty", reason="REQUIRED")
        bad.field_violations.add(field="parent", description="is no name", reason="BAD_NAME")
        script.replies = [fail(status(code_pb2.INVALID_ARGUMENT, "claim.text: is empty", info("INVALID_FIELDS"), bad))]
        with pytest.raises(errors.InvalidArgument) as caught:
            client.check("")
        assert caught.value.violations == (
            errors.FieldViolation("claim.text", "is empty", "REQUIRED"),
            errors.FieldViolation("collection", "is no name", "BAD_NAME"),  # as the caller knows it
        )

    @pytest.mark.parametrize(
        ("code", "kind"), [(code_pb2.NOT_FOUND, errors.NotFound), (code_pb2.ALREADY_EXISTS, errors.AlreadyExists)]
    )
    def test_the_resource_is_named(
        self, client: onrecord.Client, script: Script, code: int, kind: type[errors.NotFound]
    ) -> None:
        resource = error_details_pb2.ResourceInfo(resource_name="collections/c/statements/s")
        script.replies = [fail(status(code, "no", resource))]
        with pytest.raises(kind) as caught:
            client.get_statement("collections/c/statements/s")
        assert caught.value.resource_name == "collections/c/statements/s"

    def test_a_full_disk_is_no_overload(self, client: onrecord.Client, script: Script) -> None:
        full = status(code_pb2.RESOURCE_EXHAUSTED, "no room on the disk", info("STORE_FULL"))
        script.replies = [fail(full, grpc_retry_pushback_ms="-1")]
        with pytest.raises(errors.ServerError, match="no room on the disk"):
            client.add_statement("China respects Afghanistan's sovereignty.")
        assert len(script.requests) == 1

    def test_details_that_were_cut_on_the_way_leave_the_bare_status(
        self, client: onrecord.Client, script: Script
    ) -> None:
        def reply(context: grpc.ServicerContext) -> Message:
            context.set_trailing_metadata((("grpc-status-details-bin", b"\x0a\xff"),))
            context.abort(grpc.StatusCode.NOT_FOUND, "nothing there")
            raise AssertionError

        script.replies = [reply]
        with pytest.raises(errors.NotFound, match="NOT_FOUND: nothing there"):
            client.get_statement("collections/c/statements/s")

    def test_a_server_without_the_method(self, client: onrecord.Client) -> None:
        with pytest.raises(errors.ServerError, match="another version, or no onrecord server"):
            client.info()

    def test_no_server_names_the_address_and_the_command(self) -> None:
        with onrecord.Client("127.0.0.1:1", timeout=10) as client:
            with pytest.raises(errors.Unavailable, match=r"no server at 127\.0\.0\.1:1, or .*`onrecord serve`"):
                client.check("x")
            with pytest.raises(errors.Unavailable, match=r"no server at 127\.0\.0\.1:1 after"):
                client.wait_ready(0.3)

    def test_what_is_no_grpc_server_is_called_so(self) -> None:
        import http.server

        web = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
        thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            with (
                onrecord.Client(f"127.0.0.1:{web.server_port}", timeout=5) as client,
                pytest.raises((errors.Unavailable, errors.DeadlineExceeded)) as caught,
            ):
                client.check("x")
            assert f"127.0.0.1:{web.server_port}" in str(caught.value)
        finally:
            web.shutdown()
            thread.join()
            web.server_close()

    def test_a_deadline_of_a_millisecond(self, client: onrecord.Client, script: Script) -> None:
        def reply(context: grpc.ServicerContext) -> Message:
            given_up = threading.Event()
            if context.add_callback(given_up.set):
                given_up.wait(10)
            return answer()

        script.replies = [reply]
        with pytest.raises(errors.DeadlineExceeded, match=r"within 0\.001 s"):
            client.check("x", timeout=0.001)

    def test_a_closed_client(self, target: str) -> None:
        client = onrecord.Client(target)
        client.close()
        client.close()
        for use in (lambda: client.check("x"), lambda: client.wait_ready(1)):
            with pytest.raises(errors.ClientClosed):
                use()


class TestRetries:
    def test_an_unavailable_server_is_asked_again(self, client: onrecord.Client, script: Script) -> None:
        script.replies = [fail(status(code_pb2.UNAVAILABLE)), answer("at last")]
        assert client.check("x").explanation == "at last"

    def test_an_overloaded_server_says_when(self, client: onrecord.Client, script: Script) -> None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(1_500)
        busy = fail(status(code_pb2.RESOURCE_EXHAUSTED, "busy", info("OVERLOADED"), retry), grpc_retry_pushback_ms="1")
        script.replies = [busy, answer("at last"), busy, busy, busy, busy]
        assert client.check("x").explanation == "at last"
        with pytest.raises(errors.Overloaded) as caught:
            client.check("x")
        assert caught.value.retry_after == 1.5

    def test_a_large_batch_is_asked_again(self, client: onrecord.Client, script: Script) -> None:
        # beyond gRPC's default retry buffer of 256 KiB
        item = check_pb.BatchCheckItem(result=supported())
        script.replies = [fail(status(code_pb2.UNAVAILABLE)), check_pb.BatchCheckClaimsResponse(items=[item] * 256)]
        assert len(client.check_batch(["x" * 2_000] * 256)) == 256

    def test_a_write_that_may_have_been_done_is_repeated_under_its_request_id(
        self, client: onrecord.Client, script: Script
    ) -> None:
        gone = fail(status(code_pb2.UNAVAILABLE, "gone", info("SHUTTING_DOWN")))
        script.replies = [gone, record_pb.CreateStatementResponse(), gone, record_pb.ImportStatementsResponse()]
        client.add_statement("text")
        client.import_statements(["text"])
        ids = [request.request_id for request in script.requests]
        assert ids[0] == ids[1] != ids[2] == ids[3] != ""

    def test_a_deletion_that_may_have_been_done_is_not_repeated(self, client: onrecord.Client, script: Script) -> None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(1_500)
        script.replies = [fail(status(code_pb2.UNAVAILABLE, "gone", info("SHUTTING_DOWN"), retry))]
        with pytest.raises(errors.Unavailable, match="gone") as caught:
            client.delete_statement("collections/c/statements/s")
        assert len(script.requests) == 1
        assert (caught.value.reason, caught.value.retry_after) == ("SHUTTING_DOWN", 1.5)


class Starting(health_pb2_grpc.HealthServicer):
    """A server that is loading its models, and then is not."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = statuses

    def Watch(
        self, request: health_pb2.HealthCheckRequest, context: grpc.ServicerContext
    ) -> Iterator[health_pb2.HealthCheckResponse]:
        for status in self.statuses:
            yield health_pb2.HealthCheckResponse(status=status)
        given_up = threading.Event()
        if context.add_callback(given_up.set):
            given_up.wait(10)


class TestReadiness:
    @pytest.fixture
    def wait_for(self) -> Iterator[Callable[..., None]]:
        server = grpc.server(futures.ThreadPoolExecutor(2))

        def wait_for(*statuses: int, timeout: float) -> None:
            health_pb2_grpc.add_HealthServicer_to_server(Starting(*statuses), server)
            port = server.add_insecure_port("127.0.0.1:0")
            server.start()
            with onrecord.Client(f"127.0.0.1:{port}") as client:
                client.wait_ready(timeout)

        yield wait_for
        server.stop(None).wait()

    def test_it_waits_while_the_server_loads(self, wait_for: Callable[..., None]) -> None:
        response = health_pb2.HealthCheckResponse
        wait_for(response.NOT_SERVING, response.NOT_SERVING, response.SERVING, timeout=10)

    def test_a_server_that_never_is_ready(self, wait_for: Callable[..., None]) -> None:
        with pytest.raises(errors.Unavailable, match=r"says NOT_SERVING after 0\.5 s"):
            wait_for(health_pb2.HealthCheckResponse.NOT_SERVING, timeout=0.5)

    def test_a_server_without_health_is_told_at_once(self, client: onrecord.Client) -> None:
        with pytest.raises(errors.ServerError, match="no onrecord server"):
            client.wait_ready(10)


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

    def test_an_import_keeps_positions_over_chunks_and_bad_items(self, client: onrecord.Client, script: Script) -> None:
        taken = status(code_pb2.ALREADY_EXISTS, "the name is taken", info("STATEMENT_EXISTS"))
        failure = record_pb.ImportFailure(index=3, status=taken)
        script.replies = [
            record_pb.ImportStatementsResponse(created_count=500),
            record_pb.ImportStatementsResponse(created_count=99, failed_count=1, failures=[failure]),
        ]
        given: list[object] = [f"text {i}" for i in range(600)]
        given[10:10] = [{"text": "\ud800"}, {"text": 5}, 7]
        report = client.import_statements(given)  # type: ignore[arg-type]
        assert [len(request.statements) for request in script.requests] == [500, 100]
        assert report.created_count == 599
        assert report.failed_count == 4
        assert [failure.index for failure in report.failures] == [10, 11, 12, 506]
        assert isinstance(report.failures[-1].error, errors.AlreadyExists)

    def test_an_import_reads_no_further_ahead_than_it_sends(self, client: onrecord.Client, script: Script) -> None:
        read = 0

        def source() -> Iterator[str]:
            nonlocal read
            for _ in range(1_200):
                read += 1
                yield "text"

        def reply(context: grpc.ServicerContext) -> Message:
            seen.append(read)
            return record_pb.ImportStatementsResponse(created_count=len(script.requests[-1].statements))

        seen: list[int] = []
        script.replies = [reply] * 3
        assert client.import_statements(source()).created_count == 1_200
        assert seen == [501, 1_001, 1_200]

    def test_an_import_that_breaks_off_says_what_is_acknowledged(self, client: onrecord.Client, script: Script) -> None:
        script.replies = [
            record_pb.ImportStatementsResponse(created_count=500),
            fail(status(code_pb2.INTERNAL, "the disk broke")),
        ]
        with pytest.raises(errors.ServerError, match="the disk broke") as caught:
            client.import_statements(["text"] * 1_000)
        assert caught.value.report == onrecord.ImportReport(500, 0, ())

    def test_an_error_of_the_iterable_is_the_callers_own(self, client: onrecord.Client, script: Script) -> None:
        def source() -> Iterator[str]:
            yield "text"
            raise KeyError("mine")

        with pytest.raises(KeyError, match="mine"):
            client.import_statements(source())
        assert script.requests == []


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

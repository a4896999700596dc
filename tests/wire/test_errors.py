"""What the client makes of every failure that the wire can bring, and what it tries again."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent import futures

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

import onrecord
from onrecord import errors
from onrecord._status import CLASSES
from onrecord.v1 import check_service_pb2 as check_pb
from onrecord.v1 import statement_service_pb2 as record_pb
from replies import Script, answer, fail, info, status, supported

pytestmark = pytest.mark.usefixtures("short_pauses")


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
        script.replies = [gone, record_pb.CreateStatementResponse(), gone, record_pb.StreamImportStatementsResponse()]
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
        for now in self.statuses:
            yield health_pb2.HealthCheckResponse(status=now)
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

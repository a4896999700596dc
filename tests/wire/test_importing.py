"""What an import makes of acknowledgements, refusals and broken streams."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import code_pb2

import onrecord
from onrecord import errors
from onrecord.v1 import statement_service_pb2 as pb
from replies import Reply, Script, fail, info, status

pytestmark = pytest.mark.usefixtures("short_pauses")
GONE = fail(status(code_pb2.UNAVAILABLE, "gone", info("SHUTTING_DOWN")))


def stored(count: int, **fields: object) -> pb.StreamImportStatementsResponse:
    return pb.StreamImportStatementsResponse(names=["name"] * count, **fields)  # type: ignore[arg-type]


def refused(code: int, reason: str, message: str = "no") -> pb.StreamImportStatementsResponse:
    return pb.StreamImportStatementsResponse(error=status(code, message, info(reason)))


def sizes(script: Script) -> list[int]:
    return [len(request.statements) for request in script.requests]  # type: ignore[attr-defined]


def ids(script: Script) -> list[str]:
    return [request.request_id for request in script.requests]  # type: ignore[attr-defined]


def test_positions_are_kept_over_messages_and_bad_items(client: onrecord.Client, script: Script) -> None:
    taken = pb.ImportFailure(index=503, status=status(code_pb2.ALREADY_EXISTS, "is taken", info("STATEMENT_EXISTS")))
    script.replies = [stored(500), stored(99, first_index=500, failures=[taken], pending_count=7)]
    given: list[object] = [f"text {i}" for i in range(600)]
    given[10:10] = [{"text": "\ud800"}, {"text": 5}, 7]
    report = client.import_statements(given)  # type: ignore[arg-type]
    assert sizes(script) == [500, 100]
    assert (report.created_count, report.failed_count, report.pending_count) == (599, 4, 7)
    assert [failure.index for failure in report.failures] == [10, 11, 12, 506]
    assert isinstance(report.failures[-1].error, errors.AlreadyExists)


def test_large_statements_go_in_smaller_messages(client: onrecord.Client, script: Script) -> None:
    script.replies = [stored(2), refused(code_pb2.INVALID_ARGUMENT, "MESSAGE_TOO_LARGE"), stored(1)]
    report = client.import_statements(["a" * 490_000, "b" * 490_000, "c" * 1_500_000, "d"])
    assert sizes(script) == [2, 1, 1]
    assert (report.created_count, [failure.index for failure in report.failures]) == (3, [2])


def test_no_more_is_read_than_may_wait_for_its_acknowledgement(client: onrecord.Client, script: Script) -> None:
    read, most = 0, 13 * 500 + 1  # one message acknowledged, twelve on their way
    full, seen = threading.Event(), []

    def source() -> Iterator[str]:
        nonlocal read
        for read in range(1, 10_001):
            if read == most:
                full.set()
            yield "text"

    def first(context: grpc.ServicerContext) -> Message:
        seen.append(read)
        return stored(500)

    def held(context: grpc.ServicerContext) -> Message:
        assert full.wait(10)
        time.sleep(0.05)  # for what must not happen
        seen.append(read)
        return stored(500)

    script.replies = [first, held, *[stored(500)] * 18]
    assert client.import_statements(source()).created_count == 10_000
    assert seen == [501, most]
    assert len(set(ids(script))) == 20


def test_the_iterable_is_read_in_the_callers_thread(client: onrecord.Client, script: Script) -> None:
    threads = set()

    def source() -> Iterator[str]:
        for _ in range(2_000):
            threads.add(threading.get_ident())
            yield "text"

    script.replies = [stored(500)] * 4
    client.import_statements(source())
    assert threads == {threading.get_ident()}


def test_what_was_not_acknowledged_goes_over_another_stream(client: onrecord.Client, script: Script) -> None:
    script.replies = [stored(500), stored(500), GONE, stored(500, replayed=True), stored(200)]
    report = client.import_statements(["text"] * 1_700)
    assert (report.created_count, report.replayed_count, report.failed_count) == (1_700, 500, 0)
    assert sizes(script) == [500, 500, 500, 500, 200]
    first, second, third, again, last = ids(script)
    assert third == again
    assert len({first, second, third, last}) == 4


def test_a_stream_that_ends_early_is_followed_by_another(client: onrecord.Client, script: Script) -> None:
    calls = 0

    def answers(requests: Iterator[Message], context: grpc.ServicerContext) -> Iterator[Message]:
        nonlocal calls
        calls += 1
        yield script._reply(next(requests), context)

    script._answers = answers  # type: ignore[method-assign]
    script.replies = [stored(500)] * 3
    assert client.import_statements(["text"] * 1_500).created_count == 1_500
    assert calls == 3


def test_a_message_that_is_refused_for_now_is_sent_again(client: onrecord.Client, script: Script) -> None:
    busy = refused(code_pb2.RESOURCE_EXHAUSTED, "OVERLOADED")
    script.replies = [busy, busy, stored(1)]
    assert client.import_statements(["text"]).created_count == 1
    assert len(set(ids(script))) == 1
    script.replies = [busy] * 4
    with pytest.raises(errors.Overloaded):
        client.import_statements(["text"])
    assert script.replies == []


@pytest.mark.parametrize(
    "reply",
    [fail(status(code_pb2.INTERNAL, "the disk broke")), refused(code_pb2.INTERNAL, "INTERNAL", "the disk broke")],
    ids=["stream", "message"],
)
def test_an_import_that_breaks_off_says_what_is_acknowledged(
    client: onrecord.Client, script: Script, reply: Reply
) -> None:
    script.replies = [stored(500), reply]
    with pytest.raises(errors.ServerError, match="the disk broke") as caught:
        client.import_statements(["text"] * 1_000)
    assert caught.value.report == onrecord.ImportReport(500, 0, ())
    assert caught.value.__context__ is None


def test_a_server_that_is_gone_for_good_is_told(client: onrecord.Client, script: Script) -> None:
    script.replies = [stored(500), GONE, *[GONE] * 4]
    with pytest.raises(errors.Unavailable, match="gone") as caught:
        client.import_statements(["text"] * 1_000)
    assert caught.value.report == onrecord.ImportReport(500, 0, ())


def test_one_wrong_from_the_start_is_met_before_more_is_read(client: onrecord.Client, script: Script) -> None:
    read = 0

    def source() -> Iterator[str]:
        nonlocal read
        while True:
            read += 1
            yield "text"

    script.replies = [fail(status(code_pb2.UNAUTHENTICATED, "no token", info("UNAUTHENTICATED")))]
    with pytest.raises(errors.Unauthenticated):
        client.import_statements(source())
    assert read == 501


def test_a_stream_may_be_older_than_its_messages_may_wait(client: onrecord.Client, script: Script) -> None:
    def source() -> Iterator[str]:
        yield from ["text"] * 501
        time.sleep(1.1)  # the stream's deadline passes, and no message has waited
        yield from ["text"] * 499

    script.replies = [stored(500)] * 3
    assert client.import_statements(source(), timeout=1).created_count == 1_000


def test_a_message_without_an_acknowledgement_in_time(client: onrecord.Client, script: Script) -> None:
    over = threading.Event()

    def silent(context: grpc.ServicerContext) -> Message:
        over.wait(10)
        return stored(500)

    script.replies = [stored(500), silent, silent]
    try:
        with pytest.raises(errors.DeadlineExceeded) as caught:
            client.import_statements(["text"] * 1_000, timeout=0.4)
    finally:
        over.set()
    assert caught.value.report == onrecord.ImportReport(500, 0, ())


def test_an_error_of_the_iterable_is_the_callers_own(client: onrecord.Client, script: Script) -> None:
    def source() -> Iterator[str]:
        yield "text"
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        client.import_statements(source())
    assert script.requests == []


def test_after_an_error_of_the_iterable_what_was_sent_is_known(client: onrecord.Client, script: Script) -> None:
    def source() -> Iterator[str]:
        yield from ["text"] * 2_001
        raise KeyError("mine")

    script.replies = [stored(500)] * 4
    with pytest.raises(KeyError, match="mine") as caught:
        client.import_statements(source())
    assert caught.value.__notes__ == ["2,000 statements are on the record"]


def test_after_an_interrupt_nothing_is_waited_for(client: onrecord.Client, script: Script) -> None:
    over = threading.Event()

    def source() -> Iterator[str]:
        yield from ["text"] * 1_501
        raise KeyboardInterrupt

    def silent(context: grpc.ServicerContext) -> Message:
        over.wait(10)
        return stored(500)

    script.replies = [stored(500), silent, silent]
    try:
        with pytest.raises(KeyboardInterrupt) as caught:
            client.import_statements(source())
    finally:
        over.set()
    assert caught.value.__notes__ == ["500 statements are on the record, and maybe up to 1,000 more"]

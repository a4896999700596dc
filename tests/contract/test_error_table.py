"""The table from domain error to status is total, and what it makes fits on the wire."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st

from onrecord_server.domain import errors
from onrecord_server.domain.errors import FieldViolation, OnrecordError
from onrecord_server.rpc.errors import MESSAGE_BYTES, TABLE, status_of, trailers_of, wire_text

HEADER_LIMIT = 8 * 1024  # what a gRPC client accepts of metadata unless told otherwise


def tree(root: type[OnrecordError]) -> Iterator[type[OnrecordError]]:
    """The class and everything below it."""
    yield root
    for child in root.__subclasses__():
        yield from tree(child)


def details(status: status_pb2.Status, kind: type) -> list:
    """The details of one kind, unpacked."""
    found = []
    for any_message in status.details:
        message = kind()
        if any_message.Unpack(message):
            found.append(message)
    return found


def test_every_error_of_the_tree_has_its_own_row() -> None:
    assert set(TABLE) == set(tree(OnrecordError))


def test_reasons_are_distinct_upper_snake() -> None:
    reasons = [kind.reason for kind in TABLE]
    assert len(set(reasons)) == len(reasons)
    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]{1,61}[A-Z0-9]", reason) for reason in reasons)


def test_each_status_has_exactly_one_error_info(any_error: OnrecordError) -> None:
    status = status_of(any_error)
    (info,) = details(status, error_details_pb2.ErrorInfo)
    assert (info.domain, info.reason) == ("onrecord", type(any_error).reason)
    assert status.code == TABLE[type(any_error)].code.value[0]
    assert status.message
    assert "\n" not in status.message


def test_grpc_itself_retries_exhausted_resources_only_where_a_time_is_told(any_error: OnrecordError) -> None:
    status = status_of(any_error)
    pushback = dict(trailers_of(any_error, status)).get("grpc-retry-pushback-ms")
    told = [retry.retry_delay.ToMilliseconds() for retry in details(status, error_details_pb2.RetryInfo)]
    if TABLE[type(any_error)].code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        assert pushback == (str(told[0]) if told else "-1")
    else:
        assert pushback is None


def test_overload_says_when_to_come_back() -> None:
    (retry,) = details(status_of(errors.Overloaded(0.25)), error_details_pb2.RetryInfo)
    assert retry.retry_delay.ToMilliseconds() == 250


def test_missing_statement_is_named() -> None:
    (resource,) = details(status_of(errors.NotFound("collections/a/statements/b")), error_details_pb2.ResourceInfo)
    assert resource.resource_name == "collections/a/statements/b"


def test_all_fields_are_listed_and_the_first_is_in_the_metadata() -> None:
    violations = [FieldViolation(f"claims[{i}].text", "CLAIM_TOO_LONG", "shorten it") for i in range(20)]
    status = status_of(errors.InvalidInput(violations))
    (bad,) = details(status, error_details_pb2.BadRequest)
    (info,) = details(status, error_details_pb2.ErrorInfo)
    assert [(v.field, v.reason, v.description) for v in bad.field_violations] == [
        (v.field, v.reason, v.message) for v in violations
    ]
    assert dict(info.metadata) == {"field": "claims[0].text", "reason": "CLAIM_TOO_LONG"}


def test_unknown_exceptions_tell_an_id_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    status = status_of(RuntimeError("secret: /home/someone/record.db"))
    (info,) = details(status, error_details_pb2.ErrorInfo)
    assert status.code == grpc.StatusCode.INTERNAL.value[0]
    assert "secret" not in str(status)
    assert info.metadata["error_id"] in caplog.text
    assert "secret: /home/someone/record.db" in caplog.text  # the operator sees it, with the traceback
    assert caplog.records[0].exc_info


def hostile_errors() -> Iterator[OnrecordError]:
    """Errors that hold what users sent."""
    long = "𝔘\n" * 1_000_000
    yield errors.NotFound(long)
    yield errors.AlreadyExists(long)
    yield errors.StoreError("\ud800" + long)
    yield errors.InvalidInput([FieldViolation(long, "REQUIRED", long)])
    yield errors.InvalidInput([FieldViolation(f"labels[{i}]", "LABEL_TOO_LONG", "ü" * 90) for i in range(10_000)])


@pytest.mark.parametrize("error", list(hostile_errors()), ids=lambda e: type(e).__name__)
def test_whatever_an_error_holds_fits_a_trailer(error: OnrecordError) -> None:
    status = status_of(error)
    trailers = trailers_of(error, status)
    on_wire = sum(len(key) + len(base64.b64encode(v) if isinstance(v, bytes) else v) for key, v in trailers)
    percent_encoded = 3 * len(status.message.encode())
    assert on_wire + percent_encoded < HEADER_LIMIT
    (info,) = details(status, error_details_pb2.ErrorInfo)
    assert info.reason == error.reason


@given(st.text())
def test_wire_text_is_one_short_line_of_valid_utf8(text: str) -> None:
    line = wire_text(text)
    assert line.isprintable()
    assert len(line.encode("utf-8")) <= MESSAGE_BYTES


@given(st.text(st.characters(categories=["L", "N", "P"]), max_size=50))
def test_wire_text_leaves_ordinary_words_alone(text: str) -> None:
    assert wire_text(text) == text


def test_the_cause_of_a_domain_error_is_for_the_log(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise errors.StoreError("the record: what to do") from OSError("/home/someone/record.db: disk I/O error")
    except errors.StoreError as error:
        status = status_of(error)
    assert b"/home" not in status.SerializeToString()
    assert "/home/someone/record.db: disk I/O error" in caplog.text

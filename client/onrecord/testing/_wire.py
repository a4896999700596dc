"""Errors of this package as statuses on the wire, with the details that a server sends."""

from __future__ import annotations

from typing import NoReturn

import grpc
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from onrecord._status import DETAILS_KEY
from onrecord.errors import AlreadyExists, InvalidArgument, NotFound, OnrecordError, Overloaded, Retryable


class Failure(Exception):
    """Carries an error to where it becomes a status."""

    def __init__(self, error: OnrecordError) -> None:
        super().__init__(error.message)
        self.error = error


def error_status(error: OnrecordError) -> status_pb2.Status:
    """The status of an error; a client makes an equal error of it."""
    details: list[Message] = [error_details_pb2.ErrorInfo(reason=error.reason, domain="onrecord")]
    if isinstance(error, InvalidArgument) and error.violations:
        bad = error_details_pb2.BadRequest()
        for violation in error.violations:
            bad.field_violations.add(field=violation.field, description=violation.message, reason=violation.reason)
        details.append(bad)
    if isinstance(error, NotFound | AlreadyExists):
        details.append(error_details_pb2.ResourceInfo(resource_name=error.resource_name))
    if isinstance(error, Retryable) and error.retry_after is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(round(error.retry_after * 1_000))
        details.append(retry)
    status = status_pb2.Status(code=code_pb2.Code.Value(error.code), message=error.message)
    for detail in details:
        status.details.add().Pack(detail)
    return status


def abort(context: grpc.ServicerContext, error: OnrecordError) -> NoReturn:
    """End the call with an error."""
    status = error_status(error)
    trailers: list[tuple[str, str | bytes]] = [(DETAILS_KEY, status.SerializeToString())]
    if isinstance(error, Overloaded) and error.retry_after is not None:
        trailers.append(("grpc-retry-pushback-ms", str(round(error.retry_after * 1_000))))
    context.set_trailing_metadata(tuple(trailers))
    context.abort(next(code for code in grpc.StatusCode if code.value[0] == status.code), status.message)
    raise AssertionError("abort raises")

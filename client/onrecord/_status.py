"""The one table from gRPC status to exception, and how the details of a status are read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import cast

import grpc
from google.protobuf.message import DecodeError
from google.rpc import code_pb2, error_details_pb2, status_pb2

from onrecord.errors import (
    Aborted,
    AlreadyExists,
    Cancelled,
    DeadlineExceeded,
    FailedPrecondition,
    FieldViolation,
    InvalidArgument,
    NotFound,
    OnrecordError,
    Overloaded,
    PermissionDenied,
    Retryable,
    ServerError,
    Unauthenticated,
    Unavailable,
    _ResourceError,
)

DETAILS_KEY = "grpc-status-details-bin"
STREAM_BROKE = "STREAM_BROKE"
"""The reason when grpc.aio tells only that a write met the end of its stream, and not how the server ended it."""

CLASSES: dict[str, type[OnrecordError]] = {
    "CANCELLED": Cancelled,
    "UNKNOWN": ServerError,
    "INVALID_ARGUMENT": InvalidArgument,
    "DEADLINE_EXCEEDED": DeadlineExceeded,
    "NOT_FOUND": NotFound,
    "ALREADY_EXISTS": AlreadyExists,
    "PERMISSION_DENIED": PermissionDenied,
    "RESOURCE_EXHAUSTED": Overloaded,  # a full disk and a large message, too: see `_class_of`
    "FAILED_PRECONDITION": FailedPrecondition,
    "ABORTED": Aborted,
    "OUT_OF_RANGE": InvalidArgument,
    "UNIMPLEMENTED": ServerError,
    "INTERNAL": ServerError,
    "UNAVAILABLE": Unavailable,
    "DATA_LOSS": ServerError,
    "UNAUTHENTICATED": Unauthenticated,
}

_NO_HOST = re.compile(r"resolv|hostname lookup|name resolution|dns", re.IGNORECASE)
_UNREACHED = re.compile(
    r"failed to connect|connection refused|no route|unreachable|no such file|empty address", re.IGNORECASE
)
_NOT_GRPC = re.compile(r"http1|http/1|http2 header|handshake|settings frame", re.IGNORECASE)


def from_status(status: status_pb2.Status) -> OnrecordError:
    """The exception of a google.rpc.Status with its details, as in an item of a batch."""
    info = error_details_pb2.ErrorInfo()
    violations: list[FieldViolation] = []
    resource_name = ""
    retry_after: float | None = None
    for detail in status.details:
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            detail.Unpack(info)
        elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            bad = error_details_pb2.BadRequest()
            detail.Unpack(bad)
            violations += [FieldViolation(v.field, v.description, v.reason) for v in bad.field_violations]
        elif detail.Is(error_details_pb2.ResourceInfo.DESCRIPTOR):
            resource = error_details_pb2.ResourceInfo()
            detail.Unpack(resource)
            resource_name = resource.resource_name
        elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            retry = error_details_pb2.RetryInfo()
            detail.Unpack(retry)
            retry_after = retry.retry_delay.ToTimedelta().total_seconds()
    code = _code_name(status.code)
    message = _one_line(status.message) or f"the server answered {code} and did not say why"
    if error_id := info.metadata.get("error_id", ""):
        message = f"{message} (error_id {error_id})"
    kind = _class_of(code, info.reason, retry_after)
    if kind is InvalidArgument:
        return InvalidArgument(message, code=code, reason=info.reason, violations=violations)
    if issubclass(kind, _ResourceError):
        return kind(message, code=code, reason=info.reason, resource_name=resource_name)
    if issubclass(kind, Retryable):
        return kind(message, code=code, reason=info.reason, retry_after=retry_after)
    return kind(message, code=code, reason=info.reason)


def from_rpc_error(
    error: grpc.RpcError, *, target: str, timeout: float | None, answered_before: bool = False
) -> OnrecordError:
    """The exception of a failed call: from the server's details, or worded here when it gave none.

    answered_before: whether the target has ever answered this client.
    """
    call = cast("grpc.Call", error)
    status = _details_of(call.trailing_metadata() or ())
    if status is not None:
        return from_status(status)
    code = call.code().name
    details = _one_line(call.details() or "")
    if code == "UNAVAILABLE":
        return Unavailable(_unavailable(target, details, answered_before))
    if code == "DEADLINE_EXCEEDED":
        allowed = f" within {timeout:g} s" if timeout is not None else ""
        return DeadlineExceeded(f"no answer from {target}{allowed}; allow more time, or send less in one call")
    if code == "RESOURCE_EXHAUSTED" and "larger than max" in details:
        return InvalidArgument(
            f"the message is too large for {target} ({details}); send less in one call",
            code=code,
            reason="MESSAGE_TOO_LARGE",
        )
    if code == "UNIMPLEMENTED":
        return ServerError(f"{target} does not know this method: another version, or no onrecord server", code=code)
    if code == "UNKNOWN" and "uri is not valid" in details:  # gRPC met it with the first call only
        message = f'{target} is no address; give HOST:PORT, as "127.0.0.1:50051"'
        return InvalidArgument.of([FieldViolation("target", message, "INVALID_TARGET")])
    if code == "INTERNAL" and "error from Core" in details:
        return Unavailable(_unavailable(target, "a write met its end", answered_before), reason=STREAM_BROKE)
    if code in ("UNKNOWN", "INTERNAL") and _NOT_GRPC.search(details):
        return Unavailable(_unavailable(target, details, answered_before))
    return CLASSES[code](f"{target} answered {code}: {details or 'no details'}", code=code)


def _class_of(code: str, reason: str, retry_after: float | None) -> type[OnrecordError]:
    kind = CLASSES[code]
    if kind is not Overloaded or retry_after is not None or reason in ("", "OVERLOADED"):
        return kind
    # RESOURCE_EXHAUSTED that waiting does not mend: too large, or the server's disk is full
    return InvalidArgument if reason == "MESSAGE_TOO_LARGE" else ServerError


def _code_name(code: int) -> str:
    try:
        name = code_pb2.Code.Name(cast("code_pb2.Code.ValueType", code))
    except ValueError:
        return "UNKNOWN"
    return name if name in CLASSES else "UNKNOWN"


def _details_of(metadata: Iterable[tuple[str, str | bytes]]) -> status_pb2.Status | None:
    for key, value in metadata:
        if key == DETAILS_KEY and isinstance(value, bytes):
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:  # a proxy cut the trailer; the bare status still tells
                return None
    return None


def _unavailable(target: str, details: str, answered_before: bool) -> str:
    if "CERTIFICATE_VERIFY_FAILED" in details:
        why = details.partition("CERTIFICATE_VERIFY_FAILED: ")[2].removesuffix(": OK") or "no reason given"
        return f"the TLS certificate of {target} is not trusted ({why}); give the root_certificates of who signed it"
    if "Hostname Verification" in details:
        return (
            f"the TLS certificate of {target} is for another host; give another address, or the server_name it is for"
        )
    if "SSL" in details:
        return (
            f"{target} does not speak TLS as asked ({details.rpartition('OPENSSL_internal:')[2].removesuffix(': OK')})"
        )
    if details.endswith("Socket closed") and "last error" in details:  # in answer to every attempt
        return f"what listens at {target} hangs up at once: it may want TLS or a client certificate; is it onrecord?"
    if _NOT_GRPC.search(details):
        return f"what answers at {target} is no gRPC server; is the address right?"
    if _NO_HOST.search(details):
        return f"{target}: no such host; give the server's address as HOST:PORT"
    if _UNREACHED.search(details) and answered_before:
        return f"the server at {target} is gone: it answered before, and now nothing listens there; try again later"
    if _UNREACHED.search(details):  # gRPC tells of its last try; the first may have met a server that was stopping
        return f"no server at {target}, or it just stopped; start one with `onrecord serve`, or give another address"
    return f"the connection to {target} broke ({details or 'no details'}); try again"


def _one_line(text: str) -> str:
    return " ".join(text.split())

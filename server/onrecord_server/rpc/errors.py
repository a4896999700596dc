"""The one table from domain error to gRPC status. docs/errors.md is generated from it.

Every error carries exactly one `google.rpc.ErrorInfo` (AIP-193): domain "onrecord", `reason` from the error's class.
Decided once, for errors about fields: `ErrorInfo.reason` stays INVALID_FIELDS, whatever is wrong; each
`BadRequest.FieldViolation` has the specific reason (CLAIM_TOO_LONG, REQUIRED, INVALID_PAGE_TOKEN, …), and the first
one's field and reason stand in `ErrorInfo.metadata` too, so that a caller with one bad field needs no second detail.

Beside it, where they apply: `BadRequest` (fields), `ResourceInfo` (which statement), `RetryInfo` (when to come back).
RESOURCE_EXHAUSTED is the one code that means both "later" and "never", so it also sets the `grpc-retry-pushback-ms`
trailer that gRPC's own retries obey: milliseconds to wait, or -1 for never.

Details travel in a trailer, and clients refuse more than 8 KiB of those: texts are clamped, and violations beyond
`DETAIL_BYTES` are counted in the message instead of listed.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from onrecord_server.domain import errors

DOMAIN = "onrecord"
MESSAGE_BYTES = 600  # of UTF-8; percent-encoding may triple them on the wire
DETAIL_BYTES = 4_000  # of one status; base64 adds a third
INTERNAL_MESSAGE = "the server failed on this request; its log says why under the error_id given in the details"
NEVER_RETRY = -1

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Row:
    """What one error class becomes. `when` and `then` are the two sentences of docs/errors.md."""

    code: grpc.StatusCode
    when: str
    then: str
    details: Callable[[Any], list[Message]] = lambda error: []
    metadata: Callable[[Any], dict[str, str]] = lambda error: {}
    pushback_ms: Callable[[Any], int | None] = lambda error: None


def _retry_info(seconds: float) -> error_details_pb2.RetryInfo:
    info = error_details_pb2.RetryInfo()
    info.retry_delay.FromMilliseconds(max(0, round(seconds * 1_000)))
    return info


_Named = errors.NotFound | errors.AlreadyExists | errors.EtagMismatch | errors.CollectionNotEmpty


def _resource(error: _Named) -> list[Message]:
    kind = "onrecord.v1.Statement" if "/statements/" in error.resource_name else "onrecord.v1.Collection"
    return [error_details_pb2.ResourceInfo(resource_type=kind, resource_name=wire_text(error.resource_name))]


def _bad_request(error: errors.InvalidInput) -> list[Message]:
    """As many violations as the trailer holds, the first always among them."""
    bad = error_details_pb2.BadRequest()
    for violation in error.violations:
        entry = bad.field_violations.add(
            field=wire_text(violation.field), description=wire_text(violation.message), reason=violation.reason
        )
        if bad.ByteSize() > DETAIL_BYTES - 2 * MESSAGE_BYTES and len(bad.field_violations) > 1:
            bad.field_violations.remove(entry)
            break
    return [bad]


def _first_violation(error: errors.InvalidInput) -> dict[str, str]:
    return {"field": wire_text(error.violations[0].field), "reason": error.violations[0].reason}


TABLE: dict[type[errors.OnrecordError], Row] = {
    errors.InvalidInput: Row(
        grpc.StatusCode.INVALID_ARGUMENT,
        "Fields of the request are wrong; all of them are listed.",
        "Correct the fields in `BadRequest.field_violations`; each has its own reason, listed below.",
        details=_bad_request,
        metadata=_first_violation,
    ),
    errors.Unauthenticated: Row(
        grpc.StatusCode.UNAUTHENTICATED,
        "The server wants a token, and the call carries none, a wrong one or several.",
        "Send the metadata `authorization: Bearer TOKEN`, once, with the token of the server's --token-file.",
    ),
    errors.NotFound: Row(
        grpc.StatusCode.NOT_FOUND,
        "No statement has this name.",
        "List the collection to see what is on the record.",
        details=_resource,
    ),
    errors.AlreadyExists: Row(
        grpc.StatusCode.ALREADY_EXISTS,
        "A statement has this name already.",
        "Leave `name` empty to have one chosen, or choose another.",
        details=_resource,
    ),
    errors.CollectionNotFound: Row(
        grpc.StatusCode.NOT_FOUND,
        "No collection has this name.",
        "List the collections to see what there is; create it, or put a statement into it.",
        details=_resource,
    ),
    errors.CollectionExists: Row(
        grpc.StatusCode.ALREADY_EXISTS,
        "A collection has this name already.",
        "Use the collection that is there, or choose another id.",
        details=_resource,
    ),
    errors.RequestIdReused: Row(
        grpc.StatusCode.ALREADY_EXISTS,
        "The request id stands for another request in this collection; nothing was done.",
        "Give each request an id of its own, and repeat a request with an unchanged body.",
    ),
    errors.EtagMismatch: Row(
        grpc.StatusCode.ABORTED,
        "The resource has changed since its etag was read; nothing was done.",
        "Read it again, decide anew, and send the new etag.",
        details=_resource,
    ),
    errors.CollectionNotEmpty: Row(
        grpc.StatusCode.FAILED_PRECONDITION,
        "The collection still holds statements; nothing was done.",
        "Delete its statements first, or set `force`.",
        details=_resource,
    ),
    errors.ExportStalled: Row(
        grpc.StatusCode.ABORTED,
        "Nothing was taken of an export for a minute, so its view of the record was given up.",
        "Start the export again, and take its messages as they come.",
    ),
    errors.Overloaded: Row(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "There is no room in the queue, or too many exports are under way; nothing was done.",
        "Retry after `RetryInfo.retry_delay`.",
        details=lambda error: [_retry_info(error.retry_after)],
        pushback_ms=lambda error: max(0, round(error.retry_after * 1_000)),
    ),
    errors.DeadlineTooShort: Row(
        grpc.StatusCode.DEADLINE_EXCEEDED,
        "The deadline passed before the work was done.",
        "Allow more time, or send less in one call.",
    ),
    errors.DeadlineUnreachable: Row(
        grpc.StatusCode.DEADLINE_EXCEEDED,
        "By the queue and the model's measured rate the deadline would pass before the work was done; nothing was.",
        "Allow more time, send less in one call, or come back after `RetryInfo.retry_delay` where there is one.",
        details=lambda error: [] if error.retry_after is None else [_retry_info(error.retry_after)],
    ),
    errors.StoreError: Row(
        grpc.StatusCode.INTERNAL,
        "The record could not be read or written.",
        "Nothing of the request was kept; see the server's log, then retry.",
    ),
    errors.StoreUnusable: Row(
        grpc.StatusCode.FAILED_PRECONDITION,
        "The store is not a record, is from a newer version, or is out of reach. Met at start.",
        "Give the server another --store, or the version that wrote this one.",
    ),
    errors.StoreDamaged: Row(
        grpc.StatusCode.DATA_LOSS,
        "A part of the record is damaged: the file, or a statement, which listings, searches and checks pass over.",
        "Restore a backup; or delete the statement that the message names, and put it on the record again.",
    ),
    errors.StoreReadOnly: Row(
        grpc.StatusCode.FAILED_PRECONDITION,
        "The record may be read and not written.",
        "Give the server's user the right to write the store and its folder.",
    ),
    errors.StoreFull: Row(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "There is no room on the disk; nothing of the request was kept.",
        "Make room, then retry; gRPC's own retries are told not to.",
        pushback_ms=lambda error: NEVER_RETRY,
    ),
    errors.ModelError: Row(
        grpc.StatusCode.INTERNAL,
        "The model failed on this input.",
        "Change the input, or report it; other inputs are not affected.",
    ),
    errors.ClaimTooLongForModel: Row(
        grpc.StatusCode.INVALID_ARGUMENT,
        "A hypothesis of ScorePairs leaves no room for a premise. (A check answers REASON_CLAIM_TOO_LONG instead.)",
        "Shorten the hypothesis, or serve a model that reads more at once.",
    ),
    errors.ModelUnusable: Row(
        grpc.StatusCode.UNAVAILABLE,
        "The model cannot be loaded or has stopped working; health says NOT_SERVING.",
        "Give the server a model that loads, or restart it.",
    ),
    errors.NotReady: Row(
        grpc.StatusCode.UNAVAILABLE,
        "The server is starting and loads its models; health says NOT_SERVING.",
        "Retry after `RetryInfo.retry_delay`, or watch grpc.health.v1.",
        details=lambda error: [_retry_info(1.0)],
    ),
    errors.ShuttingDown: Row(
        grpc.StatusCode.UNAVAILABLE,
        "The server is draining; nothing was done.",
        "Retry; another server, or this one after its restart, will answer.",
        details=lambda error: [_retry_info(1.0)],
    ),
    errors.ConfigError: Row(
        grpc.StatusCode.FAILED_PRECONDITION,
        "The server cannot start as configured. Met at start.",
        "Correct the option or variable that the message names.",
    ),
    errors.OnrecordError: Row(
        grpc.StatusCode.INTERNAL,
        "A defect of the server.",
        "Report it with the `error_id` in `ErrorInfo.metadata`; the server's log has the details under it.",
    ),
}


def wire_text(text: str, limit: int = MESSAGE_BYTES) -> str:
    """One line of valid UTF-8, at most `limit` bytes: no lone surrogates, no control characters."""
    if len(text) > limit:  # before the work: a name may be megabytes
        text = text[: limit + 1]
    line = " ".join(text.split())
    if not line.isprintable():
        line = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)
    encoded = line.encode("utf-8", "replace")
    if len(encoded) <= limit:
        return encoded.decode()
    return encoded[: limit - 3].decode("utf-8", "ignore") + "…"


def status_of(error: BaseException) -> status_pb2.Status:
    """The status of an error, as on the wire and in the items of a batch.

    An exception outside the domain's tree is logged with its traceback, and only an id to find it by is told.
    """
    if not isinstance(error, errors.OnrecordError) or type(error) is errors.OnrecordError:
        return _internal_status(error)
    row = TABLE[type(error)]
    if error.__cause__ is not None:  # what is not for callers, as the place of the record's file
        cause = error.__cause__
        trace = error if row.code is grpc.StatusCode.INTERNAL else None
        logger.error("%s [%s: %s]", error.message, type(cause).__name__, cause, exc_info=trace)
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=row.metadata(error))
    return _status(row.code, error.message, [info, *row.details(error)])


def reason_of(error: BaseException) -> str:
    """The reason in its status' ErrorInfo."""
    return error.reason if isinstance(error, errors.OnrecordError) else errors.OnrecordError.reason


def trailers_of(error: BaseException, status: status_pb2.Status) -> tuple[tuple[str, str | bytes], ...]:
    """Trailing metadata: the status itself, and when gRPC's own retries may come back."""
    trailers: list[tuple[str, str | bytes]] = [("grpc-status-details-bin", status.SerializeToString())]
    if isinstance(error, errors.OnrecordError):
        pushback = TABLE[type(error)].pushback_ms(error)
        if pushback is not None:
            trailers.append(("grpc-retry-pushback-ms", str(pushback)))
    return tuple(trailers)


def code_of(status: status_pb2.Status) -> grpc.StatusCode:
    """The status' code as grpc names it."""
    return _BY_NUMBER[status.code]


_BY_NUMBER: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}


def _status(code: grpc.StatusCode, message: str, details: list[Message]) -> status_pb2.Status:
    status = status_pb2.Status(code=code.value[0], message=wire_text(message))
    for detail in details:
        status.details.add().Pack(detail)
    return status


def _internal_status(error: BaseException) -> status_pb2.Status:
    error_id = secrets.token_hex(6)
    logger.error("internal error, error_id=%s", error_id, exc_info=error)
    info = error_details_pb2.ErrorInfo(
        reason=errors.OnrecordError.reason, domain=DOMAIN, metadata={"error_id": error_id}
    )
    return _status(grpc.StatusCode.INTERNAL, INTERNAL_MESSAGE, [info])

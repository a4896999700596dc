"""What an error becomes over HTTP: a status code, headers, and a body in one of two shapes.

The body is a `google.rpc.Status` in JSON, with the details that gRPC callers get. Callers that speak the Connect
protocol (they send `Connect-Protocol-Version`) get that protocol's shape of the same.
"""

from __future__ import annotations

import base64
import json
import math
from dataclasses import dataclass, field

import grpc
from google.protobuf import json_format
from google.rpc import error_details_pb2, status_pb2

from onrecord_server.domain.limits import MESSAGE_BYTES
from onrecord_server.http.messages import JSON
from onrecord_server.rpc.errors import DOMAIN, code_of

# As google/rpc/code.proto has them, and the Connect protocol.
HTTP_CODES = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}  # the others are the server's fault: 500
TOO_LARGE = 413


@dataclass(frozen=True, slots=True)
class Answer:
    """A response."""

    http_code: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What is refused before there is a call: nobody authenticated, nothing counted. docs/http.md lists them."""

    http_code: int
    code: grpc.StatusCode
    reason: str
    message: str

    @property
    def status(self) -> status_pb2.Status:
        """The same as a status."""
        status = status_pb2.Status(code=self.code.value[0], message=self.message)
        status.details.add().Pack(error_details_pb2.ErrorInfo(reason=self.reason, domain=DOMAIN))
        return status


UNKNOWN_PATH = Refusal(
    404,
    grpc.StatusCode.UNIMPLEMENTED,
    "UNKNOWN_PATH",
    "nothing is here; POST to /onrecord.v1.CheckService/CheckClaim or another method of /openapi.json",
)
METHOD_NOT_ALLOWED = Refusal(
    405, grpc.StatusCode.UNIMPLEMENTED, "METHOD_NOT_ALLOWED", "use the HTTP method in the header Allow"
)
STREAM_OVER_HTTP = Refusal(
    501, grpc.StatusCode.UNIMPLEMENTED, "STREAM_OVER_HTTP", "streams are not offered over HTTP; use gRPC"
)
UNSUPPORTED_MEDIA_TYPE = Refusal(
    415,
    grpc.StatusCode.INVALID_ARGUMENT,
    "UNSUPPORTED_MEDIA_TYPE",
    "send Content-Type: application/json (UTF-8) or application/proto, without Content-Encoding",
)
WEB_PAGE_REFUSED = Refusal(
    403,
    grpc.StatusCode.PERMISSION_DENIED,
    "WEB_PAGE_REFUSED",
    "requests of web pages (they carry the header Origin) are taken only by a server with --token-file",
)
REFUSALS = (UNKNOWN_PATH, METHOD_NOT_ALLOWED, STREAM_OVER_HTTP, UNSUPPORTED_MEDIA_TYPE, WEB_PAGE_REFUSED)


def error_answer(status: status_pb2.Status, *, connect: bool, http_code: int | None = None) -> Answer:
    """The response that tells of a failed call. http_code: when it is not the one of the status' code."""
    code = code_of(status)
    headers = {"content-type": JSON}
    if code is grpc.StatusCode.UNAUTHENTICATED:
        headers["www-authenticate"] = "Bearer"
    for detail in status.details:
        retry, bad = error_details_pb2.RetryInfo(), error_details_pb2.BadRequest()
        if detail.Unpack(retry):
            headers["retry-after"] = str(math.ceil(retry.retry_delay.ToTimedelta().total_seconds()))
        elif detail.Unpack(bad) and bad.field_violations[0].reason == MESSAGE_BYTES.reason:
            http_code = TOO_LARGE
    body = _connect_error(status) if connect else json_format.MessageToDict(status)
    http_code = http_code or HTTP_CODES.get(code, 500)
    return Answer(http_code, json.dumps(body, ensure_ascii=False).encode(), headers)


def _connect_error(status: status_pb2.Status) -> dict[str, object]:
    details = [
        {
            "type": detail.TypeName(),
            "value": base64.b64encode(detail.value).decode().rstrip("="),
            "debug": {k: v for k, v in json_format.MessageToDict(detail).items() if k != "@type"},
        }
        for detail in status.details
    ]
    name = code_of(status).name.lower()
    name = {"cancelled": "canceled"}.get(name, name)
    return {"code": name, "message": status.message, "details": details}

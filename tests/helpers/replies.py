"""A gRPC server that says what a test tells it to, and parts of what it may say. Needs the client's packages only."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from onrecord.v1 import check_service_pb2 as check_pb
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
    "StreamImportStatements": record_pb.StreamImportStatementsRequest,
    "IngestDocument": record_pb.IngestDocumentRequest,
}


class Script(grpc.GenericRpcHandler):
    """Answers calls, and each message of a stream, with the replies given, in order, and keeps what was asked."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.requests: list[Message] = []
        self.metadata: list[dict[str, str | bytes]] = []

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        name = details.method.rpartition("/")[2]
        if name not in REQUESTS:
            return None
        if name.startswith("Stream"):
            return grpc.stream_stream_rpc_method_handler(self._answers, REQUESTS[name].FromString, _serialized)
        return grpc.unary_unary_rpc_method_handler(self._answer, REQUESTS[name].FromString, _serialized)

    def _answer(self, request: Message, context: grpc.ServicerContext) -> Message:
        self.metadata.append(dict(context.invocation_metadata()))
        return self._reply(request, context)

    def _answers(self, requests: Iterator[Message], context: grpc.ServicerContext) -> Iterator[Message]:
        self.metadata.append(dict(context.invocation_metadata()))
        for request in requests:
            yield self._reply(request, context)

    def _reply(self, request: Message, context: grpc.ServicerContext) -> Message:
        self.requests.append(request)
        reply = self.replies.pop(0)
        return reply if isinstance(reply, Message) else reply(context)


def _serialized(message: Message) -> bytes:
    return message.SerializeToString()


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

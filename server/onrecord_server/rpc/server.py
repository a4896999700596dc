"""The gRPC server: services, health, reflection, transport options."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc.aio import Server
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from onrecord.v1 import check_service_pb2 as check_pb
from onrecord.v1 import check_service_pb2_grpc as check_grpc
from onrecord.v1 import server_info_service_pb2 as info_pb
from onrecord.v1 import server_info_service_pb2_grpc as info_grpc
from onrecord.v1 import statement_service_pb2 as statement_pb
from onrecord.v1 import statement_service_pb2_grpc as statement_grpc
from onrecord_server.domain.limits import MESSAGE_BYTES
from onrecord_server.rpc import health
from onrecord_server.rpc.backend import BackendSlot
from onrecord_server.rpc.calls import KINDS
from onrecord_server.rpc.interceptors import CallGuard
from onrecord_server.rpc.services import CheckService, ServerInfoService, StatementService

_DESCRIPTORS = tuple(
    pb.DESCRIPTOR.services_by_name[name]
    for pb, name in (
        (check_pb, "CheckService"),
        (statement_pb, "StatementService"),
        (info_pb, "ServerInfoService"),
    )
)

SERVICES = tuple(service.full_name for service in _DESCRIPTORS)

# every method as observers meet it, "onrecord.v1.CheckService/CheckClaim", and its kind
METHODS = {
    f"{service.full_name}/{method.name}": KINDS[method.client_streaming, method.server_streaming]
    for service in _DESCRIPTORS
    for method in service.methods
}

OPTIONS: tuple[tuple[str, int], ...] = (
    # twice the documented limit, so that what is over it meets our error and not the transport's (see interceptors)
    ("grpc.max_receive_message_length", 2 * MESSAGE_BYTES.value),
    ("grpc.max_send_message_length", -1),
    # two servers on one port would share its calls silently; a port in use must be an error
    ("grpc.so_reuseport", 0),
    # clients may ping every 20 s, with or without calls (the default is 5 minutes, then GOAWAY too_many_pings)
    ("grpc.http2.min_ping_interval_without_data_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # find dead peers within 80 s
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    # so that a connection balancer spreads clients again after servers were added
    ("grpc.max_connection_age_ms", 30 * 60_000),
    ("grpc.max_connection_age_grace_ms", 5 * 60_000),
)


@dataclass(frozen=True, slots=True)
class Method:
    """A method of a servicer, for those who call it by another way than gRPC. behaviour: unless it `streams`, takes the
    request and a context and returns the answer."""

    behaviour: Callable[[Any, Any], Awaitable[Any]]
    request: type[Message]
    streams: bool


def make_servicers(slot: BackendSlot) -> dict[str, Any]:
    """A servicer for each service, by its full name."""
    servicers = (CheckService(slot), StatementService(slot), ServerInfoService(slot))
    return dict(zip(SERVICES, servicers, strict=True))


def methods_of(servicers: Mapping[str, Any]) -> dict[str, Method]:
    """Every method of these, by name: "onrecord.v1.CheckService/CheckClaim"."""
    return {
        f"{service.full_name}/{method.name}": Method(
            getattr(servicers[service.full_name], method.name),
            GetMessageClass(method.input_type),
            method.client_streaming or method.server_streaming,
        )
        for service in _DESCRIPTORS
        for method in service.methods
    }


def build_server(
    slot: BackendSlot, guard: CallGuard, servicers: Mapping[str, Any] | None = None
) -> tuple[Server, health.Health]:
    """A server that is not started and has no port yet; health says NOT_SERVING. Call it inside the event loop.

    servicers: as from `make_servicers`, when others call them too.
    """
    server = grpc.aio.server(interceptors=[guard], options=list(OPTIONS))
    checks, statements, infos = (servicers or make_servicers(slot)).values()
    check_grpc.add_CheckServiceServicer_to_server(checks, server)
    statement_grpc.add_StatementServiceServicer_to_server(statements, server)
    info_grpc.add_ServerInfoServiceServicer_to_server(infos, server)
    status = health.Health(SERVICES)
    health_pb2_grpc.add_HealthServicer_to_server(status, server)
    names = (*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    return server, status

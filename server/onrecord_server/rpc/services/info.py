"""ServerInfoService: what runs here, and every limit."""

from __future__ import annotations

from typing import Any

from grpc.aio import ServicerContext

from onrecord.v1 import server_info_service_pb2 as pb
from onrecord.v1 import server_info_service_pb2_grpc as pb_grpc
from onrecord_server.domain.limits import ALL_LIMITS
from onrecord_server.rpc.backend import BackendSlot
from onrecord_server.rpc.convert import limit_to_proto, model_info_to_proto
from onrecord_server.rpc.convert_checks import options_to_proto


class ServerInfoService(pb_grpc.ServerInfoServiceServicer):
    """onrecord.v1.ServerInfoService."""

    def __init__(self, slot: BackendSlot) -> None:
        self._slot = slot

    async def GetServerInfo(
        self, request: pb.GetServerInfoRequest, context: ServicerContext[Any, Any]
    ) -> pb.GetServerInfoResponse:
        """Version, models, defaults and limits."""
        info = await self._slot.get().describe()
        return pb.GetServerInfoResponse(
            version=info.version,
            model=model_info_to_proto(info.model),
            encoder=model_info_to_proto(info.encoder),
            store=info.store,
            statement_count=info.statement_count,
            default_options=options_to_proto(info.default_options),
            pending_count=info.pending_count,
            limits=[limit_to_proto(limit) for limit in ALL_LIMITS],
        )

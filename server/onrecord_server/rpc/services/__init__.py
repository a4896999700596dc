"""The three services of onrecord.v1: wire in, domain call, wire out."""

from onrecord_server.rpc.services.checks import CheckService
from onrecord_server.rpc.services.info import ServerInfoService
from onrecord_server.rpc.services.statements import StatementService

__all__ = ["CheckService", "ServerInfoService", "StatementService"]

"""The access log: one line for each call of onrecord.v1, as severe as the call's end is for who runs the server."""

from __future__ import annotations

import logging

from grpc import StatusCode

from onrecord_server.rpc.calls import Call, CallObserver

access_log = logging.getLogger("onrecord_server.access")

# What a caller did wrong, or no longer wanted, is no news to the server. Where it could not serve, that is a warning;
# where it is broken, an error.
_LEVELS = {
    StatusCode.INTERNAL: logging.ERROR,
    StatusCode.UNKNOWN: logging.ERROR,
    StatusCode.DATA_LOSS: logging.ERROR,
    StatusCode.UNAVAILABLE: logging.WARNING,
    StatusCode.RESOURCE_EXHAUSTED: logging.WARNING,
    StatusCode.FAILED_PRECONDITION: logging.WARNING,
}


class AccessLog(CallObserver):
    """Writes the lines. Names, sizes and times only."""

    def ended(self, call: Call) -> None:
        """Its line."""
        level = _LEVELS.get(call.code, logging.INFO)
        if not access_log.isEnabledFor(level):
            return
        milliseconds = round(call.seconds * 1_000, 3)
        outcome = f"{call.code.name} {call.reason}".rstrip()
        fields = {
            "request_id": call.request_id,
            "method": call.method,
            "code": call.code.name,
            "reason": call.reason,
            "ms": milliseconds,
            "peer": call.peer,
            "received": call.received,
            "received_bytes": call.received_bytes,
            "sent": call.sent,
            "sent_bytes": call.sent_bytes,
            "failed_items": call.failed_items or "",
            "trace_id": call.trace_id,
        }
        access_log.log(
            level,
            "%s %s %.1f ms",
            call.method,
            outcome,
            milliseconds,
            extra={name: value for name, value in fields.items() if value != ""},
        )

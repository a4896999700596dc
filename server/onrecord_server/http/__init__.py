"""The HTTP/JSON door: the unary methods of the contract for callers without gRPC (docs/http.md).

It stands beside the gRPC server on the same event loop. A call that comes in here goes through the same `CallGuard` to
the same servicers, so token, request id, deadline, admission, errors, metrics, traces and access log are the same. What
is offered is read from the contract's descriptors: a new unary method is here without a line of code.
"""

from onrecord_server.http.door import HttpDoor, open_door

__all__ = ["HttpDoor", "open_door"]

"""What the tests of the HTTP door talk to, and how."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from onrecord_server.http import HttpDoor
from onrecord_server.rpc.backend import BackendSlot
from onrecord_server.rpc.health import Health
from onrecord_server.rpc.interceptors import CallGuard

CHECK = "/onrecord.v1.CheckService/CheckClaim"
CREATE = "/onrecord.v1.StatementService/CreateStatement"
TEXT = "Russia opposes interference in China's affairs."


@dataclass(frozen=True)
class Answer:
    """A response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Its body."""
        return json.loads(self.body)

    def details(self, kind: str) -> list[dict[str, Any]]:
        """Details of one kind in a google.rpc.Status."""
        return [d for d in self.json["details"] if d["@type"] == f"type.googleapis.com/google.rpc.{kind}"]

    @property
    def reason(self) -> str:
        """Of the one ErrorInfo."""
        (info,) = self.details("ErrorInfo")
        assert info["domain"] == "onrecord"
        return str(info["reason"])

    @property
    def fields(self) -> dict[str, str]:
        """Field -> reason of all violations."""
        (bad,) = self.details("BadRequest")
        return {v["field"]: v["reason"] for v in bad["fieldViolations"]}


class Site:
    """What is served over HTTP, and over gRPC beside it."""

    def __init__(self, door: HttpDoor, guard: CallGuard, health: Health, slot: BackendSlot, grpc_address: str) -> None:
        self.door, self.guard, self.health, self.slot = door, guard, health, slot
        self.grpc_address = grpc_address
        self.address = door.url.removeprefix("http://")

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """One request; blocks."""
        connection = http.client.HTTPConnection(self.address, timeout=60)
        try:
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, names)
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    async def get(self, path: str) -> Answer:
        """GET."""
        return await asyncio.to_thread(self.request, "GET", path)

    async def post(self, path: str, body: Any, **headers: str) -> Answer:
        """POST what is no bytes as JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"content_type": "application/json"} | headers
        return await asyncio.to_thread(self.request, "POST", path, data, **headers)


Open = Callable[..., Awaitable[Site]]


async def put(site: Site, text: str = TEXT) -> None:
    """Put a statement on the record."""
    created = await site.post(CREATE, {"statement": {"text": text, "speaker": {"name": "Putin"}}})
    assert created.status == 200

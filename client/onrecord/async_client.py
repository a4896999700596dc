"""The client that awaits. The waiting one in `onrecord.client` is generated from it, by `make client`."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Self

from onrecord import _request, types
from onrecord._aio.checks import AsyncChecks
from onrecord._aio.record import AsyncRecord
from onrecord._aio.transport import AsyncChannelTransport, AsyncTransport
from onrecord._channel import DEFAULT_TARGET, endpoint
from onrecord._plans import checks


class AsyncClient(AsyncChecks, AsyncRecord):
    """A connection to one onrecord server. Use it as a context manager, or close it; safe to share among tasks.

        async with AsyncClient("127.0.0.1:50051") as client:
            result = await client.check("Putin said that Russia opposes interference.")

    target: "host:port", "[::1]:port", "dns:///host:port" or "unix:path"; of several servers behind one DNS name, calls
        go to each in turn. Making a client does not connect: the first call does, and says in one line when nothing is
        there.
    timeout: seconds a call may take, unless it names its own; None waits without end.
    batch_timeout: the same for calls that carry many items (check_batch, score_pairs, imports, ingest), for each
        message that they send.
    token: sent as `authorization: Bearer TOKEN`; in clear without TLS: then only over a network you trust.
    tls: encrypt the connection, and take only a server whose certificate is good for the host in `target`.
    root_certificates: PEM file, or its bytes, of who must have signed it; default: those that gRPC brings. This, a
        client certificate or a server_name turns TLS on.
    client_certificate, client_key: PEM files, or their bytes, for a server that asks for them.
    server_name: the host that the certificate must be good for, where it is not the one in `target`.

    A call that finds the server unavailable or overloaded is repeated up to three times within its timeout. What may
    have been done before the answer was lost is repeated only where that is harmless: statements are added and imported
    under a request_id, so that none is stored twice; changes and deletions are repeated only when the server says that
    it has done nothing. All methods raise the errors of `onrecord.errors`.

    It has one connection to an event loop: when the loop of its first call is closed, the next call connects anew;
    while that loop is open, calls from another one raise ClientMisplaced, and so do calls in a fork of a process that
    has called before.
    """

    def __init__(
        self,
        target: str = DEFAULT_TARGET,
        *,
        timeout: float | None = 30.0,
        batch_timeout: float | None = 300.0,
        token: str | None = None,
        tls: bool = False,
        root_certificates: bytes | str | os.PathLike[str] | None = None,
        client_certificate: bytes | str | os.PathLike[str] | None = None,
        client_key: bytes | str | os.PathLike[str] | None = None,
        server_name: str | None = None,
    ) -> None:
        self._timeout = None if timeout is None else _request.seconds("timeout", timeout)
        self._batch_timeout = None if batch_timeout is None else _request.seconds("batch_timeout", batch_timeout)
        self._transport: AsyncTransport = AsyncChannelTransport(
            endpoint(
                target,
                token=token,
                tls=tls,
                root_certificates=root_certificates,
                client_certificate=client_certificate,
                client_key=client_key,
                server_name=server_name,
            )
        )

    @classmethod
    def over(cls, transport: AsyncTransport) -> Self:
        """A client over another transport, without deadlines: the command line's in-process mode."""
        client = cls.__new__(cls)
        client._transport = transport
        client._timeout = client._batch_timeout = None
        return client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"AsyncClient({self.target!r})"

    @property
    def target(self) -> str:
        """The address that it calls."""
        return self._transport.target

    async def close(self) -> None:
        """Close the connection; calls in flight raise Cancelled. Idempotent."""
        await self._transport.close()

    async def wait_ready(self, timeout: float = 30.0) -> None:
        """Return as soon as the server is there and its models are loaded; Unavailable after `timeout` seconds."""
        await self._run(checks.wait_ready(self.target, _request.seconds("timeout", timeout)))

    async def info(self, *, timeout: float | None = None) -> types.ServerInfo:
        """Version, models, default options and limits of the server."""
        return await self._run(checks.info(self._limit(timeout)))

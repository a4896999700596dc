"""Where a channel leads and how: options, retries, encryption, and what is refused before anything is sent."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass

import grpc

from onrecord.errors import ClientMisplaced, FieldViolation, InvalidArgument

DEFAULT_TARGET = "127.0.0.1:50051"

# A server refuses messages over 4 MiB, with a reason; anything twice as large would only be cut off by gRPC itself.
MAX_REQUEST_BYTES = 8 * 1024 * 1024
# The answer to a full batch, with 32 pieces of evidence a claim, is larger than gRPC's default of 4 MiB.
MAX_ANSWER_BYTES = 64 * 1024 * 1024
MESSAGE_BUDGET = 3_500_000
"""Bytes that the client fills a message to, when it is the one who splits."""

# Between two pings while a call is in flight. The server allows one in 20 s, and hangs up on more.
KEEPALIVE_MS = 60_000

_SCHEMES = ("dns", "ipv4", "ipv6", "unix", "unix-abstract", "vsock", "xds")  # what gRPC resolves
_HOST_PORT = re.compile(
    r"(dns:(///?)?)?(?!(ipv4|ipv6|unix|unix-abstract|vsock|xds):)(\[[^\]]*\]|[^:/\[\]]*):(?P<port>[^:/]*)"
)
_LOOPBACK = re.compile(r"(dns:///?)?(localhost|127\.[\d.]+|\[::1\]|::1)(:\d+)?$")


def _retry(codes: list[str]) -> dict[str, object]:
    return {
        "maxAttempts": 4,
        "initialBackoff": "0.05s",
        "maxBackoff": "2s",
        "backoffMultiplier": 3,
        "retryableStatusCodes": codes,
    }


# RESOURCE_EXHAUSTED is answered before any work, with a push-back that says when to come back (or never). UNAVAILABLE
# may come after the work was done. Statements are put on the record under a request_id, so that a repetition is
# answered and not stored again; these methods have none, and would report what they did as missing or changed.
_ONCE = (
    "DeleteStatement",
    "UpdateStatement",
    "RetractStatement",
    "SupersedeStatement",
    "ReinstateStatement",
    "UpdateCollection",
    "DeleteCollection",
)
SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {"name": [{}], "retryPolicy": _retry(["UNAVAILABLE", "RESOURCE_EXHAUSTED"])},
        {
            "name": [{"service": "onrecord.v1.StatementService", "method": method} for method in _ONCE],
            "retryPolicy": _retry(["RESOURCE_EXHAUSTED"]),
        },
    ],
}


def channel_options(target: str) -> list[tuple[str, str | int]]:
    """Options of the channel to `target`."""
    options: list[tuple[str, str | int]] = [
        ("grpc.service_config", json.dumps(SERVICE_CONFIG)),
        ("grpc.enable_retries", 1),
        # a call larger than this buffer is sent once only; the default of 256 KiB would except every large batch
        ("grpc.per_rpc_retry_buffer_size", MAX_REQUEST_BYTES),
        ("grpc.max_send_message_length", MAX_REQUEST_BYTES),
        ("grpc.max_receive_message_length", MAX_ANSWER_BYTES),
        ("grpc.max_metadata_size", 16 * 1024),
        # a server that comes back is found within seconds; the default waits up to two minutes between attempts
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.max_reconnect_backoff_ms", 2_000),
        ("grpc.keepalive_time_ms", KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.keepalive_permit_without_calls", 0),
    ]
    if _LOOPBACK.match(target):
        options.append(("grpc.enable_http_proxy", 0))  # a proxy meant for the web is not asked for this machine
    return options


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server's address and how to speak to it. `pem`: roots, client certificate and its key; None: no TLS."""

    target: str
    metadata: tuple[tuple[str, str], ...] = ()
    pem: tuple[bytes | None, bytes | None, bytes | None] | None = None
    server_name: str | None = None

    @property
    def options(self) -> list[tuple[str, str | int]]:
        """The channel's options."""
        named = [("grpc.ssl_target_name_override", self.server_name)] if self.server_name else []
        return [*channel_options(self.target), *named]

    @property
    def credentials(self) -> grpc.ChannelCredentials | None:
        """For an encrypted channel; None for one in clear. Wakes gRPC, so ask when connecting."""
        if self.pem is None:
            return None
        roots, certificate, key = self.pem
        return grpc.ssl_channel_credentials(roots, key, certificate)


def endpoint(
    target: object,
    *,
    token: object = None,
    tls: bool = False,
    root_certificates: object = None,
    client_certificate: object = None,
    client_key: object = None,
    server_name: str | None = None,
) -> Endpoint:
    """The endpoint of a client's arguments, or InvalidArgument; files are read here."""
    metadata = (("authorization", f"Bearer {_checked_token(token)}"),) if token else ()
    pems = (
        _pem("root_certificates", root_certificates),
        _pem("client_certificate", client_certificate),
        _pem("client_key", client_key),
    )
    if (pems[1] is None) != (pems[2] is None):
        field = "client_key" if pems[2] is None else "client_certificate"
        message = "is missing; a client certificate and its key go together"
        raise InvalidArgument.of([FieldViolation(field, message, "REQUIRED")])
    if isinstance(client_certificate, str | os.PathLike) and isinstance(client_key, str | os.PathLike):
        _check_pair(client_certificate, client_key)
    secured = bool(tls) or any(pems) or bool(server_name)
    return Endpoint(_checked_target(target), metadata, pems if secured else None, server_name)


def _pem(field: str, given: object) -> bytes | None:
    """The bytes of a PEM file, given as such or by its path."""
    if given is None:
        return None
    if not isinstance(given, bytes | str | os.PathLike):
        message = f"needs the path of a PEM file, or its bytes, not {type(given).__name__}"
        raise InvalidArgument.of([FieldViolation(field, message, "WRONG_TYPE")])
    data = given if isinstance(given, bytes) else _file(field, given)
    if b"-----BEGIN " not in data:
        raise InvalidArgument.of([FieldViolation(field, "is not in PEM (-----BEGIN ...-----)", "INVALID_CERTIFICATE")])
    return data


def _check_pair(certificate: str | os.PathLike[str], key: str | os.PathLike[str]) -> None:
    """InvalidArgument for a certificate and a key that do not belong together: gRPC would say that nobody answers."""
    import ssl

    def no_password() -> str:
        raise InvalidArgument.of(
            [FieldViolation("client_key", f"{os.fspath(key)}: is encrypted; give it without a password", wrong)]
        )

    wrong = "INVALID_CERTIFICATE"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            message = f"{os.fspath(key)}: is not the key of the certificate {os.fspath(certificate)}"
        else:
            message = f"{os.fspath(key)}, with {os.fspath(certificate)}: cannot be read ({error.reason or 'not PEM'})"
        raise InvalidArgument.of([FieldViolation("client_key", message, wrong)]) from None


def _file(field: str, path: str | os.PathLike[str]) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        message = f"{os.fspath(path)}: cannot be read: {error.strerror}"
        raise InvalidArgument.of([FieldViolation(field, message, "INVALID_CERTIFICATE")]) from None


_grpc_woke_in: int | None = None  # the process in which this package first made a channel


def wake_grpc() -> int:
    """Called before a channel is made; the process id. ClientMisplaced in a fork of a process that has used gRPC.

    gRPC's threads do not survive a fork, and a call in the child would hang for ever, whatever its deadline. With
    GRPC_ENABLE_FORK_SUPPORT in the environment gRPC starts them anew.
    """
    global _grpc_woke_in
    process = os.getpid()
    if _grpc_woke_in is None or os.environ.get("GRPC_ENABLE_FORK_SUPPORT", "").lower() in ("1", "y", "yes", "true"):
        _grpc_woke_in = process
    elif _grpc_woke_in != process:
        raise ClientMisplaced(
            f"process {process} was forked from one that had called a server (process {_grpc_woke_in}); gRPC does not "
            "survive that, so spawn workers, fork before the first call, or set GRPC_ENABLE_FORK_SUPPORT=1 for Python"
        )
    return process


def _checked_target(target: object) -> str:
    """The address, or InvalidArgument for what no resolver makes one of: better than a wait for "no such host"."""
    if not isinstance(target, str) or not target.strip() or not target.isprintable():
        raise InvalidArgument.of([FieldViolation("target", 'needs an address, as "127.0.0.1:50051"', "REQUIRED")])
    address = target.strip()
    scheme, parted, _ = address.partition("://")
    if parted and scheme not in _SCHEMES:
        message = f"{address} begins with {scheme}://, which is no kind of gRPC address; give HOST:PORT alone"
        raise InvalidArgument.of([FieldViolation("target", message, "INVALID_TARGET")])
    found = _HOST_PORT.fullmatch(address)
    if found and not (re.fullmatch(r"[0-9]{1,5}", found["port"]) and 0 < int(found["port"]) < 65_536):
        message = f"{address} has no port from 1 to 65535; give HOST:PORT"
        raise InvalidArgument.of([FieldViolation("target", message, "INVALID_TARGET")])
    return address


def _checked_token(token: object) -> str:
    # header values travel as printable ASCII
    token = token.strip() if isinstance(token, str) else ""
    if not token or not token.isascii() or not token.isprintable():
        raise InvalidArgument.of([FieldViolation("token", "needs printable ASCII", "INVALID_TOKEN")])
    return token

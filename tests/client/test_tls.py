"""TLS from end to end: the server's files, both clients, client certificates, a certificate that is renewed."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import onrecord
from onrecord import errors
from onrecord_server.app import _bind
from onrecord_server.config import ServerConfig
from onrecord_server.domain.errors import ConfigError
from onrecord_server.rpc.backend import Backend, BackendSlot
from onrecord_server.rpc.interceptors import CallGuard
from onrecord_server.rpc.server import build_server

pytestmark = pytest.mark.usefixtures("short_pauses")

# test folders are no packages
_spec = importlib.util.spec_from_file_location(
    "onrecord_test_certificates", Path(__file__).with_name("certificates.py")
)
assert _spec is not None
assert _spec.loader is not None
certificates = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = certificates
_spec.loader.exec_module(certificates)

Serve = Callable[..., Awaitable[str]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Opens the server's port as `onrecord serve` does, and returns its address."""
    started = []

    async def start(backend: Backend | None = None, **settings: Any) -> str:
        server, health = build_server(BackendSlot(backend), CallGuard(None, ()))
        address = _bind(server, ServerConfig(listen="127.0.0.1:0", **{k: str(v) for k, v in settings.items()}))
        await server.start()
        await health.serving()
        started.append(server)
        return address

    yield start
    for server in started:
        await server.stop(None)


async def test_a_certificate_that_is_trusted(serve: Serve, make: Any, tmp_path: Path) -> None:
    authority = certificates.Authority(tmp_path)
    pair = authority.signed("127.0.0.1")
    address = await serve(tls_cert=pair.cert, tls_key=pair.key)
    for roots in (authority.cert, str(authority.cert), authority.cert.read_bytes()):
        await make(address, root_certificates=roots).wait_ready(10)


async def test_a_certificate_for_another_name(serve: Serve, make: Any, tmp_path: Path) -> None:
    authority = certificates.Authority(tmp_path)
    pair = authority.signed("onrecord.example")
    address = await serve(tls_cert=pair.cert, tls_key=pair.key)
    with pytest.raises(errors.Unavailable, match="is for another host"):
        await make(address, root_certificates=authority.cert, timeout=5).info()
    await make(address, root_certificates=authority.cert, server_name="onrecord.example").wait_ready(10)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "hangs up at once: it may want TLS"),
        ({"tls": True}, r"the TLS certificate of 127\.0\.0\.1:\d+ is not trusted \(unable to get local issuer"),
    ],
)
async def test_what_keeps_the_two_apart_is_said(
    serve: Serve, make: Any, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    pair = certificates.Authority(tmp_path).signed("127.0.0.1")
    address = await serve(tls_cert=pair.cert, tls_key=pair.key)
    with pytest.raises(errors.Unavailable, match=message):
        await make(address, timeout=5, **options).info()


async def test_a_client_that_encrypts_and_a_server_that_does_not(serve: Serve, make: Any) -> None:
    with pytest.raises(errors.Unavailable, match="does not speak TLS as asked"):
        await make(await serve(), tls=True, timeout=5).info()


async def test_clients_with_a_certificate_of_their_own(serve: Serve, make: Any, tmp_path: Path) -> None:
    ours, theirs = certificates.Authority(tmp_path, "ours"), certificates.Authority(tmp_path, "theirs")
    pair, mine, stranger = ours.signed("127.0.0.1"), theirs.signed("me"), ours.signed("stranger")
    address = await serve(tls_cert=pair.cert, tls_key=pair.key, tls_client_ca=theirs.cert)
    known = make(address, root_certificates=ours.cert, client_certificate=mine.cert, client_key=mine.key)
    await known.wait_ready(10)
    for options in ({}, {"client_certificate": stranger.cert, "client_key": stranger.key}):
        with pytest.raises(errors.Unavailable):
            await make(address, root_certificates=ours.cert, timeout=5, **options).info()


async def test_a_renewed_certificate_is_found_without_a_restart(
    serve: Serve, make: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old, new = certificates.Authority(tmp_path, "old"), certificates.Authority(tmp_path, "new")
    pair = old.signed("127.0.0.1")
    address = await serve(tls_cert=pair.cert, tls_key=pair.key)
    await make(address, root_certificates=old.cert).wait_ready(10)
    renewed = new.signed("127.0.0.1")
    os.utime(renewed.cert, (1, 1))  # written at another time, whatever the clock's grain
    os.replace(renewed.cert, pair.cert)
    with pytest.raises(errors.Unavailable):  # half renewed: the key is still the old one, and so is the certificate
        await make(address, root_certificates=new.cert).wait_ready(1)
    assert "the certificate is not renewed" in caplog.text
    os.utime(renewed.key, (1, 1))
    os.replace(renewed.key, pair.key)
    await make(address, root_certificates=new.cert).wait_ready(10)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"root_certificates": "/no/such/file"}, "root_certificates: /no/such/file: cannot be read: No such file"),
        ({"root_certificates": b"junk"}, "root_certificates: is not in PEM"),
        ({"root_certificates": 5}, "root_certificates: needs the path of a PEM file, or its bytes, not int"),
        ({"client_key": b"-----BEGIN X-----"}, "client_certificate: is missing"),
        ({"client_certificate": b"-----BEGIN X-----"}, "client_key: is missing"),
    ],
)
def test_what_a_client_refuses(option: dict[str, Any], message: str) -> None:
    for kind in (onrecord.Client, onrecord.AsyncClient):
        with pytest.raises(errors.InvalidArgument, match=message):
            kind("127.0.0.1:1", **option)


def test_a_key_that_is_not_the_certificates_is_known_before_connecting(tmp_path: Path) -> None:
    authority = certificates.Authority(tmp_path)
    one, other = authority.signed("me"), authority.signed("you")
    junk = tmp_path / "junk"
    junk.write_text("-----BEGIN PRIVATE KEY-----\njunk\n-----END PRIVATE KEY-----\n")
    for key, message in ((other.key, "client_key: .* is not the key of the certificate"), (junk, "cannot be read")):
        for kind in (onrecord.Client, onrecord.AsyncClient):
            with pytest.raises(errors.InvalidArgument, match=message):
                kind("127.0.0.1:1", client_certificate=one.cert, client_key=key)


async def test_what_the_server_refuses(serve: Serve, tmp_path: Path) -> None:
    authority = certificates.Authority(tmp_path)
    one, other = authority.signed("127.0.0.1"), authority.signed("onrecord.example")
    junk = tmp_path / "junk"
    junk.write_text("junk")
    for settings, message in (
        ({"tls_cert": one.cert}, "--tls-cert: goes together with --tls-key"),
        ({"tls_key": one.key}, "--tls-key: goes together with --tls-cert"),
        ({"tls_client_ca": one.cert}, "--tls-client-ca: needs TLS"),
        ({"tls_cert": one.cert, "tls_key": other.key}, "the key is not the certificate's"),
        ({"tls_cert": junk, "tls_key": one.key}, "not an unencrypted PEM pair"),
        ({"tls_cert": tmp_path / "none", "tls_key": one.key}, "--tls-cert .*none: cannot be read: No such file"),
        ({"tls_cert": one.cert, "tls_key": one.key, "tls_client_ca": junk}, "--tls-client-ca .*: no PEM certificates"),
    ):
        with pytest.raises(ConfigError, match=message):
            await serve(**settings)

"""The metrics' port: who may have it, what it answers, whom it does not wait for."""

from __future__ import annotations

import contextlib
import http.client
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Counter

from onrecord_server.domain.errors import ConfigError
from onrecord_server.telemetry.endpoint import MetricsEndpoint
from onrecord_server.telemetry.telemetry import Telemetry


@pytest.fixture
def registry() -> CollectorRegistry:
    """One counter, at 3."""
    made = CollectorRegistry()
    Counter("things", "Things.", registry=made).inc(3)
    return made


@pytest.fixture
def endpoint(registry: CollectorRegistry) -> Iterator[MetricsEndpoint]:
    """Told on a free port."""
    opened = MetricsEndpoint(registry, "127.0.0.1:0", "127.0.0.1", 0)
    yield opened
    opened.close()


def read(url: str) -> str:
    """The page."""
    with urllib.request.urlopen(url, timeout=20) as answer:
        return str(answer.read().decode())


def test_the_registry_is_told(endpoint: MetricsEndpoint) -> None:
    assert "things_total 3.0\n" in read(endpoint.url)


@pytest.mark.parametrize(("path", "data", "status"), [("/", None, 404), ("/metricsx", None, 404), ("", b"{}", 501)])
def test_one_path_and_one_method(endpoint: MetricsEndpoint, path: str, data: bytes | None, status: int) -> None:
    url = endpoint.url.removesuffix("/metrics") + path if path else endpoint.url
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url, data, timeout=20)
    assert caught.value.code == status
    caught.value.close()


def test_who_connects_and_says_nothing_holds_up_nobody(endpoint: MetricsEndpoint) -> None:
    host, _, port = endpoint.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=20), socket.create_connection((host, int(port))) as half:
        half.sendall(b"GET /metr")
        assert "things_total" in read(endpoint.url)


def test_those_who_say_nothing_cannot_take_every_thread(
    registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onrecord_server.telemetry.endpoint._MOST_AT_ONCE", 2)
    opened = MetricsEndpoint(registry, "127.0.0.1:0", "127.0.0.1", 0)
    host, _, port = opened.address.rpartition(":")
    try:
        with contextlib.ExitStack() as silent:
            for _ in range(2):
                silent.enter_context(socket.create_connection((host, int(port)), timeout=20))
            third = silent.enter_context(socket.create_connection((host, int(port)), timeout=20))
            assert third.recv(1) == b""  # hung up on, long before the others are let go
        for _ in range(1_000):  # until the server has seen that they left
            with contextlib.suppress(OSError, http.client.HTTPException):
                assert "things_total 3.0\n" in read(opened.url)
                break
        else:
            pytest.fail("nobody is answered any more")
    finally:
        opened.close()


def test_ipv6_too(registry: CollectorRegistry) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 on this machine")
    opened = MetricsEndpoint(registry, "[::1]:0", "::1", 0)
    assert opened.url.startswith("http://[::1]:")
    assert "things_total" in read(opened.url)
    opened.close()


def test_a_port_that_is_taken_is_said(registry: CollectorRegistry) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"--metrics-listen 127.0.0.1:{port}: Address already in use"):
            MetricsEndpoint(registry, f"127.0.0.1:{port}", "127.0.0.1", port)


def test_a_host_that_is_not_here_is_said(registry: CollectorRegistry) -> None:
    with pytest.raises(ConfigError, match=r"--metrics-listen nobody\.invalid:1: "):
        MetricsEndpoint(registry, "nobody.invalid:1", "nobody.invalid", 1)


def test_the_port_is_given_back(registry: CollectorRegistry) -> None:
    first = MetricsEndpoint(registry, "127.0.0.1:0", "127.0.0.1", 0)
    port = int(first.address.rpartition(":")[2])
    first.close()
    second = MetricsEndpoint(registry, first.address, "127.0.0.1", port)
    assert second.address == first.address
    second.close()


def test_without_being_asked_there_is_none() -> None:
    off = Telemetry("1.0", {})
    assert (off.observers, off.metrics_url) == ((), None)
    off.close()

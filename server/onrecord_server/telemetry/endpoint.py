"""GET /metrics, answered by threads of its own.

A scrape never touches the event loop: the counters are read under their own locks, the record by a reader's connection.
So it is answered while the loop is busy, and a slow scraper holds up nobody's call. What it shares with the rest is
Python's interpreter lock, which the models' arithmetic does not hold.
"""

from __future__ import annotations

import socket
import threading
from http.server import ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from prometheus_client import CollectorRegistry, MetricsHandler

from onrecord_server.domain.errors import ConfigError

PATH = "/metrics"

# A scraper that sends or reads nothing for so long is let go.
_TIMEOUT_SECONDS = 10.0
# Connections at a time, each of which holds a thread; one more is hung up on. A Prometheus needs one.
_MOST_AT_ONCE = 64


class MetricsEndpoint:
    """Serves the registry at http://`address`/metrics until closed. Raises ConfigError when the port cannot be had.

    listen: the setting's value, for the message. host, port: the same, parsed; port 0 takes a free one.
    """

    def __init__(self, registry: CollectorRegistry, listen: str, host: str, port: int) -> None:
        try:
            family, _, _, _, _ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            self._server = _server(family, host, port, registry)
        except OSError as error:
            why = error.strerror or error
            raise ConfigError(f"--metrics-listen {listen}: {why}; choose another address") from error
        shown = f"[{host}]" if ":" in host else host
        self.address = f"{shown}:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="metrics", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """Where the metrics are."""
        return f"http://{self.address}{PATH}"

    def close(self) -> None:
        """Give the port back. Blocks for a tenth of a second; scrapes that are being answered are not waited for."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _server(family: socket.AddressFamily, host: str, port: int, registry: CollectorRegistry) -> ThreadingHTTPServer:
    class Handler(MetricsHandler):
        """Metrics at one path only, for those who are not too slow."""

        timeout = _TIMEOUT_SECONDS

        def do_GET(self) -> None:
            if self.path.partition("?")[0] == PATH:
                super().do_GET()
            else:
                self.send_error(404, f"only {PATH} is here")

    Handler.registry = registry

    room = threading.BoundedSemaphore(_MOST_AT_ONCE)

    class Server(ThreadingHTTPServer):
        """Takes the port without asking the name service for its own name, as HTTPServer does: that may take long."""

        address_family = family
        daemon_threads = True
        block_on_close = False

        def server_bind(self) -> None:
            TCPServer.server_bind(self)
            self.server_name, self.server_port = host, int(self.server_address[1])

        def process_request(self, request: Any, client_address: Any) -> None:
            if not room.acquire(blocking=False):
                self.shutdown_request(request)
                return
            try:
                super().process_request(request, client_address)
            except BaseException:  # no thread was to be had
                room.release()
                raise

        def process_request_thread(self, request: Any, client_address: Any) -> None:
            try:
                super().process_request_thread(request, client_address)
            finally:
                room.release()

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A scraper that left early is no news."""

    return Server((host, port), Handler)

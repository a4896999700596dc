"""TLS of the server: certificate and key from files, read again when they change, so that renewing needs no restart."""

from __future__ import annotations

import logging
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path

import grpc

from onrecord_server.domain.errors import ConfigError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Paths of PEM files. `client_ca`: who must have signed the certificates of clients; None: clients need none."""

    cert: str
    key: str
    client_ca: str | None = None


def server_credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """What the port is opened with. ConfigError when a file cannot be read, is no PEM, or the key is another's.

    A new connection finds changed files; where those are unusable the log says so and the ones before stay.
    """
    held = _Held(files)
    return grpc.dynamic_ssl_server_credentials(
        held.configuration,
        held.changed,  # type: ignore[arg-type]  # None, too: no change
        require_client_authentication=files.client_ca is not None,
    )


class _Held:
    """The certificate in use, and when its files were written."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._written = self._times()
        self._lock = threading.Lock()
        self.configuration = _read(files)

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        """What to use from now on, None when that is the same. gRPC asks before each handshake, in its own threads."""
        with self._lock:
            times = self._times()
            if times == self._written:
                return None
            self._written = times
            try:
                self.configuration = _read(self._files)
            except ConfigError as error:
                logger.error("the certificate is not renewed: %s", error.message)
                return None
            logger.info("the certificate was read anew from %s", self._files.cert)
            return self.configuration

    def _times(self) -> tuple[int, ...]:
        paths = [path for path in (self._files.cert, self._files.key, self._files.client_ca) if path]
        return tuple(_written(path) for path in paths)


def _written(path: str) -> int:
    try:
        return Path(path).stat().st_mtime_ns
    except OSError:
        return 0


def _read(files: TlsFiles) -> grpc.ServerCertificateConfiguration:
    cert, key = _bytes("--tls-cert", files.cert), _bytes("--tls-key", files.key)
    # gRPC meets a key of another certificate only in a handshake, and then tells the client nothing
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(files.cert, files.key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        why = "the key is not the certificate's" if "MISMATCH" in str(error) else "not an unencrypted PEM pair"
        raise ConfigError(f"--tls-cert {files.cert}, --tls-key {files.key}: {why}") from error
    roots = None
    if files.client_ca is not None:
        roots = _bytes("--tls-client-ca", files.client_ca)
        try:
            context.load_verify_locations(cadata=roots.decode("ascii"))
        except (ssl.SSLError, ValueError) as error:
            raise ConfigError(f"--tls-client-ca {files.client_ca}: no PEM certificates in it") from error
    return grpc.ssl_server_certificate_configuration([(key, cert)], roots)


def _bytes(flag: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"{flag} {path}: cannot be read: {error.strerror}") from error


def _no_password() -> str:
    """OpenSSL would ask at the terminal."""
    raise ValueError("the key is encrypted")

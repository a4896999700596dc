"""Configuration of the server. This docstring and `onrecord serve --help` are the manual.

Each field of `ServerConfig` is declared once, and that declaration is the flag (`--max-queue-tokens`), the environment
variable (`ONRECORD_MAX_QUEUE_TOKENS`), the key of the configuration file (`max_queue_tokens` under `[serve]`), the
default and the help. A flag wins over the variable, and that over the file (`onrecord.cli._settings`). Nothing is
read from the environment at import. Importing this module is cheap: no torch, no grpc.

Security: the server listens on loopback unless `allow_remote` is set. It speaks plaintext gRPC unless it has a
certificate (`tls_cert`, `tls_key`). A token (`token_file`) keeps strangers out, but without TLS it travels in clear;
`tls_client_ca` lets in only those who have a certificate of their own.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
import os
import re
import sys
from collections.abc import Callable
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any

import click
import platformdirs

from onrecord.cli._settings import Setting, config_option, flag_of
from onrecord_server.domain.errors import ConfigError
from onrecord_server.domain.switches import Switches

MEMORY = ":memory:"
BUILTIN = "builtin"
FAKE = "fake"

_HELP = """Run the server until SIGTERM or SIGINT.

    \b
    onrecord serve --store record.db
    onrecord serve --listen 0.0.0.0:50051 --allow-remote --token-file token.txt --metrics-listen 127.0.0.1:9464
    """
_POSITIVE = click.IntRange(min=1)
_LEAST_BATCH = 512  # tokens, what a core is given at a time unless told otherwise


def default_store(encoder: str = BUILTIN, revision: str | None = None) -> str:
    """record.db in the user's data folder (on Linux ~/.local/share/onrecord), or record-ENCODER.db there.

    A record holds the vectors of one encoder: the first start with another must not take the built-in one's file.
    """
    folder = platformdirs.user_data_path("onrecord", appauthor=False)
    if encoder == BUILTIN:
        return str(folder / "record.db")
    if encoder != FAKE and os.path.isdir(encoder):  # the same folder, however it is written
        encoder = os.path.realpath(encoder)
    short = re.sub(r"[^a-z0-9]+", "-", Path(encoder).name.lower()).strip("-")[:40]
    if (short, revision) != (encoder, None):  # the digest tells apart what is alike in short
        whole = f"{encoder}@{revision or ''}".encode("utf-8", "surrogatepass")
        short += "-" + hashlib.sha256(whole).hexdigest()[:8]
    return str(folder / f"record-{short.lstrip('-')}.db")


def _setting(
    default: Any,
    help_text: str,
    kind: click.ParamType[Any],
    *,
    shown: str | bool = True,
    metavar: str | None = None,
    multiple: bool = False,
) -> Any:
    """A field with everything its flag and variable need. multiple: a repeatable flag; the variable parts by spaces."""
    metadata = {"help": help_text, "kind": kind, "shown": shown, "metavar": metavar, "multiple": multiple}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """How the server runs. Raises ConfigError for values that cannot work together."""

    listen: str = _setting(
        "127.0.0.1:50051", "Address to listen on; port 0 takes a free one.", click.STRING, metavar="HOST:PORT"
    )
    http: str | None = _setting(
        None,
        "Address for callers without gRPC: the contract's unary methods as JSON over HTTP. Needs onrecord[http].",
        click.STRING,
        shown="no HTTP",
        metavar="HOST:PORT",
    )
    metrics_listen: str | None = _setting(
        None,
        "Address for Prometheus to scrape, http://HOST:PORT/metrics; 9464 is a usual port.",
        click.STRING,
        shown="no metrics",
        metavar="HOST:PORT",
    )
    allow_remote: bool = _setting(
        False, "Allow --listen, --http and --metrics-listen addresses that are not loopback.", click.BOOL
    )
    token_file: str | None = _setting(
        None,
        "File with a secret; calls must then carry `authorization: Bearer SECRET`.",
        click.Path(dir_okay=False),
        metavar="FILE",
    )
    tls_cert: str | None = _setting(
        None,
        "PEM file with the server's certificate chain; gRPC is then encrypted. Read again when it changes.",
        click.Path(dir_okay=False),
        shown="plaintext",
        metavar="FILE",
    )
    tls_key: str | None = _setting(
        None, "PEM file with the private key of --tls-cert, unencrypted.", click.Path(dir_okay=False), metavar="FILE"
    )
    tls_client_ca: str | None = _setting(
        None,
        "PEM file of who signs clients' certificates; those without one are turned away. Needs --tls-cert.",
        click.Path(dir_okay=False),
        metavar="FILE",
    )
    store: str | None = _setting(
        None,
        'File that holds the record; ":memory:" keeps nothing.',
        click.Path(dir_okay=False),
        shown="record.db in the user's data folder, record-NAME.db with another --encoder",
        metavar="FILE",
    )
    model: str = _setting(
        BUILTIN,
        'NLI model: "builtin", a folder, a hub id, or "fake" (for tests only).',
        click.STRING,
        metavar="NAME",
    )
    model_revision: str | None = _setting(None, "Revision of a hub model.", click.STRING, metavar="REV")
    encoder: str = _setting(
        BUILTIN, 'Retrieval encoder: "builtin", a folder, a hub id, or "fake".', click.STRING, metavar="NAME"
    )
    encoder_revision: str | None = _setting(None, "Revision of a hub encoder.", click.STRING, metavar="REV")
    precision: str = _setting(
        "auto",
        "Arithmetic of the models, int8 of the NLI model alone; auto measures: the fastest that costs no accuracy.",
        click.Choice(["auto", "fp32", "bf16", "int8"]),
    )  # fmt: skip
    device: str = _setting(
        "auto", "Where the models compute; auto is CUDA where there is one.", click.Choice(["auto", "cpu", "cuda"])
    )
    calibration: str | None = _setting(
        None,
        'Calibration of the NLI model, a file made by `onrecord calibrate`; "none" for none.',
        click.Path(dir_okay=False),
        shown="calibration.json beside the model, if there is one",
        metavar="FILE",
    )
    attribution: str = _setting(
        "auto", "Who reads documents: the rules alone or with the tagger; auto is with it where it is installed.",
        click.Choice(["auto", "rules", "tagger"]),
    )  # fmt: skip
    threads: int | None = _setting(None, "Cores for the models.", _POSITIVE, shown="all")
    inference: str = _setting(
        "auto",
        "Where the models run: in processes of their own, one per core (Linux), or in threads of the server's.",
        click.Choice(["auto", "processes", "threads"]),
        shown="processes where they are to be had",
    )
    max_batch_tokens: int | None = _setting(
        None,
        "Tokens of one batch of the model; a core computes it, or a GPU.",
        _POSITIVE,
        shown="512 on a CPU, 16384 on CUDA",
    )
    max_queue_tokens: int = _setting(
        200_000, "Tokens that may wait for the model, one batch at least; more are refused with OVERLOADED.", _POSITIVE
    )
    without: tuple[str, ...] = _setting(
        (),
        f"Leave out a part of the rule: {', '.join(f.name for f in fields(Switches) if f.default)}. Repeatable.",
        click.STRING,
        shown="all on",
        metavar="PART",
        multiple=True,
    )
    cache_pairs: int = _setting(50_000, "Scored pairs kept in memory; 0 keeps none.", click.IntRange(min=0))
    drain_seconds: float = _setting(
        30.0, "Time for calls in flight to finish after SIGTERM.", click.FloatRange(min=0), metavar="SECONDS"
    )
    ready_file: str | None = _setting(
        None,
        "Write HOST:PORT to this file once the server answers; removed at exit.",
        click.Path(dir_okay=False),
        metavar="FILE",
    )
    log_level: str = _setting(
        "info", "Least severe messages to log.", click.Choice(["debug", "info", "warning", "error"])
    )
    log_format: str = _setting("text", "Log lines for people or for machines.", click.Choice(["text", "json"]))
    traces: str = _setting(
        "off",
        "OpenTelemetry spans: to a collector, as the OTEL_* variables say, or to stderr. Needs onrecord[otel].",
        click.Choice(["off", "otlp", "console"]),
    )

    def __post_init__(self) -> None:
        host, _ = self.address
        if not self.allow_remote and not is_loopback(host):
            raise ConfigError(
                f"--listen {self.listen}: not a loopback address; add --allow-remote (with --tls-cert, --tls-key and "
                "--token-file) if others may reach it"
            )
        if not self.allow_remote and not is_loopback(self.http_address[0]):
            raise ConfigError(
                f"--http {self.http}: not a loopback address; HTTP has no TLS here, so add --allow-remote "
                "(and --token-file) if others may reach it"
            )
        if (self.tls_cert is None) != (self.tls_key is None):
            given, needed = ("--tls-cert", "--tls-key") if self.tls_key is None else ("--tls-key", "--tls-cert")
            raise ConfigError(f"{given}: goes together with {needed}; give both")
        if self.tls_client_ca is not None and self.tls_cert is None:
            raise ConfigError("--tls-client-ca: needs TLS; give --tls-cert and --tls-key")
        if not self.allow_remote and not is_loopback(self.metrics_address[0]):
            raise ConfigError(
                f"--metrics-listen {self.metrics_listen}: not a loopback address; metrics have neither TLS nor token, "
                "so add --allow-remote if others may read them"
            )
        if not math.isfinite(self.drain_seconds) or self.drain_seconds < 0:
            raise ConfigError(f"--drain-seconds {self.drain_seconds}: give a number of seconds, 0 or more")
        try:
            Switches().without(self.without)
        except ValueError as error:
            raise ConfigError(f"--without: {error}") from error
        batch = self.max_batch_tokens or _LEAST_BATCH
        if self.max_queue_tokens < batch:
            raise ConfigError(
                f"--max-queue-tokens {self.max_queue_tokens}: less than one batch; give at least "
                f"--max-batch-tokens ({batch})"
            )

    @property
    def store_path(self) -> str:
        """`store`, or where the record is when none is given; ":memory:" is no path."""
        return self.store if self.store is not None else default_store(self.encoder, self.encoder_revision)

    @property
    def switches(self) -> Switches:
        """The parts of the verdict rule that are on."""
        return Switches().without(self.without)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of `listen`; brackets of an IPv6 host are taken off."""
        return _parse_address("--listen", self.listen)

    @property
    def http_address(self) -> tuple[str, int]:
        """Host and port of `http`; a free one on loopback while it is not set."""
        return _parse_address("--http", "127.0.0.1:0" if self.http is None else self.http)

    @property
    def metrics_address(self) -> tuple[str, int]:
        """Host and port of `metrics_listen`; a free one on loopback while it is not set."""
        return _parse_address("--metrics-listen", "127.0.0.1:0" if self.metrics_listen is None else self.metrics_listen)

    def read_token(self) -> str | None:
        """The secret in `token_file`, or None when none is configured. ConfigError when there is no secret in it."""
        if self.token_file is None:
            return None
        try:
            token = Path(self.token_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise ConfigError(f"--token-file {self.token_file}: cannot be read: {why}") from error
        if not token or not token.isascii() or not token.isprintable():
            raise ConfigError(f"--token-file {self.token_file}: put one line of printable ASCII into it")
        return token


def _parse_address(flag: str, listen: str) -> tuple[str, int]:
    """Host without brackets, and port. ConfigError when it is no HOST:PORT."""
    host, colon, port = listen.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not host or not (port.isascii() and port.isdigit()) or len(port) > 5 or int(port) > 65_535:
        raise ConfigError(f"{flag} {listen}: give HOST:PORT with a port from 0 to 65535")
    if ":" in host and not bracketed:
        raise ConfigError(f"{flag} {listen}: put an IPv6 host in brackets, [::1]:50051")
    return (host[1:-1] if bracketed else host), int(port)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the host; names other than localhost count as reachable."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _option(setting: Field[Any]) -> Setting:
    kind = setting.metadata["kind"]
    return Setting(
        [flag_of(setting.name), setting.name],
        type=kind,
        is_flag=kind is click.BOOL,
        default=setting.default,
        show_default=setting.metadata["shown"],
        metavar=setting.metadata["metavar"],
        multiple=setting.metadata["multiple"],
        help=setting.metadata["help"],
    )


def serve_command() -> click.Command:
    """The click command `serve`, with one option per setting.

    Exit status: 0 after SIGTERM or SIGINT, 1 when the server cannot start or its model dies, 2 for a usage error.
    """

    def run(**values: Any) -> None:
        try:
            config = ServerConfig(**values)
        except ConfigError as error:
            raise click.UsageError(error.message) from error
        try:
            sys.exit(_runner()(config))
        except ModuleNotFoundError as error:
            raise click.ClickException(
                f"{error.name} is missing; pip install ./server/models '.[server]' in a checkout"
            ) from error

    return click.Command(
        "serve",
        params=[*(_option(setting) for setting in fields(ServerConfig)), config_option()],
        callback=run,
        help=_HELP,
    )


def _runner() -> Callable[[ServerConfig], int]:
    """app.run, imported late: it needs the server's dependencies, and this module must not."""
    from onrecord_server.app import run

    return run

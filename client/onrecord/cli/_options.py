"""Options that several commands share."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from onrecord._install import how_to_install
from onrecord.cli._report import InputError
from onrecord.cli._settings import FILE, Setting

if TYPE_CHECKING:
    from datetime import datetime

    from onrecord.client import Client

Function = TypeVar("Function", bound=Callable[..., Any])

DEFAULT_TARGET = "127.0.0.1:50051"
VERDICTS = ("SUPPORTED", "CONTRADICTED", "CONFLICTING", "NOT_ENOUGH_EVIDENCE")
TOKEN_VARIABLE = "ONRECORD_TOKEN"  # noqa: S105 -- the name of it
_KEPT = "onrecord.connect."  # under names that begin so a context keeps what `connect` needs

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")


def setting(*declarations: str, **attributes: Any) -> Callable[[Function], Function]:
    """An option that the environment and the configuration file may give, too: see `Setting`."""
    return click.option(*declarations, cls=Setting, **attributes)


def _keep(ctx: click.Context, parameter: click.Parameter, value: object) -> None:
    """For `connect`: what a client is made with, and no command has to know of."""
    ctx.meta[_KEPT + str(parameter.name)] = value


def _kept_setting(*declarations: str, **attributes: Any) -> Callable[[Function], Function]:
    return setting(*declarations, expose_value=False, callback=_keep, **attributes)


_COLLECTION = re.compile(r"(collections/)?[a-z0-9][a-z0-9-]{0,62}")


def _named(ctx: click.Context, parameter: click.Parameter, value: str) -> str:
    """Refuse what no collection can be called, once, before anything is done."""
    if value and not _COLLECTION.fullmatch(value):
        raise click.BadParameter('ids are 1 to 63 characters of a-z, 0-9 and "-", beginning with a letter or digit')
    return value


def _collection_setting(**attributes: Any) -> Callable[[Function], Function]:
    shown: dict[str, Any] = {"default": "default", "show_default": True, "metavar": "ID"}
    return setting("--collection", help="Collection of statements.", **shown, **attributes)


collection_option = _collection_setting(callback=_named)
any_collection_option = _collection_setting()  # for `bench`, which measures refusals, too
timeout_option = setting(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Time for one call.  [default: 30, or 300 for many items]",
)
target_option = setting(
    "--target", default=DEFAULT_TARGET, show_default=True, metavar="HOST:PORT", help="Server to ask."
)
token_file_option = _kept_setting(
    "--token-file",
    type=FILE,
    metavar="FILE",
    help="File with the server's token. ONRECORD_TOKEN, with the token itself, wins.",
)
tls_option = _kept_setting("--tls", is_flag=True, help="Encrypt the connection; the other --tls options do so, too.")
tls_ca_option = _kept_setting(
    "--tls-ca",
    type=FILE,
    metavar="FILE",
    help="Certificates, PEM, to trust.  [default: gRPC's own]",
)
tls_client_cert_option = _kept_setting(
    "--tls-client-cert", type=FILE, metavar="FILE", help="Certificate of the caller, PEM."
)
tls_client_key_option = _kept_setting("--tls-client-key", type=FILE, metavar="FILE", help="Its private key, PEM.")
tls_server_name_option = _kept_setting(
    "--tls-server-name", metavar="NAME", help="Name that the server's certificate bears, where --target is another."
)
max_evidence_option = setting(
    "--max-evidence", type=click.IntRange(0, 32), metavar="N", help="Statements shown, 0 to 32.  [default: 5]"
)
calibration_option = setting(
    "--calibration",
    type=FILE,
    metavar="FILE",
    help="Calibration of the model, with --against.  [default: the one beside the model]",
)
without_option = setting(
    "--without",
    multiple=True,
    metavar="PART",
    help="Leave out a part of the verdict rule, with --against. Repeatable; onrecord serve --help names them.",
)
encoder_option = setting("--encoder", default="builtin", metavar="NAME", help="Encoder, with --against.")
model_option = setting(
    "--model",
    default="builtin",
    metavar="NAME",
    help="NLI model, with --against: builtin, a folder, a hub id, or fake.",
)


_SERVER = (
    target_option, timeout_option, token_file_option, tls_option, tls_ca_option, tls_client_cert_option,
    tls_client_key_option, tls_server_name_option,
)  # fmt: skip


def server_options(function: Function) -> Function:
    """--target, --timeout, and how to connect."""
    for option in reversed(_SERVER):
        function = option(function)
    return function


def against_options(function: Function) -> Function:
    """What `check` and `batch` need to work in process."""
    for option in (
        calibration_option,
        without_option,
        encoder_option,
        model_option,
        click.option(
            "--against",
            multiple=True,
            type=FILE,
            metavar="FILE",
            help="Check against this file, without a server: a .jsonl of statements, or a document. Repeatable.",
        ),
    ):
        function = option(function)
    return function


def connect(target: str, timeout: float | None) -> Client:
    """A client for the options."""
    from onrecord.client import Client

    context = click.get_current_context(silent=True)
    meta = context.meta if context else {}

    def kept(name: str) -> Any:
        return meta.get(_KEPT + name)

    times = {} if timeout is None else {"timeout": timeout, "batch_timeout": timeout}
    return Client(
        target,
        token=_token(kept("token_file")),
        tls=bool(kept("tls")),
        root_certificates=kept("tls_ca"),
        client_certificate=kept("tls_client_cert"),
        client_key=kept("tls_client_key"),
        server_name=kept("tls_server_name"),
        **times,
    )


def _token(path: str | None) -> str | None:
    """The token in the environment, else the one in --token-file."""
    if (token := os.environ.get(TOKEN_VARIABLE)) or path is None:
        return token or None
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read().strip() or None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: holds no token; put one line of printable ASCII into it") from None


def refuse_both(context: click.Context, against: tuple[str, ...], without: tuple[str, ...] = ()) -> None:
    """--against and --target on one command line contradict each other; a target that is set for good does not.

    --without is for --against: a server has its own.
    """
    given = context.get_parameter_source("without") is click.core.ParameterSource.COMMANDLINE
    if without and given and not against:
        raise click.UsageError("--without is for --against; a server leaves out parts with `onrecord serve --without`")
    if against and context.get_parameter_source("target") is click.core.ParameterSource.COMMANDLINE:
        raise click.UsageError("give --target or --against, not both")


class Verdicts(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic from click 8.4 on
    """Names of verdicts, parted by commas, in any case."""

    name = "VERDICTS"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        """The names that go on from the last comma."""
        before, comma, last = incomplete.rpartition(",")
        names = [name.lower() for name in VERDICTS if name.lower().startswith(last.lower())]
        return [click.shell_completion.CompletionItem(f"{before}{comma}{name}") for name in names]

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> frozenset[str]:
        """The set of names."""
        if isinstance(value, frozenset):
            return value
        names = [name.strip().upper().replace("-", "_") for name in str(value).split(",")]
        for name in names:
            if name not in VERDICTS:
                self.fail(f"{name!r} is no verdict; choose among {', '.join(VERDICTS)}", param, ctx)
        return frozenset(names)


class Time(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic from click 8.4 on
    """A date, or an RFC 3339 time."""

    name = "DATE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """An aware datetime."""
        from onrecord._json import parse_time

        try:
            return parse_time(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class AsOf(Time):
    """A time, or a date: then its end, for a record as of a day holds what was said on it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """An aware datetime."""
        from onrecord._json import parse_as_of

        try:
            return parse_as_of(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


as_of_option = click.option(
    "--as-of",
    type=AsOf(),
    metavar="DATE",
    help="Check against the record as it stood then: a date (its end, UTC) or a time.  [default: now]",
)

fail_on_option = setting(
    "--fail-on",
    type=Verdicts(),
    default=frozenset(),
    metavar="VERDICTS",
    help="Exit with 3 on these verdicts, for example contradicted,conflicting.",
)


ignore_bad_option = click.option(
    "--ignore-bad", is_flag=True, help="Exit with 0 although lines were passed over, and not with 2."
)

_SHARED = (
    *_SERVER, collection_option, max_evidence_option, fail_on_option, model_option,
    encoder_option, calibration_option, without_option,
)  # fmt: skip


def shared() -> dict[str, Setting]:
    """The settings that may stand at the top of the configuration file, by name, in the order of its documentation."""

    def nothing() -> None: ...

    for option in reversed(_SHARED):
        option(nothing)
    return {str(made.name): made for made in reversed(nothing.__click_params__)}  # type: ignore[attr-defined]


def missing(error: ModuleNotFoundError) -> click.ClickException:
    """What to install when an import fails."""
    return click.ClickException(
        f"this needs the server's packages ({error.name} is missing): {how_to_install('server')}"
    )

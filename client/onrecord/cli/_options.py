"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from datetime import datetime

    from onrecord.client import Client

Function = TypeVar("Function", bound=Callable[..., Any])

DEFAULT_TARGET = "127.0.0.1:50051"
VERDICTS = ("SUPPORTED", "CONTRADICTED", "CONFLICTING", "NOT_ENOUGH_EVIDENCE")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")
collection_option = click.option(
    "--collection", default="default", show_default=True, metavar="ID", help="Collection of statements."
)
timeout_option = click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Time for one call.  [default: 30, or 300 for many items]",
)
target_option = click.option(
    "--target",
    envvar="ONRECORD_TARGET",
    show_envvar=True,
    default=DEFAULT_TARGET,
    show_default=True,
    metavar="HOST:PORT",
    help="Server to ask.",
)


max_evidence_option = click.option(
    "--max-evidence", type=click.IntRange(0, 32), metavar="N", help="Statements shown, 0 to 32.  [default: 5]"
)


def server_options(function: Function) -> Function:
    """--target and --timeout."""
    return target_option(timeout_option(function))


def against_options(function: Function) -> Function:
    """What `check` and `batch` need to work in process."""
    for option in (
        click.option(
            "--calibration",
            envvar="ONRECORD_CALIBRATION",
            metavar="FILE",
            help="Calibration of the model, with --against.  [default: the one beside the model]",
        ),
        click.option(
            "--without",
            multiple=True,
            metavar="PART",
            help="Leave out a part of the verdict rule, with --against. Repeatable; onrecord serve --help names them.",
        ),
        click.option(
            "--encoder", envvar="ONRECORD_ENCODER", default="builtin", metavar="NAME", help="Encoder, with --against."
        ),
        click.option(
            "--model",
            envvar="ONRECORD_MODEL",
            default="builtin",
            metavar="NAME",
            help="NLI model, with --against: builtin, a folder, a hub id, or fake.",
        ),
        click.option(
            "--against",
            multiple=True,
            metavar="FILE",
            help="Check against this file, without a server: a .jsonl of statements, or a document. Repeatable.",
        ),
    ):
        function = option(function)
    return function


def connect(target: str, timeout: float | None) -> Client:
    """A client for the options."""
    from onrecord.client import Client

    token = os.environ.get("ONRECORD_TOKEN") or None
    if timeout is None:
        return Client(target, token=token)
    return Client(target, timeout=timeout, batch_timeout=timeout, token=token)


def refuse_both(context: click.Context, against: tuple[str, ...], without: tuple[str, ...] = ()) -> None:
    """--against and --target on one command line contradict each other; ONRECORD_TARGET does not.

    --without is for --against: a server has its own.
    """
    if without and not against:
        raise click.UsageError("--without is for --against; a server leaves out parts with `onrecord serve --without`")
    if against and context.get_parameter_source("target") is click.core.ParameterSource.COMMANDLINE:
        raise click.UsageError("give --target or --against, not both")


class Verdicts(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic from click 8.4 on
    """Names of verdicts, parted by commas, in any case."""

    name = "VERDICTS"

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

fail_on_option = click.option(
    "--fail-on",
    type=Verdicts(),
    default=frozenset(),
    metavar="VERDICTS",
    help="Exit with 3 on these verdicts, for example contradicted,conflicting.",
)


def missing(error: ModuleNotFoundError) -> click.ClickException:
    """What to install when an import fails."""
    return click.ClickException(
        f"this needs the server's packages ({error.name} is missing); in a checkout of onrecord: "
        "pip install ./server/models '.[server]'; from a package index: pip install 'onrecord[server]'"
    )

"""Settings: options that may also be given for good, in the environment or in a configuration file.

A `Setting` is declared once, and that declaration is the flag (`--max-evidence`), the environment variable
(`ONRECORD_MAX_EVIDENCE`) and the key of the file (`max_evidence`). The first that is given wins: flag, variable, file,
default. What `onrecord config` shows comes from here.

The file is TOML: `--config FILE`, else ONRECORD_CONFIG, else config.toml in the user's configuration folder if it is
there (on Linux ~/.config/onrecord). Keys at its top are for every command that has such an option; a table is for one
command, and wins over the top:

    target = "checks.example.org:50051"
    collection = "news"

    [batch]
    timeout = 600

    [statements.list]
    limit = 100

    [serve]
    store = "/srv/onrecord/record.db"

A key that no command knows is an error, for it would be a setting that is silently not heeded. A table of another
command is looked at by `onrecord config` alone. Importing this module is cheap, and reads nothing.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from onrecord.cli._report import InputError

ENV_PREFIX = "ONRECORD_"
CONFIG_VARIABLE = "ONRECORD_CONFIG"
_FILE = "onrecord.config"  # where a context keeps the path


def flag_of(name: str) -> str:
    """Flag of a setting."""
    return "--" + name.replace("_", "-")


def env_of(name: str) -> str:
    """Environment variable of a setting."""
    return ENV_PREFIX + name.upper()


class FileName(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic from click 8.4 on
    """A name of a file, completed by the shell. Whether it can be had shows when it is opened."""

    name = "FILE"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Leaves it to the shell."""
        return [CompletionItem(incomplete, type="file")]


FILE = FileName()


class Setting(click.Option):
    """An option whose value may also come from its environment variable or from the configuration file."""

    def __init__(self, *arguments: Any, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.envvar = env_of(self._key)
        self.show_envvar = True

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        """As of any option; what is wrong with it names the place where it stands."""
        place = self.origin(ctx)
        try:
            if ctx.get_parameter_source(self._key) is ParameterSource.DEFAULT_MAP:
                value = self._written(ctx, value)
            return super().process_value(ctx, value)
        except click.BadParameter as error:
            if place not in ("flag", "default"):
                message = f"{error.message.rstrip('.')} (from {place})"
                raise click.BadParameter(message, error.ctx, error.param, error.param_hint) from None
            raise

    def get_error_hint(self, ctx: click.Context | None) -> str:
        """The flag alone: the message goes on to say where the value stands."""
        return f"'{flag_of(self._key)}'"

    def origin(self, ctx: click.Context) -> str:
        """Where the value comes from: "flag", the variable's name, the file's path or "default"."""
        source = ctx.get_parameter_source(self._key)
        if source is ParameterSource.ENVIRONMENT:
            return env_of(self._key)
        if source is ParameterSource.DEFAULT_MAP:
            return str(ctx.meta.get(_FILE, "the configuration file"))
        return "flag" if source is ParameterSource.COMMANDLINE else "default"

    @property
    def _key(self) -> str:
        return str(self.name)

    def _written(self, ctx: click.Context, value: Any) -> Any:
        """A value of TOML as the flag would have it: words, which the option's own type then reads."""
        if self.is_flag:
            if not isinstance(value, bool):
                raise click.BadParameter("needs true or false", ctx, self)
            return value
        if isinstance(value, list) and all(_plain(item) for item in value):
            words = [str(item) for item in value]
            return words if self.multiple else ",".join(words)
        if not _plain(value):
            raise click.BadParameter(f"needs text or a number, not {_kind(value)}", ctx, self)
        return str(value).split() if self.multiple else str(value)


def _plain(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _kind(value: object) -> str:
    names = {bool: "true or false", dict: "a table", list: "a list of such"}
    return names.get(type(value), f"a {type(value).__name__}")


def config_option() -> click.Option:
    """--config, which every command has. Eager: what it reads are the values of the others."""
    return click.Option(
        ["--config"],
        type=FILE,
        metavar="FILE",
        envvar=CONFIG_VARIABLE,
        show_envvar=True,
        is_eager=True,
        expose_value=False,
        callback=_load,
        help="File with settings, TOML; `onrecord config` shows what it says.  [default: config.toml in the user's "
        "configuration folder]",
    )


def with_config(command: click.Command) -> click.Command:
    """The command with --config, and each below it."""
    if isinstance(command, click.Group):
        for below in command.commands.values():
            with_config(below)
    elif not any(parameter.name == "config" for parameter in command.params):
        command.params.append(config_option())
    return command


def note_config(ctx: click.Context, parameter: click.Parameter, value: str | None) -> None:
    """--config in front of the command: kept for the command that reads it."""
    if value:
        ctx.meta[_FILE] = value


def default_file() -> str:
    """Where the file is when none is named."""
    import platformdirs

    return str(platformdirs.user_config_path("onrecord", appauthor=False) / "config.toml")


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file of settings: its path, what it says, and whether it is there."""

    path: str
    data: Mapping[str, Any]
    there: bool = True

    def section(self, names: Sequence[str]) -> dict[str, Any]:
        """The keys for the command of these names, those nearest to it winning."""
        found = _keys(self.data)
        table: Any = self.data
        for name in names:
            table = table.get(name, {})
            if not isinstance(table, Mapping):
                raise InputError(f"{self.path}: {name} is a command, whose settings stand in a table, [{name}]")
            found |= _keys(table)
        return found

    def check(self, command: click.Command, names: Sequence[str], shared: Collection[str]) -> None:
        """InputError for a key that is for this command, or for all of them, and that nobody knows."""
        own = {str(setting.name) for setting in settings(command)}
        asked = " ".join(["onrecord config", *names])
        table: Mapping[str, Any] = self.data
        for depth in range(len(names) + 1):
            within = f"[{'.'.join(names[:depth])}] " if depth else ""
            known = own if depth == len(names) else shared
            for key in _keys(table):
                if key in known:
                    continue
                if key in own:
                    raise InputError(f"{self.path}: {within}{key} is of one command; put it under [{'.'.join(names)}]")
                raise InputError(f"{self.path}: {within}{key} is no setting here; `{asked}` names those that are")
            table = table.get(names[depth], {}) if depth < len(names) else {}


def _keys(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key.replace("-", "_"): value for key, value in table.items() if not isinstance(value, Mapping)}


def read_config(path: str | None) -> ConfigFile:
    """The file, or the user's own when None is named, which need not be there. InputError when it cannot be used."""
    place = path or default_file()
    if path is None and not os.path.lexists(place):  # nor where the folder is closed to us, as for a service's user
        return ConfigFile(place, {}, there=False)
    try:
        with open(place, "rb") as stream:
            raw = stream.read()
    except OSError as error:
        raise InputError(f"{place}: {error.strerror}") from None
    import tomllib

    try:
        return ConfigFile(place, tomllib.loads(raw.decode().replace("\r\n", "\n")))
    except UnicodeDecodeError as error:
        raise InputError(f"{place}: not UTF-8 at byte {error.start:,}") from None
    except tomllib.TOMLDecodeError as error:
        text = str(error)
        raise InputError(f"{place}: not TOML: {text[:1].lower()}{text[1:]}") from None


def settings(command: click.Command) -> Iterator[Setting]:
    """The settings among the options of a command."""
    return (parameter for parameter in command.params if isinstance(parameter, Setting))


def command_names(ctx: click.Context) -> list[str]:
    """The command as it is called, without the program: ["statements", "list"]."""
    names: list[str] = []
    here: click.Context | None = ctx
    while here is not None and here.parent is not None:
        names.insert(0, str(here.info_name))
        here = here.parent
    return names or [str(ctx.command.name)]  # `python -m onrecord_server` is a command without a group


def load(ctx: click.Context, path: str | None) -> ConfigFile:
    """Read the file and let the context's options find their values in it."""
    from onrecord.cli._options import shared

    file = read_config(path)
    if file.there:
        names = command_names(ctx)
        # empty text is no value, as an empty variable is none: so stands in a template what has no default
        ctx.default_map = {key: value for key, value in file.section(names).items() if value != ""}
        file.check(ctx.command, names, shared())
        ctx.meta[_FILE] = file.path
    return file


def _load(ctx: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if not ctx.resilient_parsing:  # completion says nothing of files
        load(ctx, named(ctx, parameter, value))


def named(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """The file that is asked for: behind the command, else before it, else in the environment."""
    if value and ctx.get_parameter_source(str(parameter.name)) is ParameterSource.COMMANDLINE:
        return value
    return ctx.meta.get(_FILE) or value or os.environ.get(CONFIG_VARIABLE) or None

"""`onrecord config`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from onrecord.cli import _options
from onrecord.cli._options import TOKEN_VARIABLE, json_option
from onrecord.cli._report import InputError, emit
from onrecord.cli._settings import FILE, ConfigFile, Setting, env_of, load, named, read_config, settings

if TYPE_CHECKING:
    from collections.abc import Sequence


def _names(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The commands that may stand next: those of the program, or of the group that stands before."""
    root = context.find_root()
    group = _group(root, list(context.params.get("names") or ()))
    if not isinstance(group, click.Group):
        return []
    return group.shell_complete(root if group is root.command else click.Context(group, root), incomplete)


@click.command("config")
@click.argument("names", nargs=-1, metavar="[COMMAND]...", shell_complete=_names)
@click.option("--config", type=FILE, metavar="FILE", help="The file, instead of the one in use.")
@click.option("--template", is_flag=True, help="Print a file with all settings as they are by default, to begin with.")
@json_option
@click.pass_context
def command(context: click.Context, names: tuple[str, ...], config: str | None, template: bool, as_json: bool) -> None:
    """Show the settings, and where each comes from: a variable, the configuration file, or nowhere (default).

    Without COMMAND those that several commands share; with it, all of that command. A flag wins over its variable, the
    variable over the file. The whole file is looked through, and what is wrong with it is an error.

    \b
    onrecord config
    onrecord config serve
    onrecord config statements list --json
    mkdir -p ~/.config/onrecord && onrecord config --template > ~/.config/onrecord/config.toml
    """
    root = context.find_root()
    here = _command(root, names) if names else click.Command("", params=list(_options.shared().values()))
    if template:
        click.echo(_template(names, here), nl=False)
        return
    parameter = next(option for option in context.command.params if option.name == "config")
    file = read_config(named(context, parameter, config))
    _look_through(root, file)
    rows = list(_resolved(_within(root, names, here), here, file))
    if as_json:
        emit({"file": file.path, "file_exists": file.there, "settings": rows})
        return
    from onrecord.cli import _show

    _show.config(file.path, file.there, rows)


def _command(root: click.Context, names: Sequence[str]) -> click.Command:
    """The command of these names, or a usage error."""
    here = root.command
    for name in names:
        below = here.get_command(root, name) if isinstance(here, click.Group) else None
        if below is None:
            raise click.UsageError(f"there is no command {' '.join(names)}")
        here = below
    if isinstance(here, click.Group):
        some = ", ".join(here.list_commands(root))
        raise click.UsageError(f"{' '.join(names)} has commands of its own ({some}); name one, too")
    return here


def _within(root: click.Context, names: Sequence[str], here: click.Command) -> click.Context:
    """A context in which the command stands as if it were called."""
    context = root
    for index, name in enumerate(names or [""]):
        last = index == max(len(names), 1) - 1
        context = click.Context(here if last else _Nothing, parent=context, info_name=name)
    return context


_Nothing = click.Command("")


def _look_through(root: click.Context, file: ConfigFile) -> None:
    """InputError for anything in the file that no command would take."""

    def look(table: Mapping[str, Any], names: list[str]) -> None:
        for key, value in table.items():
            if not isinstance(value, Mapping):
                continue
            try:
                found = _command(root, [*names, key])
            except click.UsageError as error:
                group = root.command if not names else _group(root, names)
                if isinstance(group, click.Group) and isinstance(group.get_command(root, key), click.Group):
                    look(value, [*names, key])
                    continue
                raise InputError(f"{file.path}: [{'.'.join([*names, key])}]: {error.message}") from None
            file.check(found, [*names, key], _options.shared())
            list(_resolved(_within(root, [*names, key], found), found, file))

    look(file.data, [])


def _group(root: click.Context, names: Sequence[str]) -> click.Command | None:
    here: click.Command | None = root.command
    for name in names:
        here = here.get_command(root, name) if isinstance(here, click.Group) else None
    return here


def _resolved(context: click.Context, here: click.Command, file: ConfigFile) -> Iterator[dict[str, object]]:
    """Name, value and origin of each setting of the command."""
    if file.there:
        load(context, file.path)
    for setting in settings(here):
        name = str(setting.name)
        value, source = setting.consume_value(context, {})
        context.set_parameter_source(name, source)
        value = setting.process_value(context, value)
        if isinstance(value, frozenset | tuple | list):
            value = sorted(value)
        elif not isinstance(value, str | int | float):
            value = None  # click has a word of its own for "not given"
        yield {"name": name, "value": value, "from": setting.origin(context), "variable": env_of(name)}
    if not here.name or any(setting.name == "target" for setting in settings(here)):
        there = bool(os.environ.get(TOKEN_VARIABLE))
        secret = "(set)" if there else None  # what it is, nobody needs to see
        origin = TOKEN_VARIABLE if there else "default"
        yield {"name": "token", "value": secret, "from": origin, "variable": TOKEN_VARIABLE}


def _template(names: Sequence[str], here: click.Command) -> str:
    """A file in which every setting stands as a remark, with its help and its default; empty text is no value."""
    lines = [f"# Settings of `onrecord {' '.join(names)}`." if names else "# Settings of every `onrecord` command."]
    lines += ["# Flags and environment variables win over this file; `onrecord config` shows what is in force.", ""]
    if names:
        lines += [f"[{'.'.join(names)}]", ""]
    for setting in settings(here):
        lines += [f"# {' '.join((setting.help or '').split())}", f"# {setting.name} = {_toml(setting)}", ""]
    return "\n".join(lines)


def _toml(setting: Setting) -> str:
    import json

    default = setting.default
    if setting.multiple:
        return "[]"
    if setting.is_flag:
        return "true" if default is True else "false"
    if isinstance(default, int | float):
        return str(default)
    return json.dumps(default if isinstance(default, str) else "")

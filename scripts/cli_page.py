"""docs/cli.md: what `--help` says of every command, and every environment variable, from the click commands."""

from __future__ import annotations

from collections.abc import Iterator

import click

from onrecord.cli import cli

WIDTH = 100


def walk(command: click.Command, name: str, parent: click.Context | None = None) -> Iterator[click.Context]:
    """A context for the command and for each below it."""
    settings = {**command.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH}
    context = click.Context(command, parent=parent, info_name=name, **settings)
    yield context
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            if found is not None and not found.hidden:
                yield from walk(found, child, context)


def anchor(context: click.Context) -> str:
    """Where a command stands on the page."""
    return context.command_path.replace(" ", "-")


def variables(contexts: list[click.Context]) -> list[str]:
    """Rows of a table: variable, the options that it stands for, the commands that read it."""
    found: dict[str, tuple[dict[str, None], list[str]]] = {}
    for context in contexts:
        for parameter in context.command.params:
            if not isinstance(parameter, click.Option):
                continue
            names = [parameter.envvar] if isinstance(parameter.envvar, str) else list(parameter.envvar or ())
            if not names and context.auto_envvar_prefix and parameter.allow_from_autoenv and parameter.name:
                names = [f"{context.auto_envvar_prefix}_{parameter.name.upper()}"]
            for name in names:
                options, commands = found.setdefault(name, ({}, []))
                options |= dict.fromkeys(f"`{option}`" for option in parameter.opts if option.startswith("--"))
                commands.append(f"[{context.command_path.partition(' ')[2] or 'onrecord'}](#{anchor(context)})")
    return [
        f"| `{name}` | {', '.join(options)} | {', '.join(commands)} |"
        for name, (options, commands) in sorted(found.items())
    ]


def cli_page(note: str) -> str:
    """The page."""
    contexts = list(walk(cli, "onrecord"))
    listed = "\n".join(f"- [{c.command_path}](#{anchor(c)}): {c.command.get_short_help_str(200)}" for c in contexts[1:])
    sections = "\n\n".join(
        f'<a id="{anchor(c)}"></a>\n\n## {c.command_path}\n\n```text\n{c.command.get_help(c).rstrip()}\n```'
        for c in contexts
    )
    rows = "\n".join(variables(contexts))
    return f"""{note}

# The command line

{listed}

## Environment variables

An option on the command line wins over its variable. `ONRECORD_TOKEN` is the token that commands send to a server that
asks for one.

| variable | option | read by |
| --- | --- | --- |
{rows}

{sections}
"""

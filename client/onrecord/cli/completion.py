"""`onrecord completion`."""

from __future__ import annotations

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

KINDS: dict[str, type[ShellComplete]] = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}


@click.command("completion")
@click.argument("shell", type=click.Choice(list(KINDS)))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print what SHELL needs to complete commands, options and file names of `onrecord`.

    \b
    onrecord completion bash > ~/.local/share/bash-completion/completions/onrecord
    onrecord completion zsh > "${fpath[1]}/_onrecord"
    onrecord completion fish > ~/.config/fish/completions/onrecord.fish

    Or for one shell alone, in bash and zsh: eval "$(onrecord completion bash)". bash must be 4.4 or newer.
    """
    from onrecord.cli._main import COMPLETION_VARIABLE, PROGRAM

    kind = KINDS[shell]
    # not `source()`, which starts a bash to see how old it is: the shell that will read this may be another
    click.echo(kind.source_template % kind(context.find_root().command, {}, PROGRAM, COMPLETION_VARIABLE).source_vars())

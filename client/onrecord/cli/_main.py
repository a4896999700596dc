"""The group of commands, loaded one by one, and the one place where an error becomes a line and an exit status."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click
from click.shell_completion import CompletionItem

from onrecord._interrupt import Terminated, handled
from onrecord.cli._group import Group
from onrecord.cli._report import complain, discard, say
from onrecord.cli._settings import CONFIG_VARIABLE, FILE, note_config, with_config

# name -> (module, help): the help of the group names all commands without loading any
COMMANDS = {
    "check": ("onrecord.cli.check", "Check one claim."),
    "batch": ("onrecord.cli.batch", "Check a file of claims."),
    "replay": ("onrecord.cli.replay", "Check again what was checked before, and say what has changed."),
    "ingest": ("onrecord.cli.ingest", "Read documents into attributed statements."),
    "statements": (
        "onrecord.cli.statements",
        "List, search, add, correct, retract, import and export statements.",
    ),
    "collections": ("onrecord.cli.collections", "List, create, describe and delete collections."),
    "eval": ("onrecord.cli.eval", "Measure how right it is, on data with answers."),
    "calibrate": ("onrecord.cli.calibrate", "Fit the calibration of a model."),
    "bench": ("onrecord.cli.bench", "Measure how fast a server is, and what load does to it."),
    "serve": ("onrecord.cli.serve", "Run the server."),
    "info": ("onrecord.cli.info", "Say what a server runs and accepts."),
    "config": ("onrecord.cli.config", "Show the settings, and where each comes from."),
    "completion": ("onrecord.cli.completion", "Print what a shell needs to complete commands."),
}
OF_STATEMENTS = ("add", "delete", "export", "get", "import", "list", "retract", "search", "supersede", "update")
INTERRUPTED = 130
TERMINATED = 143  # as shells tell of what SIGTERM has ended
PROGRAM = "onrecord"
COMPLETION_VARIABLE = "_ONRECORD_COMPLETE"
DEBUG_VARIABLE = "ONRECORD_DEBUG"


class _Commands(Group):
    """Loads a command when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name][0])
        command = module.command
        return with_config(command if isinstance(command, click.Command) else command())

    def meant_by(self, name: str, names: list[str]) -> list[str]:
        """A command of `statements` that is asked for without it, too."""
        return [f"statements {name}"] if name in OF_STATEMENTS else super().meant_by(name, names)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names of commands, with their help, none of them loaded: this runs at each press of the key."""
        found = [CompletionItem(name, help=text) for name, (_, text) in COMMANDS.items() if name.startswith(incomplete)]
        return click.Command.shell_complete(self, ctx, incomplete) if incomplete.startswith("-") else found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def _version(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        import onrecord

        click.echo(f"onrecord {onrecord.__version__}")
        ctx.exit()


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version and exit."
)
@click.option(
    "--config",
    type=FILE,
    metavar="FILE",
    envvar=CONFIG_VARIABLE,
    show_envvar=True,
    expose_value=False,
    callback=note_config,
    help="File with settings, TOML.  [default: config.toml in the user's configuration folder]",
)
def cli() -> None:
    """Check claims against attributed statements on the record.

    Commands talk to the server at --target (127.0.0.1:50051 by default), with the token in ONRECORD_TOKEN or
    --token-file if it asks for one; `check` and `batch` also work without a server, --against files.

    Options that say [env var: ONRECORD_...] may be given for good, in the environment or in a configuration file;
    `onrecord config` shows them, and where each comes from.

    \b
    onrecord check "Putin said that Russia opposes interference." --against article.txt
    onrecord batch claims.csv -o verdicts.csv --target checks.example.org:50051
    onrecord serve --store record.db

    Exit status: 0 done, 1 the service failed, 2 wrong use or unusable input (what could be done is done), 3 a verdict
    named by --fail-on, 130 interrupted, 143 ended by SIGTERM.
    """


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry point of the console script. Always ends in SystemExit."""
    # gRPC's core writes its own lines to stderr, which are not for the user of a command; a set variable wins
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not so when a test replaced it
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status, errors already reported."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if COMPLETION_VARIABLE in os.environ:
        cli.main(given, PROGRAM)  # answers the shell, and exits
    try:
        # not through `cli.main`, which has its own words for an interrupt and its own status for a closed pipe
        with handled():
            status = _invoke(given)
        if sys.stdout is not None:
            sys.stdout.flush()  # here, where a reader that has left is met quietly
    except click.exceptions.NoArgsIsHelpError as error:
        say(error.format_message())
        return error.exit_code
    except click.UsageError as error:
        where = f" (see `{error.ctx.command_path} --help`)" if error.ctx else ""
        complain(f"{_sentence(error.format_message())}{where}")
        return error.exit_code
    except click.ClickException as error:
        complain(_sentence(error.format_message()))
        return error.exit_code
    except BrokenPipeError:
        if sys.stdout is not None:
            discard(sys.stdout)
        return 0
    except (KeyboardInterrupt, click.Abort) as error:
        by_sigterm = isinstance(error, Terminated)
        complain(_with_notes("terminated" if by_sigterm else "interrupted", error))
        return TERMINATED if by_sigterm else INTERRUPTED
    except Exception as error:
        return _failed(error)
    return status


def _invoke(arguments: list[str]) -> int:
    try:
        with cli.make_context(PROGRAM, arguments) as context:
            cli.invoke(context)
    except click.exceptions.Exit as done:
        return done.exit_code
    return 0


def _failed(error: Exception) -> int:
    from onrecord.errors import InvalidArgument, OnrecordError

    if isinstance(error, OnrecordError):
        complain(_with_notes(error.message, error))
        return 2 if isinstance(error, InvalidArgument) else 1
    if isinstance(error, OSError) and error.strerror:
        complain(_with_notes(f"{error.filename}: {error.strerror}" if error.filename else error.strerror, error))
        return 1
    if os.environ.get(DEBUG_VARIABLE):
        raise error
    complain(f"a defect of onrecord: {type(error).__name__}: {error} (set {DEBUG_VARIABLE}=1 to see where)")
    return 1


def _with_notes(message: str, error: BaseException) -> str:
    """The message and what a command noted on its way out: what is done already."""
    return "; ".join((message, *getattr(error, "__notes__", ())))


def _sentence(text: str) -> str:
    line = " ".join(text.split())
    return line[:1].lower() + line[1:].rstrip(".")

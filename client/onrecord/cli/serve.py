"""`onrecord serve`, which is the server's own command when it is installed."""

from __future__ import annotations

import click

from onrecord.cli._options import missing


def command() -> click.Command:
    """The server's command, with its options; a one-line error when it is not installed."""
    try:
        from onrecord_server.config import serve_command
    except ModuleNotFoundError as error:
        raise missing(error) from None
    return serve_command()

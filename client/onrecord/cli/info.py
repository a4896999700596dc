"""`onrecord info`."""

from __future__ import annotations

import click

from onrecord.cli._options import connect, json_option, server_options
from onrecord.cli._report import emit


@click.command("info")
@server_options
@click.option(
    "--server",
    is_flag=False,
    flag_value="",
    metavar="[HOST:PORT]",
    help="The server, as --target; without a value, the one that --target says.",
)
@json_option
def command(target: str, timeout: float | None, server: str | None, as_json: bool) -> None:
    """Say what a server runs and accepts: version, models, defaults, and every limit with the reason of its error.

    \b
    onrecord info
    onrecord info --server checks.example.org:50051 --json
    """
    target = server or target
    with connect(target, timeout) as client:
        info = client.info()
    if as_json:
        emit(info.to_dict())
        return
    from onrecord.cli import _show

    _show.info(target, info)

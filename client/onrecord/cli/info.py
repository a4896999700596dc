"""`onrecord info`."""

from __future__ import annotations

import click

from onrecord.cli._options import connect, json_option, server_options
from onrecord.cli._report import emit


@click.command("info")
@server_options
@json_option
def command(target: str, timeout: float | None, as_json: bool) -> None:
    """Say what a server runs and accepts: version, models, limits, defaults."""
    with connect(target, timeout) as client:
        info = client.info()
    if as_json:
        emit(info.to_dict())
        return
    from onrecord.cli import _show

    _show.info(target, info)

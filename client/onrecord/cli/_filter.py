"""Options that narrow a collection to some of its statements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from onrecord.cli._options import Function, Time

if TYPE_CHECKING:
    from onrecord.types import StatementFilter

_OPTIONS = (
    click.option(
        "--only-speaker", multiple=True, metavar="NAME",
        help="Only statements of this speaker, by the whole name or an alias, in any case. Repeatable: any of them.",
    ),
    click.option(
        "--only-publisher", multiple=True, metavar="NAME",
        help="Only statements that this publisher printed. Repeatable: any of them.",
    ),
    click.option(
        "--only-label", multiple=True, metavar="TEXT", help="Only statements with this label. Repeatable: all of them."
    ),
    click.option("--stated-from", type=Time(), metavar="DATE", help="Only statements of this day or time, or later."),
    click.option("--stated-until", type=Time(), metavar="DATE", help="Only statements before this day or time."),
)  # fmt: skip
NAMES = ("only_speaker", "only_publisher", "only_label", "stated_from", "stated_until")


def filter_options(function: Function) -> Function:
    """What lets some statements through, and others not."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def filter_given(given: Mapping[str, Any]) -> dict[str, Any]:
    """The values of these options under their names on the command line."""
    return {f"--{name.replace('_', '-')}": given[name] for name in NAMES}


def filter_of(given: Mapping[str, Any], states: tuple[str, ...] = ()) -> StatementFilter | None:
    """The filter of these options; None when all may pass."""
    if not states and not any(given[name] for name in NAMES):
        return None
    from onrecord.types import State, StatementFilter

    return StatementFilter(
        speakers=given["only_speaker"],
        publishers=given["only_publisher"],
        labels=given["only_label"],
        stated_from=given["stated_from"],
        stated_until=given["stated_until"],
        states=tuple(State(state.upper()) for state in states),
    )

"""A group of commands that names what may have been meant by one that it does not have."""

from __future__ import annotations

import click


class Group(click.Group):
    """As click's, whose own suggestions need a newer click than is asked for."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command, or a usage error with the nearest names."""
        name, names = args[0], self.list_commands(ctx)
        if name not in names and not name.startswith("-") and not ctx.resilient_parsing:
            meant = self.meant_by(name, names)
            hint = f" Did you mean {' or '.join(map(repr, meant))}?" if meant else ""
            ctx.fail(f"No such command {name!r}.{hint}")
        return super().resolve_command(ctx, args)

    def meant_by(self, name: str, names: list[str]) -> list[str]:
        """Those of the names that are spelled alike."""
        from difflib import get_close_matches

        return get_close_matches(name, names)

"""The `mushroom` command: its subcommands put together, logging and signals set up.

Every subcommand prepares settings and database in the same way (`ground`), then calls one room. It
is imported when it is asked for: Dagster takes 2 s, for which `health` must not wait.
"""

import importlib
import sys
from typing import Any

import click

from mushroom_assets import logs
from mushroom_assets.service import interrupts
from mushroom_assets.settings import SettingsError, log_format

# Module and command of each subcommand
SUBCOMMANDS = {
    "up": ("up", "up"),
    "serve": ("serve", "serve"),
    "init": ("server", "init"),
    "doctor": ("server", "run_doctor"),
    "health": ("health", "health"),
    "status": ("status", "status"),
    "diff": ("diff", "diff"),
    "export": ("export", "export"),
    "web": ("web", "web"),
    "notify": ("notify", "notify"),
    "settings": ("settings", "settings"),
    "simulate": ("data", "simulate"),
    "load": ("load", "load"),
    "label": ("load", "label"),
    "note": ("note", "note"),
    "similar": ("data", "run_similar"),
}
LIGHT = "health"  # tells its faults itself: what tells them for the others knows SQLAlchemy
ASKED = "mushroom_assets.cli.asked"


class Lazy(click.Group):
    """Imports a subcommand when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names."""
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The subcommand, imported now; None where there is none."""
        if cmd_name not in SUBCOMMANDS:
            return None
        module, name = SUBCOMMANDS[cmd_name]
        found = getattr(importlib.import_module(f"mushroom_assets.cli.{module}"), name)
        return found if isinstance(found, click.Command) else None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Remember which subcommand is asked for: the group itself has no options but help."""
        ctx.meta[ASKED] = args[0] if args else None
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand, with faults that a user can mend told in one line."""
        name = ctx.meta[ASKED]
        command = self.get_command(ctx, name) if name else None
        if name is None or command is None or name == LIGHT:
            return super().invoke(ctx)
        from mushroom_assets.cli.command import Command

        return Command(self.name, {name: command}, callback=self.callback).invoke(ctx)


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """A mushroom farm's data pipeline on Dagster and PostgreSQL."""
    try:
        logs.configure(log_format())
    except SettingsError as error:
        click.echo(f"mushroom: {error}")
        sys.exit(1)
    interrupts.listen()


if __name__ == "__main__":
    main()

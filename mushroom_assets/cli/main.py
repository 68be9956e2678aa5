"""The `mushroom` command: its subcommands put together, logging and signals set up.

Every subcommand prepares settings and database in the same way (`ground`), then calls one room.
"""

import logging
import signal
import sys

import click

from mushroom_assets.cli import data, server
from mushroom_assets.cli.command import Command, log


@click.group(cls=Command, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """A mushroom farm's data pipeline on Dagster and PostgreSQL."""
    logging.basicConfig(
        stream=sys.stdout,
        level=logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        force=True,
    )
    log.setLevel(logging.INFO)
    # SIGTERM stops what was started, as Ctrl-C does. SIGINT is set too: a shell script that starts
    # this with `&` has it ignored, and the children would inherit that.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)


for subcommand in (
    server.up,
    server.init,
    server.run_doctor,
    server.health,
    data.simulate,
    data.load,
    data.label,
    data.run_similar,
):
    main.add_command(subcommand)

if __name__ == "__main__":
    main()

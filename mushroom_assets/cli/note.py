"""The subcommand `note`: what somebody wants to remember of a room, written down in one line.

It reads arguments and prints what comes back. What it calls lives in `storage`.
"""

import datetime as dt

import click

from mushroom_assets.cli.ground import machine, open_database
from mushroom_assets.cli.load import tell_touched
from mushroom_assets.domain.farm import Farm
from mushroom_assets.settings import load_settings
from mushroom_assets.storage.inputs import own_reach
from mushroom_assets.storage.notes import write_note


@click.command(short_help="Write down what happened in a room.")
@click.argument("room")
@click.argument("text")
@click.option("--at", help="When it happened (09:40, 2026-01-31T09:40); without it, now.")
@click.option("--author", default="", help="Who writes it.")
def note(room: str, text: str, at: str | None, author: str) -> None:
    """Write down what happened in a room: `mushroom note 611 "fan repaired" --at 09:40`.

    A time without an offset is the farm's. The note stands in the report of its day.
    """
    farm = load_settings().read_farm()
    noted_at = _instant(at, farm)
    with (
        machine() as settings,
        open_database(settings) as database,
        database.transaction() as connection,
    ):
        number = write_note(connection, farm, room, noted_at, text, author)
        touched = own_reach(connection, farm)
    click.echo(f"note {number}: room {room}, {noted_at.astimezone(farm.zone):%Y-%m-%d %H:%M}")
    tell_touched(touched, farm)


def _instant(at: str | None, farm: Farm) -> dt.datetime:
    """A day with its time, or a time of today; with an offset, or in farm time."""
    now = dt.datetime.now(farm.zone)
    if at is None:
        return now
    try:
        found = dt.datetime.combine(now.date(), dt.time.fromisoformat(at))
    except ValueError:
        found = _of_day(at)
    return found if found.tzinfo is not None else found.replace(tzinfo=farm.zone)


def _of_day(at: str) -> dt.datetime:
    try:
        return dt.datetime.fromisoformat(at)
    except ValueError as error:
        message = f"{at!r} is no time: write 09:40 or 2026-01-31T09:40"
        raise click.BadParameter(message, param_hint="--at") from error

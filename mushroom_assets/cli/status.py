"""`mushroom status`: the timetable, and what is missing, failed or outdated by it.

What that means is the business of the standing checks; `service.record` reads it.
"""

import contextlib
import datetime as dt
import sys

import click
import psycopg

from mushroom_assets.automation.catching_up import next_tick, switch, switched_off
from mushroom_assets.automation.timetable import TIMETABLE
from mushroom_assets.cli.command import fail
from mushroom_assets.cli.ground import addressed, machine
from mushroom_assets.domain.farm import Farm
from mushroom_assets.service import asking
from mushroom_assets.service.home import prepare_dagster_home
from mushroom_assets.service.launcher import instance_of
from mushroom_assets.service.record import AssetState, RecordReader
from mushroom_assets.settings import Settings, load_settings

LINE = "{:<24} {:<16} {:>8} {:>7} {:>9}  {}"
BY = "itself (follow_days): launch a backfill in the UI"
HEAD = LINE.format("asset", "made until", "missing", "failed", "outdated", "next")


@click.command(short_help="Show what is made of each asset, and what is lacking.")
def status() -> None:
    """Show each asset's newest partition, what is lacking of the last 30 days, and when it ticks.

    Exit code 1 where something is lacking or a schedule does not tick.
    """
    given = load_settings()
    # A database of its own that stands still is started; one that was never there is not made
    is_ours = given.database_url is None and given.postgres_dir.exists()
    with machine() if is_ours else contextlib.nullcontext(addressed()) as settings:
        is_well = _tell(settings)
    sys.exit(0 if is_well else 1)


def _tell(settings: Settings) -> bool:
    """Print the record; whether nothing is lacking in it."""
    prepare_dagster_home(settings)
    farm = settings.read_farm()
    _require_database(settings)
    record = RecordReader(settings).read(fresh=True)
    if not record.assets:
        fail("; ".join(str(fault) for fault in record.faults))
    with instance_of(settings) as instance:
        off = switched_off(instance)
    click.echo(HEAD)
    for state in record.assets:
        click.echo(_line(state, farm, off))
    for state in record.assets:
        for first, last in state.left:
            click.echo(
                f"{state.asset} {first} ... {last}: outdated, and too old to be made anew by {BY}"
            )
    for fault in record.faults:
        click.echo(f"{fault}")
    lacking = any(state.missing or state.failed for state in record.assets)
    return not (lacking or record.faults)


def _require_database(settings: Settings) -> None:
    """Say at once that it is away; the record would be waited for as long as runs wait."""
    url = settings.require_database_url()
    try:
        with asking.asked(url, "mushroom status"):
            return
    except psycopg.Error as error:
        fail(str(asking.away(url, error)))


def _line(state: AssetState, farm: Farm, off: set[str]) -> str:
    newest = "nothing"
    if state.newest_end is not None:
        newest = f"{dt.datetime.fromtimestamp(state.newest_end, farm.zone):%Y-%m-%d %H:%M}"
    counts = (state.missing, state.failed, state.outdated)
    return LINE.format(state.asset, newest, *counts, _next(state.asset, farm, off))


def _next(asset: str, farm: Farm, off: set[str]) -> str:
    slot = TIMETABLE[asset]
    if switch(asset, slot) in off:
        return "switched off"
    if slot.cron is None:
        return "with its inputs"
    return f"{next_tick(slot.cron, farm, dt.datetime.now(farm.zone)):%Y-%m-%d %H:%M}"

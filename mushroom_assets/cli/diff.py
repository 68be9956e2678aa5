"""`mushroom diff`: its arguments, its summary and its exit code.

Computing and comparing live in `assets.beside`, the lines of a row in `changes`.
"""

import contextlib
import datetime as dt
import sys
from collections import Counter
from collections.abc import Iterator

import click
import sqlalchemy as sa

from mushroom_assets import logs
from mushroom_assets.assets import beside
from mushroom_assets.cli.changes import MARKS, json_line, kind, text_lines
from mushroom_assets.cli.command import EXPECTED, fail
from mushroom_assets.cli.ground import machine, open_database
from mushroom_assets.cli.options import DAY
from mushroom_assets.cli.progress import progress_bar
from mushroom_assets.domain.farm import Farm
from mushroom_assets.inference.weights import UnknownModel, WeightsUnavailable
from mushroom_assets.partitions import FarmClock, farm_clock
from mushroom_assets.service.doctor import model_fault
from mushroom_assets.settings import load_settings, log_format

SHOWN = 50  # rows: two screens, three columns a row
UNKNOWN = 2  # exit code, as of diff(1): a fault must not look like "something would change"


@click.command()
@click.argument("asset", type=click.Choice(list(beside.METHODS)), metavar="ASSET")
@click.option("--since", required=True, type=DAY, metavar="DAY", help="From this farm day on.")
@click.option(
    "--until",
    type=DAY,
    metavar="DAY",
    help="Up to this farm day, included; unset: the last that has closed.",
)
@click.option("--all", "everything", is_flag=True, help=f"Every row; unset: the first {SHOWN}.")
@click.option("--json", "as_json", is_flag=True, help="A line of JSON for each row, none else.")
def diff(
    asset: str, since: dt.datetime, until: dt.datetime | None, *, everything: bool, as_json: bool
) -> None:
    """Show what computing ASSET anew would change; nothing is written.

    ASSET is daily_env_stats, hourly_setpoint_changes, daily_clip_inference or daily_room_report. It
    is computed by this release and the farm file of now, from samples and images as they are; a
    report from the stored statistics, changes and images.

    Exit code 0 where nothing would change, 1 where something would, 2 where that is not known.
    """
    if as_json:
        logs.configure(log_format(), sys.stderr)
    with _faults_leave_it_unknown(as_json):
        farm = load_settings().read_farm()
        clock = farm_clock(farm)
        first, last = _days(since.date(), until.date() if until else None, farm, clock)
        spans = beside.windows_of(asset, first, last, clock)
        shown = Shown(asset, farm, as_json=as_json, most=None if everything else SHOWN)
        quiet = as_json or not sys.stdout.isatty()
        with (
            machine() as settings,
            open_database(settings) as database,
            progress_bar(len(spans), asset, "partition", quiet=quiet) as bar,
        ):
            method = beside.METHODS[asset](database, farm)
            for compared in beside.compare(database, method, spans):
                shown.take(compared, method.table)
                bar.update(compared.partitions)
    shown.end(first, last)
    sys.exit(1 if shown.kinds.total() else 0)


@contextlib.contextmanager
def _faults_leave_it_unknown(as_json: bool) -> Iterator[None]:
    """Tell faults as every subcommand does, but with exit code 2; beside JSON on stderr."""
    try:
        yield
    except EXPECTED as error:
        fail(str(error), UNKNOWN, err=as_json)
    except (UnknownModel, WeightsUnavailable) as error:
        fail(model_fault(error), UNKNOWN, err=as_json)
    except KeyboardInterrupt:
        fail("stopped before the end", UNKNOWN, err=as_json)


def _days(
    since: dt.date, until: dt.date | None, farm: Farm, clock: FarmClock
) -> tuple[dt.date, dt.date]:
    """The first and the last day.

    Raises:
        click.BadParameter: the farm has no such days, or none that has closed.
    """
    key = clock.daily.get_last_partition_key()
    if key is None:
        raise click.BadParameter(f"no day has closed since the farm's first, {farm.first_day}")
    closed = dt.date.fromisoformat(key)
    last = until or closed
    if since < farm.first_day:
        message = f"{since} lies before the farm's first day, {farm.first_day}"
        raise click.BadParameter(message, param_hint="--since")
    if max(since, last) > closed:
        option = "--until" if since <= closed else "--since"
        message = f"{max(since, last)} has not closed; the last day that has is {closed}"
        raise click.BadParameter(message, param_hint=option)
    if last < since:
        raise click.BadParameter(f"{last} lies before --since {since}", param_hint="--until")
    return since, last


class Shown:
    """What is shown of the changes: JSON at once, text at the end, when the bar is gone."""

    def __init__(self, asset: str, farm: Farm, *, as_json: bool, most: int | None) -> None:
        self.kinds: Counter[str] = Counter()
        self._asset = asset
        self._farm = farm
        self._as_json = as_json
        self._most = most
        self._partitions = 0
        self._rows = 0
        self._lines: list[str] = []

    def take(self, compared: beside.Compared, table: sa.Table) -> None:
        """Count, and show or remember."""
        self._partitions += compared.partitions
        self._rows += compared.rows
        for change in compared.changes:
            if self._as_json:
                click.echo(json_line(self._asset, change, table))
            elif self._most is None or self.kinds.total() < self._most:
                self._lines += text_lines(change, table, self._farm)
            self.kinds[kind(change)] += 1

    def end(self, first: dt.date, last: dt.date) -> None:
        """The summary, and what was remembered."""
        if self._as_json:
            return
        would = ", ".join(f"{kind} {self.kinds[kind]}" for kind in MARKS)
        counts = f"partitions {self._partitions}, rows {self._rows}; would {would}"
        click.echo("\n".join([f"{self._asset} {first} to {last}: {counts}", *self._lines]))
        if self._most is not None and self.kinds.total() > self._most:
            click.echo(f"... and {self.kinds.total() - self._most} more: --all shows them")

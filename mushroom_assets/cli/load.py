"""Subcommands that take files: `load samples`, `load batches`, `label`.

They read arguments and print what comes back. What they call lives in `ingestion`.
"""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import click

from mushroom_assets.cli.ground import machine, open_database
from mushroom_assets.cli.progress import progress_bar
from mushroom_assets.domain import reach
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.reach import Touched
from mushroom_assets.ingestion.batches import load_batches
from mushroom_assets.ingestion.labels import load_labels, progress_lines
from mushroom_assets.ingestion.report import LoadReport, bad_rows_file
from mushroom_assets.ingestion.samples import load_samples
from mushroom_assets.settings import load_settings
from mushroom_assets.storage.inputs import own_reach

FILE = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
SKIP_BAD = click.option(
    "--skip-bad", is_flag=True, help="Load the good rows, and write the bad ones to FILE.bad.csv."
)
CORRECT = click.option("--correct", is_flag=True, help="Replace what is stored with another value.")


@click.group(short_help="Load files of samples or batches.")
def load() -> None:
    """Load files into the plant's tables; loading one again changes nothing."""


@load.command("samples")
@FILE
@SKIP_BAD
@CORRECT
def samples_command(file: Path, skip_bad: bool, correct: bool) -> None:
    """CSV or Parquet with one sample a row.

    Columns: room_id, device_type, device_alias, point_alias, sampled_at (ISO 8601, farm time unless
    it has an offset; from 2000 to 2 days ahead), value.
    """
    farm = load_settings().read_farm()
    with (
        machine() as settings,
        open_database(settings) as database,
        progress_bar(None, "samples", "row") as bar,
        database.transaction() as connection,
    ):
        report = load_samples(
            connection,
            file,
            farm,
            skip_bad=skip_bad,
            correct=correct,
            progress=lambda rows: bar.update(rows - bar.n),
        )
        touched = own_reach(connection, farm)
    _tell(report, file)
    _tell_touched(touched, farm)


@load.command("batches")
@FILE
@SKIP_BAD
@CORRECT
def batches_command(file: Path, skip_bad: bool, correct: bool) -> None:
    """CSV or Parquet with one batch a row.

    Columns: room_id, in_date (YYYY-MM-DD, or an instant with its offset, of which the farm's day
    is meant), bag_count (may be empty).
    """
    farm = load_settings().read_farm()
    with (
        machine() as settings,
        open_database(settings) as database,
        database.transaction() as connection,
    ):
        report = load_batches(connection, file, farm, skip_bad=skip_bad, correct=correct)
        touched = own_reach(connection, farm)
    _tell(report, file)
    _tell_touched(touched, farm)


def _tell(report: LoadReport, file: Path) -> None:
    click.echo("\n".join([*report.notes, report.sentence()]))
    if report.bad:
        click.echo(f"bad rows: {bad_rows_file(file)}")
    if report.unknown_rooms:
        rooms = ", ".join(sorted(report.unknown_rooms))
        click.echo(f"nothing is computed for rooms that the farm file does not list: {rooms}")
    for warning in report.warnings:
        click.echo(warning)


def _tell_touched(touched: Sequence[Touched], farm: Farm) -> None:
    """Which partitions are made anew by what was loaded, or made of it: a line an asset."""
    for asset, (count, first, last) in reach.summed(touched, dt.datetime.now(dt.UTC), farm).items():
        stretch = first if count == 1 else f"{first} to {last}"
        click.echo(f"touches {count} of {asset}: {stretch}")


@click.command(short_help="Load a file of what growers see on images.")
@FILE
@SKIP_BAD
def label(file: Path, skip_bad: bool) -> None:
    """CSV or Parquet with what growers see on images.

    Columns: image_path, stage and/or condition, labelled_by (may be left out).
    """
    farm = load_settings().read_farm()
    with (
        machine() as settings,
        open_database(settings) as database,
        database.transaction() as connection,
    ):
        report = load_labels(connection, file, farm, skip_bad=skip_bad)
        lines = progress_lines(connection, farm)
    _tell(report, file)
    click.echo("\n".join(lines))

"""Subcommands that take files: `load samples`, `load batches`, `load harvest`, `label`.

They read arguments and print what comes back. What they call lives in `ingestion`.
"""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import click

from mushroom_assets.cli.ground import machine, open_database
from mushroom_assets.cli.progress import progress_bar
from mushroom_assets.cli.similar import encoder_name
from mushroom_assets.domain import reach
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.label_queue import Queued
from mushroom_assets.domain.reach import Touched
from mushroom_assets.ingestion.batches import load_batches
from mushroom_assets.ingestion.harvest import load_harvest
from mushroom_assets.ingestion.label_queue import label_queue, queue_text
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


@click.group(short_help="Load files of samples, batches or pickings.")
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
    tell_touched(touched, farm)


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
    tell_touched(touched, farm)


@load.command("harvest")
@FILE
@SKIP_BAD
@CORRECT
def harvest_command(file: Path, skip_bad: bool, correct: bool) -> None:
    """CSV or Parquet with the kilos of one batch and day a row.

    Columns: room_id, in_date (of the batch, which is stored already), picked_on (dates as of
    `load batches`), weight_kg (all that was picked of the batch on that day).
    """
    farm = load_settings().read_farm()
    with (
        machine() as settings,
        open_database(settings) as database,
        database.transaction() as connection,
    ):
        report = load_harvest(connection, file, farm, skip_bad=skip_bad, correct=correct)
        touched = own_reach(connection, farm)
    _tell(report, file)
    tell_touched(touched, farm)


def _tell(report: LoadReport, file: Path) -> None:
    click.echo("\n".join([*report.notes, report.sentence()]))
    if report.bad:
        click.echo(f"bad rows: {bad_rows_file(file)}")
    if report.unknown_rooms:
        rooms = ", ".join(sorted(report.unknown_rooms))
        click.echo(f"nothing is computed for rooms that the farm file does not list: {rooms}")
    for warning in report.warnings:
        click.echo(warning)


def tell_touched(touched: Sequence[Touched], farm: Farm) -> None:
    """Which partitions are made anew by what was loaded, or made of it: a line an asset."""
    for asset, (count, first, last) in reach.summed(touched, dt.datetime.now(dt.UTC), farm).items():
        stretch = first if count == 1 else f"{first} to {last}"
        click.echo(f"touches {count} of {asset}: {stretch}")


@click.command(short_help="Load a file of what growers see on images, or list what to label.")
@click.argument(
    "file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@SKIP_BAD
@click.option(
    "--queue",
    "count",
    type=click.IntRange(1, 10_000),
    help="List so many images to label next, as a file to fill in; load none.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="With --queue: the new file to write.",
)
def label(file: Path | None, skip_bad: bool, count: int | None, output: Path | None) -> None:
    """CSV or Parquet with what growers see on images.

    Columns: image_path, stage and/or condition (by name, or by the farm file's text in any
    language), labelled_by (may be left out).
    """
    if (file is None) == (count is None):
        raise click.UsageError("give either FILE or --queue N")
    if count is None and output is not None:
        raise click.UsageError("-o goes with --queue N")
    if output is not None and output.exists():
        message = f"{output} is there already, and may have labels in it; name another file"
        raise click.BadParameter(message, param_hint="-o")
    farm = load_settings().read_farm()
    with (
        machine() as settings,
        open_database(settings) as database,
        database.transaction() as connection,
    ):
        if count is not None:
            found = label_queue(connection, encoder_name(settings), count, farm)
        if file is not None:
            report = load_labels(connection, file, farm, skip_bad=skip_bad)
            lines = progress_lines(connection, farm)
    if file is None:
        _write_queue(found, output, farm)
        return
    _tell(report, file)
    click.echo("\n".join(lines))


def _write_queue(found: Sequence[Queued], output: Path | None, farm: Farm) -> None:
    text = queue_text(found, farm)
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        # With a mark of its encoding, or Excel shows no Chinese
        with output.open("x", encoding="utf-8-sig", newline="") as file:
            file.write(text)
    except OSError as error:
        raise click.BadParameter(f"{output} cannot be written: {error}", param_hint="-o") from error
    click.echo(f"{len(found)} images to label: {output}")
    click.echo(f"fill in stage and condition, then: mushroom label {output}")

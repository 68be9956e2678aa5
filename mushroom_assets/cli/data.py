"""Subcommands about data: `simulate`, `load`, `label`, `similar`.

They read arguments and print what comes back. What they call lives in `ingestion` and `similar`.
"""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import click

from mushroom_assets.cli import options, similar
from mushroom_assets.cli.ground import machine, open_database
from mushroom_assets.cli.progress import progress_bar
from mushroom_assets.domain import reach
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.reach import Touched
from mushroom_assets.ingestion import simulated
from mushroom_assets.ingestion.batches import load_batches
from mushroom_assets.ingestion.files import LoadReport, bad_rows_file
from mushroom_assets.ingestion.labels import load_labels, progress_lines
from mushroom_assets.ingestion.samples import load_samples
from mushroom_assets.resources import ImageStore
from mushroom_assets.settings import load_settings
from mushroom_assets.storage.inputs import own_reach


@click.command(short_help="Let a simulated plant deliver samples and images.")
@click.option(
    "--days",
    default=14,
    show_default=True,
    type=options.DAYS,
    help="Full days before today; today so far comes with them.",
)
@click.option("--rooms", type=options.ROOMS, help="Only the first N rooms of the farm file.")
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=options.SEED,
    help="Another seed is another plant.",
)
@click.option(
    "--images/--no-images",
    default=True,
    show_default=True,
    help="Camera images of the last days too.",
)
@click.option(
    "--image-days",
    default=simulated.IMAGE_DAYS,
    show_default=True,
    type=options.DAYS,
    help="Days of images.",
)
def simulate(days: int, rooms: int | None, seed: int, images: bool, image_days: int) -> None:
    """Let a simulated plant deliver samples, batches and images; the same again changes nothing."""
    farm = load_settings().read_farm()
    names = list(farm.rooms)[:rooms]
    if rooms is not None and rooms > len(farm.rooms):
        raise click.BadParameter(f"the farm file has {len(farm.rooms)} rooms", param_hint="--rooms")
    with machine() as settings, open_database(settings) as database:
        now = dt.datetime.now(farm.zone)
        first_image_day = now.date() - dt.timedelta(days=image_days) if images else None
        state = simulated.Demo.begin(seed, now.date() - dt.timedelta(days=days), first_image_day)
        store = ImageStore().images()
        simulated.deliver(database, store, farm, state, now, rooms=names, bars=progress_bar)


@click.group(short_help="Load files of samples or batches.")
def load() -> None:
    """Load files into the plant's tables; loading one again changes nothing."""


@load.command("samples")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--skip-bad", is_flag=True, help="Load the good rows, and write the bad ones to FILE.bad.csv."
)
def samples_command(file: Path, skip_bad: bool) -> None:
    """CSV or Parquet with one sample a row.

    Columns: room_id, device_type, device_alias, point_alias, sampled_at (ISO 8601), value.
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
            progress=lambda rows: bar.update(rows - bar.n),
        )
        touched = own_reach(connection, farm)
    _tell(report, file)
    _tell_touched(touched, farm)


@load.command("batches")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--skip-bad", is_flag=True, help="Load the good rows, and write the bad ones to FILE.bad.csv."
)
def batches_command(file: Path, skip_bad: bool) -> None:
    """CSV or Parquet with one batch a row.

    Columns: room_id, in_date (YYYY-MM-DD), bag_count (may be empty).
    """
    farm = load_settings().read_farm()
    with (
        machine() as settings,
        open_database(settings) as database,
        database.transaction() as connection,
    ):
        report = load_batches(connection, file, farm, skip_bad=skip_bad)
        touched = own_reach(connection, farm)
    _tell(report, file)
    _tell_touched(touched, farm)


def _tell(report: LoadReport, file: Path) -> None:
    click.echo(report.sentence())
    if report.bad:
        click.echo(f"bad rows: {bad_rows_file(file)}")
    if report.unknown_rooms:
        rooms = ", ".join(sorted(report.unknown_rooms))
        click.echo(f"nothing is computed for rooms that the farm file does not list: {rooms}")


def _tell_touched(touched: Sequence[Touched], farm: Farm) -> None:
    """Which partitions are made anew by what was loaded, or made of it: a line an asset."""
    for asset, (count, first, last) in reach.summed(touched, dt.datetime.now(dt.UTC), farm).items():
        stretch = first if count == 1 else f"{first} to {last}"
        click.echo(f"touches {count} of {asset}: {stretch}")


@click.command(short_help="Load a file of what growers see on images.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--skip-bad", is_flag=True, help="Store the good rows, and write the bad ones to FILE.bad.csv."
)
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


@click.command("similar", short_help="Find the stored images most like an image or a text.")
@click.argument("image_or_text")
@click.option(
    "--k", default=10, show_default=True, type=click.IntRange(1, 1000), help="How many images."
)
@click.option("--room", "rooms", multiple=True, help="Only this room; may be given more than once.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="From this farm day on.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="Up to this farm day.")
def run_similar(
    image_or_text: str,
    k: int,
    rooms: tuple[str, ...],
    since: dt.datetime | None,
    until: dt.datetime | None,
) -> None:
    """Find the stored images most like a file, a path in the image store, or else a text.

    The packaged model learned only the farm file's prompts: other words mean little to it.
    """
    farm = load_settings().read_farm()
    unknown = sorted(set(rooms) - set(farm.rooms))
    if unknown:
        message = f"the farm file has no room {', '.join(unknown)}"
        raise click.BadParameter(message, param_hint="--room")
    filters = similar.Filters(
        rooms=rooms,
        since=since.date() if since else None,
        until=until.date() if until else None,
    )
    with (
        machine() as settings,
        open_database(settings) as database,
        database.transaction() as connection,
    ):
        lines = similar.similar(connection, settings, farm, image_or_text, k, filters)
    click.echo("\n".join(lines))

"""Subcommands about data: `simulate`, `similar`. Those that take files are in `load`.

They read arguments and print what comes back. What they call lives in `ingestion`, `similar`
and `alike`.
"""

import contextlib
import datetime as dt
import sys
from pathlib import Path

import click

from mushroom_assets import logs
from mushroom_assets.cli import alike, options, similar
from mushroom_assets.cli.command import faults_beside_json
from mushroom_assets.cli.ground import machine, open_database
from mushroom_assets.cli.progress import progress_bar
from mushroom_assets.domain.farm import Farm
from mushroom_assets.ingestion import simulated
from mushroom_assets.resources import ImageStore
from mushroom_assets.settings import load_settings, log_format


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


@click.command("similar", short_help="Find the stored images most like an image or a text.")
@click.argument("image_or_text")
@click.option(
    "--k", default=10, show_default=True, type=click.IntRange(1, 1000), help="How many images."
)
@click.option("--room", "rooms", multiple=True, help="Only this room; may be given more than once.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="From this farm day on.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="Up to this farm day.")
@click.option(
    "--html",
    "page",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write a page with the pictures, for a browser, too.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document, nothing else.")
def run_similar(
    image_or_text: str,
    k: int,
    rooms: tuple[str, ...],
    since: dt.datetime | None,
    until: dt.datetime | None,
    *,
    page: Path | None,
    as_json: bool,
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
    if as_json:
        logs.configure(log_format(), sys.stderr)
    with faults_beside_json() if as_json else contextlib.nullcontext():
        answer = _asked(farm, image_or_text, k, filters)
        if page is not None:
            alike.write_page(answer, farm, page)
    click.echo(alike.as_json(answer, farm) if as_json else "\n".join(alike.as_lines(answer, farm)))
    if page is not None and not as_json:
        click.echo(f"with the pictures: {page}")


def _asked(farm: Farm, argument: str, k: int, filters: similar.Filters) -> similar.Answer:
    with (
        machine() as settings,
        open_database(settings) as database,
        database.transaction() as connection,
    ):
        return similar.similar(connection, settings, farm, argument, k, filters)

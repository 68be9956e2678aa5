"""`mushroom export`: its arguments, its file and its summary.

What can be read out, and how, lives in `storage.export`.
"""

import codecs
import contextlib
import datetime as dt
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from mushroom_assets import logs
from mushroom_assets.cli.command import fail, faults_beside_json
from mushroom_assets.cli.ground import machine, open_database
from mushroom_assets.cli.progress import progress_bar
from mushroom_assets.domain.farm import Farm
from mushroom_assets.service import interrupts
from mushroom_assets.settings import load_settings, log_format
from mushroom_assets.storage.export.reading import Form, read_out
from mushroom_assets.storage.export.selection import NotExportable, Selection, names, select

DAY = click.DateTime(["%Y-%m-%d"])
STDOUT = Path("-")


@click.command(short_help="Write a table's rows to a CSV or Parquet file.")
@click.argument("table", type=click.Choice(names()), metavar="TABLE")
@click.option("--since", type=DAY, metavar="DAY", help="From this farm day on.")
@click.option("--until", type=DAY, metavar="DAY", help="Up to this farm day, included.")
@click.option("--room", "rooms", multiple=True, help="Only this room; may be given more than once.")
@click.option(
    "-o",
    "--output",
    default=STDOUT,
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="FILE.csv or FILE.parquet; unset or -: CSV on stdout.",
)
def export(
    table: str,
    since: dt.datetime | None,
    until: dt.datetime | None,
    rooms: tuple[str, ...],
    output: Path,
) -> None:
    """Write a table's rows to a file that pandas, R, DuckDB or a spreadsheet reads.

    TABLE is {tables}.

    Times are UTC, vectors arrays, JSON a text. Days are those of the table's own day column;
    without them all rows are written. A file that is there is replaced once the new one is whole.
    """
    form = _form(output)
    to_stdout = output == STDOUT
    if to_stdout:
        logs.configure(log_format(), sys.stderr)
    try:
        with faults_beside_json() if to_stdout else contextlib.nullcontext():
            farm = load_settings().read_farm()
            selection = _selected(table, farm, since, until, rooms)
            rows = _written(selection, form, farm, output)
    except KeyboardInterrupt:
        fail("stopped before the end; a file of this name is as it was", err=to_stdout)
    if not to_stdout:
        click.echo(f"{table}: {rows} rows in {output}")


export.help = (export.help or "").format(tables=", ".join(names()))


def _form(output: Path) -> Form:
    """By the file's ending."""
    ending = output.suffix.lower().removeprefix(".")
    if output == STDOUT:
        return Form.CSV
    if ending not in list(Form):
        message = f"{output} tells no format: let it end in .csv or .parquet"
        raise click.BadParameter(message, param_hint="-o")
    return Form(ending)


def _selected(
    table: str,
    farm: Farm,
    since: dt.datetime | None,
    until: dt.datetime | None,
    rooms: tuple[str, ...],
) -> Selection:
    unknown = sorted(set(rooms) - set(farm.rooms))
    if unknown:
        message = f"the farm file has no room {', '.join(unknown)}"
        raise click.BadParameter(message, param_hint="--room")
    try:
        return select(
            table,
            farm,
            since=since.date() if since else None,
            until=until.date() if until else None,
            rooms=rooms,
            today=dt.datetime.now(farm.zone).date(),
        )
    except NotExportable as error:
        raise click.UsageError(str(error)) from error


def _written(selection: Selection, form: Form, farm: Farm, output: Path) -> int:
    """Write the rows, and count them."""
    counts: list[int] = []
    parts = len(selection.spans)
    unit = "day" if parts > 1 else "part"
    quiet = output == STDOUT
    with (
        machine() as settings,
        open_database(settings) as database,
        progress_bar(parts, selection.table.name, unit, quiet=quiet) as bar,
    ):

        def told(rows: int) -> None:
            interrupts.check()
            counts.append(rows)
            bar.update(1)

        with contextlib.closing(read_out(database, selection, form, farm, told)) as pieces:
            if output == STDOUT:
                stdout = sys.stdout.buffer
                for piece in pieces:
                    stdout.write(piece)
            else:
                _write_whole(pieces, output, form)
    return sum(counts)


def _write_whole(pieces: Iterator[bytes], output: Path, form: Form) -> None:
    """Write a file beside, and let it take its place when it is whole."""
    beside = output.with_name(f".{output.name}.{os.getpid()}.part")
    try:
        with beside.open("wb") as file:
            if form is Form.CSV:
                file.write(codecs.BOM_UTF8)  # without it Excel shows no Chinese
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(output)
    except (FileNotFoundError, PermissionError) as error:
        raise click.BadParameter(f"{output} cannot be written: {error}", param_hint="-o") from error
    finally:
        beside.unlink(missing_ok=True)

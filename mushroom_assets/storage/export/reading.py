"""Reading out a selection: one state of the database, as bytes, a piece at a time."""

import logging
from collections.abc import Callable, Generator
from enum import StrEnum

import sqlalchemy as sa

from mushroom_assets.domain.farm import Farm
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.export.as_csv import csv_pieces
from mushroom_assets.storage.export.as_parquet import parquet_pieces
from mushroom_assets.storage.export.selection import Selection
from mushroom_assets.storage.removals import removed_before

log = logging.getLogger(__name__)

# All days are read as of one instant, whatever is computed meanwhile. Numbers and times are
# written as these settings say, whatever the role's are.
_BEGIN = (
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
    "SET LOCAL timezone = 'UTC'",
    "SET LOCAL datestyle = 'ISO'",
    "SET LOCAL extra_float_digits = 1",
)


class Form(StrEnum):
    """The forms that rows are written in, by a file's ending."""

    CSV = "csv"
    PARQUET = "parquet"


def read_out(
    database: Database,
    selection: Selection,
    form: Form,
    farm: Farm,
    told: Callable[[int], None] = lambda rows: None,
) -> Generator[bytes, None, None]:
    """The bytes of a file with a selection's rows, in pieces of 32 MB at most.

    Nothing is read before the first piece is asked for. Close it (`contextlib.closing`) where it is
    not read to its end: that ends the server's statement. It may be read from several threads, one
    after the other.

    Args:
        database: the farm's.
        selection: which rows.
        form: CSV or Parquet.
        farm: its time zone is told in a Parquet file.
        told: gets the number of rows after each span of the selection.

    Raises:
        DatabaseUnavailable: the database went away, or did not come; what was read so far is no
            whole file.
        DatabaseRefused: it refused, as where the view's farm file has changed since it was made.
    """
    with database.transaction() as connection:
        for statement in _BEGIN:
            connection.exec_driver_sql(statement)
        _tell_of_removed(connection, selection)
        if form is Form.CSV:
            yield from csv_pieces(connection, selection, told)
        else:
            about = {"table": selection.table.name, "timezone": farm.timezone}
            yield from parquet_pieces(connection, selection, about, told)


def _tell_of_removed(connection: sa.Connection, selection: Selection) -> None:
    name = selection.table.name
    before = removed_before(connection, name)
    if before is not None:
        log.warning(
            "rows of farm.%s of before %s are not there: they were removed (`keep` of the farm "
            "file)", name, before.isoformat(" "),
        )  # fmt: skip

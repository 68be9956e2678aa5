"""Partitions computed anew beside what is stored: what would change, with nothing written.

The computing is the assets' own, without the replacing. How it is shown is the business of `cli`.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from numbers import Real
from typing import Any, NamedTuple

import sqlalchemy as sa

from mushroom_assets.assets import environment, report, setpoints, vision
from mushroom_assets.assets.cameras import open_cameras
from mushroom_assets.domain import reach
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.vision import EncodedImage
from mushroom_assets.domain.windows import Window
from mushroom_assets.partitions import FarmClock, windows
from mushroom_assets.resources import ClipResource, ImageStore
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.results import NOT_COMPARED, Change, changes, read_rows
from mushroom_assets.storage.schema import (
    daily_clip_inference,
    daily_env_stats,
    daily_room_report,
    hourly_setpoint_changes,
)
from mushroom_assets.storage.vision.embeddings import EmbeddingMemory

Row = Mapping[str, Any]
# Rows and inputs are those of one moment, and the server itself refuses to write
LOOK_ONLY = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"


class Method(NamedTuple):
    """How an asset's rows are computed, and which stored ones they would replace.

    Attributes:
        table: where the stored rows are.
        chunk: so many windows are computed at once.
        within: the stored rows of consecutive windows.
        compute: their rows anew, but for who computed them.
    """

    table: sa.Table
    chunk: int
    within: Callable[[Sequence[Window]], sa.ColumnElement[bool]]
    compute: Callable[[sa.Connection, Sequence[Window]], Iterable[Row]]


class Compared(NamedTuple):
    """Some windows: how many, how many rows they have, stored or anew, and what would change."""

    partitions: int
    rows: int
    changes: list[Change]


def windows_of(asset: str, since: dt.date, until: dt.date, clock: FarmClock) -> list[Window]:
    """The asset's windows of some farm days, both included, as far as they have closed."""
    definition = clock.hourly if asset in reach.HOURLY else clock.daily
    first = since.isoformat()
    last = until.isoformat()
    # A key begins with its day
    keys = [key for key in definition.get_partition_keys() if first <= key[: len(last)] <= last]
    return windows(definition, keys)


def compare(database: Database, method: Method, spans: Sequence[Window]) -> Iterator[Compared]:
    """Compute consecutive windows and compare, chunk by chunk, each in a transaction of its own.

    No lock is taken: nobody waits for it.

    Raises:
        RowsRemoved: inputs of these windows are gone for good.
    """
    for first in range(0, len(spans), method.chunk):
        part = spans[first : first + method.chunk]
        with database.transaction() as connection:
            connection.exec_driver_sql(LOOK_ONLY)
            stored = read_rows(connection, method.table, method.within(part))
            computed = list(method.compute(connection, part))
        found = changes(stored, computed, method.table)
        coming = sum(change.before is None for change in found)
        yield Compared(len(part), len(stored) + coming, found)


def columns(change: Change, table: sa.Table) -> dict[str, dict[str, Any]]:
    """A change by columns, the key's left out: what is `stored`, what is `new`.

    Of numbers the `difference` too. A row that comes or goes has one side, and every column.
    """
    sides = {"stored": change.before, "new": change.after}
    found = {}
    for column in table.columns:
        name = column.name
        if column.primary_key or name in NOT_COMPARED:
            continue
        values = {side: row[name] for side, row in sides.items() if row is not None}
        if len(values) == 1 or values["stored"] != values["new"]:
            found[name] = values | _difference(values.get("stored"), values.get("new"))
    return found


def _difference(stored: Any, new: Any) -> dict[str, Any]:
    if is_number(stored) and is_number(new):
        return {"difference": new - stored}
    return {}


def is_number(value: Any) -> bool:
    """Whether it can be subtracted; true and false cannot."""
    return isinstance(value, Real) and not isinstance(value, bool)


def _environment(_: Database, farm: Farm) -> Method:
    def compute(connection: sa.Connection, days: Sequence[Window]) -> Iterable[Row]:
        found = environment.summarise_days(connection, days, farm)
        return chain.from_iterable(day.rows for day in found.values())

    return Method(daily_env_stats, environment.CHUNK_DAYS, environment.within, compute)


def _setpoints(_: Database, farm: Farm) -> Method:
    def compute(connection: sa.Connection, hours: Sequence[Window]) -> Iterable[Row]:
        return chain.from_iterable(setpoints.find_changes(connection, hours, farm).values())

    return Method(hourly_setpoint_changes, setpoints.chunk_hours(farm), setpoints.within, compute)


def _images(database: Database, farm: Farm) -> Method:
    opened = open_cameras(ImageStore(), ClipResource(), database, farm, forget=False)
    cameras = replace(opened, memory=_Recalling(database, opened.encoder.name))

    def compute(connection: sa.Connection, days: Sequence[Window]) -> Iterable[Row]:
        judged = cameras.judge(cameras.files(days[0]), days[0])
        return vision.put_together(connection, judged, days[0], cameras)

    return Method(daily_clip_inference, 1, lambda days: vision.within(days[0], cameras), compute)


def _reports(_: Database, farm: Farm) -> Method:
    def compute(connection: sa.Connection, days: Sequence[Window]) -> Iterable[Row]:
        _, cards = report.write_cards(connection, days[0], farm)
        return [card.row() for card in cards]

    return Method(daily_room_report, 1, lambda days: report.within(days[0]), compute)


class _Recalling(EmbeddingMemory):
    """The kept vectors; what is computed is not kept."""

    def keep(self, images: Sequence[EncodedImage]) -> None:
        """Forget them."""


# By asset; CLIP's loads the model and looks at the image store
METHODS: Mapping[str, Callable[[Database, Farm], Method]] = {
    daily_env_stats.name: _environment,
    hourly_setpoint_changes.name: _setpoints,
    daily_clip_inference.name: _images,
    daily_room_report.name: _reports,
}

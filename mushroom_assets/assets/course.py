"""The course of a day, minute by minute, for the assets that draw it."""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import pandas as pd
import sqlalchemy as sa

from mushroom_assets.domain import report
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.ribbon import Ribbon, Steps, day_ribbons, setpoint_points, steps
from mushroom_assets.domain.sensors import (
    RoomQuantity,
    Sources,
    climate,
    find_sources,
    point_ids,
)
from mushroom_assets.domain.series import Series
from mushroom_assets.domain.windows import Window
from mushroom_assets.storage.batches import read_batches
from mushroom_assets.storage.points import read_points
from mushroom_assets.storage.samples import read_samples
from mushroom_assets.storage.setting import with_settings


@dataclass(frozen=True)
class Course:
    """Samples of every quantity of a day and around it, and the setpoints in force."""

    day: Window
    farm: Farm
    samples: pd.DataFrame
    sources: Sources
    setpoints: Mapping[tuple[str, str], Sequence[Steps]]
    in_dates: Mapping[str, Sequence[dt.date]]

    def ribbons(self) -> list[Ribbon]:
        """The day's ribbons, by room and quantity."""
        return day_ribbons(
            self.samples, self.day, self.sources, self.setpoints, self.farm, self.in_dates
        )

    def ribbons_by_room(self) -> dict[str, list[Ribbon]]:
        """The day's ribbons by room."""
        found: dict[str, list[Ribbon]] = {}
        for ribbon in self.ribbons():
            found.setdefault(ribbon.room_id, []).append(ribbon)
        return found

    def climate(self) -> dict[RoomQuantity, list[Series]]:
        """The measured series by (room, quantity)."""
        return climate(self.samples, self.sources, self.farm, self.day.date)


def read_course(connection: sa.Connection, day: Window, farm: Farm) -> Course:
    """Read a day's course, and the settings in force."""
    farm = with_settings(connection, farm)
    points = read_points(connection)
    sources = find_sources(points, farm)
    watched = setpoint_points(points, farm)
    around = report.climate_span(farm)
    since = day.before(dt.timedelta(seconds=around.before))
    until = day.after(dt.timedelta(seconds=around.after))
    samples = read_samples(connection, point_ids(sources), since, until)
    setting = [point.point_id for point in chain.from_iterable(watched.values())]
    moves = read_samples(connection, setting, day.start, day.end, carried=True)
    lines = {key: steps(moves, found, farm) for key, found in watched.items()}
    return Course(day, farm, samples, sources, lines, read_batches(connection))


def read_ribbons(
    connection: sa.Connection, days: Sequence[Window], drawn: Collection[str], farm: Farm
) -> dict[str, list[Ribbon]]:
    """Read the ribbons of those days that are drawn, by the days' keys."""
    courses = [read_course(connection, day, farm) for day in days if day.key in drawn]
    return {course.day.key: course.ribbons() for course in courses}

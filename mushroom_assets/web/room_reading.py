"""What a room's page reads: a while of its samples with all that is about them, and its batch."""

import contextlib
import datetime as dt
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple, cast

import sqlalchemy as sa

from mushroom_assets.domain.batch_course import DayOfBatch, DayOfGood
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.growth import Growth, growth_on
from mushroom_assets.domain.peers import PEER_DAYS
from mushroom_assets.domain.points import Point
from mushroom_assets.domain.records import SKEW, Harvest, Note
from mushroom_assets.domain.report import Effect, climate_span, effects, first_moves
from mushroom_assets.domain.ribbon import setpoint_points, steps
from mushroom_assets.domain.room_chart import Chart, charts, day_window
from mushroom_assets.domain.sensors import climate, find_sources, point_ids, room_sensors
from mushroom_assets.domain.setpoints import HourlySetpointChanges
from mushroom_assets.domain.windows import Window
from mushroom_assets.storage.batches import read_batches
from mushroom_assets.storage.harvest import read_harvests
from mushroom_assets.storage.notes import read_notes
from mushroom_assets.storage.page.images import Judgement, images_between
from mushroom_assets.storage.page.moves import moves_between
from mushroom_assets.storage.page.reports import (
    batch_days,
    good_days,
    report_of,
    stats_of,
    verdicts_of,
)
from mushroom_assets.storage.points import read_points
from mushroom_assets.storage.removals import RowsRemoved
from mushroom_assets.storage.samples import read_samples
from mushroom_assets.storage.setting import with_settings

BATCHES_BACK = dt.timedelta(days=200)  # the last ones of a room: a cycle takes a month


class While(NamedTuple):
    """A while of a room.

    Attributes:
        window: from where to where.
        growth: batch and growth day at its end.
        charts: its climate.
        is_removed: its samples were removed, as the farm file's `keep` says.
        moves: setpoint moves, in time.
        effects: what followed the first of them, as the report tells it.
        images: judged ones.
        report: of the day, if the while is one and has one: verdict and reasons.
        stats: of the day, by quantity.
        notes: that growers wrote, in time.
    """

    window: Window
    growth: Growth
    charts: Sequence[Chart]
    is_removed: bool
    moves: Sequence[Mapping[str, Any]]
    effects: Sequence[Effect]
    images: Sequence[Judgement]
    report: Mapping[str, Any] | None
    stats: Mapping[str, Mapping[str, Any]]
    notes: Sequence[Note]


def read_while(connection: sa.Connection, farm: Farm, room: str, window: Window) -> While:
    """Read a while of a room; a day's, or one that is going on."""
    farm = with_settings(connection, farm)
    own = [point for point in read_points(connection) if point.room_id == room]
    in_dates = read_batches(connection).get(room, [])
    moves = moves_between(connection, room, window.start, window.end)
    drawn: list[Chart] | None = None
    felt: list[Effect] = [{} for _ in first_moves(cast("Sequence[HourlySetpointChanges]", moves))]
    with contextlib.suppress(RowsRemoved):  # of an old day: its results are still there
        drawn, felt = _climate(connection, own, room, window, in_dates, moves, farm)
    day = window.start.astimezone(farm.zone).date()
    end = (window.end - dt.timedelta(seconds=1)).astimezone(farm.zone).date()
    is_day = bool(window.key)
    noted = window.after(SKEW)  # a note of this minute too
    stats = stats_of(connection, room, day) if is_day else []
    return While(
        window=window,
        growth=growth_on(end, in_dates, farm.cycle_days),
        charts=drawn or [],
        is_removed=drawn is None,
        moves=moves,
        effects=felt,
        images=images_between(connection, room, window.start, window.end),
        report=report_of(connection, room, day) if is_day else None,
        stats={row["quantity"]: row for row in stats},
        notes=read_notes(connection, window.start, window.end if is_day else noted, room),
    )


def _climate(
    connection: sa.Connection,
    points: Sequence[Point],
    room: str,
    window: Window,
    in_dates: Sequence[dt.date],
    moves: Sequence[Mapping[str, Any]],
    farm: Farm,
) -> tuple[list[Chart], list[Effect]]:
    """The charts of a while, and what followed its moves."""
    sources = find_sources(points, farm)
    around = climate_span(farm)
    since = window.before(dt.timedelta(seconds=around.before))
    until = window.after(dt.timedelta(seconds=around.after))
    samples = read_samples(connection, point_ids(sources), since, until)
    columns = {name: samples[name].to_numpy() for name in ("point_id", "at", "value")}
    last = (window.end - dt.timedelta(seconds=1)).astimezone(farm.zone).date()
    sensors = room_sensors(columns, room, window, sources, farm.on(room, last))
    watched = setpoint_points(points, farm)
    setting = [point.point_id for point in chain.from_iterable(watched.values())]
    set_to = read_samples(connection, setting, window.start, window.end, carried=True)
    lines = {name: steps(set_to, found, farm) for (_, name), found in watched.items()}
    felt = climate(samples, sources, farm, last)
    own = {name: series for (where, name), series in felt.items() if where == room}
    first = first_moves(cast("Sequence[HourlySetpointChanges]", moves))
    return charts(sensors, room, window, lines, in_dates, farm), effects(first, own, farm)


class Batch(NamedTuple):
    """A batch of a room, from its first day to its last, or to today.

    Attributes:
        room_id: the room.
        growth: on its last day.
        first: its first day.
        last: its last day, or today.
        days: growth days of it and of those before it.
        verdicts: of its days.
        images: judged ones, in time.
        farm: with what was set beside its file.
        harvest: what was picked of it; None where nothing was.
    """

    room_id: str
    growth: Growth
    first: dt.date
    last: dt.date
    days: Sequence[DayOfBatch]
    verdicts: Mapping[dt.date, str]
    images: Sequence[Judgement]
    farm: Farm
    harvest: Harvest | None


def read_batch(
    connection: sa.Connection, farm: Farm, room: str, day: dt.date, today: dt.date
) -> Batch | None:
    """Read the batch that was in the room on a day; None without one."""
    farm = with_settings(connection, farm)
    in_dates = read_batches(connection).get(room, [])
    first = growth_on(day, in_dates, farm.cycle_days).batch_date
    if first is None:
        return None
    following = min((later for later in in_dates if later > first), default=dt.date.max)
    until = following - dt.timedelta(days=1)
    last = min(first + dt.timedelta(days=farm.cycle_days - 1), today, until)
    start = day_window(first, farm).start
    end = day_window(last, farm).end
    return Batch(
        room_id=room,
        growth=growth_on(last, in_dates, farm.cycle_days),
        first=first,
        last=last,
        days=batch_days(connection, room, first - BATCHES_BACK),
        verdicts=verdicts_of(connection, room, first, last),
        images=images_between(connection, room, start, end),
        farm=farm,
        harvest=read_harvests(connection, [(room, first)]).get((room, first)),
    )


def read_good_days(connection: sa.Connection, today: dt.date) -> list[DayOfGood]:
    """What days judged good had, of all rooms, by quantity and growth day."""
    return good_days(connection, today - PEER_DAYS)

"""Reports and their numbers for the farm's page: the newest of all rooms, a day's, a batch's."""

import datetime as dt
from typing import Any

import sqlalchemy as sa

from mushroom_assets.domain.batch_course import DayOfBatch, DayOfGood
from mushroom_assets.storage.schema import daily_env_stats, daily_room_report

_report = daily_room_report.c
_stats = daily_env_stats.c


def newest_reports(connection: sa.Connection) -> list[dict[str, Any]]:
    """Verdicts and reasons of the newest day that has reports, and of the day before it."""
    newest = sa.select(sa.func.max(_report.stat_date)).scalar_subquery()
    statement = sa.select(_report.stat_date, _report.room_id, _report.verdict, _report.reasons)
    recent = statement.where(_report.stat_date >= newest - sa.literal(1, sa.Integer))
    return [dict(row) for row in connection.execute(recent).mappings()]


def report_of(connection: sa.Connection, room: str, day: dt.date) -> dict[str, Any] | None:
    """A room's report of a day: verdict, reasons, and when it was computed."""
    statement = sa.select(_report.verdict, _report.reasons, _report.computed_at)
    of_day = statement.where(_report.stat_date == day, _report.room_id == room)
    row = connection.execute(of_day).mappings().one_or_none()
    return None if row is None else dict(row)


def verdicts_of(
    connection: sa.Connection, room: str, first: dt.date, last: dt.date
) -> dict[dt.date, str]:
    """A room's verdicts from a day to another, both included."""
    statement = sa.select(_report.stat_date, _report.verdict).where(
        _report.stat_date.between(first, last), _report.room_id == room
    )
    return {day: verdict for day, verdict in connection.execute(statement)}


def stats_of(connection: sa.Connection, room: str, day: dt.date) -> list[dict[str, Any]]:
    """A room's numbers of a day, a row a quantity."""
    statement = sa.select(daily_env_stats).where(_stats.stat_date == day, _stats.room_id == room)
    return [dict(row) for row in connection.execute(statement).mappings()]


def batch_days(connection: sa.Connection, room: str, since: dt.date) -> list[DayOfBatch]:
    """A room's days in growth from a day on, by batch and growth day."""
    columns = (
        _stats.batch_date,
        _stats.growth_day,
        _stats.quantity,
        _stats.median,
        _stats.coverage,
    )
    statement = sa.select(*columns).where(
        _stats.room_id == room, _stats.stat_date >= since, _stats.is_growth_phase
    )
    ordered = statement.order_by(_stats.batch_date, _stats.growth_day, _stats.quantity)
    return [DayOfBatch(*row) for row in connection.execute(ordered)]


def good_days(connection: sa.Connection, since: dt.date) -> list[DayOfGood]:
    """The days of all rooms that were judged good, from a day on, by quantity and growth day."""
    quantile = sa.func.percentile_cont
    shares = [quantile(share).within_group(_stats.median) for share in (0.1, 0.5, 0.9)]
    same = (_report.stat_date == _stats.stat_date) & (_report.room_id == _stats.room_id)
    statement = (
        sa.select(_stats.quantity, _stats.growth_day, sa.func.count(), *shares)
        .join(daily_room_report, same)
        .where(
            _stats.stat_date >= since,
            _report.stat_date >= since,
            _report.verdict == "good",
            _stats.is_growth_phase,
            _stats.median.is_not(None),
        )
        .group_by(_stats.quantity, _stats.growth_day)
        .order_by(_stats.quantity, _stats.growth_day)
    )
    return [DayOfGood(*row) for row in connection.execute(statement)]

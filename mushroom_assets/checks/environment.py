"""Rules of `daily_env_stats`: queries and severities; their words are in rules/environment.yaml."""

from typing import Any

import sqlalchemy as sa

from mushroom_assets.checks.rule import ERROR, WARN, Rule, in_force, of_days, rows_missing
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.verdict import INTAKE
from mushroom_assets.domain.windows import Window
from mushroom_assets.storage.schema import daily_env_stats as table

MOVES_FROM = 60  # samples of a day, an hour's worth, from which one value all day is no chance
row = table.c
KEY = (row.stat_date, row.room_id, row.quantity)
PLACE = (row.room_id, row.stat_date)


def _rows_missing(window: Window, farm: Farm) -> sa.Select[Any]:
    return rows_missing(table, row.stat_date, window, room_id=farm.rooms, quantity=farm.units())


def _quantiles_out_of_order(window: Window, farm: Farm) -> sa.Select[Any]:
    ordered = sa.and_(
        row.min <= row.q25, row.q25 <= row.median, row.median <= row.q75, row.q75 <= row.max
    )
    broken = ordered.is_not(sa.true())  # a missing number is out of order too
    # Where every sample is a spike there are none
    are_none = sa.and_(row.min.is_(None), row.max.is_(None), row.sample_count == row.suspect_count)
    measured = row.sample_count > 0
    return sa.select(*KEY).where(of_days(row.stat_date, window), measured, broken, ~are_none)


def _values_implausible(window: Window, farm: Farm) -> sa.Select[Any]:
    outside = []
    for name, quantity in farm.quantities.items():
        key = f"quantities.{name}.plausible"
        low, high = (
            in_force(key, quantity.plausible[end], window, farm, PLACE, end) for end in (0, 1)
        )
        outside.append(_is_outside(name, low, high))
    found = sa.select(*KEY, row.min, row.mean, row.max)
    return found.where(of_days(row.stat_date, window), sa.or_(sa.false(), *outside))


def _is_outside(
    quantity: str, low: sa.ColumnElement[float], high: sa.ColumnElement[float]
) -> sa.ColumnElement[bool]:
    beyond = sa.or_(row.min < low, row.max > high, row.mean < low, row.mean > high)
    return sa.and_(row.quantity == quantity, beyond)


def _limit(name: str, window: Window, farm: Farm) -> sa.ColumnElement[float]:
    """A limit of the report, as it is in force for each row."""
    return in_force(f"report.{name}", getattr(farm.report, name), window, farm, PLACE)


def _days_uncovered(window: Window, farm: Farm) -> sa.Select[Any]:
    little = row.coverage < _limit("min_coverage", window, farm)
    found = sa.select(*KEY, row.coverage.label("share"))
    return found.where(of_days(row.stat_date, window), little).order_by("share")


def _climates_out_of_band(window: Window, farm: Farm) -> sa.Select[Any]:
    little = row.in_range < _limit("act_below", window, farm)
    is_judged = row.growth_day != INTAKE  # the room stands empty until the afternoon
    found = sa.select(*KEY, row.in_range.label("share"))
    return found.where(of_days(row.stat_date, window), little, is_judged).order_by("share")


def _samples_doubtful(window: Window, farm: Farm) -> sa.Select[Any]:
    delivered = sa.func.nullif(row.sample_count + row.rejected_count, 0)
    share = (row.suspect_count + row.rejected_count) / sa.cast(delivered, sa.Double)
    many = share > _limit("watch_suspect_share", window, farm)
    found = sa.select(*KEY, share.label("bad_share"))
    return found.where(of_days(row.stat_date, window), many).order_by(share.desc())


def _sensors_still(window: Window, farm: Farm) -> sa.Select[Any]:
    resting = [
        sa.and_(row.quantity == name, row.max >= quantity.full_scale)
        for name, quantity in farm.quantities.items()
        if quantity.full_scale is not None  # at the end of its scale a sensor may rest
    ]
    still = sa.and_(
        row.min == row.max,
        row.sample_count >= MOVES_FROM,
        row.quantity.in_(farm.quantities),
        ~sa.or_(sa.false(), *resting),
    )
    return sa.select(*KEY, row.min.label("value")).where(of_days(row.stat_date, window), still)


RULES = (
    Rule("rows_complete", table, ERROR, _rows_missing),
    Rule("quantiles_in_order", table, ERROR, _quantiles_out_of_order),
    Rule("values_plausible", table, ERROR, _values_implausible),
    Rule("days_covered", table, WARN, _days_uncovered),
    Rule("climate_in_band", table, WARN, _climates_out_of_band),
    Rule("samples_trusted", table, WARN, _samples_doubtful),
    Rule("sensors_move", table, WARN, _sensors_still, {"samples": MOVES_FROM}),
)

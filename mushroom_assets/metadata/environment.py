"""What a day of `daily_env_stats` shows."""

from collections.abc import Iterable, Mapping, Sequence

import dagster as dg

from mushroom_assets.domain.environment import DailyEnvStats, EnvironmentDay, SensorDay
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.markdown import plain
from mushroom_assets.domain.ribbon import Ribbon
from mushroom_assets.domain.texts import (
    decimals,
    known_text,
    number_text,
    quantity_name,
    say,
    share_text,
)
from mushroom_assets.metadata.common import SHARE, Metadata, mean
from mushroom_assets.metadata.pictures import inline, markdown_table

Rows = Sequence[DailyEnvStats]
SENSOR_COLUMNS = (
    "room", "quantity", "sensor", "mean", "against", "known", "samples", "rejected", "suspect"
)  # fmt: skip
SERIES = 40  # plotted at most: eight rooms of five quantities; of more rooms, their mean


def environment_metadata(
    day: EnvironmentDay, farm: Farm, ribbons: Sequence[Ribbon] | None = None
) -> Metadata:
    """One day of `daily_env_stats`: numbers to plot, a table with a line a room, and a picture.

    Args:
        day: its rows and sensors.
        farm: its language and units.
        ribbons: the day's course; without it the picture's place says how to get one.
    """
    rows = day.rows
    measured = [row for row in rows if row["sample_count"]]
    rooms = {row["room_id"] for row in rows}
    shown: Metadata = {
        "ribbons": dg.MetadataValue.md(_picture(ribbons, farm)),
        "statistics": dg.MetadataValue.md(_rooms(rows, farm)),
        "dagster/partition_row_count": len(rows),
        "samples": sum(row["sample_count"] for row in rows),
        "rejected": sum(row["rejected_count"] for row in rows),
        "suspect": sum(row["suspect_count"] for row in rows),
        f"coverage {SHARE}": mean([row["coverage"] for row in rows]),
        "rooms_without_data": len(rooms - {row["room_id"] for row in measured}),
    }
    if day.sensors:
        shown["sensors"] = dg.MetadataValue.md(_sensors(day.sensors, farm))
    return shown | _series(rows, farm)


def _series(rows: Rows, farm: Farm) -> Metadata:
    """The day's means to plot: `temperature 607 (°C)`, of many rooms `temperature (°C)`."""
    units = farm.units()
    of_each_room = len(farm.rooms) * len(units) <= SERIES
    found: dict[str, list[float]] = {}
    for row in rows:
        if row["mean"] is not None:
            room = f" {row['room_id']}" if of_each_room else ""
            key = f"{quantity_name(row['quantity'], farm)}{room} ({row['unit']})"
            found.setdefault(key, []).append(row["mean"])
    return {key: mean(found[key]) for key in sorted(found)[:SERIES]}


def _picture(ribbons: Sequence[Ribbon] | None, farm: Farm) -> str:
    if ribbons is None:
        return say("not_drawn", farm)
    if not ribbons:  # of a farm without quantities
        return say("no_data", farm)
    from mushroom_assets.metadata.plots.ribbons import overview  # brings matplotlib: half a second

    return inline(overview(ribbons, farm), say("ribbons", farm))


def _rooms(rows: Rows, farm: Farm) -> str:
    """A line a room, and what the numbers of a cell are.

    Markdown: Dagster takes 30 us to record a cell of its own tables, and a year has 365 of these.
    """
    units = farm.units()
    headings = [say("room_heading", farm), say("growth_heading", farm)]
    headings += [f"{quantity_name(name, farm)} {unit}" for name, unit in units.items()]
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows:
        growth_day = "–" if row["growth_day"] is None else f"{row['growth_day']}"
        room = (plain(row["room_id"]), growth_day)
        cells.setdefault(room, {})[row["quantity"]] = _cell(row, farm)
    lines = [[*room, *_in_order(found, units)] for room, found in cells.items()]
    return f"{markdown_table(headings, lines)}\n\n*{say('cell_key', farm)}*"


def _sensors(sensors: Sequence[SensorDay], farm: Farm) -> str:
    """A line for each of several sensors of a quantity in a room, and how far it is off."""
    lines = []
    for sensor in sensors:
        unit = farm.units()[sensor.quantity]
        places = decimals(sensor.quantity, unit, farm)
        off = None
        if sensor.mean is not None and sensor.room_mean is not None:
            off = sensor.mean - sensor.room_mean
        lines.append(
            [
                plain(sensor.room_id),
                f"{quantity_name(sensor.quantity, farm)} {unit}",
                plain(sensor.name),
                number_text(sensor.mean, places),
                "–" if off is None else f"{off:+.{places}f}",
                share_text(sensor.coverage),
                f"{sensor.counts.samples}",
                f"{sensor.counts.rejected}",
                f"{sensor.counts.suspect}",
            ]
        )
    headings = [say(f"sensor_columns.{column}", farm) for column in SENSOR_COLUMNS]
    return markdown_table(headings, lines)


def _in_order(cells: Mapping[str, str], names: Iterable[str]) -> list[str]:
    return [cells.get(name, "–") for name in names]


def _cell(row: DailyEnvStats, farm: Farm) -> str:
    """`18.4 (17.2–19.9), 97%, 80% known`: mean (min–max), share in range, how much is known.

    The share is left out if there is no band, and the last part if all is known.
    """
    if row["mean"] is None:
        return "–"
    places = decimals(row["quantity"], row["unit"], farm)
    middle = number_text(row["mean"], places)
    low = number_text(row["min"], places)
    high = number_text(row["max"], places)
    parts = [f"{middle} ({low}–{high})"]
    if row["in_range"] is not None:
        parts.append(share_text(row["in_range"]))
    parts.append(known_text(row["coverage"], farm))
    return ", ".join(filter(None, parts))

"""What an hour of `hourly_setpoint_changes` shows."""

from collections import Counter
from collections.abc import Sequence

import dagster as dg

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.markdown import plain
from mushroom_assets.domain.setpoints import (
    HourlySetpointChanges,
    change_text,
    device_text,
    point_text,
)
from mushroom_assets.domain.texts import say
from mushroom_assets.metadata.common import Metadata
from mushroom_assets.metadata.links import link
from mushroom_assets.metadata.pictures import markdown_table

# Dagster keeps what is shown here for ever. 5 to 10 changes a room and day are usual; a relay that
# flaps each second would be 160 kB an hour.
SHOWN = 100
BUSIEST = 10


def setpoint_metadata(rows: Sequence[HourlySetpointChanges], farm: Farm) -> Metadata:
    """One hour of `hourly_setpoint_changes`: how many changes in how many rooms, and which.

    Changes are told in words and farm time; of very many the first ones, and which points moved
    most. An hour without changes has the two numbers alone: a year has 8,760 hours. Tables are
    Markdown: Dagster takes 30 us to record a cell of its own.
    """
    counted: Metadata = {
        "dagster/partition_row_count": len(rows),
        "rooms_changed": len({row["room_id"] for row in rows}),
    }
    return counted | _told(rows, farm) if rows else counted


def _told(rows: Sequence[HourlySetpointChanges], farm: Farm) -> Metadata:
    ordered = sorted(rows, key=lambda row: (row["changed_at"], row["point_id"]))
    sentences = [(plain(_sentence(row, farm)),) for row in ordered[:SHOWN]]
    told = [markdown_table((say("change_heading", farm),), sentences)]
    if len(ordered) > SHOWN:
        told += [say("more", farm, count=len(ordered) - SHOWN), _busiest(ordered, farm)]
    return {
        "changes": dg.MetadataValue.md("\n\n".join(told)),
        "rooms": dg.MetadataValue.md(f"{_counts(ordered, farm)}\n\n{_day_link(ordered[0], farm)}"),
    }


def _busiest(rows: Sequence[HourlySetpointChanges], farm: Farm) -> str:
    """The points that changed most often, and how often: a relay that chatters shows itself."""
    counts = Counter(row["point_id"] for row in rows)
    one = {row["point_id"]: row for row in rows}
    lines = []
    for point_id, count in counts.most_common(BUSIEST):
        row = one[point_id]
        lines.append((plain(f"{row['room_id']} {point_text(row, farm)}"), str(count)))
    return markdown_table([say("busiest_heading", farm), say("changes_heading", farm)], lines)


def _counts(rows: Sequence[HourlySetpointChanges], farm: Farm) -> str:
    """One line for each room: how many changes, of which devices."""
    by_room: dict[str, Counter[str]] = {}
    for row in rows:
        by_room.setdefault(row["room_id"], Counter())[device_text(row, farm)] += 1
    lines = []
    for room, found in sorted(by_room.items()):
        devices = [f"{device} {count}" for device, count in found.items()]
        lines.append((room, str(found.total()), say("comma", farm).join(devices)))
    keys = ("room_heading", "changes_heading", "devices_heading")
    return markdown_table([say(key, farm) for key in keys], lines)


def _sentence(row: HourlySetpointChanges, farm: Farm) -> str:
    """`611 air cooler: temperature setpoint 18.0 → 17.5 °C at 09:42`."""
    time = f"{row['changed_at'].astimezone(farm.zone):%H:%M}"
    return say("moved_at", farm, room=row["room_id"], change=change_text(row, farm), time=time)


def _day_link(row: HourlySetpointChanges, farm: Farm) -> str:
    """To the day's report, which lists every room's changes of the day."""
    day = row["changed_at"].astimezone(farm.zone).date()
    words = say("all_changes", farm, day=day)
    return link(words, "daily_room_report", f"{day}")

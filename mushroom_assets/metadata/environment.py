"""What a day of `daily_env_stats` shows."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.ribbon import Ribbon
from mushroom_assets.domain.texts import DECIMALS, known_text, quantity_name, share_text, text
from mushroom_assets.metadata.common import Metadata, mean
from mushroom_assets.metadata.pictures import inline, markdown_table, plain

Rows = Sequence[dict[str, Any]]


def environment_metadata(
    rows: Rows, farm: Farm, ribbons: Sequence[Ribbon] | None = None
) -> Metadata:
    """One day of `daily_env_stats`: plottable numbers, a table with a line a room, and a picture.

    Args:
        rows: the day's.
        farm: its language and units.
        ribbons: the day's course; without it the picture's place says how to get one.
    """
    measured = [row for row in rows if row["sample_count"]]
    shown: Metadata = {
        "ribbons": dg.MetadataValue.md(_picture(ribbons, farm)),
        "statistics": dg.MetadataValue.md(_rooms(rows, farm)),
        "dagster/partition_row_count": len(rows),
        "samples": sum(row["sample_count"] for row in rows),
        "rejected": sum(row["rejected_count"] for row in rows),
        "suspect": sum(row["suspect_count"] for row in rows),
        "coverage": mean([row["coverage"] for row in rows]),
        "rooms_without_data": len(
            {row["room_id"] for row in rows} - {row["room_id"] for row in measured}
        ),
    }
    for quantity in dict.fromkeys(row["quantity"] for row in measured):
        shown[f"mean_{quantity}"] = mean(
            [row["mean"] for row in measured if row["quantity"] == quantity]
        )
    return shown


def _picture(ribbons: Sequence[Ribbon] | None, farm: Farm) -> str:
    if ribbons is None:
        return text("not_drawn", farm.language)
    if not ribbons:  # of a farm without quantities
        return text("no_data", farm.language)
    from mushroom_assets.metadata.plots.ribbons import overview  # brings matplotlib: half a second

    return inline(overview(ribbons, farm), text("ribbons", farm.language))


def _rooms(rows: Rows, farm: Farm) -> str:
    """A line a room.

    Markdown: Dagster takes 30 us to record a cell of its own tables, and a year has 365 of these.
    """
    units = farm.units()
    headings = [f"{quantity_name(name, farm.language)} {unit}" for name, unit in units.items()]
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows:
        growth_day = "–" if row["growth_day"] is None else f"{row['growth_day']}"
        cells.setdefault((plain(row["room_id"]), growth_day), {})[row["quantity"]] = _cell(
            row, farm
        )
    lines = [(*room, *(found.get(name, "–") for name in units)) for room, found in cells.items()]
    names = (text("room_heading", farm.language), text("growth_heading", farm.language))
    return markdown_table((*names, *headings), lines)


def _cell(row: dict[str, Any], farm: Farm) -> str:
    """Mean (min–max), share in range, and how much is known where that is not all: `18.4
    (17.2–19.9), 97%`.
    """
    if row["mean"] is None:
        return "–"
    places = DECIMALS.get(row["unit"], 2)
    mean, low, high = (f"{row[name]:.{places}f}" for name in ("mean", "min", "max"))
    in_range = "" if row["in_range"] is None else share_text(row["in_range"])
    return ", ".join(
        filter(
            None, (f"{mean} ({low}–{high})", in_range, known_text(row["coverage"], farm.language))
        )
    )

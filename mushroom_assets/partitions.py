"""The farm's clock: daily and hourly partitions in its time zone, and the windows of their keys.

Both begin at `first_day` and share one zone: Dagster refuses to relate partitions of two. A
partition exists once its window has closed.
https://docs.dagster.io/guides/build/partitions-and-backfills
"""

from collections.abc import Iterable
from dataclasses import dataclass

import dagster as dg

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.windows import Window


@dataclass(frozen=True)
class FarmClock:
    """The two partition definitions of a farm; one object each, so that assets can share runs."""

    daily: dg.DailyPartitionsDefinition
    hourly: dg.HourlyPartitionsDefinition


def farm_clock(farm: Farm) -> FarmClock:
    """The clock of a farm."""
    first = farm.first_day.isoformat()
    return FarmClock(
        daily=dg.DailyPartitionsDefinition(start_date=first, timezone=farm.timezone),
        hourly=dg.HourlyPartitionsDefinition(start_date=f"{first}-00:00", timezone=farm.timezone),
    )


def windows(definition: dg.TimeWindowPartitionsDefinition, keys: Iterable[str]) -> list[Window]:
    """The windows of partition keys. A day of a zone with summer time has 23, 24 or 25 hours."""
    spans = ((key, definition.time_window_for_partition_key(key)) for key in keys)
    return [Window(key, span.start, span.end) for key, span in spans]

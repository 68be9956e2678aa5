"""What a day of `daily_energy` shows."""

from collections.abc import Sequence

from mushroom_assets.domain.energy import DailyEnergy
from mushroom_assets.metadata.common import Metadata, mean


def energy_metadata(rows: Sequence[DailyEnergy]) -> Metadata:
    """One day of `daily_energy`: numbers to plot."""
    known = [row["hours_on"] for row in rows if row["hours_on"] is not None]
    return {"dagster/partition_row_count": len(rows), "mean hours on (h)": mean(known)}

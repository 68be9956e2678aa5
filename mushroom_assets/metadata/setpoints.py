"""What an hour of `hourly_setpoint_changes` shows."""

from collections.abc import Sequence
from typing import Any

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.report import change_text
from mushroom_assets.metadata.common import Metadata, table


def setpoint_metadata(rows: Sequence[dict[str, Any]], farm: Farm) -> Metadata:
    """One hour of `hourly_setpoint_changes`: the count, and the changes in words and farm time where there are any."""
    counted: Metadata = {"dagster/partition_row_count": len(rows)}
    told = [
        {
            "room": row["room_id"],
            "at": f"{row['changed_at'].astimezone(farm.zone):%H:%M:%S}",
            "change": change_text(row),
        }
        for row in sorted(rows, key=lambda row: (row["changed_at"], row["point_id"]))
    ]
    return counted | ({"changes": table(told, ("room", "at", "change"))} if told else {})

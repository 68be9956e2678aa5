"""What a day of `daily_room_report` shows."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from mushroom_assets.metadata.common import Metadata


def report_metadata(rows: Sequence[dict[str, Any]]) -> Metadata:
    """One day of `daily_room_report`: rooms by verdict, and the reports themselves."""
    verdicts = [row["verdict"] for row in rows]
    return {
        "dagster/partition_row_count": len(rows),
        **{verdict: verdicts.count(verdict) for verdict in ("good", "watch", "act", "insufficient_data")},
        "report": dg.MetadataValue.md("\n\n".join(row["summary_md"] for row in rows)),
    }

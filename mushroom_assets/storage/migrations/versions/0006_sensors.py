"""Several sensors of a quantity; how far and how long a day was outside its band, and how wet."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

TABLE = "daily_env_stats"
ADDED = {
    "sensor_count": "sensors that delivered samples; null in rows that are older than this",
    "spread": "time-weighted mean of largest minus smallest where several sensors are known",
    "below": "share of the known time below the band [0..1]",
    "above": "share of the known time above the band [0..1]",
    "longest_out_s": "longest stretch outside the band without a gap [s]",
    "out_integral": "distance to the band over the known time, in unit times hours",
    "steepest_rise": "steepest rise of an hour: largest difference to the value an hour before",
    "steepest_fall": "steepest fall of an hour, as a positive number",
    "wet_hours": "row of humidity: hours of 97 % or more, or within 0.5 K of the dew point [h]",
}
# Before and after
COMMENTS = {
    "sample_count": ("accepted samples of the day", "plausible samples of the day, of all sensors"),
    "suspect_count": (
        "accepted samples that look like a spike or a stuck sensor; still in the statistics",
        "of them, spikes, which are in no statistic, and what a stuck sensor sent",
    ),
    "mean": (
        "time-weighted mean: each value holds until the next, at most max_hold_s",
        "time-weighted mean of the sensors: a value holds to the next, at most max_hold_s",
    ),
}


def upgrade() -> None:
    """Forward."""
    for name, comment in ADDED.items():
        kind = sa.Integer if name == "sensor_count" else sa.Double
        op.add_column(TABLE, sa.Column(name, kind(), comment=comment), schema="farm")
    for name, (_, after) in COMMENTS.items():
        op.alter_column(TABLE, name, comment=after, schema="farm")


def downgrade() -> None:
    """Backward."""
    for name, (before, _) in COMMENTS.items():
        op.alter_column(TABLE, name, comment=before, schema="farm")
    for name in ADDED:
        op.drop_column(TABLE, name, schema="farm")

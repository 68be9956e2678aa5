"""Labels that a farm's own probe cannot exclude, and how right it is in rooms it has not seen."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0009"
down_revision = "0008"

ADDED: tuple[tuple[str, str, Any, str], ...] = (
    (
        "clip_probe",
        "means",
        ARRAY(sa.Double),
        "mean vector of each class, flattened as coefficients; null until it is calibrated",
    ),
    (
        "clip_probe",
        "whitening",
        sa.LargeBinary(),
        "what takes away the covariance within classes: dimensions x dimensions, float32",
    ),
    (
        "clip_probe",
        "middles",
        ARRAY(sa.Double),
        "mean distance of each class's held-out images to it",
    ),
    ("clip_probe", "spreads", ARRAY(sa.Double), "standard deviation of these distances"),
    (
        "clip_probe",
        "limits",
        ARRAY(sa.Double),
        "oddness above which a class is excluded, calibrated by room-day at 10 % a class",
    ),
    (
        "clip_probe",
        "coverage",
        sa.Double(),
        "share of held-out images whose set has their label, by room-day; null if too few days "
        "[0..1]",
    ),
    (
        "clip_probe",
        "accuracy_elsewhere",
        sa.Double(),
        "share of right labels in rooms left out; null if a class has one room [0..1]",
    ),
    (
        "daily_clip_inference",
        "probe_stages",
        ARRAY(sa.Text),
        "stages not excluded, 10 % error a class; empty: unlike all labelled; null: not calibrated",
    ),
    (
        "daily_clip_inference",
        "probe_conditions",
        ARRAY(sa.Text),
        "conditions that the probe cannot exclude, as probe_stages; null until it is calibrated",
    ),
)
# Before and after
COMMENTS = (
    (
        "clip_probe",
        "by_class",
        "per class: images, cross-validated recall and precision",
        "per class: images, rooms, room-days, recall, precision, recall in unseen rooms, coverage",
    ),
    (
        "daily_clip_inference",
        "probe_stage",
        "stage by the farm's own probe; null without one",
        "stage by the farm's own probe, unknown where it is excluded; null without one",
    ),
    (
        "daily_clip_inference",
        "probe_stage_probability",
        "the probe's probability of it [0..1]",
        "the probe's probability of the likeliest stage [0..1]",
    ),
    (
        "daily_clip_inference",
        "probe_condition",
        "condition by the farm's own probe; null without one",
        "condition by the farm's own probe, unknown where it is excluded; null without one",
    ),
    (
        "daily_clip_inference",
        "probe_condition_probability",
        "the probe's probability of it [0..1]",
        "the probe's probability of the likeliest condition [0..1]",
    ),
)


def upgrade() -> None:
    """Forward."""
    for table, name, kind, comment in ADDED:
        op.add_column(table, sa.Column(name, kind, comment=comment), schema="farm")
    for table, name, _, after in COMMENTS:
        op.alter_column(table, name, comment=after, schema="farm")


def downgrade() -> None:
    """Backward."""
    for table, name, before, _ in COMMENTS:
        op.alter_column(table, name, comment=before, schema="farm")
    for table, name, _, _ in ADDED:
        op.drop_column(table, name, schema="farm")

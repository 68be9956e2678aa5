"""How like what the model learned a picture is."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

TABLE = "daily_clip_inference"
COMMENT = (
    "share of like pictures the model learned that are as odd; null: weights do not say [0..1]"
)
# Before and after
COMMENTS = {
    "stage": (
        "zero-shot growth stage, unknown below the set margin",
        "zero-shot growth stage; unknown below the set margin or familiarity",
    ),
    "condition": (
        "zero-shot condition, unknown below the set margin",
        "zero-shot condition; unknown below the set margin or familiarity",
    ),
}


def upgrade() -> None:
    """Forward."""
    op.add_column(TABLE, sa.Column("familiarity", sa.Double(), comment=COMMENT), schema="farm")
    for name, (_, after) in COMMENTS.items():
        op.alter_column(TABLE, name, comment=after, schema="farm")


def downgrade() -> None:
    """Backward."""
    for name, (before, _) in COMMENTS.items():
        op.alter_column(TABLE, name, comment=before, schema="farm")
    op.drop_column(TABLE, "familiarity", schema="farm")

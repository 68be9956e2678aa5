"""With which precision a vector was computed: of those that are there, it is not known."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

TABLES = ("daily_clip_inference", "image_embedding")
COMMENT = "fp32 or bf16: what the vector was computed in; null if not recorded"


def upgrade() -> None:
    """Forward."""
    for table in TABLES:
        op.add_column(table, sa.Column("precision", sa.Text(), comment=COMMENT), schema="farm")


def downgrade() -> None:
    """Backward."""
    for table in TABLES:
        op.drop_column(table, "precision", schema="farm")

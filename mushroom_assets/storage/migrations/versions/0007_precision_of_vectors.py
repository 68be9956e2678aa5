"""precision of vectors."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Forward."""
    op.add_column(
        "daily_clip_inference",
        sa.Column(
            "precision",
            sa.Text(),
            nullable=True,
            comment="fp32 or bf16: what the vector was computed in; null if not recorded",
        ),
        schema="farm",
    )
    op.add_column(
        "image_embedding",
        sa.Column(
            "precision",
            sa.Text(),
            nullable=True,
            comment="fp32 or bf16: what the vector was computed in; null if not recorded",
        ),
        schema="farm",
    )


def downgrade() -> None:
    """Backward."""
    op.drop_column("image_embedding", "precision", schema="farm")
    op.drop_column("daily_clip_inference", "precision", schema="farm")

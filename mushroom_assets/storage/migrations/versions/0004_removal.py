"""What retention removed."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "removal",
        sa.Column("table_name", sa.Text(), nullable=False, comment="the table"),
        sa.Column(
            "removed_before",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="rows of before this instant are removed",
        ),
        sa.Column(
            "row_count", sa.BigInteger(), nullable=False, comment="rows removed, all together"
        ),
        sa.Column(
            "byte_count", sa.BigInteger(), nullable=False, comment="bytes that they took [byte]"
        ),
        sa.Column(
            "run_id", sa.Text(), nullable=False, comment="the latest Dagster run that removed some"
        ),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=False, comment="when it did"),
        sa.PrimaryKeyConstraint("table_name", name=op.f("pk_removal")),
        schema="farm",
        comment="What retention has removed so far, one row per table",
    )


def downgrade() -> None:
    """Backward."""
    op.drop_table("removal", schema="farm")

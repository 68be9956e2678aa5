"""run lease."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "run_lease",
        sa.Column("run_id", sa.Text(), nullable=False, comment="the Dagster run"),
        sa.Column("host", sa.Text(), nullable=False, comment="machine of the process"),
        sa.Column("pid", sa.Integer(), nullable=False, comment="number of the process there"),
        sa.Column("beat", sa.BigInteger(), nullable=False, comment="how often it was renewed"),
        sa.Column(
            "taken_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when it was taken",
        ),
        sa.Column(
            "renewed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when it was last renewed",
        ),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_run_lease")),
        schema="farm",
        comment="Runs with a living process, which renews its row every few seconds to the end",
    )


def downgrade() -> None:
    """Backward."""
    op.drop_table("run_lease", schema="farm")

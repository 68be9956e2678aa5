"""What people were told of the rooms, and the messages that wait to be delivered."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "alarm",
        sa.Column(
            "alarm_id",
            sa.BigInteger(),
            sa.Identity(always=False),
            nullable=False,
            comment="identity of the alarm",
        ),
        sa.Column(
            "kind",
            sa.Text(),
            nullable=False,
            comment="act, feed, band or rate; morning for the message of a day",
        ),
        sa.Column("room_id", sa.Text(), nullable=False, comment="growing room; empty for all"),
        sa.Column(
            "name",
            sa.Text(),
            nullable=False,
            comment="of what: a reason, a source, a quantity; the day of a morning",
        ),
        sa.Column(
            "since",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="since when it went on, as far as known",
        ),
        sa.Column(
            "told_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when it was put down to be told",
        ),
        sa.Column(
            "clear_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="since when it seems to be over",
        ),
        sa.Column(
            "ended_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when its end was put down",
        ),
        sa.Column("text", sa.Text(), nullable=False, comment="what was told"),
        sa.PrimaryKeyConstraint("alarm_id", name=op.f("pk_alarm")),
        schema="farm",
        comment="What people were told of a room, open until they were told that it is over",
    )
    op.create_index(
        "ix_alarm_open",
        "alarm",
        ["kind", "room_id", "name"],
        unique=True,
        schema="farm",
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "message",
        sa.Column(
            "message_id",
            sa.BigInteger(),
            sa.Identity(always=False),
            nullable=False,
            comment="identity of the message",
        ),
        sa.Column("target", sa.Text(), nullable=False, comment="hash of the URL of who is told"),
        sa.Column("title", sa.Text(), nullable=False, comment="title"),
        sa.Column("body", sa.Text(), nullable=False, comment="text"),
        sa.Column("good", sa.Boolean(), nullable=False, comment="whether it is good news"),
        sa.Column(
            "written_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when it was written",
        ),
        sa.Column(
            "attempts",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="how often it was sent",
        ),
        sa.Column(
            "tried_at", sa.DateTime(timezone=True), nullable=True, comment="when it was last sent"
        ),
        sa.Column(
            "error",
            sa.Text(),
            nullable=True,
            comment="why it was not taken the last time; null while that is not known",
        ),
        sa.Column(
            "taken_at", sa.DateTime(timezone=True), nullable=True, comment="when it was taken"
        ),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_message")),
        schema="farm",
        comment="Messages to deliver: written before they are sent, marked when they were taken",
    )
    op.create_index(
        "ix_message_waiting",
        "message",
        ["target", "message_id"],
        unique=False,
        schema="farm",
        postgresql_where=sa.text("taken_at IS NULL"),
    )


def downgrade() -> None:
    """Backward."""
    op.drop_index(
        "ix_message_waiting",
        table_name="message",
        schema="farm",
        postgresql_where=sa.text("taken_at IS NULL"),
    )
    op.drop_table("message", schema="farm")
    op.drop_index(
        "ix_alarm_open",
        table_name="alarm",
        schema="farm",
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.drop_table("alarm", schema="farm")

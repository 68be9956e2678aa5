"""Settings beside the farm file, and which of them a result was made with."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"

RESULTS = (
    "daily_env_stats",
    "hourly_setpoint_changes",
    "daily_clip_inference",
    "daily_room_report",
)
# The log is written with its owner's rights, as of the other inputs
TRIGGERS = """
CREATE FUNCTION farm.log_settings() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO farm.input_change (source, version) VALUES ('setting', NEW.version);
    RETURN NULL;
END $$;
CREATE FUNCTION farm.keep_settings() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'farm.setting is append-only: no setting is changed or removed'
        USING HINT = 'Add one that undoes it: mushroom settings undo VERSION';
END $$;
CREATE TRIGGER log_rows AFTER INSERT ON farm.setting
FOR EACH ROW EXECUTE FUNCTION farm.log_settings();
CREATE TRIGGER keep_rows BEFORE UPDATE OR DELETE ON farm.setting
FOR EACH ROW EXECUTE FUNCTION farm.keep_settings();
CREATE TRIGGER keep_all BEFORE TRUNCATE ON farm.setting
FOR EACH STATEMENT EXECUTE FUNCTION farm.keep_settings();
"""


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "setting",
        sa.Column(
            "version",
            sa.Integer(),
            sa.Identity(always=True),  # nobody gives a number of their own
            nullable=False,
            comment="version of the settings, ascending from 1",
        ),
        sa.Column(
            "key",
            sa.Text(),
            nullable=False,
            comment="key of the farm file, its parts joined by dots",
        ),
        sa.Column(
            "value",
            postgresql.JSONB(),
            nullable=False,
            comment="its value; JSON null leaves the key to the next wider setting or the farm "
            "file",
        ),
        sa.Column("room_id", sa.Text(), comment="the room for which it is meant; null: all"),
        sa.Column(
            "in_date",
            sa.Date(),
            comment="in_date of the room's batch for which it is meant; null: all",
        ),
        sa.Column("valid_from", sa.Date(), nullable=False, comment="first farm day"),
        sa.Column(
            "undoes",
            sa.Integer(),
            comment="version that is as if it had never been; value is what is in force again",
        ),
        sa.Column("author", sa.Text(), nullable=False, comment="who set it"),
        sa.Column("reason", sa.Text(), nullable=False, comment="why"),
        sa.Column(
            "set_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when it was set",
        ),
        sa.CheckConstraint(
            "in_date IS NULL OR room_id IS NOT NULL", name=op.f("ck_setting_batch_has_room")
        ),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_setting")),
        schema="farm",
        comment="Values of keys of the farm file from a farm day on, append-only; the file itself "
        "is version 0",
    )
    version = sa.Column("version", sa.Integer(), comment="the setting")
    op.add_column("input_change", version, schema="farm")
    for table in RESULTS:
        # Rows of before were made by the farm file alone
        column = sa.Column(
            "settings_version",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="newest setting in force that the row depends on; 0: the farm file alone",
        )
        op.add_column(table, column, schema="farm")
    op.execute(TRIGGERS)


def downgrade() -> None:
    """Backward."""
    for table in RESULTS:
        op.drop_column(table, "settings_version", schema="farm")
    op.drop_table("setting", schema="farm")
    op.drop_column("input_change", "version", schema="farm")
    op.execute("DROP FUNCTION farm.log_settings(), farm.keep_settings()")

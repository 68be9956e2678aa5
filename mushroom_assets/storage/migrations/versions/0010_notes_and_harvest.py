"""What growers write down: notes and pickings, and which reports they touch."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

# As in 0005: who may write a note and nothing else has it logged with the owner's rights
FUNCTIONS = """
CREATE FUNCTION farm.log_notes() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD IS NOT DISTINCT FROM NEW THEN
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO farm.input_change (source, room_id, first_at, last_at)
        VALUES ('note', OLD.room_id, OLD.noted_at, OLD.noted_at);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO farm.input_change (source, room_id, first_at, last_at)
        VALUES ('note', NEW.room_id, NEW.noted_at, NEW.noted_at);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION farm.log_harvest() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD IS NOT DISTINCT FROM NEW THEN
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO farm.input_change (source, room_id, in_date, picked_on)
        VALUES ('harvest', OLD.room_id, OLD.in_date, OLD.picked_on);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO farm.input_change (source, room_id, in_date, picked_on)
        VALUES ('harvest', NEW.room_id, NEW.in_date, NEW.picked_on);
    END IF;
    RETURN NULL;
END $$;

-- The kilos a bag are made of the bags
CREATE FUNCTION farm.log_bags() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD IS NOT DISTINCT FROM NEW THEN
        RETURN NULL;
    END IF;
    INSERT INTO farm.input_change (source, room_id, in_date, picked_on)
    SELECT 'harvest', room_id, in_date, picked_on FROM farm.harvest
    WHERE (room_id, in_date) IN ((OLD.room_id, OLD.in_date), (NEW.room_id, NEW.in_date));
    RETURN NULL;
END $$;
"""
TRIGGERS = """
CREATE TRIGGER log_rows AFTER INSERT OR UPDATE OR DELETE ON farm.note
FOR EACH ROW EXECUTE FUNCTION farm.log_notes();
CREATE TRIGGER log_truncate AFTER TRUNCATE ON farm.note
FOR EACH STATEMENT EXECUTE FUNCTION farm.log_everything();
CREATE TRIGGER log_rows AFTER INSERT OR UPDATE OR DELETE ON farm.harvest
FOR EACH ROW EXECUTE FUNCTION farm.log_harvest();
CREATE TRIGGER log_truncate AFTER TRUNCATE ON farm.harvest
FOR EACH STATEMENT EXECUTE FUNCTION farm.log_everything();
CREATE TRIGGER log_bags AFTER INSERT OR UPDATE OR DELETE ON farm.batch
FOR EACH ROW EXECUTE FUNCTION farm.log_bags();
"""
# Before and after
COMMENTS = {
    "first_at": (
        "the hour's first sample that changed",
        "the hour's first sample that changed, or the instant of the note",
    ),
    "last_at": (
        "the hour's last sample that changed",
        "the hour's last sample that changed, or the instant of the note",
    ),
    "room_id": ("room of the point or batch", "room of the point, the batch or the note"),
}
LOG = "input_change"


def upgrade() -> None:
    """Forward."""
    _create_note()
    _create_harvest()
    picked_on = sa.Column("picked_on", sa.Date(), comment="day of the picking")
    op.add_column(LOG, picked_on, schema="farm")
    for name, (_, after) in COMMENTS.items():
        op.alter_column(LOG, name, comment=after, schema="farm")
    for statements in (FUNCTIONS, TRIGGERS):
        op.get_bind().exec_driver_sql(statements, execution_options={"no_parameters": True})


def downgrade() -> None:
    """Backward."""
    op.drop_table("note", schema="farm")
    op.drop_table("harvest", schema="farm")
    op.execute("DROP FUNCTION farm.log_notes(), farm.log_harvest(), farm.log_bags() CASCADE")
    op.execute("DELETE FROM farm.input_change WHERE source IN ('note', 'harvest')")
    op.drop_column(LOG, "picked_on", schema="farm")
    for name, (before, _) in COMMENTS.items():
        op.alter_column(LOG, name, comment=before, schema="farm")


def _create_note() -> None:
    op.create_table(
        "note",
        sa.Column(
            "note_id",
            sa.Integer(),
            sa.Identity(always=False),
            nullable=False,
            comment="identity of the note",
        ),
        sa.Column("room_id", sa.Text(), nullable=False, comment="growing room"),
        sa.Column(
            "noted_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when what it tells happened",
        ),
        sa.Column("text", sa.Text(), nullable=False, comment="the note, as it was typed"),
        sa.Column(
            "author",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="who wrote it; empty where nobody said",
        ),
        sa.CheckConstraint(
            "noted_at >= '2000-01-01 00:00+00' AND noted_at < '2200-01-01 00:00+00'",
            name=op.f("ck_note_noted_at"),
        ),
        sa.PrimaryKeyConstraint("note_id", name=op.f("pk_note")),
        schema="farm",
        comment="What people wrote down about a room, at the hour that it is about",
    )
    op.create_index(op.f("ix_note_noted_at"), "note", ["noted_at"], unique=False, schema="farm")


def _create_harvest() -> None:
    op.create_table(
        "harvest",
        sa.Column("room_id", sa.Text(), nullable=False, comment="growing room"),
        sa.Column("in_date", sa.Date(), nullable=False, comment="the batch, by its in_date"),
        sa.Column("picked_on", sa.Date(), nullable=False, comment="farm-local day of the picking"),
        sa.Column(
            "weight_kg",
            sa.Double(),
            nullable=False,
            comment="weight of the mushrooms picked [kg]",
        ),
        sa.CheckConstraint(
            "in_date >= '2000-01-01' AND picked_on >= in_date AND picked_on < '2200-01-01'",
            name=op.f("ck_harvest_picked_on"),
        ),
        sa.CheckConstraint(
            "weight_kg > 0 AND weight_kg < 'Infinity'", name=op.f("ck_harvest_weight_kg")
        ),
        sa.PrimaryKeyConstraint("room_id", "in_date", "picked_on", name=op.f("pk_harvest")),
        schema="farm",
        comment="What was picked of a batch on a day, one row per batch and day",
    )

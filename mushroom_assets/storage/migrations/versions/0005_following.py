"""How results follow their inputs: the log of changes, its triggers, and what is out of date."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

# A collector may add samples and nothing else: the functions write with their owner's rights.
# Hours are UTC's. Values are compared so that NaN equals NaN.
FUNCTIONS = """
CREATE FUNCTION farm.log_samples() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO farm.input_change (source, point_id, first_at, last_at)
    SELECT 'sample', point_id, min(sampled_at), max(sampled_at) FROM changed
    GROUP BY point_id, date_bin('1 hour', sampled_at, '2000-01-01 00:00+00');
    RETURN NULL;
END $$;

CREATE FUNCTION farm.log_updated_samples() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO farm.input_change (source, point_id, first_at, last_at)
    SELECT 'sample', point_id, min(sampled_at), max(sampled_at) FROM (
        (SELECT point_id, sampled_at, value FROM before
         EXCEPT SELECT point_id, sampled_at, value FROM after)
        UNION ALL
        (SELECT point_id, sampled_at, value FROM after
         EXCEPT SELECT point_id, sampled_at, value FROM before)) AS changed
    GROUP BY point_id, date_bin('1 hour', sampled_at, '2000-01-01 00:00+00');
    RETURN NULL;
END $$;

CREATE FUNCTION farm.log_all_samples() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO farm.input_change (source) VALUES ('sample');
    RETURN NULL;
END $$;

CREATE FUNCTION farm.log_points() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND (OLD.point_id, OLD.room_id, OLD.device_type, OLD.device_alias,
                             OLD.point_alias)
                          = (NEW.point_id, NEW.room_id, NEW.device_type, NEW.device_alias,
                             NEW.point_alias) THEN
        RETURN NULL;
    END IF;
    -- The samples of a new point come after it, and are logged by themselves
    IF TG_OP = 'INSERT' AND NOT EXISTS (
        SELECT FROM farm.sample WHERE point_id = NEW.point_id) THEN
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO farm.input_change (source, point_id, room_id, device_type, point_alias)
        VALUES ('point', OLD.point_id, OLD.room_id, OLD.device_type, OLD.point_alias);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO farm.input_change (source, point_id, room_id, device_type, point_alias)
        VALUES ('point', NEW.point_id, NEW.room_id, NEW.device_type, NEW.point_alias);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION farm.log_batches() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND (OLD.room_id, OLD.in_date) = (NEW.room_id, NEW.in_date) THEN
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO farm.input_change (source, room_id, in_date)
        VALUES ('batch', OLD.room_id, OLD.in_date);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO farm.input_change (source, room_id, in_date)
        VALUES ('batch', NEW.room_id, NEW.in_date);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION farm.log_everything() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO farm.input_change (source) VALUES (TG_TABLE_NAME);
    RETURN NULL;
END $$;

-- A statement fires the triggers of the table that it names, so a month has its own
CREATE FUNCTION farm.follow_samples(name regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER log_insert AFTER INSERT ON %1$s '
        'REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION farm.log_samples()',
        name);
    EXECUTE format('CREATE TRIGGER log_delete AFTER DELETE ON %1$s '
        'REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION farm.log_samples()',
        name);
    EXECUTE format('CREATE TRIGGER log_update AFTER UPDATE ON %1$s '
        'REFERENCING OLD TABLE AS before NEW TABLE AS after '
        'FOR EACH STATEMENT EXECUTE FUNCTION farm.log_updated_samples()', name);
    EXECUTE format('CREATE TRIGGER log_truncate AFTER TRUNCATE ON %1$s '
        'FOR EACH STATEMENT EXECUTE FUNCTION farm.log_all_samples()', name);
END $$;
"""
TRIGGERS = """
SELECT farm.follow_samples('farm.sample');
SELECT farm.follow_samples(inhrelid::regclass) FROM pg_inherits
WHERE inhparent = 'farm.sample'::regclass
    AND inhrelid IS DISTINCT FROM to_regclass('farm.sample_kept');
CREATE TRIGGER log_rows AFTER INSERT OR UPDATE OR DELETE ON farm.point
FOR EACH ROW EXECUTE FUNCTION farm.log_points();
CREATE TRIGGER log_truncate AFTER TRUNCATE ON farm.point
FOR EACH STATEMENT EXECUTE FUNCTION farm.log_everything();
CREATE TRIGGER log_rows AFTER INSERT OR UPDATE OR DELETE ON farm.batch
FOR EACH ROW EXECUTE FUNCTION farm.log_batches();
CREATE TRIGGER log_truncate AFTER TRUNCATE ON farm.batch
FOR EACH STATEMENT EXECUTE FUNCTION farm.log_everything();
"""
UNDO = """
DROP FUNCTION farm.follow_samples(regclass);
DROP FUNCTION farm.log_samples(), farm.log_updated_samples(), farm.log_all_samples(),
    farm.log_points(), farm.log_batches(), farm.log_everything() CASCADE;
"""


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "input_change",
        sa.Column(
            "change_id",
            sa.BigInteger(),
            sa.Identity(always=False),
            nullable=False,
            comment="identity of the change",
        ),
        sa.Column("source", sa.Text(), nullable=False, comment="the table"),
        sa.Column(
            "point_id",
            sa.Integer(),
            nullable=True,
            comment="the point; without one all samples are meant",
        ),
        sa.Column(
            "first_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="the hour's first sample that changed",
        ),
        sa.Column(
            "last_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="the hour's last sample that changed",
        ),
        sa.Column("room_id", sa.Text(), nullable=True, comment="room of the point or batch"),
        sa.Column("device_type", sa.Text(), nullable=True, comment="the point's kind of device"),
        sa.Column("point_alias", sa.Text(), nullable=True, comment="the point's alias"),
        sa.Column("in_date", sa.Date(), nullable=True, comment="the batch"),
        sa.PrimaryKeyConstraint("change_id", name=op.f("pk_input_change")),
        schema="farm",
        comment="What came, changed or went in a source table, written by triggers, not looked at "
        "yet",
    )
    op.create_table(
        "outdated",
        sa.Column(
            "mark_id",
            sa.BigInteger(),
            sa.Identity(always=False),
            nullable=False,
            comment="identity of the mark",
        ),
        sa.Column("asset", sa.Text(), nullable=False, comment="the result table"),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="an instant within the partition",
        ),
        sa.Column("source", sa.Text(), nullable=False, comment="which input changed"),
        sa.Column(
            "marked_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when it was marked",
        ),
        sa.PrimaryKeyConstraint("mark_id", name=op.f("pk_outdated")),
        schema="farm",
        comment="Partitions whose inputs changed; the run that computes one takes its rows away",
    )
    op.create_index(
        op.f("ix_outdated_asset_at"), "outdated", ["asset", "at"], unique=False, schema="farm"
    )
    op.create_table(
        "image_listing",
        sa.Column("image_date", sa.Date(), nullable=False, comment="farm-local day"),
        sa.Column(
            "digest",
            sa.Text(),
            nullable=False,
            comment="SHA-256 of the listing: paths, sizes and times of change, or ETags",
        ),
        sa.Column("file_count", sa.Integer(), nullable=False, comment="files in it"),
        sa.PrimaryKeyConstraint("image_date", name=op.f("pk_image_listing")),
        schema="farm",
        comment="Which files a day's rows were made of: a day whose folders hold others is out "
        "of date",
    )
    for statements in (FUNCTIONS, TRIGGERS):
        _execute(statements)


def downgrade() -> None:
    """Backward."""
    _execute(UNDO)
    op.drop_index(op.f("ix_outdated_asset_at"), table_name="outdated", schema="farm")
    op.drop_table("outdated", schema="farm")
    op.drop_table("input_change", schema="farm")
    op.drop_table("image_listing", schema="farm")


def _execute(statements: str) -> None:
    """As they are written: they have percent signs and colons."""
    plain = {"no_parameters": True}
    op.get_bind().exec_driver_sql(statements, execution_options=plain)

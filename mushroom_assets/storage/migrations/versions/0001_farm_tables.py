"""Tables of schema `farm`."""

import sqlalchemy as sa
from alembic import op
from pgvector.sqlalchemy import VECTOR
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Forward."""
    op.execute("CREATE EXTENSION IF NOT EXISTS vector")
    op.create_table(
        "batch",
        sa.Column("room_id", sa.Text(), nullable=False, comment="growing room"),
        sa.Column(
            "in_date",
            sa.Date(),
            nullable=False,
            comment="day on which the bags came in: growth day 1",
        ),
        sa.Column("bag_count", sa.Integer(), nullable=True, comment="bags of the batch"),
        sa.PrimaryKeyConstraint("room_id", "in_date", name=op.f("pk_batch")),
        schema="farm",
        comment="Growth cycles: a batch is in force from its in_date to the room's next one",
    )
    op.create_table(
        "daily_clip_inference",
        sa.Column("image_path", sa.Text(), nullable=False, comment="path in the image store"),
        sa.Column(
            "model_id",
            sa.Text(),
            nullable=False,
            comment="model, weights and prompt-set version; vectors of two models never mix",
        ),
        sa.Column("room_id", sa.Text(), nullable=False, comment="growing room"),
        sa.Column(
            "image_date",
            sa.Date(),
            nullable=False,
            comment="day folder of the image, farm-local: the partition that the row belongs to",
        ),
        sa.Column(
            "camera",
            sa.Text(),
            nullable=True,
            comment="camera, as in the file name; null if the name cannot be read",
        ),
        sa.Column(
            "captured_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="time of capture, from the file name; null if the name cannot be read",
        ),
        sa.Column(
            "growth_day",
            sa.Integer(),
            nullable=True,
            comment="days since the batch came in, from 1 [d]",
        ),
        sa.Column("batch_date", sa.Date(), nullable=True, comment="in_date of the batch in force"),
        sa.Column(
            "status",
            sa.Text(),
            nullable=False,
            comment=(
                "ok, unreadable (no picture could be decoded) or rejected (refused before decoding)"
            ),
        ),
        sa.Column("error", sa.Text(), nullable=True, comment="why the image is not ok"),
        sa.Column("width", sa.Integer(), nullable=True, comment="width of the original image [px]"),
        sa.Column(
            "height", sa.Integer(), nullable=True, comment="height of the original image [px]"
        ),
        sa.Column(
            "content_sha256",
            sa.Text(),
            nullable=True,
            comment="SHA-256 of the file's bytes, hexadecimal",
        ),
        sa.Column(
            "embedding", VECTOR(), nullable=True, comment="L2-normalised vector of the image alone"
        ),
        sa.Column(
            "stage",
            sa.Text(),
            nullable=True,
            comment="zero-shot growth stage, unknown below the set margin",
        ),
        sa.Column(
            "stage_probability",
            sa.Double(),
            nullable=True,
            comment="probability of the likeliest stage [0..1]",
        ),
        sa.Column(
            "stage_margin", sa.Double(), nullable=True, comment="its lead over the second [0..1]"
        ),
        sa.Column(
            "condition",
            sa.Text(),
            nullable=True,
            comment="zero-shot condition, unknown below the set margin",
        ),
        sa.Column(
            "condition_probability",
            sa.Double(),
            nullable=True,
            comment="probability of the likeliest condition [0..1]",
        ),
        sa.Column(
            "scores",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            nullable=True,
            comment="probability of every label",
        ),
        sa.Column(
            "sharpness",
            sa.Double(),
            nullable=True,
            comment="variance of the Laplacian of the grey image; low is blurred or fogged",
        ),
        sa.Column("brightness", sa.Double(), nullable=True, comment="mean grey value [0..1]"),
        sa.Column(
            "temperature_c",
            sa.Double(),
            nullable=True,
            comment="temperature at the capture, null if older than 5 min [°C]",
        ),
        sa.Column(
            "humidity_pct",
            sa.Double(),
            nullable=True,
            comment="relative humidity at the capture, null if older than 5 min [%]",
        ),
        sa.Column(
            "co2_ppm",
            sa.Double(),
            nullable=True,
            comment="CO2 at the capture, null if older than 5 min [ppm]",
        ),
        sa.Column("run_id", sa.Text(), nullable=False, comment="Dagster run that wrote the row"),
        sa.Column(
            "computed_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when the row was computed",
        ),
        sa.CheckConstraint(
            "(status = 'ok') = (embedding IS NOT NULL)",
            name=op.f("ck_daily_clip_inference_embedding"),
        ),
        sa.CheckConstraint(
            "status IN ('ok', 'unreadable', 'rejected')",
            name=op.f("ck_daily_clip_inference_status"),
        ),
        sa.PrimaryKeyConstraint("image_path", "model_id", name=op.f("pk_daily_clip_inference")),
        schema="farm",
        comment="CLIP inference on the camera images, one row per image and model",
    )
    op.create_index(
        op.f("ix_daily_clip_inference_image_date"),
        "daily_clip_inference",
        ["image_date"],
        unique=False,
        schema="farm",
    )
    op.create_index(
        op.f("ix_daily_clip_inference_room_id_captured_at"),
        "daily_clip_inference",
        ["room_id", "captured_at"],
        unique=False,
        schema="farm",
    )
    op.create_table(
        "daily_env_stats",
        sa.Column(
            "stat_date",
            sa.Date(),
            nullable=False,
            comment="farm-local day, half-open [00:00, 24:00)",
        ),
        sa.Column("room_id", sa.Text(), nullable=False, comment="growing room"),
        sa.Column(
            "quantity",
            sa.Text(),
            nullable=False,
            comment="temperature, humidity, co2, and per sample derived vpd, dew_point",
        ),
        sa.Column("unit", sa.Text(), nullable=False, comment="unit of the statistics in this row"),
        sa.Column(
            "sample_count", sa.Integer(), nullable=False, comment="accepted samples of the day"
        ),
        sa.Column(
            "rejected_count",
            sa.Integer(),
            nullable=False,
            comment="samples outside the plausible range, NaN or infinite; in no statistic",
        ),
        sa.Column(
            "suspect_count",
            sa.Integer(),
            nullable=False,
            comment=(
                "accepted samples that look like a spike or a stuck sensor; still in the statistics"
            ),
        ),
        sa.Column(
            "mean",
            sa.Double(),
            nullable=True,
            comment="time-weighted mean: each value holds until the next, at most max_hold_s",
        ),
        sa.Column("min", sa.Double(), nullable=True, comment="smallest accepted sample"),
        sa.Column(
            "q25",
            sa.Double(),
            nullable=True,
            comment="lower quartile of the accepted samples, linear interpolation",
        ),
        sa.Column("median", sa.Double(), nullable=True, comment="median of the accepted samples"),
        sa.Column(
            "q75",
            sa.Double(),
            nullable=True,
            comment="upper quartile of the accepted samples, linear interpolation",
        ),
        sa.Column("max", sa.Double(), nullable=True, comment="largest accepted sample"),
        sa.Column(
            "coverage",
            sa.Double(),
            nullable=False,
            comment="share of the day in which a value is known [0..1]",
        ),
        sa.Column(
            "longest_gap_s",
            sa.Double(),
            nullable=False,
            comment="longest stretch of the day without a known value [s]",
        ),
        sa.Column(
            "in_range",
            sa.Double(),
            nullable=True,
            comment="share of the known time inside the target band of the growth day [0..1]",
        ),
        sa.Column(
            "growth_day",
            sa.Integer(),
            nullable=True,
            comment="days since the batch came in, from 1 [d]",
        ),
        sa.Column("batch_date", sa.Date(), nullable=True, comment="in_date of the batch in force"),
        sa.Column(
            "is_growth_phase",
            sa.Boolean(),
            nullable=True,
            comment="growth day within 1..cycle_days",
        ),
        sa.Column("run_id", sa.Text(), nullable=False, comment="Dagster run that wrote the row"),
        sa.Column(
            "computed_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when the row was computed",
        ),
        sa.CheckConstraint("coverage BETWEEN 0 AND 1", name=op.f("ck_daily_env_stats_coverage")),
        sa.CheckConstraint("in_range BETWEEN 0 AND 1", name=op.f("ck_daily_env_stats_in_range")),
        sa.PrimaryKeyConstraint(
            "stat_date", "room_id", "quantity", name=op.f("pk_daily_env_stats")
        ),
        schema="farm",
        comment="Daily environment statistics, one row per room, day and quantity",
    )
    op.create_index(
        op.f("ix_daily_env_stats_room_id_stat_date"),
        "daily_env_stats",
        ["room_id", "stat_date"],
        unique=False,
        schema="farm",
    )
    op.create_table(
        "daily_room_report",
        sa.Column("stat_date", sa.Date(), nullable=False, comment="farm-local day"),
        sa.Column("room_id", sa.Text(), nullable=False, comment="growing room"),
        sa.Column(
            "verdict", sa.Text(), nullable=False, comment="good, watch, act or insufficient_data"
        ),
        sa.Column(
            "reasons",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="what led to the verdict, most serious first",
        ),
        sa.Column(
            "summary_md",
            sa.Text(),
            nullable=False,
            comment="the room's day in words, Markdown, in the farm's language",
        ),
        sa.Column("run_id", sa.Text(), nullable=False, comment="Dagster run that wrote the row"),
        sa.Column(
            "computed_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when the row was computed",
        ),
        sa.CheckConstraint(
            "verdict IN ('good', 'watch', 'act', 'insufficient_data')",
            name=op.f("ck_daily_room_report_verdict"),
        ),
        sa.PrimaryKeyConstraint("stat_date", "room_id", name=op.f("pk_daily_room_report")),
        schema="farm",
        comment="The room's day with a verdict, one row per room and day",
    )
    op.create_table(
        "hourly_setpoint_changes",
        sa.Column(
            "change_id",
            sa.Uuid(),
            nullable=False,
            comment="version 5 UUID of point and time: the same change has the same id everywhere",
        ),
        sa.Column(
            "point_id",
            sa.Integer(),
            autoincrement=False,
            nullable=False,
            comment="the watched point",
        ),
        sa.Column(
            "changed_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="first sample with the new value",
        ),
        sa.Column(
            "previous_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="last sample with the old value; the change lies between the two",
        ),
        sa.Column("room_id", sa.Text(), nullable=False, comment="growing room"),
        sa.Column("device_type", sa.Text(), nullable=False, comment="kind of device"),
        sa.Column("device_alias", sa.Text(), nullable=False, comment="the device"),
        sa.Column("point_alias", sa.Text(), nullable=False, comment="the setpoint"),
        sa.Column("point_description", sa.Text(), nullable=True, comment="the setpoint in words"),
        sa.Column(
            "change_type",
            sa.Text(),
            nullable=False,
            comment="digital_on_off, enum_state or analog_value",
        ),
        sa.Column(
            "previous_value",
            sa.Double(),
            nullable=False,
            comment="value before, in the point's unit",
        ),
        sa.Column(
            "current_value", sa.Double(), nullable=False, comment="value after, in the point's unit"
        ),
        sa.Column(
            "previous_label",
            sa.Text(),
            nullable=True,
            comment="name of the value before, for on/off and enumerations",
        ),
        sa.Column(
            "current_label",
            sa.Text(),
            nullable=True,
            comment="name of the value after, for on/off and enumerations",
        ),
        sa.Column(
            "delta",
            sa.Double(),
            nullable=False,
            comment="value after minus value before, in the point's unit",
        ),
        sa.Column(
            "growth_day",
            sa.Integer(),
            nullable=True,
            comment="days since the batch came in, from 1 [d]",
        ),
        sa.Column("batch_date", sa.Date(), nullable=True, comment="in_date of the batch in force"),
        sa.Column("run_id", sa.Text(), nullable=False, comment="Dagster run that wrote the row"),
        sa.Column(
            "detected_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when the row was computed",
        ),
        sa.CheckConstraint(
            "change_type IN ('digital_on_off', 'enum_state', 'analog_value')",
            name=op.f("ck_hourly_setpoint_changes_change_type"),
        ),
        sa.CheckConstraint(
            "previous_at < changed_at", name=op.f("ck_hourly_setpoint_changes_order")
        ),
        sa.PrimaryKeyConstraint("point_id", "changed_at", name=op.f("pk_hourly_setpoint_changes")),
        sa.UniqueConstraint("change_id", name=op.f("uq_hourly_setpoint_changes_change_id")),
        schema="farm",
        comment="Changes of the watched setpoints, one row per change",
    )
    op.create_index(
        op.f("ix_hourly_setpoint_changes_changed_at"),
        "hourly_setpoint_changes",
        ["changed_at"],
        unique=False,
        schema="farm",
    )
    op.create_index(
        op.f("ix_hourly_setpoint_changes_room_id_changed_at"),
        "hourly_setpoint_changes",
        ["room_id", "changed_at"],
        unique=False,
        schema="farm",
    )
    op.create_table(
        "point",
        sa.Column(
            "point_id",
            sa.Integer(),
            sa.Identity(always=False),
            nullable=False,
            comment="identity of the point",
        ),
        sa.Column("room_id", sa.Text(), nullable=False, comment="growing room"),
        sa.Column(
            "device_type", sa.Text(), nullable=False, comment="kind of device, as in the farm file"
        ),
        sa.Column(
            "device_name", sa.Text(), nullable=False, comment="what the controller calls the device"
        ),
        sa.Column("device_alias", sa.Text(), nullable=False, comment="what people call the device"),
        sa.Column(
            "point_name", sa.Text(), nullable=False, comment="what the controller calls the point"
        ),
        sa.Column("point_alias", sa.Text(), nullable=False, comment="what people call the point"),
        sa.Column("unit", sa.Text(), nullable=True, comment="unit of the point's values"),
        sa.PrimaryKeyConstraint("point_id", name=op.f("pk_point")),
        sa.UniqueConstraint(
            "room_id",
            "device_alias",
            "point_alias",
            name=op.f("uq_point_room_id_device_alias_point_alias"),
        ),
        schema="farm",
        comment="Device points and sensors of the plant",
    )
    op.create_table(
        "sample",
        sa.Column(
            "point_id",
            sa.Integer(),
            autoincrement=False,
            nullable=False,
            comment="the point sampled",
        ),
        sa.Column(
            "sampled_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="source time of the sample",
        ),
        sa.Column(
            "value",
            sa.Double(),
            nullable=False,
            comment=(
                "the value, in the point's unit; NaN and infinities are kept and rejected later"
            ),
        ),
        sa.Column(
            "received_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when the sample arrived",
        ),
        sa.PrimaryKeyConstraint("point_id", "sampled_at", name=op.f("pk_sample")),
        schema="farm",
        comment=(
            "One value of one point at one instant, about once a minute; one "
            "partition a month (UTC)"
        ),
        postgresql_partition_by="RANGE (sampled_at)",
    )


def downgrade() -> None:
    """Backward."""
    op.drop_table("sample", schema="farm")
    op.drop_table("point", schema="farm")
    op.drop_index(
        op.f("ix_hourly_setpoint_changes_room_id_changed_at"),
        table_name="hourly_setpoint_changes",
        schema="farm",
    )
    op.drop_index(
        op.f("ix_hourly_setpoint_changes_changed_at"),
        table_name="hourly_setpoint_changes",
        schema="farm",
    )
    op.drop_table("hourly_setpoint_changes", schema="farm")
    op.drop_table("daily_room_report", schema="farm")
    op.drop_index(
        op.f("ix_daily_env_stats_room_id_stat_date"), table_name="daily_env_stats", schema="farm"
    )
    op.drop_table("daily_env_stats", schema="farm")
    op.drop_index(
        op.f("ix_daily_clip_inference_room_id_captured_at"),
        table_name="daily_clip_inference",
        schema="farm",
    )
    op.drop_index(
        op.f("ix_daily_clip_inference_image_date"), table_name="daily_clip_inference", schema="farm"
    )
    op.drop_table("daily_clip_inference", schema="farm")
    op.drop_table("batch", schema="farm")

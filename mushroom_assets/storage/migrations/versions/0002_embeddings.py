"""Vectors kept by content, labels by people, probes, days as vectors, and what no day looks at."""

import sqlalchemy as sa
from alembic import op
from pgvector.sqlalchemy import VECTOR
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "clip_probe",
        sa.Column(
            "encoder",
            sa.Text(),
            nullable=False,
            comment="model and weights whose vectors it was fitted on",
        ),
        sa.Column("kind", sa.Text(), nullable=False, comment="stage or condition"),
        sa.Column(
            "probe_id",
            sa.Text(),
            nullable=False,
            comment="names the fit: changes with labels, vectors and settings",
        ),
        sa.Column(
            "classes",
            postgresql.ARRAY(sa.Text()),
            nullable=False,
            comment="labels, in the order of the rows of the coefficients",
        ),
        sa.Column(
            "coefficients",
            postgresql.ARRAY(sa.Double()),
            nullable=False,
            comment="weights, one row a class, flattened: classes x dimensions",
        ),
        sa.Column(
            "intercepts", postgresql.ARRAY(sa.Double()), nullable=False, comment="one a class"
        ),
        sa.Column(
            "label_count", sa.Integer(), nullable=False, comment="labelled images it was fitted on"
        ),
        sa.Column(
            "accuracy",
            sa.Double(),
            nullable=False,
            comment="cross-validated share of right labels [0..1]",
        ),
        sa.Column(
            "by_class",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="per class: images, cross-validated recall and precision",
        ),
        sa.Column("run_id", sa.Text(), nullable=False, comment="Dagster run that wrote the row"),
        sa.Column(
            "fitted_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when the row was computed",
        ),
        sa.CheckConstraint("kind IN ('stage', 'condition')", name=op.f("ck_clip_probe_kind")),
        sa.PrimaryKeyConstraint("encoder", "kind", name=op.f("pk_clip_probe")),
        schema="farm",
        comment=(
            "The farm's own linear probe on stored vectors, the latest fit per "
            "encoder and kind of label"
        ),
    )
    op.create_table(
        "image_embedding",
        sa.Column(
            "content_sha256",
            sa.Text(),
            nullable=False,
            comment="SHA-256 of the file's bytes, hexadecimal",
        ),
        sa.Column(
            "encoder",
            sa.Text(),
            nullable=False,
            comment="model and weights: the first two parts of a model_id",
        ),
        sa.Column(
            "embedding", VECTOR(), nullable=False, comment="L2-normalised vector of the image alone"
        ),
        sa.Column(
            "width", sa.Integer(), nullable=False, comment="width of the original image [px]"
        ),
        sa.Column(
            "height", sa.Integer(), nullable=False, comment="height of the original image [px]"
        ),
        sa.Column(
            "sharpness",
            sa.Double(),
            nullable=False,
            comment="variance of the Laplacian of the grey image; low is blurred or fogged",
        ),
        sa.Column("brightness", sa.Double(), nullable=False, comment="mean grey value [0..1]"),
        sa.Column(
            "computed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when the vector was computed",
        ),
        sa.PrimaryKeyConstraint("content_sha256", "encoder", name=op.f("pk_image_embedding")),
        schema="farm",
        comment=(
            "What a model made of a file's bytes: computed once, kept while a day "
            "is still running, searched"
        ),
    )
    op.create_table(
        "image_label",
        sa.Column("image_path", sa.Text(), nullable=False, comment="path in the image store"),
        sa.Column(
            "content_sha256",
            sa.Text(),
            nullable=False,
            comment="SHA-256 of the bytes that were looked at, hexadecimal",
        ),
        sa.Column(
            "stage", sa.Text(), nullable=True, comment="what a grower saw: a stage of the farm file"
        ),
        sa.Column(
            "condition",
            sa.Text(),
            nullable=True,
            comment="what a grower saw: a condition of the farm file",
        ),
        sa.Column("labelled_by", sa.Text(), nullable=True, comment="who looked"),
        sa.Column(
            "labelled_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when the label was stored",
        ),
        sa.CheckConstraint(
            "stage IS NOT NULL OR condition IS NOT NULL", name=op.f("ck_image_label_label")
        ),
        sa.PrimaryKeyConstraint("image_path", name=op.f("pk_image_label")),
        schema="farm",
        comment="Labels by people, one row per image; the latest word counts",
    )
    op.create_table(
        "image_quarantine",
        sa.Column(
            "image_path",
            sa.Text(),
            nullable=False,
            comment="path in the image store of a file or folder that belongs to no room's day",
        ),
        sa.Column(
            "reason", sa.Text(), nullable=False, comment="what is wrong with it and what to do"
        ),
        sa.Column("run_id", sa.Text(), nullable=False, comment="Dagster run that wrote the row"),
        sa.Column(
            "noticed_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when the row was computed",
        ),
        sa.PrimaryKeyConstraint("image_path", name=op.f("pk_image_quarantine")),
        schema="farm",
        comment="What lies in the image store where no day will ever look, as of the latest run",
    )
    op.create_table(
        "room_day_embedding",
        sa.Column("image_date", sa.Date(), nullable=False, comment="farm-local day"),
        sa.Column("room_id", sa.Text(), nullable=False, comment="growing room"),
        sa.Column("encoder", sa.Text(), nullable=False, comment="model and weights"),
        sa.Column(
            "embedding",
            VECTOR(),
            nullable=False,
            comment="mean of the day's image vectors, scaled to length 1",
        ),
        sa.Column("image_count", sa.Integer(), nullable=False, comment="images in the mean"),
        sa.Column(
            "growth_day", sa.Integer(), nullable=True, comment="growth day of most of them [d]"
        ),
        sa.Column("run_id", sa.Text(), nullable=False, comment="Dagster run that wrote the row"),
        sa.Column(
            "computed_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when the row was computed",
        ),
        sa.PrimaryKeyConstraint(
            "image_date", "room_id", "encoder", name=op.f("pk_room_day_embedding")
        ),
        schema="farm",
        comment="What a room looked like on a day, to find days like it",
    )
    op.add_column(
        "daily_clip_inference",
        sa.Column(
            "probe_stage",
            sa.Text(),
            nullable=True,
            comment="stage by the farm's own probe; null without one",
        ),
        schema="farm",
    )
    op.add_column(
        "daily_clip_inference",
        sa.Column(
            "probe_stage_probability",
            sa.Double(),
            nullable=True,
            comment="the probe's probability of it [0..1]",
        ),
        schema="farm",
    )
    op.add_column(
        "daily_clip_inference",
        sa.Column(
            "probe_condition",
            sa.Text(),
            nullable=True,
            comment="condition by the farm's own probe; null without one",
        ),
        schema="farm",
    )
    op.add_column(
        "daily_clip_inference",
        sa.Column(
            "probe_condition_probability",
            sa.Double(),
            nullable=True,
            comment="the probe's probability of it [0..1]",
        ),
        schema="farm",
    )
    op.add_column(
        "daily_clip_inference",
        sa.Column(
            "probe_id",
            sa.Text(),
            nullable=True,
            comment="the fits these came from, stage and condition, as clip_probe names them",
        ),
        schema="farm",
    )
    op.create_index(
        op.f("ix_daily_clip_inference_content_sha256"),
        "daily_clip_inference",
        ["content_sha256"],
        unique=False,
        schema="farm",
    )
    # Vectors in their rows: those to come; the ones there are stay beside the table until they are
    # replaced.
    op.execute("ALTER TABLE farm.daily_clip_inference SET (toast_tuple_target = 8160)")
    op.execute("ALTER TABLE farm.image_embedding SET (toast_tuple_target = 8160)")


def downgrade() -> None:
    """Backward."""
    op.execute("ALTER TABLE farm.daily_clip_inference RESET (toast_tuple_target)")
    op.drop_index(
        op.f("ix_daily_clip_inference_content_sha256"),
        table_name="daily_clip_inference",
        schema="farm",
    )
    op.drop_column("daily_clip_inference", "probe_id", schema="farm")
    op.drop_column("daily_clip_inference", "probe_condition_probability", schema="farm")
    op.drop_column("daily_clip_inference", "probe_condition", schema="farm")
    op.drop_column("daily_clip_inference", "probe_stage_probability", schema="farm")
    op.drop_column("daily_clip_inference", "probe_stage", schema="farm")
    op.drop_table("room_day_embedding", schema="farm")
    op.drop_table("image_quarantine", schema="farm")
    op.drop_table("image_label", schema="farm")
    op.drop_table("image_embedding", schema="farm")
    op.drop_table("clip_probe", schema="farm")

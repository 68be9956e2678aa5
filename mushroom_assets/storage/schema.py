"""The tables of schema `farm`, declared once: every column with its meaning and unit.

This is the data dictionary: SQL comments, the column schema in the UI and the table docs are generated from it, and a
test holds the migrations equal to it. Statements live in `samples` and `results`.
"""

from typing import Any

from pgvector.sqlalchemy import VECTOR
from sqlalchemy import (
    DDL,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    event,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

SCHEMA = "farm"
metadata = MetaData(
    schema=SCHEMA,
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "pk": "pk_%(table_name)s",
    },
)
Instant = DateTime(timezone=True)


def _col(name: str, kind: Any, meaning: str, *, unit: str | None = None, key: bool = False, **options: Any) -> Column:
    comment = f"{meaning} [{unit}]" if unit else meaning
    options.setdefault("nullable", False)
    return Column(name, kind, primary_key=key, comment=comment, info={"meaning": meaning, "unit": unit}, **options)


def _opt(name: str, kind: Any, meaning: str, *, unit: str | None = None) -> Column:
    return _col(name, kind, meaning, unit=unit, nullable=True)


def _growth() -> list[Column]:
    return [
        _opt("growth_day", Integer, "days since the batch came in, from 1", unit="d"),
        _opt("batch_date", Date, "in_date of the batch in force"),
    ]


def _provenance(when: str = "computed_at") -> list[Column]:
    return [
        _col("run_id", Text, "Dagster run that wrote the row"),
        _col(when, Instant, "when the row was computed"),
    ]


point = Table(
    "point",
    metadata,
    _col("point_id", Integer, "identity of the point", key=True, server_default=Identity()),
    _col("room_id", Text, "growing room"),
    _col("device_type", Text, "kind of device, as in the farm file"),
    _col("device_name", Text, "what the controller calls the device"),
    _col("device_alias", Text, "what people call the device"),
    _col("point_name", Text, "what the controller calls the point"),
    _col("point_alias", Text, "what people call the point"),
    _opt("unit", Text, "unit of the point's values"),
    UniqueConstraint("room_id", "device_alias", "point_alias"),
    comment="Device points and sensors of the plant",
)

sample = Table(
    "sample",
    metadata,
    _col("point_id", Integer, "the point sampled", key=True, autoincrement=False),
    _col("sampled_at", Instant, "source time of the sample", key=True),
    _col("value", Double, "the value, in the point's unit; NaN and infinities are kept and rejected later"),
    _col("received_at", Instant, "when the sample arrived", server_default=func.now()),
    postgresql_partition_by="RANGE (sampled_at)",
    comment="One value of one point at one instant, about once a minute; one partition a month (UTC)",
)

batch = Table(
    "batch",
    metadata,
    _col("room_id", Text, "growing room", key=True),
    _col("in_date", Date, "day on which the bags came in: growth day 1", key=True),
    _opt("bag_count", Integer, "bags of the batch"),
    comment="Growth cycles: a batch is in force from its in_date to the room's next one",
)

daily_env_stats = Table(
    "daily_env_stats",
    metadata,
    _col("stat_date", Date, "farm-local day, half-open [00:00, 24:00)", key=True),
    _col("room_id", Text, "growing room", key=True),
    _col("quantity", Text, "temperature, humidity, co2, and per sample derived vpd, dew_point", key=True),
    _col("unit", Text, "unit of the statistics in this row"),
    _col("sample_count", Integer, "accepted samples of the day"),
    _col("rejected_count", Integer, "samples outside the plausible range, NaN or infinite; in no statistic"),
    _col(
        "suspect_count", Integer, "accepted samples that look like a spike or a stuck sensor; still in the statistics"
    ),
    _opt("mean", Double, "time-weighted mean: each value holds until the next, at most max_hold_s"),
    _opt("min", Double, "smallest accepted sample"),
    _opt("q25", Double, "lower quartile of the accepted samples, linear interpolation"),
    _opt("median", Double, "median of the accepted samples"),
    _opt("q75", Double, "upper quartile of the accepted samples, linear interpolation"),
    _opt("max", Double, "largest accepted sample"),
    _col("coverage", Double, "share of the day in which a value is known", unit="0..1"),
    _col("longest_gap_s", Double, "longest stretch of the day without a known value", unit="s"),
    _opt("in_range", Double, "share of the known time inside the target band of the growth day", unit="0..1"),
    *_growth(),
    _opt("is_growth_phase", Boolean, "growth day within 1..cycle_days"),
    *_provenance(),
    CheckConstraint("coverage BETWEEN 0 AND 1", name="coverage"),
    CheckConstraint("in_range BETWEEN 0 AND 1", name="in_range"),
    Index(None, "room_id", "stat_date"),
    comment="Daily environment statistics, one row per room, day and quantity",
)

hourly_setpoint_changes = Table(
    "hourly_setpoint_changes",
    metadata,
    _col("change_id", Uuid, "version 5 UUID of point and time: the same change has the same id everywhere"),
    _col("point_id", Integer, "the watched point", key=True, autoincrement=False),
    _col("changed_at", Instant, "first sample with the new value", key=True),
    _col("previous_at", Instant, "last sample with the old value; the change lies between the two"),
    _col("room_id", Text, "growing room"),
    _col("device_type", Text, "kind of device"),
    _col("device_alias", Text, "the device"),
    _col("point_alias", Text, "the setpoint"),
    _opt("point_description", Text, "the setpoint in words"),
    _col("change_type", Text, "digital_on_off, enum_state or analog_value"),
    _col("previous_value", Double, "value before, in the point's unit"),
    _col("current_value", Double, "value after, in the point's unit"),
    _opt("previous_label", Text, "name of the value before, for on/off and enumerations"),
    _opt("current_label", Text, "name of the value after, for on/off and enumerations"),
    _col("delta", Double, "value after minus value before, in the point's unit"),
    *_growth(),
    *_provenance("detected_at"),
    UniqueConstraint("change_id"),
    CheckConstraint("change_type IN ('digital_on_off', 'enum_state', 'analog_value')", name="change_type"),
    CheckConstraint("previous_at < changed_at", name="order"),
    Index(None, "changed_at"),
    Index(None, "room_id", "changed_at"),
    comment="Changes of the watched setpoints, one row per change",
)

daily_clip_inference = Table(
    "daily_clip_inference",
    metadata,
    _col("image_path", Text, "path in the image store", key=True),
    _col("model_id", Text, "model, weights and prompt-set version; vectors of two models never mix", key=True),
    _col("room_id", Text, "growing room"),
    _col("image_date", Date, "day folder of the image, farm-local: the partition that the row belongs to"),
    _opt("camera", Text, "camera, as in the file name; null if the name cannot be read"),
    _opt("captured_at", Instant, "time of capture, from the file name; null if the name cannot be read"),
    *_growth(),
    _col("status", Text, "ok, unreadable (no picture could be decoded) or rejected (refused before decoding)"),
    _opt("error", Text, "why the image is not ok"),
    _opt("width", Integer, "width of the original image", unit="px"),
    _opt("height", Integer, "height of the original image", unit="px"),
    _opt("content_sha256", Text, "SHA-256 of the file's bytes, hexadecimal"),
    _opt("embedding", VECTOR(), "L2-normalised vector of the image alone"),
    _opt("stage", Text, "zero-shot growth stage, unknown below the set margin"),
    _opt("stage_probability", Double, "probability of the likeliest stage", unit="0..1"),
    _opt("stage_margin", Double, "its lead over the second", unit="0..1"),
    _opt("condition", Text, "zero-shot condition, unknown below the set margin"),
    _opt("condition_probability", Double, "probability of the likeliest condition", unit="0..1"),
    _opt("scores", JSONB(none_as_null=True), "probability of every label"),
    _opt("sharpness", Double, "variance of the Laplacian of the grey image; low is blurred or fogged"),
    _opt("brightness", Double, "mean grey value", unit="0..1"),
    _opt("temperature_c", Double, "temperature at the capture, null if older than 5 min", unit="°C"),
    _opt("humidity_pct", Double, "relative humidity at the capture, null if older than 5 min", unit="%"),
    _opt("co2_ppm", Double, "CO2 at the capture, null if older than 5 min", unit="ppm"),
    *_provenance(),
    _opt("probe_stage", Text, "stage by the farm's own probe; null without one"),
    _opt("probe_stage_probability", Double, "the probe's probability of it", unit="0..1"),
    _opt("probe_condition", Text, "condition by the farm's own probe; null without one"),
    _opt("probe_condition_probability", Double, "the probe's probability of it", unit="0..1"),
    _opt("probe_id", Text, "the fits these came from, stage and condition, as clip_probe names them"),
    CheckConstraint("status IN ('ok', 'unreadable', 'rejected')", name="status"),
    CheckConstraint("(status = 'ok') = (embedding IS NOT NULL)", name="embedding"),
    Index(None, "image_date"),
    Index(None, "room_id", "captured_at"),
    Index(None, "content_sha256"),
    comment="CLIP inference on the camera images, one row per image and model",
)

image_embedding = Table(
    "image_embedding",
    metadata,
    _col("content_sha256", Text, "SHA-256 of the file's bytes, hexadecimal", key=True),
    _col("encoder", Text, "model and weights: the first two parts of a model_id", key=True),
    _col("embedding", VECTOR(), "L2-normalised vector of the image alone"),
    _col("width", Integer, "width of the original image", unit="px"),
    _col("height", Integer, "height of the original image", unit="px"),
    _col("sharpness", Double, "variance of the Laplacian of the grey image; low is blurred or fogged"),
    _col("brightness", Double, "mean grey value", unit="0..1"),
    _col("computed_at", Instant, "when the vector was computed", server_default=func.now()),
    comment="What a model made of a file's bytes: computed once, kept while a day is still running, searched",
)

# Vectors of up to 1,900 dimensions lie in their row instead of beside the table (TOAST): rows of 512 dimensions are
# copied in 0.46 s instead of 0.58 s per 20,000. STORAGE MAIN takes 1.07 s: it puts paths and hashes beside the table
# instead. SQLAlchemy's Table has no storage parameters.
for with_vectors in (daily_clip_inference, image_embedding):
    event.listen(with_vectors, "after_create", DDL("ALTER TABLE %(fullname)s SET (toast_tuple_target = 8160)"))

image_label = Table(
    "image_label",
    metadata,
    _col("image_path", Text, "path in the image store", key=True),
    _col("content_sha256", Text, "SHA-256 of the bytes that were looked at, hexadecimal"),
    _opt("stage", Text, "what a grower saw: a stage of the farm file"),
    _opt("condition", Text, "what a grower saw: a condition of the farm file"),
    _opt("labelled_by", Text, "who looked"),
    _col("labelled_at", Instant, "when the label was stored", server_default=func.now()),
    CheckConstraint("stage IS NOT NULL OR condition IS NOT NULL", name="label"),
    comment="Labels by people, one row per image; the latest word counts",
)

clip_probe = Table(
    "clip_probe",
    metadata,
    _col("encoder", Text, "model and weights whose vectors it was fitted on", key=True),
    _col("kind", Text, "stage or condition", key=True),
    _col("probe_id", Text, "names the fit: changes with labels, vectors and settings"),
    _col("classes", ARRAY(Text), "labels, in the order of the rows of the coefficients"),
    _col("coefficients", ARRAY(Double), "weights, one row a class, flattened: classes x dimensions"),
    _col("intercepts", ARRAY(Double), "one a class"),
    _col("label_count", Integer, "labelled images it was fitted on"),
    _col("accuracy", Double, "cross-validated share of right labels", unit="0..1"),
    _col("by_class", JSONB(), "per class: images, cross-validated recall and precision"),
    *_provenance("fitted_at"),
    CheckConstraint("kind IN ('stage', 'condition')", name="kind"),
    comment="The farm's own linear probe on stored vectors, the latest fit per encoder and kind of label",
)

room_day_embedding = Table(
    "room_day_embedding",
    metadata,
    _col("image_date", Date, "farm-local day", key=True),
    _col("room_id", Text, "growing room", key=True),
    _col("encoder", Text, "model and weights", key=True),
    _col("embedding", VECTOR(), "mean of the day's image vectors, scaled to length 1"),
    _col("image_count", Integer, "images in the mean"),
    _opt("growth_day", Integer, "growth day of most of them", unit="d"),
    *_provenance(),
    comment="What a room looked like on a day, to find days like it",
)

image_quarantine = Table(
    "image_quarantine",
    metadata,
    _col("image_path", Text, "path in the image store of a file or folder that belongs to no room's day", key=True),
    _col("reason", Text, "what is wrong with it and what to do"),
    *_provenance("noticed_at"),
    comment="What lies in the image store where no day will ever look, as of the latest run",
)

daily_room_report = Table(
    "daily_room_report",
    metadata,
    _col("stat_date", Date, "farm-local day", key=True),
    _col("room_id", Text, "growing room", key=True),
    _col("verdict", Text, "good, watch, act or insufficient_data"),
    _col("reasons", JSONB(), "what led to the verdict, most serious first"),
    _col("summary_md", Text, "the room's day in words, Markdown, in the farm's language"),
    *_provenance(),
    CheckConstraint("verdict IN ('good', 'watch', 'act', 'insufficient_data')", name="verdict"),
    comment="The room's day with a verdict, one row per room and day",
)

RESULTS = {
    table.name: table for table in (daily_env_stats, hourly_setpoint_changes, daily_clip_inference, daily_room_report)
}

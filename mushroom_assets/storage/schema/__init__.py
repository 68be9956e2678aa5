"""The tables of schema `farm`, declared once, a module a noun: every column with its meaning, unit
and origin.

This is the data dictionary: SQL comments, column schemas and column lineage in the UI and the table
docs are generated from it, and a test holds the migrations equal to it. Statements live in
`samples` and `results`.
"""

from mushroom_assets.storage.schema.dictionary import SCHEMA, metadata
from mushroom_assets.storage.schema.environment import daily_env_stats
from mushroom_assets.storage.schema.plant import batch, point, room_images, sample
from mushroom_assets.storage.schema.probe import clip_probe, image_label
from mushroom_assets.storage.schema.report import daily_room_report
from mushroom_assets.storage.schema.setpoints import hourly_setpoint_changes
from mushroom_assets.storage.schema.vision import (
    daily_clip_inference,
    image_embedding,
    image_quarantine,
    room_day_embedding,
)

__all__ = [
    "ASSETS",
    "RESULTS",
    "SCHEMA",
    "SOURCES",
    "batch",
    "clip_probe",
    "daily_clip_inference",
    "daily_env_stats",
    "daily_room_report",
    "hourly_setpoint_changes",
    "image_embedding",
    "image_label",
    "image_quarantine",
    "metadata",
    "point",
    "room_day_embedding",
    "room_images",
    "sample",
]

RESULTS = {
    table.name: table
    for table in (daily_env_stats, hourly_setpoint_changes, daily_clip_inference, daily_room_report)
}
SOURCES = {table.name: table for table in (point, sample, batch, room_images, image_label)}
ASSETS = SOURCES | RESULTS | {clip_probe.name: clip_probe}

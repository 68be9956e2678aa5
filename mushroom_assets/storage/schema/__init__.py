"""The tables of schema `farm` and what they are for, declared once, one module for each noun.

Every column has its meaning, unit and origin. This is the data dictionary: SQL comments, column
schemas and column lineage in the UI and the table docs are generated from it, and a test holds the
migrations equal to it. Which tables there are, and in which order, follows from the declarations.
Statements live in the modules beside this room.
"""

from graphlib import TopologicalSorter

from sqlalchemy import Table

from mushroom_assets.storage.schema.alarms import alarm, message
from mushroom_assets.storage.schema.dictionary import SCHEMA, Role, elsewhere, metadata, upstream
from mushroom_assets.storage.schema.environment import daily_env_stats
from mushroom_assets.storage.schema.following import input_change, outdated
from mushroom_assets.storage.schema.growers import harvest, note
from mushroom_assets.storage.schema.plant import batch, point, room_images, sample
from mushroom_assets.storage.schema.probe import clip_probe, image_label
from mushroom_assets.storage.schema.removal import removal
from mushroom_assets.storage.schema.report import daily_room_report
from mushroom_assets.storage.schema.runs import run_lease
from mushroom_assets.storage.schema.setpoints import hourly_setpoint_changes
from mushroom_assets.storage.schema.setting import setting
from mushroom_assets.storage.schema.vision import daily_clip_inference
from mushroom_assets.storage.schema.vision_work import (
    image_embedding,
    image_listing,
    image_quarantine,
    room_day_embedding,
)

__all__ = [
    "ASSETS",
    "RESULTS",
    "SCHEMA",
    "SOURCES",
    "TABLES",
    "alarm",
    "batch",
    "clip_probe",
    "daily_clip_inference",
    "daily_env_stats",
    "daily_room_report",
    "harvest",
    "hourly_setpoint_changes",
    "image_embedding",
    "image_label",
    "image_listing",
    "image_quarantine",
    "input_change",
    "message",
    "metadata",
    "note",
    "outdated",
    "point",
    "removal",
    "room_day_embedding",
    "room_images",
    "run_lease",
    "sample",
    "setting",
]


def _with_role(role: Role) -> dict[str, Table]:
    """The tables of a role by name, as they are declared."""
    declared = [*metadata.tables.values(), *elsewhere.tables.values()]
    return {table.name: table for table in declared if table.info["role"] is role}


def _inputs_first(tables: dict[str, Table]) -> dict[str, Table]:
    """Each table after those that its rows are computed from."""
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for name, table in tables.items():
        sorter.add(name, *(other for other in upstream(table) if other in tables))
    return {name: tables[name] for name in sorter.static_order()}


RESULTS = _inputs_first(_with_role(Role.RESULT))
SOURCES = _with_role(Role.SOURCE)
ASSETS = RESULTS | SOURCES | _with_role(Role.MODEL)
# What is in the database: results, sources, settings, then what inference, runs and retention work
# with
TABLES = {
    name: table
    for name, table in (ASSETS | _with_role(Role.RULES) | _with_role(Role.WORK)).items()
    if table.metadata is metadata
}

"""What an asset's page says before any partition is there: description, columns and their lineage,
owners, tags.
"""

from typing import Any, NamedTuple

import dagster as dg
import sqlalchemy as sa

from mushroom_assets.domain.farm import Farm, Language
from mushroom_assets.domain.versions import CODE, code_version
from mushroom_assets.metadata.common import Metadata
from mushroom_assets.metadata.descriptions import description, link
from mushroom_assets.storage.schema import dictionary as said

GROUP = "farm"  # one for all: the lineage page folds up groups as soon as there are two
PRIMARY_KEY: dict[Language, str] = {"en": "primary key: {columns}", "zh": "主键：{columns}"}


class Facts(NamedTuple):
    """Under what the catalogue finds an asset.

    `owners` are roles, which the farm file gives names.
    """

    domain: str
    cadence: str
    kinds: tuple[str, ...]
    owners: tuple[str, ...]


FACTS = {
    "daily_env_stats": Facts("environment", "daily", ("postgres", "python"), ("growers",)),
    "hourly_setpoint_changes": Facts("setpoints", "hourly", ("postgres", "python"), ("growers",)),
    "daily_clip_inference": Facts("vision", "daily", ("postgres", "pytorch"), ("agronomists",)),
    "clip_probe": Facts("vision", "on_change", ("postgres", "scikitlearn"), ("agronomists",)),
    "daily_room_report": Facts(
        "report", "daily", ("postgres", "python"), ("growers", "agronomists")
    ),
    "sample": Facts("plant", "minute", ("postgres",), ("data_engineering",)),
    "point": Facts("plant", "on_change", ("postgres",), ("data_engineering",)),
    "batch": Facts("plant", "on_change", ("postgres",), ("growers",)),
    "room_images": Facts("vision", "hourly", ("image",), ("data_engineering",)),
    "image_label": Facts("vision", "on_change", ("postgres",), ("growers",)),
}


def definition(table: sa.Table, farm: Farm) -> dict[str, Any]:
    """All that `dg.asset` and `dg.AssetSpec` take about an asset's page, in the farm's language."""
    facts = FACTS[table.name]
    layer = "result" if table.name in CODE else "source"
    shown: dict[str, Any] = {
        "description": description(table, farm.language),
        "group_name": GROUP,
        "kinds": set(facts.kinds),
        "owners": [owner for role in facts.owners for owner in getattr(farm.owners, role)],
        "tags": {"domain": facts.domain, "cadence": facts.cadence, "layer": layer},
        "metadata": _metadata(table, farm.language),
    }
    return shown | ({"code_version": code_version(table.name, farm)} if layer == "result" else {})


def _metadata(table: sa.Table, language: Language) -> Metadata:
    """Table, columns and lineage.

    Dagster's own UI draws no column lineage: the columns' descriptions say it too.
    """
    lineage = {
        column.name: [
            dg.TableColumnDep(dg.AssetKey(of), name) for of, name in said.column_origins(column)
        ]
        for column in table.columns
        if column.info["origin"]
    }
    stored = (
        {"dagster/table_name": table.fullname, "dagster/storage_kind": "postgres"}
        if table.schema
        else {}
    )
    keys = PRIMARY_KEY[language].format(
        columns=", ".join(column.name for column in table.primary_key.columns)
    )
    columns = [_column(column, language) for column in table.columns]
    schema = dg.TableSchema(columns, constraints=dg.TableConstraints(other=[keys]))
    drawn = {"dagster/column_lineage": dg.TableColumnLineage(lineage)} if lineage else {}
    return stored | {"dagster/column_schema": schema} | drawn


def _column(column: sa.Column[Any], language: Language) -> dg.TableColumn:
    """Type, meaning, unit and, in a paragraph of its own, what the values are computed from."""
    unit = said.unit(column)
    shown = {None: "", "1": "", "unit": " [`unit`]", "point.unit": " [`point.unit`]"}.get(
        unit, f" [{unit}]"
    )
    origins = said.origins_text(column, language, lambda of, name: link(f"{of}.{name}", of))
    text = said.meaning(column, language) + shown + (f"\n\n← {origins}" if origins else "")
    return dg.TableColumn(
        column.name,
        said.type_name(column),
        description=text,
        constraints=dg.TableColumnConstraints(nullable=bool(column.nullable)),
    )

"""What an asset's page says before any partition is there: description, columns, owners, tags.

It is put on all assets at once, by `Definitions.map_asset_specs`. The words are those of `pages`.
"""

from typing import Any

import dagster as dg
import sqlalchemy as sa

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_parts import Language
from mushroom_assets.domain.texts import say
from mushroom_assets.metadata.common import Metadata
from mushroom_assets.metadata.links import link
from mushroom_assets.metadata.pages import description, pages
from mushroom_assets.storage.schema import ASSETS, SOURCES, dictionary

GROUP = "farm"  # one for all: the lineage page folds up groups as soon as there are two


def catalogued(spec: dg.AssetSpec, farm: Farm) -> dg.AssetSpec:
    """A spec with all that the catalogue shows of its asset, in the farm's language."""
    name = spec.key.to_user_string()
    table = ASSETS[name]
    facts = pages()[name].facts
    layer = "source" if name in SOURCES else "result"
    owners = [owner for role in facts.owners for owner in getattr(farm.owners, role)]
    described = spec.replace_attributes(description=description(table, farm), group_name=GROUP)
    return described.merge_attributes(
        kinds=set(facts.kinds),
        owners=owners,
        tags={"domain": facts.domain, "cadence": facts.cadence, "layer": layer},
        metadata=_metadata(table, farm),
    )


def _metadata(table: sa.Table, farm: Farm) -> Metadata:
    """Table, columns and lineage.

    Dagster's own UI draws no column lineage: the columns' descriptions say it too.
    """
    keys = ", ".join(column.name for column in table.primary_key.columns)
    constraints = dg.TableConstraints(other=[say("page.primary_key", farm, columns=keys)])
    columns = [_column(column, farm.language) for column in table.columns]
    shown: Metadata = {"dagster/column_schema": dg.TableSchema(columns, constraints=constraints)}
    if table.schema:
        shown |= {"dagster/table_name": table.fullname, "dagster/storage_kind": "postgres"}
    lineage = {column.name: _origins(column) for column in table.columns if column.info["origin"]}
    if lineage:
        shown["dagster/column_lineage"] = dg.TableColumnLineage(lineage)
    return shown


def _origins(column: sa.Column[Any]) -> list[dg.TableColumnDep]:
    """The columns that a column's values are computed from."""
    named = dictionary.column_origins(column)
    return [dg.TableColumnDep(dg.AssetKey(table), name) for table, name in named]


def _column(column: sa.Column[Any], language: Language) -> dg.TableColumn:
    """Type, meaning, unit and, in a paragraph of its own, what the values are computed from."""
    text = dictionary.meaning(column, language) + _unit(dictionary.unit(column))
    origins = dictionary.origins_text(column, language, _column_link)
    if origins:
        text += f"\n\n← {origins}"
    return dg.TableColumn(
        column.name,
        dictionary.type_name(column),
        description=text,
        constraints=dg.TableColumnConstraints(nullable=bool(column.nullable)),
    )


def _unit(unit: str | None) -> str:
    """A unit in brackets; the column that tells it, as code; counts have none."""
    if unit in (None, "1"):
        return ""
    return f" [`{unit}`]" if unit in ("unit", "point.unit") else f" [{unit}]"


def _column_link(table: str, name: str) -> str:
    return link(f"{table}.{name}", table)

"""What an asset's page says of its table, before any partition is there."""

import dagster as dg
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from mushroom_assets.metadata.common import Metadata
from mushroom_assets.storage.schema import SCHEMA

GROUP = "farm"  # one for all: the lineage page folds up groups as soon as there are two


def definition_metadata(table: sa.Table) -> Metadata:
    """What an asset's page says of its table: name, storage and every column with meaning, unit and constraints."""
    columns = [
        dg.TableColumn(
            column.name,
            column.type.compile(dialect=postgresql.dialect()),
            description=column.comment,
            constraints=dg.TableColumnConstraints(nullable=bool(column.nullable)),
        )
        for column in table.columns
    ]
    return {
        "dagster/table_name": f"{SCHEMA}.{table.name}",
        "dagster/storage_kind": "postgres",
        "dagster/column_schema": dg.TableSchema(
            columns,
            constraints=dg.TableConstraints(
                other=["primary key: " + ", ".join(column.name for column in table.primary_key.columns)]
            ),
        ),
    }

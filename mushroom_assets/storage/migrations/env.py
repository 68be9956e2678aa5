"""Alembic's entry: runs the migrations on the connection that `upgrade` hands in."""

from typing import Any

from alembic import context

from mushroom_assets.storage.schema import SCHEMA, metadata


def include(name: str | None, kind: str, parents: Any) -> bool:
    """Only our schema, and of it not the monthly partitions of `sample`, which loading creates."""
    if kind == "schema":
        return name == SCHEMA
    return not (kind == "table" and (name or "").startswith("sample_"))


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    include_schemas=True,
    include_name=include,
    version_table_schema=SCHEMA,
)
context.run_migrations()

"""Alembic's entry: runs the migrations on the connection that `upgrade` hands in."""

from alembic import context

from mushroom_assets.storage.migrations import include
from mushroom_assets.storage.schema import SCHEMA, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    include_schemas=True,
    include_name=include,
    version_table_schema=SCHEMA,
)
context.run_migrations()

"""Write a new migration: what the declared tables have and the last migration has not.

`python -m tools.migration "quantiles of the environment"`, or `make migration m="..."`, which also
tidies the file. It compares `mushroom_assets.storage.schema` with an empty database that all
migrations were run on, in an embedded PostgreSQL of its own. It cannot know that a column was
renamed, or how rows are to be filled: read what it wrote. On stdout is the file's path alone.
"""

import contextlib
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.operations.ops import CreateTableOp, MigrationScript
from alembic.runtime.migration import MigrationContext

from mushroom_assets.service.postgres import embedded_postgres
from mushroom_assets.storage import migrations
from mushroom_assets.storage.connection import Database

Revisions = str | Iterable[str | None] | Iterable[str]
LOCATION = "mushroom_assets.storage:migrations"


def write_migration(connection: sa.Connection, message: str, location: str = LOCATION) -> Path:
    """Write the next migration, numbered after the newest one; returns its file.

    Args:
        connection: an empty database, or one at the newest revision.
        message: what changes; it names the file.
        location: Alembic's script location.
    """
    revision = f"{int(migrations.upgrade(connection)) + 1:04d}"
    config = Config()
    config.set_main_option("script_location", location)
    config.attributes["connection"] = connection
    script = command.revision(
        config,
        message,
        autogenerate=True,
        rev_id=revision,
        process_revision_directives=_without_dictionary,
    )
    path = Path(script.path)
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not line.strip().startswith("# ###")]  # Alembic's own words
    path.write_text("".join(kept), encoding="utf-8")
    return path


def _without_dictionary(
    context: MigrationContext, revision: Revisions, directives: list[MigrationScript]
) -> None:
    """Leave out what the data dictionary says beside the SQL comments: it is no part of a table."""
    for script in directives:
        for operation in script.upgrade_ops.ops if script.upgrade_ops else ():
            if isinstance(operation, CreateTableOp):
                operation.info = {}


def main(message: str) -> None:
    """Bring an empty database to the newest revision, and write the next one."""
    with (
        contextlib.redirect_stdout(sys.stderr),  # Alembic tells what it does
        tempfile.TemporaryDirectory(prefix="mushroom-pg-") as home,
        embedded_postgres(Path(home) / "pg") as url,
    ):
        database = Database(url, application_name="mushroom migration")
        with database.transaction() as connection:
            path = write_migration(connection, message)
        database.dispose()
    print(path)


if __name__ == "__main__":
    main(sys.argv[1])

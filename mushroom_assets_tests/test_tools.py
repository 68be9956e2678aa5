"""`make migration` writes what the declared tables have and the last migration has not."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from mushroom_assets.storage import migrations
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.schema import SCHEMA, metadata
from mushroom_assets.storage.schema.dictionary import Role, col, table
from tools.migration import write_migration


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the migrations: a test writes nothing into the package."""
    return Path(shutil.copytree(Path(migrations.__file__).parent, tmp_path / "migrations"))


@pytest.fixture
def declared() -> Iterator[None]:
    """A table more is declared."""
    kwh = col("kwh", sa.Double, "of a day", "当天", key=True)
    energy = table("energy", "Energy of a day", "每日能耗", kwh, role=Role.RESULT)
    yield
    metadata.remove(energy)


@pytest.mark.usefixtures("declared")
def test_the_next_migration_makes_what_was_declared(empty_database_url: str, folder: Path) -> None:
    database = Database(empty_database_url)
    with database.transaction() as connection:
        path = write_migration(connection, "Energy of a day", str(folder))
        number = f"{int(migrations.head()) + 1:04d}"
        assert path == folder / "versions" / f"{number}_energy_of_a_day.py"
        text = path.read_text(encoding="utf-8")
        assert text.startswith('"""Energy of a day."""\n')
        assert f"down_revision = '{migrations.head()}'" in text
        assert text.count("op.create_table(") == text.count("op.drop_table(") == 1
        assert "info=" not in text
        assert "'energy'" in text and f"schema='{SCHEMA}'" in text
        assert "op.add_column" not in text and "###" not in text
    database.dispose()


def test_where_nothing_was_declared_the_migration_is_for_what_is_written_by_hand(
    empty_database_url: str, folder: Path
) -> None:
    database = Database(empty_database_url)
    with database.transaction() as connection:
        text = write_migration(connection, "Fill", str(folder)).read_text(encoding="utf-8")
    database.dispose()
    assert "op." not in text.split("def upgrade")[1]

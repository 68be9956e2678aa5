"""`make migration` writes what the declared tables have and the last migration has not."""

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from mushroom_assets.storage import migrations
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.schema import SCHEMA, metadata
from mushroom_assets.storage.schema.dictionary import Role, col, table
from tools import migration
from tools.migration import write_migration

ROOT = Path(__file__).parent.parent
MESSY = "import sys\nimport os\nx = [ os,sys ]\n"
TIDY = "import os\nimport sys\n\nx = [os, sys]\n"
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the Makefile, by itself even where `make` runs the tests."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", "-C", str(ROOT), "--no-print-directory", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


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


@needs_make
@pytest.mark.parametrize("said", [[], ["m="], ["m= "]])
def test_a_migration_without_a_name_is_refused_before_anything_is_installed(
    tmp_path: Path, said: list[str]
) -> None:
    done = make("migration", *said, f"VENV={tmp_path / 'venv'}", "PYTHON=false")
    assert done.returncode != 0
    assert done.stdout == 'Say what changes: make migration m="quantiles of the environment"\n'
    assert "Python 3.11" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """An environment that counts as installed, whose Python names a new migration."""
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    for mark in ("pip.ok", "demo.ok", "test.ok"):
        (venv / mark).touch()
    python = venv / "bin" / "python"
    python.write_text(f"#!/bin/sh\necho '{tmp_path}/0099_new.py'\n", encoding="utf-8")
    python.chmod(0o755)
    (venv / "bin" / "ruff").symlink_to(Path(sys.executable).parent / "ruff")
    return venv


@needs_make
def test_of_the_migrations_only_the_new_one_is_tidied(tmp_path: Path, environment: Path) -> None:
    for name in ("0001_old.py", "0099_new.py"):
        (tmp_path / name).write_text(MESSY, encoding="utf-8")
    done = make("migration", "m=new", f"VENV={environment}")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{tmp_path}/0099_new.py: read it, and try it with `make check`\n"
    assert (tmp_path / "0001_old.py").read_text(encoding="utf-8") == MESSY
    assert (tmp_path / "0099_new.py").read_text(encoding="utf-8") == TIDY


@needs_make
def test_a_new_migration_that_lacks_an_import_fails(tmp_path: Path, environment: Path) -> None:
    (tmp_path / "0099_new.py").write_text("x = Vector(128)\n", encoding="utf-8")
    done = make("migration", "m=new", f"VENV={environment}")
    assert done.returncode != 0
    assert "Undefined name `Vector`" in done.stdout
    assert "read it" not in done.stdout


@pytest.mark.usefixtures("declared")
def test_the_file_s_path_is_all_that_is_printed(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], folder: Path
) -> None:
    written = functools.partial(write_migration, location=str(folder))
    monkeypatch.setattr(migration, "write_migration", written)
    migration.main("Energy of a day")
    number = f"{int(migrations.head()) + 1:04d}"
    path = folder / "versions" / f"{number}_energy_of_a_day.py"
    assert path.exists()
    assert capfd.readouterr().out == f"{path}\n"

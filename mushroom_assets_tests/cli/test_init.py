"""`mushroom init` makes what a run needs, or waits for the database."""

import functools
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from mushroom_assets.cli import ground
from mushroom_assets.storage import migrations
from mushroom_assets.storage.connection import Database
from mushroom_assets_tests.kit.command import mushroom
from mushroom_assets_tests.kit.databases import uri_of


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder with a short path: that of a socket holds 107 bytes."""
    directory = Path(tempfile.mkdtemp(prefix="mushroom-pg-"))
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


def months(database: Database) -> set[str]:
    partitions = sa.text("SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r'")
    with database.transaction() as connection:
        return set(connection.scalars(partitions))


def test_init_makes_tables_and_months_and_a_second_one_changes_nothing(
    empty_database_url: str, tmp_path: Path
) -> None:
    farm = tmp_path / "farm.yaml"
    farm.write_text(
        'timezone: Asia/Shanghai\nfirst_day: 2024-03-01\nrooms: {"611": {}}\n', encoding="utf-8"
    )
    where: dict[str, Any] = {
        "DATABASE_URL": empty_database_url,
        "MUSHROOM_HOME": tmp_path,
        "MUSHROOM_CONFIG": farm,
    }
    first = mushroom("init", **where)
    assert first.exit_code == 0
    assert f"are at revision {migrations.head()}" in first.output
    database = Database(empty_database_url)
    made = months(database)
    # The lookback reaches before the first day
    assert {"sample_2024_01", "sample_2024_02", "sample_2024_03"} <= made
    with database.transaction() as connection:
        in_a_year = connection.scalar(
            sa.text("SELECT to_char(now() + interval '1 year', '\"sample_\"YYYY_MM')")
        )
        connection.exec_driver_sql("INSERT INTO farm.batch VALUES ('611', '2026-01-05', 9800)")
    assert in_a_year in made
    assert mushroom("init", **where).exit_code == 0
    assert months(database) == made
    with database.transaction() as connection:
        assert connection.scalar(sa.text("SELECT bag_count FROM farm.batch")) == 9800
    database.dispose()


def test_init_makes_the_views_of_older_dashboards_but_not_on_tables_of_a_newer_release(
    empty_database_url: str, tmp_path: Path
) -> None:
    where: dict[str, Any] = {"DATABASE_URL": empty_database_url, "MUSHROOM_HOME": tmp_path}
    views = sa.text("SELECT count(*) FROM pg_views WHERE schemaname = 'predecessor'")
    database = Database(empty_database_url)
    assert mushroom("init", **where).exit_code == 0
    with database.transaction() as connection:
        assert connection.scalar(views) == 3
        connection.exec_driver_sql("DROP VIEW predecessor.mushroom_embedding")
        connection.exec_driver_sql("UPDATE farm.alembic_version SET version_num = '0900'")
    assert mushroom("init", **where).exit_code == 0
    with database.transaction() as connection:
        assert connection.scalar(views) == 2
    database.dispose()


def test_init_makes_the_view_of_a_farm_files_quantities_anew_when_they_change(
    empty_database_url: str, tmp_path: Path
) -> None:
    farm = tmp_path / "farm.yaml"
    where: dict[str, Any] = {
        "DATABASE_URL": empty_database_url,
        "MUSHROOM_HOME": tmp_path,
        "MUSHROOM_CONFIG": farm,
    }
    text = 'timezone: Asia/Shanghai\nfirst_day: 2026-03-01\nrooms: {"611": {}}\n'
    oxygen = "o2: {device_type: mushroom_env_status, point_alias: o2, unit: '%'}"
    database = Database(empty_database_url)
    for addition, expected in (("", 0), (f"quantities: {{{oxygen}}}\nstages: []\n", 8)):
        farm.write_text(text + addition, encoding="utf-8")
        assert mushroom("init", **where).exit_code == 0
        with database.transaction() as connection:
            columns = sa.text(
                "SELECT count(*) FROM information_schema.columns "
                "WHERE table_name = 'batch_day' AND column_name LIKE 'o2%'"
            )
            assert connection.scalar(columns) == expected
    database.dispose()


@pytest.mark.parametrize(
    ("options", "expected"), [([], [10.0] * 4), (["--attempts", "3", "--wait", "0.25"], [0.25] * 2)]
)
def test_init_waits_for_the_database_five_attempts_ten_seconds_apart_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], expected: list[float]
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(ground, "Database", functools.partial(Database, sleep=waits.append))
    with socket.socket() as bound:  # bound but not listening: it refuses
        bound.bind(("127.0.0.1", 0))
        url = f"postgresql://grower:chanterelle@127.0.0.1:{bound.getsockname()[1]}/farm"
        result = mushroom("init", *options, DATABASE_URL=url, MUSHROOM_HOME=tmp_path)
    where = f"grower@127.0.0.1:{url.split(':')[-1]}"
    told = f"mushroom: no connection to {where} after {len(waits) + 1} attempts"
    assert result.exit_code == 1
    assert waits == expected
    assert told in result.output
    assert "chanterelle" not in result.output


def test_init_in_a_database_that_refuses_ends_at_once(
    server_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(ground, "Database", functools.partial(Database, sleep=waits.append))
    result = mushroom(
        "init", DATABASE_URL=uri_of(server_uri, "no_such_farm"), MUSHROOM_HOME=tmp_path
    )
    assert (result.exit_code, waits) == (1, [])
    assert "Remedy: create the database, or correct its name in DATABASE_URL" in result.output


def test_init_without_a_database_url_uses_the_embedded_one(
    monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    monkeypatch.chdir(home)
    result = mushroom("init", MUSHROOM_HOME=home / "m")
    assert result.exit_code == 0, result.output
    assert (home / "m" / "postgres" / "PG_VERSION").exists()
    assert not (home / "m" / "postgres" / "postmaster.pid").exists()  # it is stopped again

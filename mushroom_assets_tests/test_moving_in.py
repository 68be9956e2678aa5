"""The commands of docs/moving_in.md, run as they stand there, and what the old dashboards then see.

The old database has its tables as they were; `psql` is the embedded server's.
"""

import datetime as dt
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.faults.database import DatabaseRefused
from mushroom_assets.service.postgres import Cluster
from mushroom_assets.storage.connection import Database
from mushroom_assets_tests.kit.databases import NO_RETRY
from mushroom_assets_tests.kit.plant import materialize
from mushroom_assets_tests.kit.predecessor import ROWS, TABLES

DOCS = Path(__file__).parent.parent / "docs"
GUIDE = DOCS / "moving_in.md"


def blocks(document: Path, language: str) -> list[str]:
    """The fenced blocks of a language, in order."""
    text = document.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


def without_remarks(block: str) -> str:
    return re.sub(r" +#.*", "", block)


@pytest.mark.parametrize("language", ["sh", "yaml"])
def test_both_languages_show_the_same_commands(language: str) -> None:
    english = [without_remarks(block) for block in blocks(GUIDE, language)]
    chinese = [without_remarks(block) for block in blocks(DOCS / "moving_in.zh.md", language)]
    assert english == chinese
    assert english


@pytest.fixture
def moved(empty_database_url: str, database: Database, tmp_path: Path) -> Iterator[Database]:
    """A farm's database after all commands of the guide, in the order of the guide."""
    old = Database(empty_database_url, retry=NO_RETRY)
    with old.transaction() as connection:
        for statements in (TABLES, ROWS):
            connection.exec_driver_sql(statements, execution_options={"no_parameters": True})
    old.dispose()
    (tmp_path / "farm.yaml").write_text(blocks(GUIDE, "yaml")[0], encoding="utf-8")
    (tmp_path / "samples-2026-01.csv").write_text(samples(), encoding="utf-8")
    environment = {
        **os.environ,
        "PATH": f"{programs(tmp_path)}:{os.environ['PATH']}",
        "OLD_DATABASE_URL": empty_database_url,
        "DATABASE_URL": database.url,
        "MUSHROOM_CONFIG": str(tmp_path / "farm.yaml"),
        "MUSHROOM_HOME": str(tmp_path / "home"),
    }
    for block in blocks(GUIDE, "sh"):
        if not block.startswith("export"):
            run(block, tmp_path, environment)
    yield database
    with database.transaction() as connection:
        connection.exec_driver_sql("DROP OWNED BY dashboard")
        connection.exec_driver_sql("DROP ROLE dashboard")  # it is the server's


def programs(folder: Path) -> Path:
    """A folder with `psql` and `mushroom`."""
    found = folder / "bin"
    found.mkdir()
    (found / "psql").symlink_to(Cluster.at(folder / "pg").programs.bin_path / "psql")
    command = found / "mushroom"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m mushroom_assets.cli.main "$@"\n')
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    return found


def run(block: str, folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        ["bash", "-ec", block],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"


def samples() -> str:
    """A minute's samples of 2026-01-05: 18 °C until noon, then 19; set from 17.5 to 18 at 16:20."""
    lines = ["room_id,device_type,device_alias,point_alias,sampled_at,value"]
    for minute in range(1440):
        at = dt.datetime.fromisoformat("2026-01-05") + dt.timedelta(minutes=minute)
        temperature = 18 if minute < 720 else 19
        setpoint = 17.5 if minute < 980 else 18
        sensor = "611,mushroom_env_status,mushroom_env_status_611,temperature"
        lines += [f"{sensor},{at},{temperature}"]
        lines += [f"611,air_cooler,air_cooler_611,temp_set,{at},{setpoint}"]
    return "\n".join(lines) + "\n"


def test_a_plants_history_comes_in_and_its_dashboards_read_it(
    moved: Database, tmp_path: Path
) -> None:
    with moved.transaction() as connection:
        points = connection.execute(
            sa.text("SELECT device_name, point_name, point_alias FROM farm.point ORDER BY 3")
        ).all()
        batches = connection.execute(sa.text("SELECT * FROM farm.batch ORDER BY in_date")).all()
    assert [tuple(row) for row in points] == [
        ("TD1_Q1MDCH01", "TemSet", "temp_set"),
        ("TD1_Q1MDTM01", "Tatmosp", "temperature"),
    ]
    assert [tuple(row) for row in batches] == [
        ("611", dt.date(2025, 11, 27), None),
        ("611", dt.date(2025, 12, 24), 9792),
    ]

    path = tmp_path / "farm.yaml"
    farm = parse_farm(path.read_text(encoding="utf-8"))
    materialize("daily_env_stats", moved.url, farm, "2026-01-05", farm_file=path)
    hours = ("2026-01-05-00:00", "2026-01-05-23:00")
    materialize("hourly_setpoint_changes", moved.url, farm, *hours, farm_file=path)

    dashboard = Database(moved.url.replace("//postgres:@", "//dashboard:@"), retry=NO_RETRY)
    with dashboard.transaction() as connection:
        days = connection.execute(
            sa.text(
                "SELECT room_id, in_day_num, temp_median, temp_min, temp_max, temp_count, co2_count"
                " FROM mushroom_env_daily_stats WHERE stat_date = '2026-01-05'"
            )
        ).all()
        changes = connection.execute(
            sa.text(
                "SELECT device_name, point_name, change_time, previous_value, current_value,"
                " in_date, growth_day, in_num, batch_id FROM device_setpoint_changes"
                " WHERE room_id = '611' AND change_time >= '2026-01-05'"
            )
        ).all()
    in_date = dt.date(2025, 12, 24)
    at = dt.datetime.fromisoformat("2026-01-05 16:20")
    # 12-24 is day 1, 12-31 day 8, 01-05 day 13; half of the samples are 18, half are 19
    assert [tuple(row) for row in days] == [("611", 13, 18.5, 18, 19, 1440, 0)]
    assert [tuple(row) for row in changes] == [
        ("air_cooler_611", "temp_set", at, 17.5, 18, in_date, 13, 9792, "611_20251224")
    ]
    with (
        pytest.raises(DatabaseRefused, match="permission denied for schema farm"),
        dashboard.transaction() as connection,
    ):
        connection.execute(sa.text("SELECT * FROM farm.daily_env_stats"))
    dashboard.dispose()

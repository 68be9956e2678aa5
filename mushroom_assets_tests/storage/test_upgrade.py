"""The database of an earlier release goes on under this one, with all that is in it.

`dumps` holds a farm of each release before a migration, by the number of its newest one;
`tools.release_dump` made them.
"""

import csv
import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.storage import migrations
from mushroom_assets_tests.kit.command import mushroom
from mushroom_assets_tests.kit.dumps import contents, psql, restore_sql
from mushroom_assets_tests.kit.plant import materialize
from tools.release_dump import COLUMNS, DAYS, DUMPS, FARM, POINTS

pytestmark = pytest.mark.long
FOUND = sorted(DUMPS.glob("*.sql.gz"))
HOURS = [f"{day}-{hour:02}:00" for day in DAYS for hour in range(24)]
NEXT = "2026-01-12"


def settings(url: str, folder: Path) -> dict[str, object]:
    (folder / "farm.yaml").write_text(FARM, encoding="utf-8")
    return {
        "DATABASE_URL": url,
        "MUSHROOM_HOME": folder,
        "MUSHROOM_CONFIG": folder / "farm.yaml",
    }


@contextmanager
def instance_of(folder: Path, url: str, patch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """Dagster's record as `mushroom init` has set it up."""
    patch.setenv("DATABASE_URL", url)
    with dg.DagsterInstance.from_config(str(folder / "dagster")) as instance:
        yield instance


def write_next_day(path: Path) -> None:
    """Room 607: 18 degrees all day long; the setpoint falls from 18.5 to 17.5 at midnight."""
    midnight = dt.datetime.fromisoformat(f"{NEXT}T00:00:00+08:00")
    values = {"temperature": 18, "temp_set": 17.5}
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for step in range(288):
            at = (midnight + dt.timedelta(minutes=5 * step)).isoformat()
            for point, value in values.items():
                kind = POINTS[point]
                writer.writerow(("607", kind, f"{kind}_607", point, at, value))


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.name.split(".")[0])
def test_a_database_of_an_earlier_release_goes_on_with_its_rows(
    path: Path, empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = empty_database_url
    restore_sql(url, path)
    before = contents(url)
    revision = path.name.split(".")[0]
    assert psql(url, "SELECT version_num FROM farm.alembic_version") == [[revision]]
    # 2 rooms of 4 points, 288 samples a day; 5 quantities; a move at 10 h and one at midnight
    expected = {"sample": 2 * 4 * 288 * 2, "daily_env_stats": 2 * 2 * 5, "batch": 2}
    expected |= {"hourly_setpoint_changes": 2 * 3, "daily_clip_inference": 3, "image_label": 1}
    assert {table: before[f"farm.{table}"].rows for table in expected} == expected
    assert before["public.runs"].rows == 5

    done = mushroom("init", **settings(url, tmp_path))
    assert done.exit_code == 0, done.output
    assert migrations.head() > revision
    assert psql(url, "SELECT version_num FROM farm.alembic_version") == [[migrations.head()]]
    assert contents(url, before) == before

    with instance_of(tmp_path, url, monkeypatch) as instance:
        made = {
            "daily_env_stats": set(DAYS),
            "hourly_setpoint_changes": set(HOURS),
            "daily_clip_inference": set(DAYS),
            "daily_room_report": set(DAYS),
        }
        for asset, keys in made.items():
            assert instance.get_materialized_partitions(dg.AssetKey(asset)) == keys, asset
        write_next_day(tmp_path / "next.csv")
        loaded = mushroom("load", "samples", tmp_path / "next.csv", **settings(url, tmp_path))
        assert loaded.exit_code == 0, loaded.output
        where: dict[str, Any] = {"farm_file": tmp_path / "farm.yaml", "instance": instance}
        farm = parse_farm(FARM)
        materialize("daily_env_stats", url, farm, NEXT, **where)
        midnight = f"{NEXT}-00:00"
        materialize("hourly_setpoint_changes", url, farm, midnight, **where)
        assert instance.get_materialized_partitions(dg.AssetKey("daily_env_stats")) >= {*DAYS, NEXT}
    statistics = (
        "SELECT mean, sample_count, growth_day FROM farm.daily_env_stats "
        f"WHERE room_id = '607' AND quantity = 'temperature' AND stat_date = '{NEXT}'"
    )
    assert psql(url, statistics) == [["18", "288", "8"]]
    change = (
        "SELECT previous_value, current_value, previous_at AT TIME ZONE 'Asia/Shanghai' "
        f"FROM farm.hourly_setpoint_changes WHERE changed_at >= '{NEXT} 00:00+08'"
    )
    assert psql(url, change) == [["18.5", "17.5", "2026-01-11 23:55:00"]]


def test_there_is_a_dump_of_the_release_before_a_migration() -> None:
    assert [path.name for path in FOUND][:1] == ["0002.sql.gz"]


def test_a_migration_that_changes_a_row_is_seen(empty_database_url: str) -> None:
    restore_sql(empty_database_url, FOUND[-1])
    before = contents(empty_database_url)
    psql(empty_database_url, "UPDATE farm.batch SET bag_count = 9801 WHERE room_id = '607'")
    after = contents(empty_database_url, before)
    assert {table for table in before if after[table] != before[table]} == {"farm.batch"}

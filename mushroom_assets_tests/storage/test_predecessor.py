"""The views under the names of the system before: columns, types, numbers, local times, indexes."""

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from mushroom_assets.storage import migrations
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.predecessor import VIEWS, ensure_views
from mushroom_assets.storage.schema import daily_env_stats, hourly_setpoint_changes, metadata
from mushroom_assets_tests.kit.databases import NO_RETRY
from mushroom_assets_tests.kit.plant import put_batch, put_samples
from mushroom_assets_tests.kit.vectors import image, path, put_images, unit

SHANGHAI = "Asia/Shanghai"
NUMBERS = ("median", "min", "max", "q25", "q75")
ENVIRONMENT = [
    ("id", "bigint"), ("room_id", "character varying"), ("stat_date", "date"),
    ("in_day_num", "integer"), ("is_growth_phase", "boolean"),
    *[(f"temp_{name}", "double precision") for name in NUMBERS], ("temp_count", "integer"),
    *[(f"humidity_{name}", "double precision") for name in NUMBERS], ("humidity_count", "integer"),
    *[(f"co2_{name}", "double precision") for name in NUMBERS], ("co2_count", "integer"),
    ("batch_date", "date"), ("remark", "text"),
    ("created_at", "timestamp without time zone"), ("updated_at", "timestamp without time zone"),
]  # fmt: skip
CHANGES = [
    ("id", "uuid"), ("room_id", "character varying"), ("device_type", "character varying"),
    ("device_name", "character varying"), ("point_name", "character varying"),
    ("point_description", "character varying"), ("change_time", "timestamp without time zone"),
    ("previous_value", "double precision"), ("current_value", "double precision"),
    ("change_type", "character varying"), ("detection_time", "timestamp without time zone"),
    ("created_at", "timestamp without time zone"), ("in_date", "date"), ("growth_day", "integer"),
    ("in_num", "integer"), ("batch_id", "character varying"),
    ("change_detail", "character varying"), ("change_magnitude", "double precision"),
]  # fmt: skip
IMAGES = [
    ("id", "bigint"), ("collection_datetime", "timestamp without time zone"),
    ("image_path", "text"), ("room_id", "character varying"), ("in_date", "date"),
    ("in_num", "integer"), ("growth_day", "integer"), ("collection_ip", "character varying"),
    ("air_cooler_config", "json"), ("fresh_fan_config", "json"), ("light_config", "json"),
    ("humidifier_config", "json"), ("env_sensor_status", "json"), ("light_count", "integer"),
    ("humidifier_count", "integer"), ("semantic_description", "text"),
    ("embedding", "vector(512)"), ("created_at", "timestamp without time zone"),
    ("updated_at", "timestamp without time zone"), ("llama_description", "text"),
    ("image_quality_score", "double precision"),
]  # fmt: skip
COLUMNS = """
    SELECT attname, format_type(atttypid, atttypmod), col_description(attrelid, attnum)
    FROM pg_attribute WHERE attrelid = to_regclass(:view) AND attnum > 0 ORDER BY attnum"""


@pytest.fixture
def farm(database: Database) -> Iterator[Database]:
    """A database in which an unqualified name means a view, as for a dashboard."""
    make(database, SHANGHAI)
    url = f"{database.url}&options=-csearch_path%3Dpredecessor,public"
    dashboard = Database(url, retry=NO_RETRY)
    yield dashboard
    dashboard.dispose()


def make(database: Database, timezone: str) -> list[str]:
    with database.transaction() as connection:
        return ensure_views(connection, timezone)


def ask(database: Database, query: str, **values: Any) -> list[tuple[Any, ...]]:
    with database.transaction() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query), values)]


def local(text: str) -> dt.datetime:
    """A time without zone."""
    return dt.datetime.fromisoformat(text)


def put(database: Database, table: sa.Table, *rows: dict[str, Any]) -> None:
    with database.transaction() as connection:
        connection.execute(sa.insert(table), list(rows))


def stat(quantity: str, middle: float, count: int = 1440, **changed: Any) -> dict[str, Any]:
    """A row of `daily_env_stats`: quartiles 1 and extremes 2 from the median."""
    row: dict[str, Any] = {
        "stat_date": dt.date(2026, 1, 5), "room_id": "611", "quantity": quantity, "unit": "1",
        "sample_count": count, "rejected_count": 1, "suspect_count": 0, "mean": middle + 0.25,
        "min": middle - 2, "q25": middle - 1, "median": middle, "q75": middle + 1,
        "max": middle + 2, "coverage": 1.0, "longest_gap_s": 0.0, "growth_day": 13,
        "batch_date": dt.date(2025, 12, 24), "is_growth_phase": True, "settings_version": 0,
        "run_id": "r",
        "computed_at": dt.datetime(2026, 1, 5, 17, 3, 20, tzinfo=dt.UTC),
    }  # fmt: skip
    return row | changed


def unknown(quantity: str, **changed: Any) -> dict[str, Any]:
    """A row without samples."""
    return stat(quantity, 0, 0, coverage=0.0, **changed) | dict.fromkeys((*NUMBERS, "mean"))


def change(changed_at: str, **changed: Any) -> dict[str, Any]:
    """A row of `hourly_setpoint_changes`: 17.5 to 18, with the last sample a minute before."""
    at = dt.datetime.fromisoformat(changed_at)
    row: dict[str, Any] = {
        "change_id": f"00000000-0000-0000-0000-{at:%y%m%d%H%M%S}", "point_id": 7,
        "changed_at": at, "previous_at": at - dt.timedelta(minutes=1), "room_id": "611",
        "device_type": "air_cooler", "device_alias": "air_cooler_611", "point_alias": "temp_set",
        "point_description": "temperature setpoint", "change_type": "analog_value",
        "previous_value": 18.0, "current_value": 17.5, "delta": -0.5, "growth_day": 13,
        "batch_date": dt.date(2025, 12, 24), "run_id": "r",
        "detected_at": at + dt.timedelta(hours=1),
    }  # fmt: skip
    return row | changed


def vector(dimensions: int = 512) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Of length 1: the first coordinate."""
    return unit(np.eye(dimensions)[0])


@pytest.mark.parametrize(
    ("view", "columns"),
    [
        ("mushroom_env_daily_stats", ENVIRONMENT),
        ("device_setpoint_changes", CHANGES),
        ("mushroom_embedding", IMAGES),
    ],
)
def test_columns_names_and_types_are_those_of_the_table_before(
    farm: Database, view: str, columns: list[tuple[str, str]]
) -> None:
    found = ask(farm, COLUMNS, view=f"predecessor.{view}")
    assert [row[:2] for row in found] == columns
    assert [row[0] for row in found if not row[2]] == []


def test_a_room_day_is_one_row_of_environment_and_a_day_without_data_none(farm: Database) -> None:
    before_a_batch: dict[str, Any] = {
        "room_id": "612", "growth_day": None, "batch_date": None, "is_growth_phase": None
    }  # fmt: skip
    put(
        farm, daily_env_stats,
        stat("temperature", 18.0, 1439), stat("humidity", 90.0), stat("co2", 2500.0),
        stat("vpd", 0.2),
        stat("temperature", 17.0, **before_a_batch),
        *[unknown(name, **before_a_batch) for name in ("humidity", "co2")],
        *[unknown(name, room_id="607") for name in ("temperature", "humidity", "co2")],
    )  # fmt: skip
    rows = ask(
        farm,
        """SELECT room_id, in_day_num, is_growth_phase, temp_median, temp_min, temp_max, temp_q25,
                  temp_q75, temp_count, humidity_median, humidity_count, co2_q75, co2_count,
                  batch_date, remark, created_at, updated_at
           FROM mushroom_env_daily_stats
           WHERE stat_date BETWEEN '2026-01-01' AND '2026-01-05' ORDER BY room_id""",
    )
    at = local("2026-01-06 01:03:20")  # 17:03:20 UTC in Shanghai
    batch = dt.date(2025, 12, 24)
    assert rows == [
        ("611", 13, True, 18, 16, 20, 17, 19, 1439, 90, 1440, 2501, 1440, batch, None, at, at),
        ("612", None, None, 17, 15, 19, 16, 18, 1440, None, 0, None, 0, None, None, at, at),
    ]


def test_ids_are_positive_differ_and_stay_when_a_day_is_computed_anew(farm: Database) -> None:
    days = [dt.date(2026, 1, 1) + dt.timedelta(days=number) for number in range(28)]
    rows = [stat("co2", 1.0, stat_date=day, room_id=room) for day in days for room in ("1", "11")]
    put(farm, daily_env_stats, *rows)
    query = "SELECT room_id, stat_date, id FROM mushroom_env_daily_stats ORDER BY 1, 2"
    before = ask(farm, query)
    assert len({row[2] for row in before}) == 56
    assert all(row[2] > 0 for row in before)
    with farm.transaction() as connection:
        connection.execute(sa.update(daily_env_stats).values(median=2.0, run_id="another"))
    assert ask(farm, query) == before


def test_a_change_is_a_row_with_its_batch_and_local_times(farm: Database) -> None:
    put_batch(farm, "611", dt.date(2025, 12, 24), 9792)
    put(
        farm,
        hourly_setpoint_changes,
        change("2026-01-05 16:30:15+00:00"),
        change("2026-01-05 18:00:00+00:00", batch_date=None, growth_day=None),
    )
    columns = ", ".join(name for name, _ in CHANGES if name != "id")
    first, second = ask(
        farm,
        f"SELECT {columns} FROM device_setpoint_changes WHERE room_id = '611' "
        "AND change_time >= '2026-01-06 00:00' ORDER BY change_time",
    )
    assert first == (
        "611", "air_cooler", "air_cooler_611", "temp_set", "temperature setpoint",
        local("2026-01-06 00:30:15"), 18.0, 17.5, "analog_value",
        local("2026-01-06 01:30:15"), local("2026-01-06 01:30:15"),
        dt.date(2025, 12, 24), 13, 9792, "611_20251224", None, 0.5,
    )  # fmt: skip
    assert second[11:15] == (None, None, None, None)


def test_local_times_follow_the_clock_changes_of_the_farms_zone(database: Database) -> None:
    make(database, "Europe/Berlin")
    # UTC: local. By law the clock goes forward on 2026-03-29 and back on 2025-10-26, at 01:00 UTC
    instants = {
        "2025-10-26 00:30:00+00:00": local("2025-10-26 02:30"),
        "2025-10-26 01:30:00+00:00": local("2025-10-26 02:30"),
        "2026-03-29 00:59:59+00:00": local("2026-03-29 01:59:59"),
        "2026-03-29 01:00:00+00:00": local("2026-03-29 03:00"),
    }
    put(database, hourly_setpoint_changes, *map(change, instants))
    query = "SELECT change_time FROM predecessor.device_setpoint_changes ORDER BY id"
    assert [at for (at,) in ask(database, query)] == list(instants.values())
    twice = f"{query.partition(' ORDER')[0]} WHERE change_time = '2025-10-26 02:30'"
    assert len(ask(database, twice)) == 2


def test_an_image_is_the_row_of_its_latest_model_and_what_is_not_ok_is_no_row(
    farm: Database,
) -> None:
    earlier = dt.datetime(2026, 1, 11, tzinfo=dt.UTC)
    later = dt.datetime(2026, 1, 12, tzinfo=dt.UTC)
    put_batch(farm, "611", dt.date(2026, 1, 5), 9800)
    put_images(
        farm,
        [
            image(1, vector(), computed_at=earlier, growth_day=5),
            image(1, vector(), computed_at=later, model_id="m/w/another", camera="1921681235",
                  batch_date=dt.date(2026, 1, 5), temperature_c=18.5, co2_ppm=2500.0),
            image(1, None, computed_at=later + dt.timedelta(1), model_id="m/w/broken"),
            image(2, vector(128), growth_day=None, computed_at=earlier),
            image(3, None),
        ],
    )  # fmt: skip
    first, second = ask(
        farm,
        """SELECT image_path, collection_datetime, room_id, in_date, in_num, growth_day,
                  collection_ip, env_sensor_status, semantic_description, created_at, updated_at,
                  llama_description, image_quality_score, embedding IS NULL
           FROM mushroom_embedding WHERE room_id = '611' ORDER BY image_path""",
    )
    climate = {"temperature": 18.5, "humidity": None, "co2": 2500.0}
    computed = local("2026-01-12 08:00")
    assert first == (
        path(1), local("2026-01-10 12:00"), "611", dt.date(2026, 1, 5), 9800, 6, "1921681235",
        climate, "Mushroom Room 611, Day 6.", computed, computed, None, None, False,
    )  # fmt: skip
    assert second[0] == path(2)
    assert second[3:6] == (None, None, 0)
    assert second[-1]  # 128 dimensions do not fit into the column


def test_the_latest_image_of_each_camera_and_its_nearest_neighbour(farm: Database) -> None:
    shots = [
        image(number, unit(np.eye(512)[number]), camera=f"cam{number % 2}",
              captured_at=dt.datetime(2026, 1, 10, number, tzinfo=dt.UTC))
        for number in range(6)
    ]  # fmt: skip
    put_images(farm, shots)
    latest = ask(
        farm,
        """SELECT collection_ip, image_path FROM (
               SELECT collection_ip, image_path, row_number() OVER (
                   PARTITION BY collection_ip ORDER BY collection_datetime DESC) AS rn
               FROM mushroom_embedding WHERE room_id = :room AND embedding IS NOT NULL) AS ranked
           WHERE rn = 1 ORDER BY 1""",
        room="611",
    )
    assert latest == [("cam0", path(4)), ("cam1", path(5))]
    (nearest,) = ask(
        farm,
        "SELECT image_path FROM mushroom_embedding "
        "ORDER BY embedding <=> CAST(:probe AS vector) LIMIT 1",
        probe=json.dumps([0, 0, 0, 1, *[0] * 508]),
    )
    assert nearest == (path(3),)


def test_the_devices_at_a_capture_are_their_last_samples_of_five_minutes(farm: Database) -> None:
    captured = dt.datetime(2026, 1, 10, 4, tzinfo=dt.UTC)
    devices = [  # device_type, device_alias, point_alias, minutes before the capture, value
        ("air_cooler", "air_cooler_611", "temp_set", 2, 18.0),
        ("air_cooler", "air_cooler_611", "temp_set", 1, 17.5),
        ("air_cooler", "air_cooler_611", "temp_set", -1, 16.0),  # after it
        ("air_cooler", "air_cooler_611", "on_off", 4, 1.0),
        ("air_cooler", "air_cooler_611", "temp", 6, 18.2),  # too old
        ("grow_light", "grow_light_611", "model", 1, 1.0),
        ("grow_light", "grow_light_611", "mode", 1, 2.0),
        ("humidifier", "left_humidifier_611", "status", 1, 3.0),
        ("humidifier", "right_humidifier_611", "status", 1, 0.0),
        ("humidifier", "right_humidifier_611", "on", 1, 5.0),
    ]
    put_samples(
        farm,
        [
            ("611", kind, device, point, captured - dt.timedelta(minutes=minutes), value)
            for kind, device, point, minutes, value in devices
        ],
    )
    put_images(farm, [image(1, vector()), image(2, vector(), room_id="612")])
    query = """SELECT air_cooler_config, fresh_fan_config, light_config, humidifier_config,
                      light_count, humidifier_count FROM mushroom_embedding ORDER BY room_id"""
    assert ask(farm, query) == [
        (
            {"on_off": 1, "temp_set": 17.5}, {}, {"mode": 2, "model": 1},
            {"left": {"status": 3}, "right": {"on": 5, "status": 0}}, 1, 1,
        ),
        ({}, {}, {}, {}, None, None),
    ]  # fmt: skip
    with farm.transaction() as connection:
        connection.exec_driver_sql("UPDATE farm.sample SET value = 3 WHERE value = 2")
    assert ask(farm, query)[0][4] == 0  # closed


YEAR = """
    INSERT INTO farm.daily_env_stats (stat_date, room_id, quantity, unit, sample_count,
        rejected_count, suspect_count, coverage, longest_gap_s, run_id, computed_at)
    SELECT date '2025-01-01' + day, room, quantity, '1', 1440, 0, 0, 1, 0, 'r', now()
    FROM generate_series(0, 364) AS day, unnest(ARRAY['607', '608', '611', '612']) AS room,
         unnest(ARRAY['temperature', 'humidity', 'co2', 'vpd', 'dew_point']) AS quantity;
    INSERT INTO farm.hourly_setpoint_changes (change_id, point_id, changed_at, previous_at, room_id,
        device_type, device_alias, point_alias, change_type, previous_value, current_value, delta,
        run_id, detected_at)
    SELECT gen_random_uuid(), room::int, at, at - interval '1 min', room, 'air_cooler', 'a', 't',
           'analog_value', 1, 2, 1, 'r', now()
    FROM unnest(ARRAY['607', '608', '611', '612']) AS room,
         generate_series(timestamptz '2025-01-01 00:00+08', '2025-12-31 23:00+08',
                         interval '3 h') AS at;
    INSERT INTO farm.daily_clip_inference (image_path, model_id, room_id, image_date, captured_at,
        status, embedding, run_id, computed_at)
    SELECT room || '/' || at, 'm', room, at::date, at, 'ok', '[1,0]', 'r', now()
    FROM unnest(ARRAY['607', '608', '611', '612']) AS room,
         generate_series(timestamptz '2025-01-01 00:30+08', '2025-12-31 23:30+08',
                         interval '1 h') AS at;
    ANALYZE farm.daily_env_stats, farm.hourly_setpoint_changes, farm.daily_clip_inference"""


@pytest.mark.parametrize(
    ("query", "count", "index"),
    [
        (
            "mushroom_env_daily_stats WHERE stat_date = '2025-07-01'",
            4,
            "pk_daily_env_stats",
        ),
        (
            "mushroom_env_daily_stats WHERE room_id = '611' AND stat_date >= '2025-12-25'",
            7,
            "daily_env_stats",
        ),
        (
            "device_setpoint_changes WHERE change_time >= '2025-07-01' "
            "AND change_time < '2025-07-02'",
            32,
            "local_hourly_setpoint_changes_changed_at",
        ),
        (
            "mushroom_embedding WHERE collection_datetime >= '2025-07-01' "
            "AND collection_datetime < '2025-07-02'",
            96,
            "local_daily_clip_inference_captured_at",
        ),
    ],
)
def test_a_day_of_a_year_is_found_by_an_index(
    farm: Database, query: str, count: int, index: str
) -> None:
    with farm.transaction() as connection:
        connection.exec_driver_sql(YEAR, execution_options={"no_parameters": True})
    assert len(ask(farm, f"SELECT * FROM {query}")) == count
    plan = "\n".join(str(line) for (line,) in ask(farm, f"EXPLAIN SELECT * FROM {query}"))
    assert index in plan
    for table in ("daily_env_stats", "hourly_setpoint_changes", "daily_clip_inference"):
        assert f"Seq Scan on {table}" not in plan, plan


def test_views_are_made_anew_only_for_another_zone_and_rights_on_them_stay(
    database: Database,
) -> None:
    put(database, hourly_setpoint_changes, change("2026-01-05 16:30:00+00:00"))
    query = "SELECT change_time FROM predecessor.device_setpoint_changes"
    assert make(database, SHANGHAI) == list(VIEWS)
    assert make(database, SHANGHAI) == []
    with database.transaction() as connection:
        connection.exec_driver_sql("GRANT SELECT ON ALL TABLES IN SCHEMA predecessor TO PUBLIC")
    assert ask(database, query) == [(local("2026-01-06 00:30"),)]
    assert make(database, "UTC") == list(VIEWS)
    assert ask(database, query) == [(local("2026-01-05 16:30"),)]
    rights = "SELECT has_table_privilege('public', 'predecessor.mushroom_embedding', 'SELECT')"
    assert ask(database, rights) == [(True,)]
    with database.transaction() as connection:
        connection.exec_driver_sql("DROP VIEW predecessor.mushroom_embedding")
    assert make(database, "UTC") == ["mushroom_embedding"]


def test_tables_of_the_same_names_stay_beside_the_views(database: Database) -> None:
    with database.transaction() as connection:
        for name in VIEWS:
            connection.exec_driver_sql(f"CREATE TABLE public.{name} (old int)")
            connection.exec_driver_sql(f"INSERT INTO public.{name} VALUES (1)")
    assert make(database, SHANGHAI) == list(VIEWS)
    for name in VIEWS:
        assert ask(database, f"SELECT old FROM public.{name}") == [(1,)]
        assert ask(database, f"SELECT * FROM predecessor.{name}") == []


def test_nothing_can_be_written_through_the_views(farm: Database) -> None:
    put(farm, hourly_setpoint_changes, change("2026-01-05 16:30:00+00:00"))
    put(farm, daily_env_stats, stat("co2", 1.0))
    put_images(farm, [image(1, vector())])
    for name in VIEWS:
        with pytest.raises(sa.exc.DBAPIError, match="cannot delete from view"):
            ask(farm, f"DELETE FROM {name}")


def test_a_new_migration_knows_nothing_of_the_views(database: Database) -> None:
    make(database, SHANGHAI)
    options = {
        "include_schemas": True,
        "include_name": migrations.include,
        "version_table_schema": "farm",
    }
    with database.transaction() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []

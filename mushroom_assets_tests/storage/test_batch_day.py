"""The view `farm.batch_day`: its numbers, whose columns they are, and when it is made anew."""

import datetime as dt
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_parts import Quantity
from mushroom_assets.storage import migrations
from mushroom_assets.storage.batch_day import ensure_batch_day
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.schema import (
    batch,
    daily_env_stats,
    daily_room_report,
    harvest,
    hourly_setpoint_changes,
    metadata,
    note,
)
from mushroom_assets.storage.schema.batch_day import batch_day
from mushroom_assets_tests.kit.databases import execute
from mushroom_assets_tests.kit.vectors import image, put_images, unit

DAY = dt.date(2026, 1, 5)
NOON = dt.datetime(2026, 1, 5, 4, tzinfo=dt.UTC)  # in Shanghai
BY = {"run_id": "r", "computed_at": NOON}
MINUTE = dt.timedelta(minutes=1)
LATER = dt.datetime(2026, 1, 10, 5, tzinfo=dt.UTC)  # than the kit's images are judged


def make(database: Database, farm: Farm) -> bool:
    with database.transaction() as connection:
        return ensure_batch_day(connection, farm)


def ask(database: Database, columns: str = "*") -> list[dict[str, Any]]:
    statement = sa.text(f"SELECT {columns} FROM farm.batch_day ORDER BY stat_date, room_id")
    with database.transaction() as connection:
        return [dict(row) for row in connection.execute(statement).mappings()]


def put(database: Database, table: sa.Table, *given: dict[str, Any]) -> None:
    with database.transaction() as connection:
        for row in given:
            connection.execute(sa.insert(table), row)


def stat(quantity: str, mean: float | None, room: str = "611", **changed: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "stat_date": DAY, "room_id": room, "quantity": quantity, "unit": "1", "sample_count": 1440,
        "rejected_count": 0, "suspect_count": 0, "mean": mean, "coverage": 0.5,
        "longest_gap_s": 0.0, "growth_day": 13, "batch_date": dt.date(2025, 12, 24),
        "is_growth_phase": True,
    }  # fmt: skip
    return row | BY | changed


def change(at: dt.datetime, number: int, room: str = "611") -> dict[str, Any]:
    return {
        "change_id": UUID(int=number), "point_id": number, "changed_at": at,
        "previous_at": at - MINUTE, "room_id": room, "device_type": "fan", "device_alias": "fan",
        "point_alias": "co2_on", "change_type": "analog_value", "previous_value": 1.0,
        "current_value": 2.0, "delta": 1.0, "run_id": "r", "detected_at": at,
    }  # fmt: skip


def test_a_room_day_is_a_row_with_all_that_is_stored_of_it(database: Database, farm: Farm) -> None:
    make(database, farm)
    put(
        database,
        daily_env_stats,
        stat("temperature", 18.25, min=17.0, max=20.0, in_range=0.75, above=0.25, below=0.0,
             out_integral=1.5),
        stat("humidity", 91.0, wet_hours=2.5, settings_version=2),
        stat("co2", None, coverage=0.0),
        stat("temperature", 9.5, "607", growth_day=None, batch_date=None, is_growth_phase=None),
    )  # fmt: skip
    came = {"room_id": "611", "in_date": dt.date(2025, 12, 24)}
    put(database, batch, came | {"bag_count": 9800})
    picked = came | {"picked_on": DAY, "weight_kg": 812.5}
    of_others = ({"in_date": DAY}, {"room_id": "607"}, {"picked_on": DAY + dt.timedelta(days=1)})
    put(database, harvest, picked, *(picked | other for other in of_others))
    said = {"room_id": "611", "text": "fan repaired", "author": ""}
    # The day's first and last minute, and one on either side
    minutes = ("2026-01-04T16:00Z", "2026-01-05T15:59Z", "2026-01-04T15:59Z", "2026-01-05T16:00Z")
    put(database, note, *(said | {"noted_at": dt.datetime.fromisoformat(at)} for at in minutes))
    reasons = [{"text": "CO2 was high"}, {"text": "and more"}]
    report = {"stat_date": DAY, "room_id": "611", "verdict": "act", "reasons": reasons}
    put(database, daily_room_report, report | BY | {"summary_md": "", "settings_version": 3})
    other, row = ask(database)
    expected = {
        "stat_date": DAY, "room_id": "611", "growth_day": 13, "is_growth_phase": True,
        "batch_date": dt.date(2025, 12, 24), "bag_count": 9800, "verdict": "act",
        "reason": "CO2 was high", "settings_version": 3, "notes": 2, "harvest_kg": 1625.0,
        "setpoint_changes": 0, "image_count": 0, "stage": None,
        "stage_share": None, "condition": None, "condition_share": None, "wet_hours": 2.5,
        "temperature_mean": 18.25, "temperature_min": 17.0, "temperature_max": 20.0,
        "temperature_in_range": 0.75, "temperature_below": 0.0, "temperature_above": 0.25,
        "temperature_out_integral": 1.5, "temperature_coverage": 0.5, "humidity_mean": 91.0,
        "co2_mean": None, "co2_coverage": 0.0, "vpd_mean": None, "vpd_coverage": None,
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected
    assert list(row) == [column.name for column in batch_day(farm.units()).columns]
    assert (other["room_id"], other["temperature_mean"], other["verdict"]) == ("607", 9.5, None)
    assert (other["bag_count"], other["settings_version"], other["harvest_kg"]) == (None, 0, 812.5)


@pytest.mark.parametrize(
    ("zone", "day", "first", "last"),
    [  # Berlin's clock goes on by an hour on the one, back on the other
        ("Asia/Shanghai", DAY, "2026-01-04T16:00Z", "2026-01-05T15:59Z"),
        ("Europe/Berlin", dt.date(2026, 3, 29), "2026-03-28T23:00Z", "2026-03-29T21:59Z"),
        ("Europe/Berlin", dt.date(2026, 10, 25), "2026-10-24T22:00Z", "2026-10-25T22:59Z"),
        ("Pacific/Kiritimati", DAY, "2026-01-04T10:00Z", "2026-01-05T09:59Z"),
        ("Pacific/Pago_Pago", DAY, "2026-01-05T11:00Z", "2026-01-06T10:59Z"),
    ],
)
def test_changes_count_from_the_days_first_minute_to_its_last(
    database: Database, farm: Farm, zone: str, day: dt.date, first: str, last: str
) -> None:
    make(database, farm.model_copy(update={"timezone": zone}))
    put(database, daily_env_stats, stat("co2", 1.0, stat_date=day))
    begin, end = map(dt.datetime.fromisoformat, (first, last))
    put(
        database,
        hourly_setpoint_changes,
        *(change(at, number) for number, at in enumerate((begin - MINUTE, begin, end))),
        change(begin, 3, "607"),
        change(end + MINUTE, 4),
    )
    assert ask(database, "setpoint_changes") == [{"setpoint_changes": 2}]


def test_images_count_as_the_latest_model_judged_them(database: Database, farm: Farm) -> None:
    make(database, farm)
    put(database, daily_env_stats, stat("co2", 1.0))
    judged = {"image_date": DAY, "model_id": "new", "computed_at": LATER}
    labels = [("fruiting", "healthy"), ("fruiting", "dry"), ("harvest", "dry")]
    put_images(
        database,
        [
            *(image(number, unit([1, number]), stage=stage, condition=condition, **judged)
              for number, (stage, condition) in enumerate(labels)),
            image(3, unit([1, 3]), stage="harvest", condition="dry", probe_stage="fruiting",
                  probe_condition="unknown", **judged),
            image(4, None, **judged),
            image(5, unit([1, 3]), stage="pinning", **judged | {"room_id": "607"}),
            *(image(number, unit([1, 0]), stage="pinning", image_date=DAY)
              for number in range(5, 15)),
        ],
    )  # fmt: skip
    (found,) = ask(database, "image_count, stage, stage_share, condition, condition_share")
    assert found == {
        "image_count": 4, "stage": "fruiting", "stage_share": 0.75, "condition": "dry",
        "condition_share": 0.5,
    }  # fmt: skip


def test_every_column_says_what_it_is(database: Database, farm: Farm) -> None:
    make(database, farm)
    statement = """
        SELECT attname, col_description(attrelid, attnum) FROM pg_attribute
        WHERE attrelid = 'farm.batch_day'::regclass AND attnum > 0 ORDER BY attnum"""
    with database.transaction() as connection:
        rows = connection.exec_driver_sql(statement).tuples().all()
    told = {name: comment for name, comment in rows}
    assert told == {column.name: column.comment for column in batch_day(farm.units()).columns}
    assert told["temperature_mean"].startswith("temperature: time-weighted mean")
    units = {"temperature_mean": "[°C]", "co2_out_integral": "[ppm h]", "vpd_in_range": "[0..1]"}
    assert [name for name, unit in units.items() if not told[name].endswith(unit)] == []


def test_it_is_made_anew_only_for_another_farm_and_its_readers_stay(
    database: Database, farm: Farm
) -> None:
    assert make(database, farm)
    assert not make(database, farm)
    role = f'"grafana {database.url[-20:-8]}"'.replace("/", "_").replace("?", "_")
    execute(database.url, f"CREATE ROLE {role}")
    execute(database.url, f"GRANT SELECT ON farm.batch_day TO {role}")
    execute(database.url, "GRANT SELECT ON farm.batch_day TO PUBLIC")
    oxygen = Quantity(device_type="mushroom_env_status", point_alias="o2", unit="%")
    quantities = {**farm.quantities, 'o"2 %(x)s {y}': oxygen, "氧气": oxygen}
    larger = farm.model_copy(update={"quantities": quantities})
    assert make(database, larger)
    put(database, daily_env_stats, stat('o"2 %(x)s {y}', 20.9), stat("氧气", 20.5))
    (row,) = ask(database)
    assert (row['o"2 %(x)s {y}_mean'], row["氧气_mean"]) == (20.9, 20.5)
    readers = "SELECT count(*) FROM aclexplode((SELECT relacl FROM pg_class WHERE oid = "
    readers += "'farm.batch_day'::regclass)) WHERE privilege_type = 'SELECT'"
    with database.transaction() as connection:
        assert connection.exec_driver_sql(readers).scalar() == 3  # owner, role, everybody
    assert not make(database, larger)
    assert make(database, larger.model_copy(update={"timezone": "Europe/Berlin"}))
    execute(database.url, f"DROP OWNED BY {role}")
    execute(database.url, f"DROP ROLE {role}")


def test_a_view_that_stands_on_it_keeps_it_as_it_is_and_is_named(
    database: Database, farm: Farm, caplog: pytest.LogCaptureFixture
) -> None:
    make(database, farm)
    execute(database.url, "CREATE VIEW public.mine AS SELECT room_id FROM farm.batch_day")
    other = farm.model_copy(update={"timezone": "Europe/Berlin"})
    assert not make(database, other)
    assert "view mine depends on view farm.batch_day. Remedy: drop what stands on" in caplog.text
    assert ask(database) == []
    execute(database.url, "DROP VIEW public.mine")
    assert make(database, other)


def test_quantities_whose_columns_cannot_be_named_are_left_out_and_told(
    database: Database, farm: Farm, caplog: pytest.LogCaptureFixture
) -> None:
    given = Quantity(device_type="d", point_alias="p", unit="1")
    # 17 characters of 3 bytes each and `_out_integral` are 64 bytes, 16 are 61
    names = ["氧" * 17, "氧" * 16, "light", "light_in"]
    other = farm.model_copy(update={"quantities": dict.fromkeys(names, given), "stages": []})
    assert make(database, other)
    put(database, daily_env_stats, stat("氧" * 16, 20.5))
    (row,) = ask(database)
    assert row["氧" * 16 + "_out_integral"] is None and row["氧" * 16 + "_mean"] == 20.5
    assert [name for name in row if name.startswith("氧" * 17)] == []
    assert f"has no columns for '{'氧' * 17}'" in caplog.text
    assert "light_in_range" in row


def test_migrations_and_declared_tables_are_equal_with_it(database: Database, farm: Farm) -> None:
    make(database, farm)
    with database.transaction() as connection:
        options = {
            "include_schemas": True,
            "include_name": migrations.include,
            "version_table_schema": "farm",
        }
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []

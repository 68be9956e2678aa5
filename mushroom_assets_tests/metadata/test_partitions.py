"""What the UI shows of a table and of each partition.

Numbers are of that partition alone, columns of the whole table.
"""

from collections import Counter

import dagster as dg
import pytest
import sqlalchemy as sa

from mushroom_assets.definitions import build_definitions
from mushroom_assets.domain.farm import Farm
from mushroom_assets.storage.schema import (
    RESULTS,
    SCHEMA,
    batch,
    clip_probe,
    image_label,
    point,
    sample,
)
from mushroom_assets_tests.kit.small import SmallFarm

TABLES = {table.name: table for table in (sample, point, batch, image_label, clip_probe)} | RESULTS
DAYS = ["2026-01-05", "2026-01-06", "2026-01-07"]


def by_partition(small: SmallFarm, asset: str) -> dict[str, dict[str, dg.MetadataValue]]:
    """The metadata of each partition's latest materialization."""
    records = small.instance.fetch_materializations(dg.AssetKey(asset), limit=1000).records
    events = [record.asset_materialization for record in reversed(records)]
    return {str(event.partition): dict(event.metadata) for event in events if event is not None}


def numbers(metadata: dict[str, dg.MetadataValue], *names: str) -> tuple[object, ...]:
    return tuple(metadata[name].value for name in names)


def test_each_day_of_a_range_run_has_its_own_numbers(small: SmallFarm) -> None:
    for count, day in enumerate(DAYS[:2], 1):
        small.put([("A", "t", small.at(day, hour), 17.0 + count) for hour in range(count)])
    small.put([("B", "t", small.at(DAYS[1], 12), 21.0), ("B", "t", small.at(DAYS[1], 13), 99.0)])
    small.run("daily_env_stats", DAYS[0], DAYS[2])
    found = by_partition(small, "daily_env_stats")
    assert set(found) == set(DAYS)
    names = ("dagster/partition_row_count", "samples", "rejected", "rooms_without_data")
    assert [numbers(found[day], *names) for day in DAYS] == [
        (8, 1, 0, 1),
        (8, 3, 1, 0),
        (8, 0, 0, 2),
    ]
    plotted = [
        {name: shown.value for name, shown in found[day].items() if name.startswith("temperature")}
        for day in DAYS
    ]
    assert plotted == [
        {"temperature A (°C)": 18},
        {"temperature A (°C)": 19, "temperature B (°C)": 21},
        {},
    ]
    assert found[DAYS[0]]["coverage (0-1)"].value == pytest.approx(900 / 86400 / 8, abs=1e-4)


def test_each_hour_of_a_range_run_has_its_own_count(small: SmallFarm) -> None:
    hours = (0, 1.1, 1.2, 1.3, 3, 3.5)
    small.put([("A", "set", small.at(DAYS[0], hour), 10 + hour) for hour in hours])
    small.run("hourly_setpoint_changes", f"{DAYS[0]}-00:00", f"{DAYS[0]}-04:00")
    found = by_partition(small, "hourly_setpoint_changes")
    zone = small.farm.zone
    stored = Counter(
        f"{row['changed_at'].astimezone(zone):%Y-%m-%d-%H:00}"
        for row in small.rows("hourly_setpoint_changes")
    )
    expected = {f"{DAYS[0]}-0{hour}:00": count for hour, count in enumerate((0, 3, 0, 2, 0))}
    assert {
        key: metadata["dagster/partition_row_count"].value for key, metadata in found.items()
    } == expected
    assert {key: count for key, count in expected.items() if count} == stored
    assert {key for key, metadata in found.items() if "changes" in metadata} == set(stored)


def test_a_single_days_run_has_the_same_numbers_as_the_range(small: SmallFarm) -> None:
    small.put([("A", "t", small.at(DAYS[0], hour), 18.0 + hour) for hour in range(5)])
    small.run("daily_env_stats", DAYS[0], DAYS[1])
    ranged = by_partition(small, "daily_env_stats")[DAYS[0]]
    small.run("daily_env_stats", DAYS[0])
    single = by_partition(small, "daily_env_stats")[DAYS[0]]
    own = {
        name
        for name in single
        if not name.startswith("dagster/") or name == "dagster/partition_row_count"
    }
    assert {"samples", "statistics", "temperature A (°C)"} < own
    assert {name: single[name] for name in own} == {name: ranged[name] for name in own}


def test_reports_are_counted_by_verdict_and_can_be_read(small: SmallFarm) -> None:
    small.run("daily_room_report", DAYS[0], DAYS[1])
    found = by_partition(small, "daily_room_report")
    names = ("dagster/partition_row_count", "good", "watch", "act", "insufficient_data")
    assert [numbers(found[day], *names) for day in DAYS[:2]] == [(2, 0, 0, 0, 2)] * 2
    for day in DAYS[:2]:
        text = "".join(str(found[day][f"card_{room}"].value) for room in "AB")
        assert [f"Room {room}, {day}: ? insufficient data" in text for room in "AB"] == [True, True]


@pytest.mark.parametrize("name", TABLES)
def test_an_assets_page_lists_every_column_of_its_table(farm: Farm, name: str) -> None:
    graph = build_definitions(farm).resolve_asset_graph()
    metadata = graph.get(dg.AssetKey(name)).metadata
    table = TABLES[name]
    schema = metadata["dagster/column_schema"]
    assert isinstance(schema, dg.TableSchema)
    assert [column.name for column in schema.columns] == [column.name for column in table.columns]
    for shown, column in zip(schema.columns, table.columns, strict=True):
        assert str(shown.description).startswith(column.info["meaning"]["en"])
        assert shown.constraints.nullable is column.nullable
    keys = ", ".join(column.name for column in table.primary_key.columns)
    assert schema.constraints is not None
    assert schema.constraints.other == [f"primary key: {keys}"]
    assert metadata["dagster/table_name"] == f"{SCHEMA}.{name}"


def test_the_columns_shown_are_those_of_the_database(small: SmallFarm) -> None:
    with small.database.transaction() as connection:
        inspector = sa.inspect(connection)
        live = {name: inspector.get_columns(name, schema=SCHEMA) for name in TABLES}
    graph = build_definitions(small.farm).resolve_asset_graph()
    for name, columns in live.items():
        schema = graph.get(dg.AssetKey(name)).metadata["dagster/column_schema"]
        shown = {column.name for column in schema.columns}
        assert shown == {column["name"] for column in columns}

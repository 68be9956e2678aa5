"""What an hour of `hourly_setpoint_changes` shows, in both languages.

Of an hour without changes little is shown.
"""

import datetime as dt
from typing import Any

import dagster as dg
import pytest

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_file import parse_farm, reference_farm_text
from mushroom_assets.metadata.setpoints import setpoint_metadata
from mushroom_assets_tests.kit.markdown import tables, texts


def farm(language: str = "en") -> Farm:
    return parse_farm(reference_farm_text().replace("\nlanguage: en", f"\nlanguage: {language}"))


def change(minute: int, room: str, device: str, point: str, description: str, **values: Any) -> Any:
    """A change after 09:00 in Shanghai."""
    nine = dt.datetime(2026, 1, 5, 1, tzinfo=dt.UTC)
    row = {
        "point_id": 1,
        "changed_at": nine + dt.timedelta(minutes=minute),
        "room_id": room,
        "device_type": device.removeprefix("left_"),
        "device_alias": f"{device}_{room}",
        "point_alias": point,
        "point_description": description,
        "previous_value": 0.0,
        "current_value": 1.0,
        "previous_label": None,
        "current_label": None,
    }
    return row | values


def moves(language: str) -> list[Any]:
    power = {"en": ("power", "off", "on"), "zh": ("开关", "关", "开")}[language]
    setpoint = {"en": "temperature setpoint", "zh": "温度设定"}[language]
    on_time = {"en": "on time", "zh": "开启时间"}[language]
    switched = {"previous_label": power[1], "current_label": power[2]}
    return [
        change(50, "612", "air_cooler", "on_off", power[0], **switched),
        change(
            42, "611", "air_cooler", "temp_set", setpoint, previous_value=18.0, current_value=17.5
        ),
        change(43, "611", "left_humidifier", "on", on_time, previous_value=9.0),
        change(59, "611", "air_cooler", "on_off", power[0], **switched),
    ]


SAID = {
    "en": [
        "611 air cooler: temperature setpoint 18.0 → 17.5 °C at 09:42",
        "611 left humidifier: on time 9 → 1 min at 09:43",
        "612 air cooler: power off → on at 09:50",
        "611 air cooler: power off → on at 09:59",
    ],
    "zh": [
        "611 库 空调：温度设定 18.0 → 17.5 °C，09:42",
        "611 库 左加湿器：开启时间 9 → 1 min，09:43",
        "612 库 空调：开关 关 → 开，09:50",
        "611 库 空调：开关 关 → 开，09:59",
    ],
}
COUNTED = {
    "en": [
        ["room", "changes", "devices"],
        ["611", "3", "air cooler 2, left humidifier 1"],
        ["612", "1", "air cooler 1"],
    ],
    "zh": [["库房", "次数", "设备"], ["611", "3", "空调 2，左加湿器 1"], ["612", "1", "空调 1"]],
}  # fmt: skip


@pytest.mark.parametrize("language", ["en", "zh"])
def test_an_hours_changes_are_told_in_order_of_time_and_counted_by_room_and_device(
    language: str,
) -> None:
    found = setpoint_metadata(moves(language), farm(language))
    assert (found["dagster/partition_row_count"], found["rooms_changed"]) == (4, 2)
    (told,) = tables(found["changes"].value)
    (counts,) = tables(found["rooms"].value)
    assert texts(told)[1:] == [[said] for said in SAID[language]]
    assert texts(counts) == COUNTED[language]


def test_an_hour_leads_to_the_days_report() -> None:
    late = change(15 * 60 - 1, "611", "air_cooler", "on_off", "power")  # 23:59 in Shanghai
    for rows in ([late], moves("en")):
        link = setpoint_metadata(rows, farm())["rooms"].value
        assert "](/assets/daily_room_report?view=partitions&partition=2026-01-05)" in link
        assert len(link) < 1000  # longer Markdown is behind a click


def test_an_hour_without_changes_has_two_numbers_and_nothing_else() -> None:
    assert setpoint_metadata([], farm()) == {"dagster/partition_row_count": 0, "rooms_changed": 0}


def test_what_is_plotted_has_the_same_keys_every_hour() -> None:
    for rows in ([], moves("en")):
        hour = dg.AssetMaterialization("a", metadata=setpoint_metadata(rows, farm()))
        values = {key: value.value for key, value in hour.metadata.items()}
        plotted = {key for key, value in values.items() if isinstance(value, int | float)}
        assert plotted == {"dagster/partition_row_count", "rooms_changed"}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_of_very_many_changes_few_are_shown_and_all_are_counted(language: str) -> None:
    known = farm(language)
    points = [
        change(0, room, "air_cooler", point, "temperature setpoint", point_id=number)
        for number, (room, point) in enumerate(
            (room, point) for room in ("607", "611") for point in ("on_off", "temp_set")
        )
    ]
    # Of each ten the first point has seven, the others one
    turns = [0] * 7 + [1, 2, 3]
    second = dt.timedelta(microseconds=36_000)
    rows = [
        points[turns[number % 10]] | {"changed_at": points[0]["changed_at"] + number * second}
        for number in range(100_000)
    ]
    found = setpoint_metadata(rows, known)
    assert found["dagster/partition_row_count"] == 100_000
    told, busiest = tables(found["changes"].value)
    assert len(told) == 1 + 100
    assert {"en": "and 99900 more", "zh": "另有 99900 次"}[language] in found["changes"].value
    assert [row[1] for row in texts(busiest)[1:]] == ["70000", "10000", "10000", "10000"]
    assert texts(busiest)[1][0].startswith("607 ")
    (counts,) = tables(found["rooms"].value)
    assert [row[:2] for row in texts(counts)[1:]] == [["607", "80000"], ["611", "20000"]]
    shown = dg.AssetMaterialization("a", metadata=found).metadata.values()
    assert sum(len(f"{value.value}".encode()) for value in shown) < 20_000


def test_a_hundred_changes_are_all_shown() -> None:
    rows = [change(0, "611", "air_cooler", "on_off", "power") for _ in range(100)]
    (told,) = tables(setpoint_metadata(rows, farm())["changes"].value)
    assert len(told) == 1 + 100

"""`hourly_setpoint_changes` on PostgreSQL: hours in any order are one pass over the whole span."""

import datetime as dt
import itertools
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mushroom_assets_tests.kit.plant import put_batch
from mushroom_assets_tests.kit.small import Build, Sample, SmallFarm, without

ASSET = "hourly_setpoint_changes"
DAY = "2026-01-05"
few_runs = settings(
    max_examples=6,
    deadline=None,
    # Shrinking a failure would take hundreds of runs
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
Change = tuple[str, str, dt.datetime, dt.datetime, float, float]


def hour(number: int) -> str:
    return f"{DAY}-{number:02}:00"


def one_pass(samples: list[Sample], first: dt.datetime, end: dt.datetime) -> list[Change]:
    """What a grower would note down who watches each point from the beginning."""
    found: list[Change] = []
    last: dict[tuple[str, str], tuple[float, dt.datetime]] = {}
    for room, point, at, value in sorted(samples, key=lambda sample: (sample[:2], sample[2])):
        if value != value:  # NaN
            continue
        previous, seen = last.get((room, point), (value, at))
        least = 100 if point == "set" else 500
        moved = abs(round(1000 * value) - round(1000 * previous)) >= least
        if moved and first <= at < end:
            found.append((room, point, at, seen, previous, value))
        last[room, point] = value, at
    return found


def noted(rows: list[dict[str, Any]]) -> list[Change]:
    return sorted(
        (row["room_id"], row["point_alias"], row["changed_at"], row["previous_at"],
         row["previous_value"], row["current_value"])
        for row in rows
    )  # fmt: skip


samples = st.lists(
    st.tuples(
        st.sampled_from(["A", "B"]),
        st.sampled_from(["set", "power"]),
        st.integers(-600, 6 * 60 - 1).map(lambda minute: minute - minute % 5),
        st.sampled_from([0.0, 1.0, 1.05, 1.1, 1.2, float("nan")]),
    ),
    unique_by=lambda sample: sample[:3],
    min_size=2,
    max_size=70,
)


@few_runs
@given(samples, st.permutations(range(6)), st.randoms(use_true_random=False))
def test_hours_in_any_order_and_as_a_range_are_one_pass(
    small: SmallFarm,
    feed: list[tuple[str, str, int, float]],
    order: list[int],
    chance: random.Random,
) -> None:
    rows = [(room, point, small.at(DAY, minute / 60), value) for room, point, minute, value in feed]
    expected = one_pass(rows, small.at(DAY), small.at(DAY, 6))
    small.empty()
    shuffled = rows + chance.sample(rows, len(rows) // 2)
    chance.shuffle(shuffled)
    for first in range(0, len(shuffled), 20):
        small.put(shuffled[first : first + 20])
    for number in [*order, order[0]]:
        small.run(ASSET, hour(number))
    one_by_one = small.rows(ASSET)
    assert noted(one_by_one) == sorted(expected)
    small.run(ASSET, hour(0), hour(5))
    assert small.rows(ASSET) == one_by_one


def test_chunks_of_a_range_do_not_show(small: SmallFarm, monkeypatch: pytest.MonkeyPatch) -> None:
    values = [18.0, 18.5, 18.5, 17.0, 17.05, 19.0]
    rows: list[Sample] = [
        ("A", "set", small.at(DAY, number), value) for number, value in enumerate(values)
    ]
    small.put(rows)
    for chunk in (1, 4, 48):
        monkeypatch.setattr("mushroom_assets.assets.setpoints.CHUNK_HOURS", chunk)
        small.execute("TRUNCATE farm.hourly_setpoint_changes")
        small.run(ASSET, hour(0), hour(6))
        assert noted(small.rows(ASSET)) == one_pass(rows, small.at(DAY), small.at(DAY, 7))


def test_a_change_on_the_hour_belongs_to_that_hour(small: SmallFarm) -> None:
    small.put([("A", "set", small.at(DAY, 8.5), 18.0), ("A", "set", small.at(DAY, 9), 17.5)])
    small.run(ASSET, hour(8))
    assert small.rows(ASSET) == []
    result = small.run(ASSET, hour(9))
    (row,) = small.rows(ASSET, provenance=True)
    assert (row["changed_at"], row["previous_at"]) == (small.at(DAY, 9), small.at(DAY, 8.5))
    assert (row["delta"], row["run_id"]) == (-0.5, result.run_id)
    assert (row["device_alias"], row["device_type"]) == ("cooler_A", "cooler")
    assert (row["point_description"], row["change_type"]) == ("setpoint", "analog_value")
    assert small.done(ASSET) == {hour(8), hour(9)}


def test_states_have_labels_and_growth_days(small: SmallFarm) -> None:
    put_batch(small.database, "A", dt.date(2026, 1, 2))
    small.put([("A", "power", small.at(DAY, 8), 1.0), ("A", "power", small.at(DAY, 9), 0.0)])
    small.run(ASSET, hour(9))
    (row,) = small.rows(ASSET)
    assert (row["previous_label"], row["current_label"]) == ("on", "off")
    assert row["change_type"] == "digital_on_off"
    assert (row["growth_day"], row["batch_date"]) == (4, dt.date(2026, 1, 2))


@pytest.mark.parametrize("days", [7.01, 370])
def test_a_gap_however_long_is_bridged(small: SmallFarm, days: float) -> None:
    small.put(
        [
            ("A", "set", small.at("2026-01-20", 9.5 - 24 * days), 18.0),
            ("A", "set", small.at("2026-01-20", 9.5), 17.0),
        ]
    )
    small.run(ASSET, "2026-01-20-09:00")
    (row,) = small.rows(ASSET)
    assert row["previous_at"] == small.at("2026-01-20", 9.5 - 24 * days)


def test_a_device_that_is_loaded_under_another_name_begins_anew(small: SmallFarm) -> None:
    small.put([("A", "set", small.at(DAY, 8), 18.0), ("A", "set", small.at(DAY, 9), 18.0)])
    small.execute("UPDATE farm.point SET device_alias = 'cooler_old'")
    small.put([("A", "set", small.at(DAY, 9.5), 16.0), ("A", "set", small.at(DAY, 9.9), 17.0)])
    small.run(ASSET, hour(9))
    assert noted(small.rows(ASSET)) == [
        ("A", "set", small.at(DAY, 9.9), small.at(DAY, 9.5), 16.0, 17.0)
    ]


def test_a_device_that_is_renamed_in_its_point_goes_on(small: SmallFarm) -> None:
    small.put([("A", "set", small.at(DAY, 8), 18.0)])
    small.execute("UPDATE farm.point SET device_alias = 'cooler_A', device_name = 'TD9'")
    small.put([("A", "set", small.at(DAY, 9.5), 16.0)])
    small.run(ASSET, hour(9))
    assert noted(small.rows(ASSET)) == [
        ("A", "set", small.at(DAY, 9.5), small.at(DAY, 8), 18.0, 16.0)
    ]


def test_the_last_number_counts_and_not_a_later_nan(small: SmallFarm) -> None:
    nan = float("nan")
    small.put(
        [
            ("A", "set", small.at(DAY, at), value)
            for at, value in ((7, 18.0), (8.5, nan), (9.1, nan), (9.5, 17.0))
        ]
    )
    small.run(ASSET, hour(9))
    assert noted(small.rows(ASSET)) == [
        ("A", "set", small.at(DAY, 9.5), small.at(DAY, 7), 18.0, 17.0)
    ]


def test_a_late_row_and_a_rerun_replace_what_was_there(small: SmallFarm) -> None:
    small.put(
        [
            ("A", "set", small.at(DAY, at), value)
            for at, value in ((8.9, 18.0), (9.9, 17.0), (10.5, 16.0))
        ]
    )
    small.run(ASSET, hour(8), hour(10))
    before = {row["changed_at"]: row for row in small.rows(ASSET, provenance=True)}
    late: list[Sample] = [
        ("A", "set", small.at(DAY, 9.2), 17.0),
        ("A", "set", small.at(DAY, 9.5), 17.02),
    ]
    small.put(late)
    small.run(ASSET, hour(9))
    after = {row["changed_at"]: row for row in small.rows(ASSET, provenance=True)}
    # The change was earlier than it seemed
    assert set(after) == {small.at(DAY, 9.2), small.at(DAY, 10.5)}
    assert after[small.at(DAY, 10.5)] == before[small.at(DAY, 10.5)]  # the next hour is untouched
    found = small.rows(ASSET)
    small.empty()
    small.put(
        [
            ("A", "set", small.at(DAY, at), value)
            for at, value in ((8.9, 18.0), (9.9, 17.0), (10.5, 16.0))
        ]
        + late
    )
    small.run(ASSET, hour(8), hour(10))
    assert small.rows(ASSET) == found


def test_a_change_keeps_its_id_however_often_and_wherever_it_is_found(small: SmallFarm) -> None:
    rows: list[Sample] = [
        ("B", "set", small.at(DAY, 8), 18.0),
        ("B", "set", small.at(DAY, 9), 17.0),
    ]
    small.put(rows)
    small.run(ASSET, hour(9))
    (first,) = small.rows(ASSET)
    small.empty()
    small.put([("A", "set", small.at(DAY, 8), 18.0), *rows])  # the point has another number now
    small.run(ASSET, hour(9))
    (again,) = small.rows(ASSET)
    assert first["point_id"] != again["point_id"]
    assert without(first, "point_id") == without(again, "point_id")
    assert first["change_id"].version == 5


def test_points_of_rooms_or_kinds_that_nobody_listed_are_not_watched(small: SmallFarm) -> None:
    each = itertools.product("AX", ("set", "t"), (8, 9))
    small.put([(room, point, small.at(DAY, at), at) for room, point, at in each])
    small.run(ASSET, hour(9))
    assert [(row["room_id"], row["point_alias"]) for row in small.rows(ASSET)] == [("A", "set")]


def test_the_hour_that_comes_twice_has_its_changes_once(build: Build) -> None:
    small = build("Europe/Brussels")
    small.put([("A", "set", small.at("2025-10-26", at), at) for at in (1.5, 2.5, 3.5, 4.5)])
    for key in ("2025-10-26-02:00", "2025-10-26-02:00+0100", "2025-10-26-03:00"):
        small.run(ASSET, key)
    changed = [row["changed_at"] for row in small.rows(ASSET)]
    assert changed == [small.at("2025-10-26", at) for at in (2.5, 3.5, 4.5)]
    single = small.rows(ASSET)
    small.execute("TRUNCATE farm.hourly_setpoint_changes")
    small.run(ASSET, "2025-10-26-02:00", "2025-10-26-03:00")
    assert small.rows(ASSET) == single

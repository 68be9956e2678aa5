"""`daily_env_stats` on PostgreSQL: any order, repeat or range leaves one clean run's rows."""

import datetime as dt
import itertools
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mushroom_assets_tests.kit.plant import put_batch
from mushroom_assets_tests.kit.small import Build, Sample, SmallFarm

ASSET = "daily_env_stats"
few_runs = settings(
    max_examples=6,
    deadline=None,
    # Shrinking a failure would take hundreds of runs
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def a_day(
    small: SmallFarm, day: str, value: float = 18.0, room: str = "A", hours: int = 24
) -> list[Sample]:
    """Temperature and humidity every ten minutes."""
    rows: list[Sample] = []
    for tenth in range(6 * hours):
        at = small.at(day, tenth / 6)
        rows += [(room, "t", at, value), (room, "h", at, 90.0)]
    return rows


def by_key(rows: list[dict[str, Any]]) -> dict[tuple[str, str, str], dict[str, Any]]:
    return {(f"{row['stat_date']}", row["room_id"], row["quantity"]): row for row in rows}


def test_a_days_numbers_arrive_in_the_table(small: SmallFarm) -> None:
    put_batch(small.database, "A", dt.date(2026, 1, 1))
    small.put(
        [*a_day(small, "2026-01-05", 18.0, hours=12), ("A", "t", small.at("2026-01-05", 20), 20.0)]
    )
    small.put(
        [
            ("A", "t", small.at("2026-01-05", 20.1), float("nan")),
            ("A", "t", small.at("2026-01-05", 20.2), 99.0),
        ]
    )
    result = small.run(ASSET, "2026-01-05")
    row = by_key(small.rows(ASSET, provenance=True))["2026-01-05", "A", "temperature"]
    # The last value of the first stretch holds 900 s, that of the second to the rejected one
    known = 12 * 3600 - 600 + 900 + 360
    assert row["mean"] == pytest.approx((18.0 * (known - 360) + 20.0 * 360) / known, rel=1e-12)
    assert row["in_range"] == pytest.approx((known - 360) / known, rel=1e-12)
    assert (row["below"], row["above"]) == (0, pytest.approx(360 / known))
    assert row["longest_out_s"] == 360
    assert row["sensor_count"] == 1
    assert row["coverage"] == pytest.approx(known / 86400, rel=1e-12)
    assert row["longest_gap_s"] == 8 * 3600 - 300  # 12:05 to 20:00
    assert (row["sample_count"], row["rejected_count"]) == (73, 2)
    assert (row["min"], row["median"], row["max"], row["unit"]) == (18, 18, 20, "°C")
    assert (row["growth_day"], row["batch_date"], row["is_growth_phase"]) == (
        5,
        dt.date(2026, 1, 1),
        True,
    )
    assert row["run_id"] == result.run_id
    assert row["suspect_count"] == 72  # one value for twelve hours: the sensor looks stuck


def test_a_room_day_without_data_is_a_row(small: SmallFarm) -> None:
    small.run(ASSET, "2026-01-05")
    found = small.rows(ASSET)
    quantities = ("dew_point", "humidity", "temperature", "vpd")
    keys = [(row["room_id"], row["quantity"]) for row in found]
    assert keys == list(itertools.product("AB", quantities))
    for row in found:
        assert (row["sample_count"], row["coverage"], row["longest_gap_s"]) == (0, 0, 86400)
        assert {
            row[name] for name in ("mean", "min", "q25", "median", "q75", "max", "in_range")
        } == {None}
    assert small.done(ASSET) == {"2026-01-05"}


def test_the_value_at_midnight_is_carried_in_from_the_day_before(small: SmallFarm) -> None:
    small.put(
        [
            ("A", "t", small.at("2026-01-05", -0.125), 18.0),
            ("A", "t", small.at("2026-01-05", 12), 20.0),
        ]
    )
    small.run(ASSET, "2026-01-05")
    row = by_key(small.rows(ASSET))["2026-01-05", "A", "temperature"]
    assert row["mean"] == pytest.approx((18 * 450 + 20 * 900) / 1350)
    assert (row["sample_count"], row["min"]) == (1, 20)


samples = st.lists(
    st.tuples(
        st.sampled_from(["A", "B"]),
        st.sampled_from(["t", "h"]),
        st.integers(-30, 2 * 1440),
        st.sampled_from([16.0, 17.5, 18.2, 19.9, 25.0, 101.0, float("nan")]),
    ),
    unique_by=lambda sample: sample[:3],
    min_size=1,
    max_size=80,
)


@pytest.mark.usefixtures("unpictured")
@few_runs
@given(samples, st.randoms(use_true_random=False))
def test_any_order_of_arrival_and_any_repeat_gives_the_same_rows(
    small: SmallFarm, feed: list[tuple[str, str, int, float]], chance: random.Random
) -> None:
    rows = [
        (room, point, small.at("2026-01-05", minute / 60), value)
        for room, point, minute, value in feed
    ]
    small.empty()
    small.put(rows)
    small.run(ASSET, "2026-01-05", "2026-01-06")
    clean = small.rows(ASSET)

    small.empty()
    shuffled = rows + chance.sample(rows, len(rows) // 2)
    chance.shuffle(shuffled)
    size = chance.randint(1, len(shuffled))
    for first in range(0, len(shuffled), size):
        small.put(shuffled[first : first + size])
        if chance.random() < 0.3:
            small.run(ASSET, "2026-01-06")  # on what is there so far
    small.run(ASSET, "2026-01-06")
    small.run(ASSET, "2026-01-05")
    assert small.rows(ASSET) == clean


@pytest.mark.usefixtures("unpictured")
def test_a_range_in_one_run_is_its_days_one_by_one(
    small: SmallFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, day in enumerate(("2026-01-05", "2026-01-06", "2026-01-08")):
        small.put(a_day(small, day, 18.0 + number / 2, hours=23))
    for day in ("2026-01-08", "2026-01-05", "2026-01-07", "2026-01-06"):
        small.run(ASSET, day)
    single = small.rows(ASSET)
    assert len(single) == 4 * 2 * 4
    for chunk in (1, 3, 14):
        monkeypatch.setattr("mushroom_assets.assets.environment.CHUNK_DAYS", chunk)
        small.execute("TRUNCATE farm.daily_env_stats")
        small.run(ASSET, "2026-01-05", "2026-01-08")
        assert small.rows(ASSET) == single


@pytest.mark.usefixtures("unpictured")
def test_a_late_row_and_a_rerun_give_the_clean_result_and_touch_no_neighbour(
    small: SmallFarm,
) -> None:
    days = ["2026-01-05", "2026-01-06", "2026-01-07"]
    everything: list[Sample] = []
    for number, day in enumerate(days):
        everything += a_day(small, day, 18.0 + number / 2)
    late = [
        sample for sample in everything if small.at(days[1], 6) <= sample[2] < small.at(days[1], 9)
    ]
    small.put([sample for sample in everything if sample not in late])
    small.run(ASSET, days[0], days[2])
    before = small.rows(ASSET, provenance=True)
    small.put(late)
    rerun = small.run(ASSET, days[1])
    after = small.rows(ASSET, provenance=True)

    def of(rows: list[dict[str, Any]], *dates: str) -> list[dict[str, Any]]:
        return [row for row in rows if f"{row['stat_date']}" in dates]

    assert of(after, days[0], days[2]) == of(before, days[0], days[2])  # run_id and computed_at too
    assert {row["run_id"] for row in of(after, days[1])} == {rerun.run_id}
    assert by_key(before)[days[1], "A", "temperature"]["coverage"] < 0.9
    assert by_key(after)[days[1], "A", "temperature"]["coverage"] == 1
    found = small.rows(ASSET)
    small.empty()
    small.put(everything)
    small.run(ASSET, days[0], days[2])
    assert found == small.rows(ASSET)


def test_a_rerun_after_a_room_was_dropped_from_the_farm_leaves_none_of_its_rows(
    small: SmallFarm,
) -> None:
    small.run(ASSET, "2026-01-05")
    small.path.write_text(small.path.read_text().replace("B: {}", "C: {}"))
    small.run(ASSET, "2026-01-05")
    assert {row["room_id"] for row in small.rows(ASSET)} == {"A", "C"}


@pytest.mark.parametrize(
    ("day", "hours"), [("2025-03-30", 23), ("2025-10-26", 25), ("2025-10-27", 24)]
)
def test_a_day_has_the_hours_that_the_clocks_leave_it(build: Build, day: str, hours: int) -> None:
    small = build("Europe/Brussels")
    instants = [small.at(day, tenth / 6) for tenth in range(-6, 6 * (hours + 1))]
    small.put([("A", "t", at, float(number % 7)) for number, at in enumerate(instants)])
    small.run(ASSET, day)
    found = by_key(small.rows(ASSET))
    own = [float(number % 7) for number in range(6, 6 + 6 * hours)]
    row = found[day, "A", "temperature"]
    assert (row["sample_count"], row["coverage"]) == (6 * hours, 1)
    assert row["mean"] == pytest.approx(sum(own) / len(own), rel=1e-12)
    assert found[day, "B", "temperature"]["longest_gap_s"] == hours * 3600

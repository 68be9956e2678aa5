"""Rules of `daily_env_stats`: each fault is found and counted.

It is shown by example and comes with a remedy.
"""

import datetime as dt
from dataclasses import replace

import pytest

from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets_tests.kit.evaluations import (
    DAY,
    ENV,
    ERROR,
    NEXT,
    WARN,
    checks_only,
    examples,
    failing,
    offending,
    verdicts,
)
from mushroom_assets_tests.kit.plant import put_batch
from mushroom_assets_tests.kit.small import Build, SmallFarm


def change(small: SmallFarm, what: str, where: str = "quantity = 'temperature'") -> None:
    """Rows of room B's first day, as something else may have left them."""
    small.execute(
        f"UPDATE farm.{ENV} SET {what} WHERE stat_date = '{DAY}' AND room_id = 'B' AND {where}"
    )


def samples(small: SmallFarm, room: str, point: str, first: float, last: float) -> str:
    """Which samples of the first day lie between two hours, in SQL."""
    when = f"sampled_at >= '{small.at(DAY, first)}' AND sampled_at < '{small.at(DAY, last)}'"
    whose = f"room_id = '{room}' AND point_alias = '{point}'"
    return f"{when} AND point_id = (SELECT point_id FROM farm.point WHERE {whose})"


@pytest.mark.parametrize(
    "corruption",
    ["min = q25 + 1", "q25 = median + 1", "median = q75 + 1", "q75 = max + 1", "median = NULL"],
)
def test_quantiles_out_of_order_are_an_error(covered: SmallFarm, corruption: str) -> None:
    covered.run(ENV, DAY)
    change(covered, corruption)
    result = checks_only(covered, ENV, DAY)
    assert failing(result) == {"quantiles_in_order"}
    found = verdicts(result)["quantiles_in_order"]
    assert (found.severity, found.blocking, offending(found)) == (ERROR, True, 1)
    assert examples(found) == [f"{DAY}, B, temperature"]
    assert "Remedy: " in (found.description or "")


def test_a_missing_row_is_an_error(covered: SmallFarm) -> None:
    covered.run(ENV, DAY)
    others = f"stat_date = '{DAY}' AND room_id = 'A' AND quantity <> 'humidity'"
    covered.execute(f"DELETE FROM farm.{ENV} WHERE {others}")
    found = verdicts(checks_only(covered, ENV, DAY))["rows_complete"]
    assert (found.passed, found.severity, offending(found)) == (False, ERROR, 3)
    assert examples(found) == [f"{DAY}, A, {name}" for name in ("dew point", "temperature", "VPD")]
    assert "materialize the day again" in (found.description or "")


def test_a_room_that_the_farm_got_since_has_no_rows_yet(covered: SmallFarm) -> None:
    covered.run(ENV, DAY)
    covered.path.write_text(covered.path.read_text().replace("B: {}", "B: {}, C: {}"))
    found = verdicts(checks_only(covered, ENV, DAY))["rows_complete"]
    assert {line.split(", ")[1] for line in examples(found)} == {"C"}
    assert offending(found) == 4


def test_a_day_of_spikes_alone_has_no_quantiles_and_is_no_error(small: SmallFarm) -> None:
    flips = [("A", "t", small.at(DAY, tenth / 6), 18.0 + tenth % 2 * 9) for tenth in range(-9, 160)]
    small.put(flips)
    result = small.run(ENV, DAY)
    assert result.success
    assert verdicts(result)["quantiles_in_order"].passed
    (row,) = [row for row in small.rows(ENV) if row["suspect_count"] and row["coverage"] == 0][:1]
    assert (row["sample_count"], row["suspect_count"], row["median"]) == (144, 144, None)


@pytest.mark.parametrize(("column", "value"), [("min", -20.1), ("max", 60.1), ("mean", 61)])
def test_a_number_outside_the_plausible_range_is_an_error(
    covered: SmallFarm, column: str, value: float
) -> None:
    covered.run(ENV, DAY)
    change(covered, f'"{column}" = {value}')
    found = verdicts(checks_only(covered, ENV, DAY))["values_plausible"]
    assert (found.passed, found.severity, offending(found)) == (False, ERROR, 1)


def test_the_limits_of_the_plausible_range_belong_to_it(covered: SmallFarm) -> None:
    covered.run(ENV, DAY)
    change(covered, "min = -20, max = 60")
    assert failing(checks_only(covered, ENV, DAY)) == set()


def test_a_day_with_a_gap_is_a_warning_and_no_failed_run(covered: SmallFarm) -> None:
    covered.execute(f"DELETE FROM farm.sample WHERE {samples(covered, 'A', 't', 8, 18)}")
    result = covered.run(ENV, DAY, NEXT)
    assert result.success
    assert (failing(result), failing(result, NEXT)) == ({"days_covered"}, set())
    found = verdicts(result)["days_covered"]
    assert (found.severity, offending(found)) == (WARN, 3)
    # Known are 14 of 24 hours, and 900 s (max_hold_s) from the last sample before the gap at 7:50:
    # 14 h 5 min.
    assert set(examples(found)) == {
        f"{DAY}, A, {name}, 58%" for name in ("temperature", "VPD", "dew point")
    }
    assert "materialize the day again" in (found.description or "")


def test_a_day_mostly_out_of_its_band_is_a_warning(covered: SmallFarm) -> None:
    put_batch(covered.database, "A", dt.date(2026, 1, 1))
    # Half of the day: 0.5 < 0.6
    warm = f"sampled_at >= '{covered.at(DAY)}' AND sampled_at < '{covered.at(DAY, 12)}'"
    points = "point_id IN (SELECT point_id FROM farm.point WHERE point_alias = 't')"
    covered.execute(f"UPDATE farm.sample SET value = value + 3 WHERE {warm} AND {points}")
    result = covered.run(ENV, DAY, NEXT)
    assert (failing(result), failing(result, NEXT)) == ({"climate_in_band"}, set())
    found = verdicts(result)["climate_in_band"]
    assert (found.severity, offending(found)) == (WARN, 1)  # room B has no batch, and so no band
    assert examples(found) == [f"{DAY}, A, temperature, 50%"]


@pytest.mark.parametrize(("rejected", "warned"), [(14, False), (15, True)])
def test_too_many_doubtful_samples_are_a_warning(
    covered: SmallFarm, rejected: int, warned: bool
) -> None:
    first = samples(covered, "A", "h", 0, rejected / 6)
    covered.execute(  # of 144 samples: 14 are 9.7 %, 15 are 10.4 %
        f"UPDATE farm.sample SET value = 106 WHERE {first}"
    )
    result = covered.run(ENV, DAY)
    found = verdicts(result)["samples_trusted"]
    assert result.success
    assert (found.passed, found.severity) == (not warned, WARN)
    if warned:
        assert f"{DAY}, A, humidity, 11%" in examples(found)


def test_samples_that_look_stuck_count_as_doubtful(covered: SmallFarm) -> None:
    covered.execute(  # 5 hours of one temperature, where 4 (stuck_s) are enough: 30 of 144 samples
        f"UPDATE farm.sample SET value = 18.5 WHERE {samples(covered, 'B', 't', 3, 8)}"
    )
    found = verdicts(covered.run(ENV, DAY))["samples_trusted"]
    assert f"{DAY}, B, temperature, 21%" in examples(found)


def test_one_value_all_day_is_a_stuck_sensor(covered: SmallFarm) -> None:
    covered.execute(f"UPDATE farm.sample SET value = 90 WHERE {samples(covered, 'B', 'h', 0, 24)}")
    result = covered.run(ENV, DAY, NEXT)
    assert (failing(result), failing(result, NEXT)) == ({"sensors_move"}, set())
    assert examples(verdicts(result)["sensors_move"]) == [f"{DAY}, B, humidity, 90"]


def test_few_samples_of_one_value_are_no_stuck_sensor(small: SmallFarm) -> None:
    small.put([("A", "h", small.at(DAY, hour / 6), 90.0) for hour in range(59)])
    assert verdicts(small.run(ENV, DAY))["sensors_move"].passed
    small.put([("A", "h", small.at(DAY, 10), 90.0)])
    assert not verdicts(small.run(ENV, DAY))["sensors_move"].passed


def test_a_sensor_may_rest_at_the_end_of_its_scale_all_day(build: Build) -> None:
    small = build()
    text = small.path.read_text(encoding="utf-8")
    text = text.replace("plausible: [0, 100]", "plausible: [0, 105], full_scale: 99.9")
    small.path.write_text(text, encoding="utf-8")
    fogged = replace(small, farm=parse_farm(text))
    fogged.put([("A", "h", small.at(DAY, tenth / 6), 100.0) for tenth in range(144)])
    fogged.put([("B", "h", small.at(DAY, tenth / 6), 99.8) for tenth in range(144)])
    found = verdicts(fogged.run(ENV, DAY))["sensors_move"]
    assert examples(found) == [f"{DAY}, B, humidity, 99.8"]


def test_the_day_of_intake_is_not_held_against_its_band(covered: SmallFarm) -> None:
    covered.execute("UPDATE farm.sample SET value = value + 5")
    put_batch(covered.database, "A", dt.date.fromisoformat(DAY))
    result = covered.run(ENV, DAY, NEXT)
    assert "climate_in_band" not in failing(result)
    assert "climate_in_band" in failing(result, NEXT)


def test_a_farm_without_quantities_has_nothing_to_complain_of(build: Build) -> None:
    small = build()
    text = small.path.read_text(encoding="utf-8")
    begin = text.index("quantities:")
    small.path.write_text(f"{text[:begin]}quantities: {{}}\nstages: []\n", encoding="utf-8")
    farm = parse_farm(small.path.read_text(encoding="utf-8"))
    result = replace(small, farm=farm).run(ENV, DAY)
    assert failing(result) == set()

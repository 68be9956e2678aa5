"""Long ranges: how they are cut shows in no row, and a run that is killed leaves whole chunks."""

import datetime as dt
import multiprocessing
import random
import time
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mushroom_assets.assets import environment, setpoints
from mushroom_assets.domain.environment import samples_a_day
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.domain.setpoints import samples_an_hour
from mushroom_assets_tests.kit.plant import materialize
from mushroom_assets_tests.kit.small import Build, SmallFarm, feed

pytestmark = pytest.mark.usefixtures("unpictured")
DAILY = "daily_env_stats"
HOURLY = "hourly_setpoint_changes"
# The days around both changes of the clocks
CLOCKS = [("2025-03-28", "2025-03-31"), ("2025-10-25", "2025-10-28")]
HELD = """
    SELECT pid FROM pg_stat_activity
    WHERE wait_event = 'PgSleep' AND datname = current_database()"""
few_runs = settings(
    max_examples=5,
    deadline=None,
    # Shrinking a failure would take hundreds of runs
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def single(small: SmallFarm, asset: str, keys: list[str]) -> list[dict[str, Any]]:
    """The rows of the partitions, each in a run of its own."""
    for key in keys:
        small.run(asset, key)
    return small.rows(asset)


@few_runs
@given(st.integers(1, 3), st.integers(1, 5), st.integers(0, 999))
def test_however_a_range_of_days_is_cut_its_rows_are_those_of_single_days(
    small: SmallFarm, chunk: int, piece: int, seed: int
) -> None:
    small.empty()
    # Over the edge of a month, where a partition ends
    small.put(feed(small, "2026-01-29", 5, random.Random(seed)))
    keys = [f"{dt.date(2026, 1, 29) + dt.timedelta(days=number)}" for number in range(5)]
    expected = single(small, DAILY, keys)
    small.execute(f"TRUNCATE farm.{DAILY}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(environment, "CHUNK_DAYS", chunk)
        patch.setattr(environment, "PIECE_SAMPLES", piece * samples_a_day(small.farm))
        small.run(DAILY, keys[0], keys[-1])
    assert small.rows(DAILY) == expected
    assert {row["sample_count"] > 50 for row in expected} == {True}


@pytest.mark.parametrize(("first", "last"), CLOCKS)
@pytest.mark.parametrize("piece", [1, 2, 9])
def test_days_of_23_and_25_hours_are_cut_like_any_other(
    build: Build, monkeypatch: pytest.MonkeyPatch, first: str, last: str, piece: int
) -> None:
    small = build("Europe/Brussels")
    small.put(feed(small, first, 4, random.Random(piece)))
    monkeypatch.setattr(environment, "PIECE_SAMPLES", piece * samples_a_day(small.farm))
    small.run(DAILY, first, last)
    ranged = small.rows(DAILY)
    small.execute(f"TRUNCATE farm.{DAILY}")
    days = [f"{dt.date.fromisoformat(first) + dt.timedelta(days=number)}" for number in range(4)]
    assert single(small, DAILY, days) == ranged
    assert len(ranged) == 4 * 2 * 4


@pytest.mark.parametrize(("first", "last"), CLOCKS)
def test_hours_of_such_days_are_cut_like_any_other(
    build: Build, monkeypatch: pytest.MonkeyPatch, first: str, last: str
) -> None:
    small = build("Europe/Brussels")
    small.put(feed(small, first, 4, random.Random(5)))
    found = []
    for chunk in (1, 5, 24, 200):
        monkeypatch.setattr(setpoints, "CHUNK_HOURS", chunk)
        small.execute(f"TRUNCATE farm.{HOURLY}")
        small.run(HOURLY, f"{first}-00:00", f"{last}-23:00")
        found.append(small.rows(HOURLY))
    assert len(found[0]) > 20
    assert found[1:] == found[:1] * 3


@pytest.mark.parametrize("rooms", [1, 4, 40, 400])
def test_many_rooms_are_read_in_no_larger_parts_than_few(rooms: int) -> None:
    listed = "".join(f'  "{number}": {{}}\n' for number in range(rooms))
    farm = parse_farm(f"timezone: Asia/Shanghai\nfirst_day: 2026-01-01\nrooms:\n{listed}")
    assert setpoints.chunk_hours(farm) * samples_an_hour(farm) <= setpoints.CHUNK_SAMPLES
    assert samples_a_day(farm) == rooms * 3 * 1440
    assert setpoints.chunk_hours(farm) == min(168, 1_000_000 // (rooms * 28 * 60))


def a_run_in_days(url: str, small_farm: Any, path: Any, first: str, last: str) -> None:
    """In a process of its own: a range, a day committed at a time."""
    environment.CHUNK_DAYS = 1
    materialize(DAILY, url, small_farm, first, last, farm_file=path)


def test_a_run_that_is_killed_leaves_its_finished_days_and_the_rest_can_be_run_alone(
    small: SmallFarm,
) -> None:
    days = [f"2026-01-0{number}" for number in range(1, 6)]
    small.put(feed(small, days[0], 5, random.Random(1)))
    small.run(DAILY, days[0], days[-1])
    clean = small.rows(DAILY)
    small.execute(f"TRUNCATE farm.{DAILY}")
    small.execute(
        """CREATE FUNCTION farm.hold() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM pg_sleep(200); RETURN NEW; END $$"""
    )
    small.execute(
        f"""CREATE TRIGGER hold BEFORE INSERT ON farm.{DAILY} FOR EACH ROW
            WHEN (NEW.stat_date = '{days[2]}' AND NEW.room_id = 'B') EXECUTE FUNCTION farm.hold()"""
    )
    url = small.database.url
    run = multiprocessing.get_context("spawn").Process(
        target=a_run_in_days, args=(url, small.farm, small.path, days[0], days[-1])
    )
    run.start()
    with psycopg.connect(url, autocommit=True) as watch:
        backend = watch.execute(HELD).fetchone()
        while backend is None:
            assert run.is_alive()
            time.sleep(0.05)
            backend = watch.execute(HELD).fetchone()
        run.kill()
        run.join()
        # It would notice by itself once it wakes
        watch.execute("SELECT pg_terminate_backend(%s, 30000)", backend)
    finished = small.rows(DAILY)
    assert {f"{row['stat_date']}" for row in finished} == set(days[:2])
    small.execute(f"DROP TRIGGER hold ON farm.{DAILY}")
    small.run(DAILY, days[2], days[-1])
    assert small.rows(DAILY) == clean
    assert small.rows(DAILY)[: len(finished)] == finished

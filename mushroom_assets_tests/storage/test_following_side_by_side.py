"""No change is lost, in whatever order writers, looks at the log and runs come.

What is not marked in the end holds the rows of a clean computation. The orders are gone through
step by step, every one that the locks let be.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import sqlalchemy as sa

from mushroom_assets.assets import setpoints
from mushroom_assets.storage import outdated, results
from mushroom_assets.storage.inputs import follow
from mushroom_assets_tests.kit.side_by_side import (
    DAILY,
    DAY,
    FIRST,
    HOURLY,
    REPORT,
    Ground,
    Partitions,
    slow_runs,
)
from mushroom_assets_tests.kit.small import SmallFarm
from mushroom_assets_tests.kit.steps import Order, Work, orders, pause, possible

pytestmark = pytest.mark.long
Statements = Callable[[Ground], tuple[str, str]]
PAIRS: dict[str, Statements] = {
    "two samples of an hour": lambda ground: (
        ground.put(9.5, setpoint=17.5, climate=20),
        ground.put(9.6, setpoint=18.5, climate=21),
    ),
    "a sample and the next one goes": lambda ground: (
        ground.put(9.5, setpoint=17.5, climate=20),
        ground.remove(10.5),
    ),
    "two neighbours go": lambda ground: (ground.remove(10.5), ground.remove(12.5)),
    "one is corrected and another day": lambda ground: (
        ground.put(23.8, setpoint=17.5, climate=20),
        ground.correct(30.5, 17),
    ),
    "one is corrected and goes": lambda ground: (ground.correct(10.5, 19), ground.remove(10.5)),
}
# All of an hour's; a day takes the same steps
ORDERS = {HOURLY: None, DAILY: 60}
HELD_UP = "one is corrected and goes"


@pytest.fixture
def ground(small: SmallFarm, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    made = Ground(small)
    with slow_runs(monkeypatch):
        yield made
    made.close()


def losses(
    ground: Ground, works: Mapping[str, Work], *assets: str, some: int | None = None
) -> tuple[int, dict[Order, Partitions]]:
    """How many orders there are, and what those that lose a change lose; `some` orders, or all."""
    every = list(orders({name: work.steps for name, work in works.items()}))
    chosen = every if some is None else random.Random(0).sample(every, some)
    number = 0
    found = {}
    for order in possible(works, ground.begin, chosen):
        lost = ground.lost(*assets)
        number += 1
        if lost:
            found[order] = lost
    return number, found


@pytest.mark.parametrize("pair", PAIRS)
def test_two_writers_and_a_look(ground: Ground, pair: str) -> None:
    one, other = PAIRS[pair](ground)
    works = {"one": ground.write(one), "other": ground.write(other), "look": ground.look()}
    # 6! / (2! 2! 2!), or where two want the same row those in which neither waits
    assert losses(ground, works, HOURLY, DAILY) == (30 if pair == HELD_UP else 90, {})
    assert ground.marked() >= ground.wrong(HOURLY, DAILY) > set()


@pytest.mark.parametrize("asset", [HOURLY, DAILY])
def test_a_writer_a_look_and_a_run(ground: Ground, asset: str) -> None:
    works = {
        "writer": ground.write(ground.put(9.5, setpoint=17.5, climate=20)),
        "look": ground.look(),
        "run": ground.run(asset),
    }
    # 7! / (2! 2! 3!)
    assert losses(ground, works, asset, some=ORDERS[asset]) == (ORDERS[asset] or 210, {})


@pytest.mark.parametrize("asset", [HOURLY, DAILY])
def test_a_run_that_is_undone_leaves_the_marks(ground: Ground, asset: str) -> None:
    works = {
        "writer": ground.write(ground.put(9.5, setpoint=17.5, climate=20)),
        "look": ground.look(),
        "run": ground.run(asset, fails=True),
    }
    assert losses(ground, works, asset, some=25) == (25, {})
    assert ground.marked() >= ground.wrong(asset) > set()


def test_two_writers_a_look_and_two_runs(ground: Ground) -> None:
    one, other = PAIRS["a sample and the next one goes"](ground)
    works = {
        "one": ground.write(one),
        "other": ground.write(other),
        "look": ground.look(),
        "hours": ground.run(HOURLY),
        "day": ground.run(DAILY),
    }
    number, lost = losses(ground, works, HOURLY, DAILY, some=30)
    assert lost == {}
    assert number == 30


def test_a_run_that_claims_when_it_has_read_would_lose_changes(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = outdated.claim
    write = results.replace_rows

    def claim_and_write(connection: sa.Connection, table: sa.Table, *given: Any) -> Any:
        pause()
        claim(connection, table, ground.hours[9:11])
        return write(connection, table, *given)

    monkeypatch.setattr(setpoints, "claim", lambda *given: None)
    monkeypatch.setattr(setpoints, "replace_rows", claim_and_write)
    works = {
        "writer": ground.write(ground.put(9.5, setpoint=17.5, climate=20)),
        "look": ground.look(),
        "run": Work(ground.run(HOURLY).do, 4),
    }
    _, lost = losses(ground, works, HOURLY, some=30)
    hours = {(HOURLY, f"{FIRST}-{hour:02}:00") for hour in (9, 10)}
    assert set.union(*lost.values()) == hours


@pytest.mark.parametrize("asset", [HOURLY, DAILY])
def test_a_run_and_the_report_of_its_day(ground: Ground, asset: str) -> None:
    def begin() -> None:
        ground.begin()
        ground.small.execute(ground.put(9.5, setpoint=17.5, climate=20))
        follow(ground.small.database, ground.small.farm)

    works = {"run": ground.run(asset), "report": ground.run(REPORT)}
    stale = 0
    number = 0
    for order in possible(works, begin):
        number += 1
        marked = ground.marked()
        wrong = ground.wrong_reports()
        assert wrong <= marked, order
        stale += bool(wrong)
    assert number == 20  # 6! / (3! 3!)
    assert stale > 0


def test_runs_of_overlapping_hours(ground: Ground) -> None:
    works = {
        "writer": ground.write(ground.put(9.5, setpoint=17.5, climate=20), ground.remove(12.5)),
        "early": ground.run(HOURLY, slice(8, 11)),
        "late": ground.run(HOURLY, slice(10, 14)),
    }
    # A day is one run's at a time: one before the other, and the writer's two steps anywhere
    assert losses(ground, works, HOURLY) == (2 * 28, {})


def test_runs_of_overlapping_hours_and_a_look(ground: Ground) -> None:
    works = {
        "writer": ground.write(ground.put(9.5, setpoint=17.5, climate=20), ground.remove(12.5)),
        "look": ground.look(),
        "early": ground.run(HOURLY, slice(8, 11)),
        "late": ground.run(HOURLY, slice(10, 14)),
    }
    _, lost = losses(ground, works, HOURLY, some=150)  # in most of them one would wait
    assert lost == {}


@pytest.mark.parametrize("fails", [False, True], ids=["done", "undone"])
def test_a_change_that_was_there_before_a_run_began_is_in_its_rows_whoever_looked(
    ground: Ground, fails: bool
) -> None:
    def begin() -> None:
        ground.begin()
        ground.small.execute(ground.put(9.5, setpoint=17.5, climate=20))

    def run() -> None:
        follow(ground.database, ground.small.farm)
        ground.make(ground.hours[9:11])

    works = {"look": ground.look(fails=fails), "run": Work(run, 4)}
    found = list(possible(works, begin))
    assert ("look", "look", *["run"] * 4) in found
    assert ("look", *["run"] * 4, "look") not in found  # it would wait
    for _ in possible(works, begin, found):
        assert ground.wrong(HOURLY) == set()
        follow(ground.small.database, ground.small.farm)
        assert HOURLY not in {asset for asset, _ in ground.marked()}


def test_one_transaction_inside_and_outside_of_what_is_made(ground: Ground) -> None:
    outside = {(HOURLY, f"{FIRST + DAY}-06:00"), (DAILY, f"{FIRST + DAY}")}
    statements = (ground.put(9.5, setpoint=17.5, climate=20), ground.correct(30.5, 17))
    works = {
        "writer": ground.write(*statements),
        "look": ground.look(),
        "run": ground.run(HOURLY),
    }
    assert losses(ground, works, HOURLY, DAILY, some=25) == (25, {})
    assert ground.marked() >= outside


def test_a_mark_goes_with_the_run_that_succeeds_whatever_it_stands_for(ground: Ground) -> None:
    small = ground.small
    ground.begin()
    small.execute("DELETE FROM farm.sample; DELETE FROM farm.batch")
    small.execute("TRUNCATE farm.sample, farm.point, farm.batch")
    follow(small.database, small.farm)
    before = ground.marked()
    assert {asset for asset, _ in before} == {HOURLY, DAILY, REPORT}
    ground.make(ground.hours, fails=True)
    assert ground.marked() == before
    ground.make(ground.hours)
    ground.make_days(ground.days)
    for day in ground.days:
        ground.make_report(day)
    assert ground.marked() == set()
    assert ground.lost(HOURLY, DAILY) == ground.marked() == set()


def test_what_commits_late_under_an_earlier_number_and_instant_is_marked(ground: Ground) -> None:
    small = ground.small
    ground.begin()
    earlier = ground.put(9.5, setpoint=17.5, climate=20, received="'2026-02-10'")
    with small.database.transaction() as slow:
        slow.exec_driver_sql(earlier)
        later = ground.put(14.5, setpoint=19, climate=20, received="'2026-02-11'")
        small.execute(later)
        follow(small.database, small.farm)
        ground.make(ground.hours)
        ground.make_days(ground.days)
        assert {asset for asset, _ in ground.marked()} == {REPORT}
        assert ground.wrong(HOURLY, DAILY) == set()
    assert ground.lost(HOURLY, DAILY) == set()
    late = {(HOURLY, f"{FIRST}-{hour:02}:00") for hour in (9, 10)}
    assert ground.marked() >= ground.wrong(HOURLY) == late

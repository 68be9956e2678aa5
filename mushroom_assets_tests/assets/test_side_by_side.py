"""Two workers on one table: what they leave is what one pass over everything leaves."""

import itertools
import multiprocessing
import os
import random
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait

import dagster as dg
import pytest
import sqlalchemy as sa

from mushroom_assets.assets import environment, setpoints
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.windows import Window
from mushroom_assets.partitions import farm_clock, windows
from mushroom_assets.storage.connection import Database
from mushroom_assets_tests.kit.databases import NO_RETRY
from mushroom_assets_tests.kit.small import Sample, SmallFarm, feed

DAILY = "daily_env_stats"
HOURLY = "hourly_setpoint_changes"
FIRST = "2026-01-29"  # over the edge of a month
DAYS = 6
PORTIONS = 30
HELD = "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'"


def span(definition: dg.TimeWindowPartitionsDefinition, first: str, number: int) -> list[Window]:
    """So many windows from a partition on."""
    keys = definition.get_partition_keys()
    begin = keys.index(first)
    return windows(definition, keys[begin : begin + number])


def due(
    portion: Sequence[Sample], whole: Mapping[str, list[Window]], chance: random.Random
) -> list[tuple[str, list[Window]]]:
    """What has to be made anew after a portion, by asset: stretches that overlap, in any order."""
    asked = []
    for asset, every in whole.items():
        first, last = touched(portion, every, tail=asset == HOURLY)
        middle = chance.randint(first, last)
        for begin, end in ((first, middle), (middle, last)):
            wider = slice(max(0, begin - chance.randrange(3)), end + 1 + chance.randrange(3))
            asked.append((asset, every[wider]))
    return chance.sample(asked, len(asked))


def touched(portion: Sequence[Sample], every: Sequence[Window], *, tail: bool) -> tuple[int, int]:
    """The first and the last window that a portion changes.

    Those of its samples and one on either side; with `tail` all that follow, for the next sample of
    a point may lie in any of them.
    """
    begin, end = (portion[number][2] for number in (0, -1))
    before = sum(window.end <= begin for window in every)
    until = sum(window.start <= end for window in every)
    return max(0, before - 1), len(every) - 1 if tail else min(until, len(every) - 1)


def recompute(url: str, farm: Farm, asset: str, part: Sequence[Window]) -> int:
    """In a worker's process: a transaction over consecutive windows; returns the process' id."""
    database = Database(url, retry=NO_RETRY)
    replace = environment.replace_days if asset == DAILY else setpoints.replace_hours
    with database.transaction() as connection:
        replace(connection, part, farm, "run")
    database.dispose()
    return os.getpid()


@pytest.mark.parametrize("seed", range(3))
def test_whatever_two_workers_make_anew_while_samples_arrive_is_one_clean_pass_in_the_end(
    small: SmallFarm, seed: int
) -> None:
    chance = random.Random(seed)
    clock = farm_clock(small.farm)
    whole = {
        DAILY: span(clock.daily, FIRST, DAYS),
        HOURLY: span(clock.hourly, f"{FIRST}-00:00", 24 * DAYS),
    }
    samples = sorted(feed(small, FIRST, DAYS, chance), key=lambda sample: sample[2])
    size = len(samples) // PORTIONS + 1
    portions = [samples[first : first + size] for first in range(0, len(samples), size)]
    chance.shuffle(portions)
    pids: set[int] = set()
    asked: set[Future[int]] = set()
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as workers:
        for portion in portions:
            small.put(portion)  # beside a worker that is in the middle of something
            for asset, part in due(portion, whole, chance):
                given = (small.database.url, small.farm, asset, part)
                asked.add(workers.submit(recompute, *given))
                while len(asked) > 1:
                    done, asked = wait(asked, return_when=FIRST_COMPLETED)
                    pids.update(work.result() for work in done)
        pids.update(work.result() for work in asked)
    found = {asset: small.rows(asset) for asset in whole}
    small.execute(f"TRUNCATE farm.{DAILY}, farm.{HOURLY}")
    for asset, every in whole.items():
        recompute(small.database.url, small.farm, asset, every)
        assert found[asset] == small.rows(asset)
        assert len(found[asset]) > 30
    assert len(pids) == 2


def test_a_year_of_hours_in_one_transaction_takes_a_lock_a_day(small: SmallFarm) -> None:
    hours = span(farm_clock(small.farm).hourly, "2025-01-01-00:00", 365 * 24)
    instants = [small.at("2025-01-01", 24 * day + 0.5) for day in range(365)]
    levels = itertools.cycle([17.0, 18.0])
    small.put([("A", "set", at, level) for at, level in zip(instants, levels, strict=False)])
    with small.database.transaction() as connection:
        setpoints.replace_hours(connection, hours, small.farm, "run")
        held = connection.scalar(sa.text(HELD))
    assert held == 365 + 1  # and the table's
    assert len(small.rows(HOURLY)) == 364

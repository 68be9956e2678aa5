"""On PostgreSQL: runs that failed, and launches that lead nowhere, by the hours of the record."""

import datetime as dt

import dagster as dg

from mushroom_assets.instance.attempts import ended, failed_runs, left_failed
from mushroom_assets.instance.outstanding import made, on_their_way, range_tags
from mushroom_assets_tests.instance.events import CUSTOM, Open

DAYS = dg.DailyPartitionsDefinition("2026-01-01")
KEYS = ["2026-01-01", "2026-01-02"]
ASSET = dg.AssetKey("days")
MINUTE = dt.timedelta(minutes=1)


@dg.asset(partitions_def=DAYS)
def days() -> None:
    """Only its partitions count."""


JOB = dg.Definitions([days], jobs=[dg.define_asset_job("days_job", "days")])


def test_the_record_tells_what_failed_when_and_what_is_on_its_way(open_on: Open) -> None:
    instance = open_on(CUSTOM.format(module="mushroom_assets.instance.storage"))
    now = dt.datetime.now(dt.UTC)
    job = JOB.resolve_job_def("days_job")
    run = instance.create_run_for_job(job, tags=range_tags(*KEYS))
    assert on_their_way(instance, ASSET, DAYS, now + 9 * MINUTE) == set(KEYS)
    assert on_their_way(instance, ASSET, DAYS, now + 11 * MINUTE) == set()

    instance.report_runless_asset_event(dg.AssetMaterialization(ASSET, partition=KEYS[0]))
    instance.report_run_failed(run)
    assert on_their_way(instance, ASSET, DAYS, now) == set()
    (failed,) = failed_runs(instance, now - MINUTE)
    assert failed_runs(instance, now + MINUTE) == []
    assert abs(ended(failed) - now) < MINUTE
    assert made(instance, ASSET, KEYS) == {KEYS[0]}
    assert left_failed(instance, ASSET, DAYS, KEYS) == {KEYS[1]}

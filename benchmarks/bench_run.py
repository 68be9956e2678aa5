"""A year in one run, against the asset's own work and an empty asset's run over the same days.

    make bench, or: python benchmarks/bench_run.py [--full] [--runs N]

All three on one PostgreSQL, in turn. The whole is the asset's job with its checks, from the run's
creation to its end, in this process; in the UI the process' start (1 s) and the queue come on top.
The empty asset has as many checks. Without `--full` the setpoints have a quarter's samples and
hours.
"""

import argparse
import os
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import dagster as dg
from backfill_data import Case, fill
from backfill_peers import ours
from bench_dagster import dagster, empty_job

from mushroom_assets.checks import environment, setpoints
from mushroom_assets.definitions import build_definitions
from mushroom_assets.instance.outstanding import range_tags
from mushroom_assets.partitions import farm_clock
from mushroom_assets.settings import load_settings
from mushroom_assets.storage.connection import Database, Limits

QUIET = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
ASSETS = {"environment": "daily_env_stats", "setpoints": "hourly_setpoint_changes"}
RULES = {"environment": environment.RULES, "setpoints": setpoints.RULES}
LIMIT = 1.1  # times own work and empty run together


def seconds(work: Callable[[], object]) -> float:
    """Of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def measure(case: Case, runs: int) -> None:
    """One row of the table: medians."""
    with dagster(before=False) as home, dg.DagsterInstance.get() as instance:
        (home / "farm.yaml").write_text(case.farm_file, encoding="utf-8")
        os.environ["MUSHROOM_CONFIG"] = str(home / "farm.yaml")
        database = Database(
            load_settings().require_database_url(), limits=Limits(statement_timeout_s=3600)
        )
        samples = fill(database, case)
        clock = farm_clock(case.farm)
        start, end = case.bounds
        definition = clock.daily if case.kind == "environment" else clock.hourly
        keys = definition.get_partition_keys(current_time=end)
        job = build_definitions(case.farm).resolve_job_def(f"{ASSETS[case.kind]}_job")
        empty = empty_job(definition, before=False, checks=len(RULES[case.kind]))
        tags = range_tags(keys[0], keys[-1])
        own = ours(database, case, {"start": start, "end": end}, Path(), 0, pictures=True)
        ways: list[Callable[[], object]] = [
            own,
            lambda: empty.execute_in_process(QUIET, instance=instance, tags=tags),
            lambda: job.execute_in_process(QUIET, instance=instance, tags=tags),
        ]
        figures = [list(map(seconds, ways)) for _ in range(runs)]
        database.dispose()
    work, floor, whole = (statistics.median(column) for column in zip(*figures, strict=True))
    share = whole / (work + floor)
    taken = f"{work:10.2f}{floor:10.2f}{whole:10.2f}{share:8.2f}{LIMIT:8.1f}"
    print(f"{case.name:34}{samples:12,}{len(keys):11,}{taken}")


def main() -> None:
    """Print the table."""
    warnings.filterwarnings("ignore")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--full", action="store_true", help="a year of setpoints too: 65 million samples"
    )
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    print(f"seconds, medians of {asked.runs}; whole over own work and empty run together")
    names = f"{'own':>10}{'empty':>10}{'whole':>10}{'ratio':>8}{'limit':>8}"
    print(f"{'':34}{'samples':>12}{'partitions':>11}{names}")
    for case in (Case("environment", 4, 365), Case("setpoints", 4, 365 if asked.full else 91)):
        measure(case, asked.runs)


if __name__ == "__main__":
    main()

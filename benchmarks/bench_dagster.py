"""What Dagster itself costs: an event, an empty asset's run, and one hourly tick.

    python benchmarks/bench_dagster.py events [--before]
    python benchmarks/bench_dagster.py tick [--before]

`--before` is Dagster's own PostgreSQL storage, every event alone, and the asset's partitions
recorded at its end. `events` runs an empty asset with one check in this process, over 1 day, 365
days and 8,760 hours: what is planned when the run is created, what is recorded while the asset
runs, and the check's evaluations, a partition each. `tick` starts daemon and code server on a demo
farm whose hourly asset is due every minute, and reads the times from the events of its runs.
"""

import argparse
import datetime as dt
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg

from mushroom_assets.domain.farm_file import parse_farm, reference_farm_text
from mushroom_assets.ingestion import simulated
from mushroom_assets.instance.reporting import REPORTED, latest_materializations, report, together
from mushroom_assets.service.home import prepare_dagster_home
from mushroom_assets.service.postgres import embedded_postgres
from mushroom_assets.service.programs import console_script
from mushroom_assets.settings import load_settings
from mushroom_assets.storage import migrations
from mushroom_assets.storage.connection import Database

RUNS = 3
TICKS = 5
PLAIN = "storage: {postgres: {postgres_url: {env: DATABASE_URL}}}"
FARM = parse_farm(reference_farm_text())
ZONE = "Asia/Shanghai"
Event = dg.DagsterEventType


@contextmanager
def dagster(*, before: bool) -> Iterator[Path]:
    """A home of Dagster on a PostgreSQL of its own, exported to this process and its children."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        embedded_postgres(Path(folder) / "pg") as url,
    ):
        os.environ |= {"MUSHROOM_HOME": folder, "DATABASE_URL": url}
        settings = load_settings()
        os.environ |= settings.environment()
        prepare_dagster_home(settings)
        database = Database(url)
        with database.transaction() as connection:
            migrations.upgrade(connection)  # the leases of runs
        database.dispose()
        if before:
            os.environ.pop("DAGSTER_EVENT_BATCH_SIZE")
            file = settings.dagster_home / "dagster.yaml"
            _, rest = file.read_text(encoding="utf-8").split("telemetry:")
            rest = rest.replace("dequeue_interval_seconds: 1", "dequeue_interval_seconds: 2")
            file.write_text(f"{PLAIN}\ntelemetry:{rest}", encoding="utf-8")
        yield Path(folder)


def empty_job(
    definition: dg.TimeWindowPartitionsDefinition, *, before: bool, checks: int = 1
) -> dg.JobDefinition:
    """An asset and its checks that do nothing but say so of every partition."""

    @dg.asset(partitions_def=definition, backfill_policy=dg.BackfillPolicy.single_run())
    def empty(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        done = {key: {"dagster/partition_row_count": 0} for key in context.partition_keys}
        if not before:
            report(context, done)
            return dg.MaterializeResult(metadata=REPORTED)
        for key, metadata in done.items():
            context.add_asset_metadata(metadata, partition_key=key)
        return dg.MaterializeResult()

    holds = _empty_checks(empty, definition, [f"holds_{number}" for number in range(checks)])
    defs = dg.Definitions(
        [empty], asset_checks=[holds], jobs=[dg.define_asset_job("empties", "empty")]
    )
    return defs.resolve_job_def("empties")


def _empty_checks(
    asset: dg.AssetsDefinition, definition: dg.TimeWindowPartitionsDefinition, names: list[str]
) -> dg.AssetChecksDefinition:
    """Checks in one step, as the farm's are.

    An evaluation names the materialization that it is of, as Dagster's own do.
    """
    specs = [dg.AssetCheckSpec(name, asset=asset, partitions_def=definition) for name in names]

    @dg.multi_asset_check(name="empty_checks", specs=specs, can_subset=True)
    def check(
        context: dg.AssetCheckExecutionContext,
    ) -> Iterator[dg.Output[None] | dg.AssetCheckEvaluation]:
        of = latest_materializations(context.instance, asset.key, context.partition_keys)
        with together(context.instance):
            for spec in specs:
                yield dg.Output(None, spec.get_python_identifier())
                for key in context.partition_keys:
                    found = {"offending": 0}
                    yield dg.AssetCheckEvaluation(
                        asset.key, spec.name, True, found, of.get(key), partition=key
                    )

    return check


def events(*, before: bool) -> None:
    """Print milliseconds a partition, and seconds a run."""
    stage_names = f"{'planned':>10}{'recorded':>10}{'checked':>10}"
    print(f"{'partitions':>10}{'runs':>6}{stage_names}  ms each{'run, s':>10}")
    daily = dg.DailyPartitionsDefinition("2024-01-01", timezone=ZONE)
    hourly = dg.HourlyPartitionsDefinition("2024-01-01-00:00", timezone=ZONE)
    with dagster(before=before), dg.DagsterInstance.get() as instance:
        for definition, count in ((daily, 1), (daily, 365), (hourly, 8760)):
            job = empty_job(definition, before=before)
            figures = [
                stages(instance, job, definition, count)
                for _ in range(1 if before and count > 365 else RUNS)
            ]
            medians = [statistics.median(column) for column in zip(*figures, strict=True)]
            each = "".join(f"{1000 * seconds / count:10.2f}" for seconds in medians[:3])
            print(f"{count:10}{len(figures):6}{each}{'':9}{medians[3]:10.2f}", flush=True)


def stages(
    instance: dg.DagsterInstance, job: dg.JobDefinition, definition: Any, count: int
) -> tuple[float, ...]:
    """Seconds until the run has started, in the asset, in its check, and of the whole run."""
    keys = definition.get_partition_keys()[:count]
    tags = {
        "dagster/asset_partition_range_start": keys[0],
        "dagster/asset_partition_range_end": keys[-1],
    }
    started = time.time()
    run = job.execute_in_process(instance=instance, tags=tags)
    whole = time.time() - started
    at = times(instance, run.run_id)
    asset, check = (
        at[Event.STEP_SUCCESS, step] - at[Event.STEP_START, step]
        for step in ("empty", "empty_checks")
    )
    return at[Event.RUN_START, None] - started, asset, check, whole


def times(
    instance: dg.DagsterInstance, run_id: str
) -> dict[tuple[dg.DagsterEventType, str | None], float]:
    """When the run did what, by kind of event and step, in seconds since 1970."""
    runs = {Event.RUN_ENQUEUED, Event.RUN_STARTING, Event.RUN_START, Event.RUN_SUCCESS}
    wanted = runs | {Event.STEP_START, Event.STEP_SUCCESS}
    found = [
        record.event_log_entry
        for record in instance.get_records_for_run(run_id, of_type=wanted).records
    ]
    return {
        (entry.get_dagster_event().event_type, entry.step_key): entry.timestamp for entry in found
    }


def tick(*, before: bool) -> None:
    """Print seconds of the hourly asset's scheduled runs, from the minute they are due."""
    names = ("created", "launched", "started", "rows", "finished", "own work", "share")
    print("".join(f"{name:>10}" for name in names), flush=True)
    with dagster(before=before) as home:
        fill(home)
        file = Path(__file__).parent / "every_minute.py"
        daemon = [sys.executable, console_script("dagster-daemon"), "run", "-f", str(file)]
        with (home / "log").open("w") as log:
            process = subprocess.Popen(daemon, stdout=log, stderr=log, start_new_session=True)  # noqa: S603
        try:
            with dg.DagsterInstance.get() as instance:
                figures = list(ticks(instance))
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # with the code server that it started
            process.wait()
    medians = tuple(statistics.median(column) for column in zip(*figures, strict=True))
    for row in [*figures, medians]:
        print("".join(f"{value:10.3f}" for value in row))
    print(f"the last line: medians of {len(figures)}")


def fill(home: Path) -> None:
    """Tables, and two days of four rooms up to now."""
    database = Database(load_settings().require_database_url())
    with database.transaction() as connection:
        migrations.upgrade(connection)
    now = dt.datetime.now(FARM.zone)
    state = simulated.Demo.begin(0, now.date() - dt.timedelta(days=1), None)
    for day in simulated.days_between(state.first_day, now.date()):
        simulated.deliver_day(database, FARM, list(FARM.rooms), day, state, now)
    database.dispose()


def ticks(instance: dg.DagsterInstance) -> Iterator[tuple[float, ...]]:
    """The figures of `TICKS` runs of one partition.

    The first, which catches up a week, is left out.
    """
    seen: set[str] = set()
    asset = "hourly_setpoint_changes"
    while len(seen) < TICKS:
        time.sleep(1)
        filters = dg.RunsFilter(job_name=f"{asset}_job", statuses=[dg.DagsterRunStatus.SUCCESS])
        for run in instance.get_runs(filters):
            if run.run_id in seen or "dagster/partition" not in run.tags:
                continue
            seen.add(run.run_id)
            at = times(instance, run.run_id)
            due = at[Event.RUN_ENQUEUED, None] // 60 * 60
            end = at[Event.RUN_SUCCESS, None] - due
            own = at[Event.STEP_SUCCESS, asset] - at[Event.STEP_START, asset]
            marks = [
                at[kind, None] - due
                for kind in (Event.RUN_ENQUEUED, Event.RUN_STARTING, Event.RUN_START)
            ]
            yield (*marks, at[Event.STEP_SUCCESS, asset] - due, end, own, own / (end - marks[0]))


def main() -> None:
    """What is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["events", "tick"])
    parser.add_argument("--before", action="store_true")
    given = parser.parse_args()
    warnings.filterwarnings("ignore")
    {"events": events, "tick": tick}[given.what](before=given.before)


if __name__ == "__main__":
    main()

"""A backfill whose process is killed half-way, on whole servers.

What is finished stays, and only the rest runs again.
"""

import datetime as dt
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

import dagster as dg
import psutil
import pytest
import sqlalchemy as sa

from mushroom_assets.service.ui import ask_ui, ui_fault
from mushroom_assets_tests.kit.servers import free_port, until
from mushroom_assets_tests.kit.small import SmallFarm

pytestmark = pytest.mark.timeout(600)
ASSET = "daily_env_stats"
DAYS = [f"{dt.date(2025, 1, 1) + dt.timedelta(days=n)}" for n in range(120)]
STUCK_DAY = DAYS[100]


@contextmanager
def serving(small: SmallFarm, home: Path, port: int) -> Iterator[psutil.Process]:
    """`mushroom up` on the small farm, from when its UI answers.

    Without the retries of runs, which would mend the kill.
    """
    file = resources.files("mushroom_assets").joinpath("dagster.yaml")
    packaged = file.read_text(encoding="utf-8")
    (home / "dagster.yaml").write_text(
        packaged.replace("run_retries:\n  enabled: true", "run_retries:\n  enabled: false")
    )
    settings = {
        "DATABASE_URL": small.database.url,
        "MUSHROOM_CONFIG": str(small.path),
        "DAGSTER_HOME": str(home),
    }
    mushroom = [sys.executable, "-m", "mushroom_assets.cli.main"]
    command = [*mushroom, "up", "--no-demo", "--port", str(port), "--page-port", "0"]
    environment = os.environ | settings | {"MUSHROOM_HOME": str(home)}
    with (
        (home / "log").open("w") as log,
        subprocess.Popen(command, env=environment, stdout=log) as process,
    ):
        try:
            until(lambda: ui_fault("127.0.0.1", port) is None)
            yield psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=120)


def backfill(port: int, days: list[str]) -> None:
    """As the UI launches it."""
    names = ", ".join(f'"{day}"' for day in days)
    wanted = f'assetSelection: [{{path: ["{ASSET}"]}}], partitionNames: [{names}]'
    mutation = f"{{launchPartitionBackfill(backfillParams: {{{wanted}}}) {{__typename}}}}"
    launched = ask_ui("127.0.0.1", port, f"mutation {mutation}", timeout_s=60)
    assert launched["launchPartitionBackfill"]["__typename"] == "LaunchBackfillSuccess"


def leave_to_the_test(port: int) -> None:
    """Nothing is asked for but by the test: the sensor that catches up is switched off."""
    place = 'repositoryName: "__repository__", repositoryLocationName: "mushroom_assets"'
    selector = f'{{{place}, sensorName: "catching_up"}}'
    query = f"{{sensorOrError(sensorSelector: {selector}) {{... on Sensor {{id}}}}}}"
    number = ask_ui("127.0.0.1", port, query, timeout_s=60)["sensorOrError"]["id"]
    mutation = f'mutation {{stopSensor(id: "{number}") {{__typename}}}}'
    stopped = ask_ui("127.0.0.1", port, mutation, timeout_s=60)
    assert stopped["stopSensor"]["__typename"] == "StopSensorMutationResult"


def kill_run_worker(server: psutil.Process) -> None:
    """`kill -9` of the process that the code server made for the run."""
    children = server.children(recursive=True)
    (worker,) = (child for child in children if "spawn_main" in " ".join(child.cmdline()))
    worker.kill()


def scalar(small: SmallFarm, query: str) -> int:
    with small.database.transaction() as connection:
        return int(connection.scalar(sa.text(query)) or 0)


def health(instance: dg.DagsterInstance) -> dict[str, str]:
    """What the UI shows of each day."""
    definition = dg.DailyPartitionsDefinition("2025-01-01", timezone="Asia/Shanghai")
    found = instance.get_status_by_partition(dg.AssetKey(ASSET), DAYS, definition) or {}
    return {key: status.name if status else "MISSING" for key, status in found.items()}


def let_hang(small: SmallFarm, day: str) -> None:
    """The statement that writes a day of the asset waits for ten minutes."""
    small.execute("CREATE FUNCTION farm.sleep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                  " PERFORM pg_sleep(600); RETURN NEW; END $$")  # fmt: skip
    small.execute(f"CREATE TRIGGER sleep BEFORE INSERT ON farm.{ASSET} FOR EACH ROW"
                  f" WHEN (NEW.stat_date = '{day}') EXECUTE FUNCTION farm.sleep()")  # fmt: skip


def kill_where_it_hangs(small: SmallFarm, server: psutil.Process) -> None:
    """Kill the run at the day that hangs, and let the day's rows be written again."""
    sleeping = "FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
    until(lambda: scalar(small, f"SELECT count(*) {sleeping}") == 1)
    kill_run_worker(server)
    scalar(small, f"SELECT count(pg_terminate_backend(pid)) {sleeping}")
    small.execute(f"DROP TRIGGER sleep ON farm.{ASSET}")


def run_of_each_day(small: SmallFarm) -> dict[str, str]:
    """Which run wrote each day that there is."""
    rows = small.rows(ASSET, provenance=True)
    return {f"{row['stat_date']}": row["run_id"] for row in rows}


def test_of_a_killed_backfill_exactly_the_unfinished_partitions_are_red_and_rerun(
    small: SmallFarm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_hang(small, STUCK_DAY)
    home = tmp_path / "home"
    home.mkdir()
    port = free_port()
    failed = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE])
    with serving(small, home, port) as server:
        monkeypatch.setenv("DATABASE_URL", small.database.url)
        with dg.DagsterInstance.from_config(str(home)) as instance:
            leave_to_the_test(port)
            backfill(port, DAYS)
            kill_where_it_hangs(small, server)
            until(lambda: instance.get_runs_count(failed) == 1)

            kept = run_of_each_day(small)
            done = list(kept)
            rest = DAYS[len(kept) :]
            assert done == DAYS[: len(done)]
            assert STUCK_DAY in rest
            assert done
            red = dict.fromkeys(rest, "FAILED")
            assert health(instance) == dict.fromkeys(done, "MATERIALIZED") | red
            (run,) = instance.get_runs(failed)  # its retry may be there already
            said = [entry.user_message for entry in instance.all_logs(run.run_id)]
            told = [message for message in said if "are finished" in message]
            assert told[-1] == f"{len(done)} of 120 partitions are finished, up to {done[-1]}"

            backfill(port, rest)  # what "failed and missing" asks for
            until(lambda: health(instance) == dict.fromkeys(DAYS, "MATERIALIZED"))
    runs = run_of_each_day(small)
    assert {day: runs[day] for day in done} == kept
    assert not {runs[day] for day in rest} & set(kept.values())

"""A backfill whose process is killed half-way, on whole servers: what is finished stays, and only
the rest reruns.
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

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
ASSET = "daily_env_stats"
DAYS = [f"{dt.date(2025, 1, 1) + dt.timedelta(days=n)}" for n in range(120)]
STUCK_DAY = DAYS[100]


@contextmanager
def serving(small: SmallFarm, home: Path, port: int) -> Iterator[psutil.Process]:
    """`mushroom up` on the small farm, until its UI answers; without the retries of runs, which
    would mend the kill.
    """
    packaged = (
        resources.files("mushroom_assets").joinpath("dagster.yaml").read_text(encoding="utf-8")
    )
    (home / "dagster.yaml").write_text(
        packaged.replace("run_retries:\n  enabled: true", "run_retries:\n  enabled: false")
    )
    settings = {
        "DATABASE_URL": small.database.url,
        "MUSHROOM_CONFIG": str(small.path),
        "DAGSTER_HOME": str(home),
    }
    command = [
        sys.executable,
        "-m",
        "mushroom_assets.cli.main",
        "up",
        "--no-demo",
        "--port",
        str(port),
    ]
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
    launched = ask_ui(
        "127.0.0.1",
        port,
        f'mutation {{launchPartitionBackfill(backfillParams: {{assetSelection: [{{path: ["{ASSET}"]}}], '
        f"partitionNames: [{names}]}}) {{__typename}}}}",
        timeout_s=60,
    )
    assert launched["launchPartitionBackfill"]["__typename"] == "LaunchBackfillSuccess"


def kill_run_worker(server: psutil.Process) -> None:
    """`kill -9` of the process that the code server made for the run."""
    (worker,) = (
        child
        for child in server.children(recursive=True)
        if "spawn_main" in " ".join(child.cmdline())
    )
    worker.kill()


def scalar(small: SmallFarm, query: str) -> int:
    with small.database.transaction() as connection:
        return int(connection.scalar(sa.text(query)) or 0)


def health(instance: dg.DagsterInstance) -> dict[str, str]:
    """What the UI shows of each day."""
    definition = dg.DailyPartitionsDefinition("2025-01-01", timezone="Asia/Shanghai")
    found = instance.get_status_by_partition(dg.AssetKey(ASSET), DAYS, definition) or {}
    return {key: status.name if status else "MISSING" for key, status in found.items()}


def test_of_a_killed_backfill_exactly_the_unfinished_partitions_are_red_and_rerun(
    small: SmallFarm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.execute("CREATE FUNCTION farm.sleep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                  " PERFORM pg_sleep(600); RETURN NEW; END $$")  # fmt: skip
    small.execute(f"CREATE TRIGGER sleep BEFORE INSERT ON farm.{ASSET} FOR EACH ROW"
                  f" WHEN (NEW.stat_date = '{STUCK_DAY}') EXECUTE FUNCTION farm.sleep()")  # fmt: skip
    home, port = tmp_path / "home", free_port()
    home.mkdir()
    sleeping = "FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
    with serving(small, home, port) as server:
        monkeypatch.setenv("DATABASE_URL", small.database.url)
        with dg.DagsterInstance.from_config(str(home)) as instance:
            backfill(port, DAYS)
            until(lambda: scalar(small, f"SELECT count(*) {sleeping}") == 1)
            kill_run_worker(server)
            scalar(small, f"SELECT count(pg_terminate_backend(pid)) {sleeping}")
            small.execute(f"DROP TRIGGER sleep ON farm.{ASSET}")
            until(
                lambda: (
                    instance.get_runs_count(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
                    == 1
                )
            )

            kept = {
                f"{row['stat_date']}": row["run_id"] for row in small.rows(ASSET, provenance=True)
            }
            done, rest = list(kept), DAYS[len(kept) :]
            assert done == DAYS[: len(done)]
            assert STUCK_DAY in rest
            assert done
            assert health(instance) == dict.fromkeys(done, "MATERIALIZED") | dict.fromkeys(
                rest, "FAILED"
            )
            (run,) = instance.get_runs()
            told = [
                entry.user_message
                for entry in instance.all_logs(run.run_id)
                if "are finished" in entry.user_message
            ]
            assert told[-1] == f"{len(done)} of 120 partitions are finished, up to {done[-1]}"

            backfill(port, rest)  # what "failed and missing" asks for
            until(lambda: health(instance) == dict.fromkeys(DAYS, "MATERIALIZED"))
    runs = {f"{row['stat_date']}": row["run_id"] for row in small.rows(ASSET, provenance=True)}
    assert {day: runs[day] for day in done} == kept
    assert not {runs[day] for day in rest} & set(kept.values())

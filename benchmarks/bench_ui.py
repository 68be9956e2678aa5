"""The UI at scale, in a browser: three years of hourly partitions and forty rooms.

    python -m benchmarks.bench_ui        needs /usr/bin/chromium, or CHROMIUM=path

Runs the farm's jobs over three years of empty tables, so that Dagster's storage has every event
that they leave; then starts webserver and daemon as `mushroom up` does, and times pages until what
a person looks for is on them. First: a new browser and a webserver that has not shown the page yet.
Again: the medians of the later visits.
"""

import datetime as dt
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import dagster as dg
from playwright.sync_api import Page

from mushroom_assets.definitions import build_definitions
from mushroom_assets.instance.outstanding import range_tags
from mushroom_assets.service.home import prepare_dagster_home
from mushroom_assets.service.postgres import embedded_postgres
from mushroom_assets.service.programs import of_one_machine
from mushroom_assets.service.ui import Door, wait_for_ui
from mushroom_assets.settings import load_settings
from mushroom_assets.storage import migrations
from mushroom_assets.storage.connection import Database
from mushroom_assets_tests.browser.chromium import open_page

VISITS = 5
PORT = int(os.environ.get("PORT", "3410"))
DAYS = 3 * 365
HOURLY = "hourly_setpoint_changes"


@contextmanager
def farm(folder: Path) -> Iterator[None]:
    """Three years of runs of a farm of forty rooms, and servers on top."""
    first = dt.date.today() - dt.timedelta(days=DAYS)
    rooms = ", ".join(f'"{number}": {{}}' for number in range(601, 641))
    (folder / "farm.yaml").write_text(
        f"{{timezone: Asia/Shanghai, first_day: {first}, rooms: {{{rooms}}}}}"
    )
    with embedded_postgres(folder / "pg") as url:
        os.environ |= {
            "MUSHROOM_HOME": str(folder),
            "DATABASE_URL": url,
            "MUSHROOM_CONFIG": str(folder / "farm.yaml"),
        }
        settings = load_settings()
        os.environ |= settings.environment()
        prepare_dagster_home(settings)
        database = Database(url)
        with database.transaction() as connection:
            migrations.upgrade(connection)
        database.dispose()
        fill()
        door = Door("127.0.0.1", PORT)
        children = [program.child for program in of_one_machine(settings, door, page_port=0)]
        try:
            for child in children:
                child.start()
            if not wait_for_ui("127.0.0.1", PORT, children):
                raise SystemExit("the UI did not come up")
            yield
        finally:
            for child in reversed(children):
                child.stop()


def fill() -> None:
    """Every closed partition of the two assets that need samples alone, a year a run."""
    defs = build_definitions(load_settings().read_farm())
    quiet = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
    with dg.DagsterInstance.get() as instance:
        for asset in (HOURLY, "daily_env_stats"):
            definition = defs.resolve_assets_def(asset).partitions_def
            keys = definition.get_partition_keys() if definition else []
            started = time.perf_counter()
            year = len(keys) // 3 + 1
            for first in range(0, len(keys), year):
                part = keys[first : first + year]
                tags = range_tags(part[0], part[-1])
                defs.resolve_job_def(f"{asset}_job").execute_in_process(
                    quiet, instance=instance, tags=tags
                )
            print(
                f"{asset}: {len(keys):,} partitions in {time.perf_counter() - started:.0f} s",
                flush=True,
            )


def pages(count: int) -> dict[str, tuple[str, str]]:
    """Address and what a person looks for, by page."""
    asset = f"/assets/{HOURLY}?view"
    return {
        "lineage": ("/asset-groups", "daily_room_report"),
        "asset page": (f"{asset}=overview", "Latest check results"),
        "partitions tab": (f"{asset}=partitions", f"Materialized ({count})"),
        "checks tab": (f"{asset}=checks", "Latest execution"),
        "events tab": (f"{asset}=events", "materialized in run"),
        "asset page, daily": ("/assets/daily_env_stats?view=overview", "Latest check results"),
        "runs": ("/runs", f"{HOURLY}_job"),
    }


def visit(page: Page, path: str, text: str) -> None:
    """Open a page and wait for the text."""
    page.goto(f"http://127.0.0.1:{PORT}{path}", wait_until="commit")
    page.get_by_text(text).first.wait_for()


def until_quiet(page: Page, act: Callable[[], object]) -> tuple[float, float]:
    """Seconds until `act` has what it waits for, and until the server's last answer to it."""
    started = last = time.perf_counter()

    def answered(_: object) -> None:
        nonlocal last
        last = time.perf_counter()

    page.on("requestfinished", answered)
    act()
    there = time.perf_counter()
    page.wait_for_load_state("networkidle")
    page.remove_listener("requestfinished", answered)
    return there - started, max(last, there) - started


def backfill_dialog(page: Page, count: int) -> Iterator[tuple[str, Callable[[], object]]]:
    """What a person does in it, from the partitions tab."""
    visit(page, *pages(count)["partitions tab"])

    def open_dialog() -> None:
        page.get_by_role("button", name="Materialize").first.click()
        page.get_by_text("Backfills all partitions in a single run").wait_for()

    def select_all() -> None:
        page.get_by_text("Show all partitions").click()
        page.get_by_role("button", name="All", exact=True).last.click()
        page.get_by_text(f"{count:,} partitions", exact=True).wait_for()

    yield "backfill dialog", open_dialog
    yield "  all partitions", select_all


def time_pages(count: int) -> dict[str, list[tuple[float, float]]]:
    """Seconds of every visit, by page."""
    found: dict[str, list[tuple[float, float]]] = {}
    with open_page() as page:
        for _ in range(1 + VISITS):
            for name, where in pages(count).items():
                found.setdefault(name, []).append(until_quiet(page, partial(visit, page, *where)))
            for name, act in backfill_dialog(page, count):
                found.setdefault(name, []).append(until_quiet(page, act))
    return found


def main() -> None:
    """Print the table."""
    warnings.filterwarnings("ignore")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, farm(Path(folder)):
        with dg.DagsterInstance.get() as instance:
            count = len(instance.get_materialized_partitions(dg.AssetKey(HOURLY)))
        print(f"{count:,} hourly partitions; seconds until what one looks for is there,")
        print("and until all of the page is")
        print(f"{'':20}{'first':>8}{'all':>8}{'again':>8}{'all':>8}   medians of {VISITS}")
        for name, seconds in time_pages(count).items():
            again = [statistics.median(column) for column in zip(*seconds[1:], strict=True)]
            print(f"{name:20}" + "".join(f"{value:8.1f}" for value in (*seconds[0], *again)))


if __name__ == "__main__":
    main()

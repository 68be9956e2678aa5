"""Backfills from the UI: only what fails is red and is done again; what is finished stays so."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from playwright.sync_api import Page

from mushroom_assets_tests.browser.clicks import flip, go_to, launch, open_asset, open_switch
from mushroom_assets_tests.browser.farm import RunningFarm
from mushroom_assets_tests.kit.servers import until

DAILY = "daily_env_stats"
REPORT = "daily_room_report"


@pytest.fixture(autouse=True)
def no_automation(page: Page) -> Iterator[None]:
    """No reports in the background for the days that are done anew."""
    flip(open_switch(page, "daily_room_report_automation"), on=False)
    yield
    flip(open_switch(page, "daily_room_report_automation"), on=True)


@contextmanager
def before_insert(farm: RunningFarm, table: str, days: list[str], statement: str) -> Iterator[None]:
    """Let the server execute a statement of PL/pgSQL before a row of these days is stored."""
    farm.execute(
        "CREATE FUNCTION farm.hinder() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN {statement}; RETURN NEW; END $$"
    )
    which = ", ".join(f"'{day}'" for day in days)
    farm.execute(
        f"CREATE TRIGGER hinder BEFORE INSERT ON farm.{table} FOR EACH ROW"
        f" WHEN (NEW.stat_date IN ({which})) EXECUTE FUNCTION farm.hinder()"
    )
    try:
        yield
    finally:
        farm.execute("DROP FUNCTION farm.hinder CASCADE")


def backfill(farm: RunningFarm, backfill_id: str) -> tuple[str, int]:
    """A backfill's status, and of how many partitions it is."""
    fields = "{... on PartitionBackfill {status numPartitions}}"
    found = farm.ask(f'{{partitionBackfillOrError(backfillId: "{backfill_id}") {fields}}}')[
        "partitionBackfillOrError"
    ]
    return found["status"], found["numPartitions"]


def runs(farm: RunningFarm, backfill_id: str) -> list[tuple[str, str]]:
    """Id and status of a backfill's runs, newest first."""
    tag = f'{{tags: [{{key: "dagster/backfill", value: "{backfill_id}"}}]}}'
    found = farm.ask(f"{{runsOrError(filter: {tag}) {{... on Runs {{results {{id status}}}}}}}}")[
        "runsOrError"
    ]
    return [(run["id"], run["status"]) for run in found["results"]]


def see_states(page: Page, asset: str, **counts: int) -> None:
    """On the partitions tab."""
    open_asset(page, asset, "Partitions")
    for state, count in counts.items():
        page.get_by_text(f"{state} ({count})", exact=True).wait_for()


def see_backfill(page: Page, farm: RunningFarm, backfill_id: str, status: str) -> None:
    """On its page, once it has ended; the daemon looks at its backfills every 30 s."""
    until(lambda: backfill(farm, backfill_id)[0] not in ("REQUESTED", "CANCELING"))
    page.goto(f"{farm.url}/runs/b/{backfill_id}")
    page.get_by_text("Status", exact=True).locator("..").get_by_text(status, exact=True).wait_for()


def cancel(page: Page, farm: RunningFarm, backfill_id: str) -> None:
    """On its page."""
    page.goto(f"{farm.url}/runs/b/{backfill_id}")
    page.get_by_role("button", name="expand_more").click()
    page.get_by_text("Cancel backfill").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel backfill").click()


def days_of(farm: RunningFarm, asset: str) -> set[str]:
    return {f"{row['stat_date']}" for row in farm.rows(asset)}


def changed(farm: RunningFarm, before: list[dict[str, Any]]) -> set[str]:
    """Days whose reports another run wrote since."""
    return {
        f"{row['stat_date']}" for row in farm.rows(REPORT, provenance=True) if row not in before
    }


def test_only_failed_days_are_red_and_done_again_and_of_a_cancelled_backfill_the_finished_days_stay(
    page: Page, farm: RunningFarm
) -> None:
    """Two stories at once: each waits for the daemon, which looks at its backfills every 30 s."""
    days = farm.partitions(DAILY)
    stats = farm.rows(DAILY)
    reports = farm.rows(REPORT, provenance=True)
    bad = {days[1], days[3]}
    good = set(days) - bad
    assert days_of(farm, DAILY) == set(days)
    farm.execute(f"DELETE FROM farm.{DAILY}")
    with before_insert(farm, DAILY, sorted(bad), "RAISE EXCEPTION 'refused on purpose'"):
        first = launch(page, DAILY, "All")
        until(lambda: [status for _, status in runs(farm, first)] == ["FAILURE"])
    assert farm.states(DAILY) == {"MATERIALIZED": good, "FAILED": bad}
    assert farm.rows(DAILY) == [row for row in stats if f"{row['stat_date']}" in good]
    see_states(page, DAILY, Failed=2, Materialized=len(good), Missing=0)

    again = launch(page, DAILY, "All", only_failed_and_missing=True)
    with (
        farm.database.engine.connect() as held,
        before_insert(farm, REPORT, days[2:], "PERFORM pg_advisory_lock(1)"),
    ):
        held.execute(sa.text("SELECT pg_advisory_lock(1)"))
        stuck = launch(page, REPORT, "All")
        until(lambda: changed(farm, reports) == set(days[:2]))
        cancel(page, farm, stuck)
        see_backfill(page, farm, stuck, "Canceled")
        held.rollback()
    assert backfill(farm, stuck) == ("CANCELED", len(days))
    assert [status for _, status in runs(farm, stuck)] == ["CANCELED"]
    assert changed(farm, reports) == set(days[:2])
    # Of the others the rows of their last run are there
    assert farm.states(REPORT) == {"MATERIALIZED": set(days)}
    see_states(page, REPORT, Failed=0, Materialized=len(days), Materializing=0)

    see_backfill(page, farm, again, "Succeeded")
    page.get_by_text("100% completed").wait_for()
    assert backfill(farm, again) == ("COMPLETED_SUCCESS", 2)
    assert [status for _, status in runs(farm, again)] == ["SUCCESS", "SUCCESS"]
    assert farm.rows(DAILY) == stats
    see_states(page, DAILY, Failed=0, Materialized=len(days), Missing=0)
    assert backfill(farm, first) == ("COMPLETED_FAILED", len(days))


def test_a_failed_run_is_retried_from_its_page(page: Page, farm: RunningFarm) -> None:
    day = farm.partitions(REPORT)[-1]
    with before_insert(farm, REPORT, [day], "RAISE EXCEPTION 'refused on purpose'"):
        run = launch(page, REPORT, "Latest")
        until(lambda: day in farm.states(REPORT).get("FAILED", ()))
    farm.execute(f"DELETE FROM farm.{REPORT} WHERE stat_date = '{day}'")
    see_states(page, REPORT, Failed=1)
    go_to(page, "Runs")
    page.get_by_role("link", name=run).first.click()
    page.get_by_text("refused on purpose").first.wait_for()
    page.get_by_role("button", name=re.compile("Re-execute all")).click()
    until(lambda: day in farm.states(REPORT)["MATERIALIZED"])
    assert day in days_of(farm, REPORT)
    see_states(page, REPORT, Failed=0)

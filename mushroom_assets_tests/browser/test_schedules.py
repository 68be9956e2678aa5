"""Switches of the UI. That they outlive a restart is tested by `service/test_supervised.py`."""

from playwright.sync_api import Page

from mushroom_assets_tests.browser.clicks import flip, open_switch
from mushroom_assets_tests.browser.farm import RunningFarm

SCHEDULE = "daily_env_stats_schedule"


def running(farm: RunningFarm) -> dict[str, bool]:
    """Every schedule and sensor, and whether it is on."""
    place = '{repositoryName: "__repository__", repositoryLocationName: "mushroom_assets"}'
    found = farm.ask(
        f"{{repositoryOrError(repositorySelector: {place}) {{... on Repository {{"
        "schedules {name scheduleState {status}} sensors {name sensorState {status}}}}}"
    )["repositoryOrError"]
    states = {each["name"]: each["scheduleState"] for each in found["schedules"]}
    states |= {each["name"]: each["sensorState"] for each in found["sensors"]}
    return {name: state["status"] == "RUNNING" for name, state in states.items()}


def test_a_schedule_is_switched_off_and_on(page: Page, farm: RunningFarm) -> None:
    before = running(farm)
    assert before[SCHEDULE]
    flip(open_switch(page, SCHEDULE), on=False)
    assert running(farm) == before | {SCHEDULE: False}
    flip(open_switch(page, SCHEDULE), on=True)
    page.reload()
    assert open_switch(page, SCHEDULE).is_checked()
    assert running(farm) == before

"""One farm and one browser for all tests of this folder."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from mushroom_assets.storage.connection import Database
from mushroom_assets_tests.browser.chromium import CHROMIUM, PICTURES, new_page, open_browser
from mushroom_assets_tests.browser.farm import RunningFarm
from mushroom_assets_tests.browser.small_page import SmallPage, small_page
from mushroom_assets_tests.kit.command import forget_settings
from mushroom_assets_tests.kit.databases import NO_RETRY, execute, uri_of
from mushroom_assets_tests.kit.servers import free_port


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without a browser there is nothing to see."""
    missing = pytest.mark.skip(
        reason=f"no browser at {CHROMIUM}: apt-get install chromium, or set CHROMIUM"
    )
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.long)
            item.add_marker(pytest.mark.timeout(600))
            if not Path(CHROMIUM).exists():
                item.add_marker(missing)


@pytest.fixture(scope="package")
def farm(server_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    """The farm, running; it ends with the tests of this folder.

    Two rooms, for pictures all four.
    """
    with pytest.MonkeyPatch.context() as patch:
        forget_settings(patch)
        execute(server_uri, "CREATE DATABASE browser")
        database = Database(uri_of(server_uri, "browser"), retry=NO_RETRY)
        days, rooms = (7, 4) if PICTURES else (5, 2)
        running = RunningFarm(
            tmp_path_factory.mktemp("browser"), database, free_port(), days, rooms
        )
        try:
            running.start()
            yield running
        finally:
            running.stop()
            database.dispose()
            execute(server_uri, "DROP DATABASE browser WITH (FORCE)")


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """The one browser: Playwright refuses a second one in a process."""
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope="package")
def browser_page(browser: Browser, farm: RunningFarm) -> Page:
    """The one page of Dagster's UI."""
    return new_page(browser)


@pytest.fixture
def page(browser_page: Page, farm: RunningFarm) -> Iterator[Page]:
    """The UI's start page.

    What is on the page at the end is printed: pytest shows it where a test fails.
    """
    browser_page.goto(farm.url)
    yield browser_page
    sys.stdout.write(f"{browser_page.url}\n{browser_page.locator('body').inner_text()}\n")


@pytest.fixture(scope="module")
def small(
    server_uri: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SmallPage]:
    """The farm's page over a small farm."""
    execute(server_uri, f"CREATE DATABASE small_page TEMPLATE {template}")
    database = Database(uri_of(server_uri, "small_page"), retry=NO_RETRY)
    try:
        with small_page(database, tmp_path_factory.mktemp("page")) as small:
            yield small
    finally:
        database.dispose()
        execute(server_uri, "DROP DATABASE small_page WITH (FORCE)")

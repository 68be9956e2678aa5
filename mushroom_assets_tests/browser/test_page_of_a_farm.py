"""The farm's page over a farm as a user starts it: it says what the tables say."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from playwright.sync_api import Page as Shown

from mushroom_assets.domain.report import SEVERITY
from mushroom_assets_tests.browser.chromium import PICTURES, beside, small_png
from mushroom_assets_tests.browser.farm import RunningFarm
from mushroom_assets_tests.browser.small_page import DESK, PHONE
from mushroom_assets_tests.kit.page import Page, page

REPORT = "daily_room_report"


@pytest.fixture(scope="module")
def served(farm: RunningFarm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    environment = {
        "DATABASE_URL": farm.database.url,
        "MUSHROOM_HOME": f"{farm.home}",
        "MUSHROOM_CONFIG": f"{farm.home / 'farm.yaml'}",
        "MUSHROOM_UI_URL": farm.url,
    }
    with page(environment, tmp_path_factory.mktemp("served")) as served:
        yield served


def test_the_first_room_is_the_worst_of_the_tables_and_its_yesterday_is_one_click_away(
    farm: RunningFarm, served: Page, browser: Browser
) -> None:
    yesterday = farm.partitions(REPORT)[-1]
    reports = [row for row in farm.rows(REPORT) if f"{row['stat_date']}" == yesterday]
    worst = max(SEVERITY.index(row["verdict"]) for row in reports)
    bad = {row["room_id"]: row for row in reports if SEVERITY.index(row["verdict"]) == worst}
    shown = browser.new_page(viewport=PHONE, device_scale_factor=2)
    shown.goto(f"http://127.0.0.1:{served.port}/")
    first = shown.locator("article.room h2").first.inner_text()
    assert first in bad
    save(shown, "morning_en")
    shown.emulate_media(color_scheme="dark")
    shown.goto(f"http://127.0.0.1:{served.port}/?lang=zh")
    save(shown, "morning_zh")
    if PICTURES is not None:
        both = [Path(PICTURES) / f"morning_{language}.png" for language in ("en", "zh")]
        beside(both, Path(PICTURES) / "morning.png")
    shown.goto(f"http://127.0.0.1:{served.port}/?lang=en")
    shown.get_by_role("link", name=f"Yesterday in {first}").click()
    shown.wait_for_url(f"**/rooms/{first}?day={yesterday}")
    for reason in bad[first]["reasons"]:
        expect(shown.locator("#report").get_by_text(reason["text"])).to_be_visible()
    shown.close()


def test_a_day_is_drawn_with_its_pictures_and_leads_to_dagster(
    farm: RunningFarm, served: Page, browser: Browser
) -> None:
    yesterday = farm.partitions(REPORT)[-1]
    shown = browser.new_page(viewport=DESK)
    shown.goto(f"http://127.0.0.1:{served.port}/rooms/611?day={yesterday}")
    assert shown.locator(".chart canvas").count() == 4
    picture = shown.locator("#pictures img").first
    picture.scroll_into_view_if_needed()
    shown.wait_for_function("document.querySelector('#pictures img').naturalWidth == 480")
    shown.evaluate("scrollTo(0, 0)")
    save(shown, "room")
    shown.goto(f"http://127.0.0.1:{served.port}/rooms/611?span=cycle")
    expect(shown.get_by_role("heading", name="Growth days 1 to 27")).to_be_visible()
    shown.go_back()
    shown.get_by_role("link", name="This day in Dagster").click()
    shown.wait_for_url(f"{farm.url}/**{REPORT}?**{yesterday}*")
    shown.close()


def save(shown: Shown, name: str) -> None:
    """A picture for the README, where one is wanted."""
    if PICTURES is not None:
        path = Path(PICTURES) / f"{name}.png"
        shown.wait_for_load_state("networkidle")
        shown.screenshot(path=path, animations="disabled", caret="hide")
        small_png(path)

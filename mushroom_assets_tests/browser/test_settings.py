"""A limit is raised on the farm's page as a grower does it: four taps, in both languages."""

import datetime as dt

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, expect

from mushroom_assets.storage.schema import setting as table
from mushroom_assets_tests.browser.small_page import ZONE, SmallPage, shown

CO2 = "stages.fruiting.bands.co2"
WORDS = {
    "en": ("Settings", "the crop needs it", "CO2: 1500–{high} ppm from {day} on."),
    "zh-CN": ("设置", "长势需要", "CO2：自 {day} 起为 1500–{high} ppm。"),
}


@pytest.mark.parametrize(
    ("width", "language", "scripts", "high"),
    [
        ("phone", "en", True, 4000),
        ("phone", "zh-CN", False, 4100),
        ("desk", "zh-CN", True, 4200),
        ("desk", "en", False, 4300),
    ],
)
def test_the_co2_limit_of_611_is_raised_from_tomorrow_on_by_four_taps(
    small: SmallPage, browser: Browser, width: str, language: str, scripts: bool, high: int
) -> None:
    settings, because, done = WORDS[language]
    tomorrow = dt.datetime.now(ZONE).date() + dt.timedelta(days=1)
    with shown(browser, small.url, width, language, java_script_enabled=scripts) as page:
        page.goto(f"{small.url}/rooms/611")
        page.locator("#write summary").click()
        page.locator("input[name=author]").fill("Li")  # once; the phone knows it from then on
        page.locator("textarea[name=text]").fill("a note")
        page.locator("#write button").click()
        page.goto(small.url)
        page.get_by_role("link", name="611", exact=True).click()
        page.get_by_role("link", name=settings, exact=True).click()
        field = page.locator(f'input[name="value.{CO2}"]').last
        field.click()
        field.fill(f"{high}")
        page.get_by_role("button", name=because).click()
        expect(page.get_by_text(done.format(day=tomorrow, high=high))).to_be_visible()
        expect(field).to_have_value(f"{high}")
    with small.database.transaction() as connection:
        asked = sa.select(table).order_by(table.c.version.desc()).limit(1)
        row = connection.execute(asked).one()
    assert (row.key, row.value, row.room_id) == (CO2, [1500.0, high], "611")
    assert (row.valid_from, row.author) == (tomorrow, "Li")


def test_numbers_are_stepped_by_thumb(small: SmallPage, browser: Browser) -> None:
    with shown(browser, small.url) as page:
        page.goto(f"{small.url}/rooms/611/settings?stage=fruiting")
        limit = page.locator(f'input[name="value.{CO2}"]').last
        limit.fill("3800")
        page.get_by_role("button", name="to +100").click()
        page.get_by_role("button", name="to +100").click()
        expect(limit).to_have_value("4000")
        temperature = page.get_by_role("group", name="temperature")
        temperature.get_by_role("button", name="from −0.5").click()
        expect(temperature.locator("input").first).to_have_value("16.5")
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= page.evaluate("innerWidth")

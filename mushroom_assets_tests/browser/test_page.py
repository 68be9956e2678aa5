"""The farm's page as people use it: on a phone and at a desk, in both languages, in bad times."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from mushroom_assets_tests.browser.chromium import PATIENCE_MS
from mushroom_assets_tests.browser.small_page import SmallPage, shown
from mushroom_assets_tests.kit.tcp_proxy import Fault

AXE = (Path(__file__).parent / "axe.min.js").read_text(encoding="utf-8")
MOST_BYTES = 300_000
LEAST_PX = 44  # of what is tapped
WIDTHS = ("phone", "desk")
LANGUAGES = ("en", "zh-CN")
NEEDY = {"en": "1 of 2 rooms need a look", "zh-CN": "2 个库房中有 1 个需要查看"}
WHY = {
    "en": "temperature in its band of 17 to 19.5 °C for 59% of the known time",
    "zh-CN": "温度处于目标区间 17~19.5 °C 的时间占 59%",
}


def first_room(page: Page) -> Locator:
    return page.locator("article.room").first


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("width", WIDTHS)
def test_which_room_needs_me_first_and_why_takes_no_click_and_no_scrolling(
    small: SmallPage, browser: Browser, width: str, language: str
) -> None:
    with shown(browser, small.url, width, language) as page:
        page.goto(small.url)
        expect(page.get_by_role("heading", name=NEEDY[language])).to_be_in_viewport()
        worst = first_room(page)
        for answer in (worst.get_by_role("heading", name="611"), worst.get_by_text(WHY[language])):
            expect(answer).to_be_in_viewport(ratio=1)
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= page.evaluate("innerWidth")


@pytest.mark.parametrize("width", WIDTHS)
def test_what_happened_in_611_yesterday_takes_one_click(
    small: SmallPage, browser: Browser, width: str
) -> None:
    with shown(browser, small.url, width) as page:
        page.goto(small.url)
        page.get_by_role("link", name="Yesterday in 611").click()
        page.wait_for_url(f"**/rooms/611?day={small.yesterday}")
        expect(page.get_by_role("heading", name="Room 611")).to_be_in_viewport()
        expect(page.get_by_text(WHY["en"])).to_be_in_viewport()
        chart = page.get_by_role("img", name=re.compile("^temperature: 18.0 to 18.0 °C"))
        expect(chart.locator("canvas")).to_be_visible()


def test_values_that_arrive_are_shown_without_a_click(small: SmallPage, browser: Browser) -> None:
    with shown(browser, small.url) as page:
        page.goto(small.url)
        value = page.locator("#room-607 .tile .value").first
        expect(value).to_contain_text("18.0")
        small.put("607", 4, every_s=7, temperature=18.9)  # most of the last five minutes
        expect(value).to_contain_text("18.9", timeout=PATIENCE_MS)
        page.goto(f"{small.url}/rooms/607")
        expect(page.locator("main .tile .value").first).to_contain_text("18.9")
        expect(page.locator(".readout").first).to_contain_text("°C")


def test_what_somebody_is_typing_outlives_new_values(small: SmallPage, browser: Browser) -> None:
    renew = "document.dispatchEvent(new Event('visibilitychange'))"
    with shown(browser, small.url) as page:
        page.goto(f"{small.url}/rooms/607")
        page.evaluate("document.querySelector('main').dataset.seen = 'before'")
        page.locator("#write summary").click()
        text = page.locator("textarea")
        text.fill("door left open")
        text.blur()
        page.evaluate(renew)
        page.evaluate("fetch('/healthz')")
        expect(text).to_have_value("door left open")
        expect(page.locator("main[data-seen]")).to_have_count(1)
        text.fill("")
        text.blur()
        page.evaluate(renew)
        expect(page.locator("main[data-seen]")).to_have_count(0, timeout=PATIENCE_MS)
        expect(text).to_be_visible()  # what was open stays open


@pytest.mark.parametrize("path", ["/", "/rooms/611"])
def test_while_the_database_is_away_the_page_says_so_and_comes_back(
    small: SmallPage, browser: Browser, path: str
) -> None:
    with shown(browser, small.url) as page:
        page.goto(f"{small.url}{path}")
        small.proxy.decide = lambda opening, commit: Fault.RESET
        try:
            away = page.get_by_role("heading", name="The database does not answer")
            away.wait_for(timeout=PATIENCE_MS)
            expect(page.get_by_text(re.compile(r"since \d\d:\d\d\."))).to_be_visible()
            assert page.locator("article.room, .chart").count() == 0  # no number of before
        finally:
            small.proxy.decide = lambda opening, commit: None
        page.locator("article.room, .chart canvas").first.wait_for(timeout=PATIENCE_MS)
        expect(away).to_have_count(0)


def test_a_room_that_has_nothing_says_so(small: SmallPage, browser: Browser) -> None:
    with shown(browser, small.url) as page:
        page.goto(small.url)
        page.get_by_role("link", name="612").click()
        expect(page.get_by_role("heading", name="Room 612")).to_be_visible()
        expect(page.get_by_text("no batch")).to_be_visible()
        expect(page.get_by_role("img", name="temperature: nothing known")).to_be_visible()
        expect(page.get_by_text("No picture of this while.")).to_be_visible()


def test_the_keyboard_reaches_everything(small: SmallPage, browser: Browser) -> None:
    with shown(browser, small.url) as page:
        page.goto(small.url)
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="To the content")).to_be_focused()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        expect(first_room(page).get_by_role("link", name="611", exact=True)).to_be_focused()
        page.keyboard.press("Enter")
        page.wait_for_url("**/rooms/611")
        page.locator("#write summary").focus()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        page.keyboard.type("door left open")
        page.keyboard.press("Tab")
        page.locator("input[name=author]").focus()
        page.keyboard.type("Li")
        page.keyboard.press("Enter")
        page.locator("#notes li").get_by_text("door left open Li").wait_for()
        page.get_by_role("button", name="Remove door left open").focus()
        page.keyboard.press("Enter")
        page.get_by_text("No note of this while.").wait_for()


def pages(small: SmallPage) -> list[str]:
    return [
        "/",
        "/rooms/611",
        f"/rooms/611?day={small.yesterday}",
        "/rooms/611?span=cycle",
        "/rooms/611/settings",
        "/rooms/611/settings?part=sensors",
        "/rooms/611/settings?part=history",
        "/labels",
        "/export",
        "/login",
        "/nowhere",
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_pages_are_accessible(
    small: SmallPage, browser: Browser, language: str, scheme: str
) -> None:
    found = {}
    with shown(browser, small.url, "phone", language, color_scheme=scheme) as page:
        for path in pages(small):
            page.goto(f"{small.url}{path}")
            page.wait_for_load_state("networkidle")
            page.evaluate(AXE)
            told = page.evaluate("axe.run()")
            faults = [(fault["id"], fault["nodes"][0]["html"]) for fault in told["violations"]]
            if faults:
                found[path] = faults
    assert found == {}


def test_what_is_tapped_is_as_large_as_a_thumb(small: SmallPage, browser: Browser) -> None:
    small_ones = []
    with shown(browser, small.url) as page:
        for path in pages(small):
            page.goto(f"{small.url}{path}")
            for tapped in page.locator("main :is(a, button, select, summary):visible").all():
                box = tapped.bounding_box()
                if box is not None and box["height"] < LEAST_PX:
                    small_ones.append((path, tapped.inner_text()))
    assert small_ones == []


def test_a_first_view_is_small_and_works_without_scripts(
    small: SmallPage, browser: Browser
) -> None:
    sizes: list[int] = []
    with shown(browser, small.url) as page:
        page.on("requestfinished", lambda asked: sizes.append(asked.sizes()["responseBodySize"]))
        page.goto(small.url)
        page.wait_for_load_state("networkidle")
        page.goto(f"{small.url}/rooms/611")
        page.wait_for_load_state("networkidle")
    assert 10_000 < sum(sizes) < MOST_BYTES
    with shown(browser, small.url, java_script_enabled=False) as page:
        page.goto(small.url)
        expect(first_room(page).get_by_text(WHY["en"])).to_be_visible()
        page.goto(f"{small.url}/rooms/611?day={small.yesterday}")
        page.locator("#hours summary").click()
        expect(page.get_by_role("row", name=re.compile("^12:00 18.0 90.0 2001"))).to_be_visible()

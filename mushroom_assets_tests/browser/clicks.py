"""What a person does on several pages. What they then see is the business of the tests."""

import re

from playwright.sync_api import Locator, Page, expect

from mushroom_assets_tests.browser.chromium import PATIENCE_MS


def go_to(page: Page, place: str) -> None:
    """By the navigation on the left of every page."""
    page.get_by_role("navigation").get_by_text(place, exact=True).click()


def open_asset(page: Page, asset: str, tab: str = "Overview") -> None:
    """From any page to a tab of an asset's page."""
    go_to(page, "Catalog")
    page.get_by_role("link", name=asset).first.click()
    if tab != "Overview":
        page.get_by_role("tab", name=tab).click()


def open_partition(page: Page, asset: str, key: str) -> None:
    """From any page to one partition of an asset."""
    open_asset(page, asset, "Partitions")
    page.get_by_text(key, exact=True).locator("visible=true").last.click()
    page.wait_for_url(f"**partition={key}*")


def open_switch(page: Page, name: str) -> Locator:
    """From any page to the switch of a schedule or sensor."""
    go_to(page, "Automation")
    page.get_by_role("link", name=name).first.click()
    page.wait_for_url(f"**/{name}*")
    # The box itself is hidden under a drawing
    return page.locator("label", has=page.get_by_role("checkbox")).first


def flip(switch: Locator, *, on: bool) -> None:
    """Click a switch that stands the other way, and wait until it has turned."""
    assert switch.is_checked() is not on
    switch.click()
    expect(switch).to_be_checked(checked=on, timeout=PATIENCE_MS)
    expect(switch).to_be_enabled(timeout=PATIENCE_MS)


def launch(
    page: Page, asset: str, partitions: str, *, only_failed_and_missing: bool = False
) -> str:
    """Materialize from the dialog of the asset's page; returns the id of the backfill or the run.

    Args:
        page: any.
        asset: its key.
        partitions: a button of the dialog: `All`, `Latest`, `Failed and missing`.
        only_failed_and_missing: tick that box.
    """
    page.reload()  # without the notes of earlier launches
    open_asset(page, asset, "Partitions")
    page.get_by_role("button", name="Materialize").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name=partitions, exact=True).click()
    if only_failed_and_missing:
        dialog.get_by_text("Backfill only failed and missing").click()
        dialog.get_by_text(re.compile("Only .* partitions? will be materialized")).wait_for()
    dialog.get_by_role("button", name=re.compile("Launch (backfill|1 run)")).click()
    told = page.get_by_text(re.compile("Created backfill|Launched run")).last.inner_text()
    return re.sub(".*(backfill|run)", "", told, flags=re.DOTALL).split()[0]

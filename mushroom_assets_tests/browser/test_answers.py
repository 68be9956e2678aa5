"""What the pages tell: the lineage, a room's yesterday in three clicks, the pictures of a materialization."""

import re

import pytest
from playwright.sync_api import Page

from mushroom_assets_tests.browser.chromium import picture
from mushroom_assets_tests.browser.clicks import go_to, open_partition
from mushroom_assets_tests.browser.farm import RunningFarm

REPORT = "daily_room_report"
EDGES = {
    "daily_env_stats": {"sample", "batch"},
    "hourly_setpoint_changes": {"sample", "point", "batch"},
    "daily_clip_inference": {"room_images", "sample", "batch"},
    REPORT: {"daily_env_stats", "hourly_setpoint_changes", "daily_clip_inference"},
}


def test_the_lineage_connects_sensors_and_cameras_with_the_report(page: Page, farm: RunningFarm) -> None:
    nodes = farm.ask("{assetNodes {assetKey {path} dependencyKeys {path}}}")["assetNodes"]
    inputs = {node["assetKey"]["path"][0]: {key["path"][0] for key in node["dependencyKeys"]} for node in nodes}
    assert {asset: inputs[asset] for asset in EDGES} == EDGES
    go_to(page, "Lineage")
    graph = page.locator("svg", has=page.locator("foreignObject"))
    for asset in inputs:
        page.get_by_text(asset, exact=True).first.wait_for()
    drawn = [text.split("…") for text in graph.locator("foreignObject").all_text_contents()]
    for asset in inputs:  # a long name is shortened in its middle
        assert [1 for parts in drawn if asset.startswith(parts[0]) and asset.endswith(parts[-1])] == [1], asset
    assert graph.locator("path[marker-end]").count() == sum(map(len, inputs.values()))
    picture(page, "lineage")


def test_was_room_611_within_its_band_yesterday_and_what_changed_takes_three_clicks(
    page: Page, farm: RunningFarm
) -> None:
    yesterday = farm.partitions(REPORT)[-1]
    go_to(page, "Catalog")
    page.get_by_role("link", name=REPORT).first.click()
    page.get_by_text("[Show Markdown]").first.click()
    page.get_by_role("heading", name=re.compile("611")).first.scroll_into_view_if_needed()
    shown = page.get_by_role("dialog").inner_text()
    (row,) = [row for row in farm.rows(REPORT) if (f"{row['stat_date']}", row["room_id"]) == (yesterday, "611")]
    assert re.search(f"611, {yesterday}: . {row['verdict'].replace('_', ' ')}\n", shown)
    for reason in row["reasons"]:
        assert reason["text"] in shown
    zone = farm.zone
    changes = [row for row in farm.rows("hourly_setpoint_changes") if row["room_id"] == "611"]
    moments = sorted(row["changed_at"].astimezone(zone) for row in changes)
    moments = [at for at in moments if f"{at.date()}" == yesterday]
    assert moments, "a simulated day has changes"
    for at in moments[:3]:
        assert f"{at:%H:%M}" in shown
    picture(page, "report")


@pytest.mark.parametrize(
    ("asset", "name"), [("daily_env_stats", "partition"), ("daily_clip_inference", "contact_sheet")]
)
def test_a_materialization_shows_its_picture(page: Page, farm: RunningFarm, asset: str, name: str) -> None:
    open_partition(page, asset, farm.partitions(asset)[-1])
    page.get_by_text("[Show Markdown]").first.click()
    image = page.get_by_role("dialog").get_by_role("img").first
    image.wait_for()
    assert image.evaluate("image => image.complete && image.naturalWidth") >= 100
    picture(page, name)

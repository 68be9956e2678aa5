"""What the pages tell: the lineage, a room's yesterday in three clicks, pictures of a run."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from mushroom_assets_tests.browser.chromium import picture
from mushroom_assets_tests.browser.clicks import go_to, open_partition
from mushroom_assets_tests.browser.farm import RunningFarm

ROOT = Path(__file__).parents[2]
REPORT = "daily_room_report"
EDGES = {
    "daily_env_stats": {"sample", "batch"},
    "hourly_setpoint_changes": {"sample", "point", "batch"},
    "daily_clip_inference": {"room_images", "sample", "batch"},
    REPORT: {
        *("daily_env_stats", "hourly_setpoint_changes", "daily_clip_inference"),
        *("batch", "note", "harvest"),
    },
}


def test_the_lineage_connects_sensors_and_cameras_with_the_report(
    page: Page, farm: RunningFarm
) -> None:
    nodes = farm.ask("{assetNodes {assetKey {path} dependencyKeys {path}}}")["assetNodes"]
    inputs = {}
    for node in nodes:
        keys = [key["path"][0] for key in node["dependencyKeys"]]
        inputs[node["assetKey"]["path"][0]] = set(keys)
    assert {asset: inputs[asset] for asset in EDGES} == EDGES
    go_to(page, "Lineage")
    graph = page.locator("svg", has=page.locator("foreignObject"))
    for asset in inputs:
        page.get_by_text(asset, exact=True).first.wait_for()
    drawn = [text.split("…") for text in graph.locator("foreignObject").all_text_contents()]
    for asset in inputs:  # a long name is shortened in its middle
        fits = [asset.startswith(parts[0]) and asset.endswith(parts[-1]) for parts in drawn]
        assert fits.count(True) == 1, asset
    assert graph.locator("path[marker-end]").count() == sum(map(len, inputs.values()))
    picture(page, "lineage")


def test_was_room_611_within_its_band_yesterday_and_what_changed_takes_three_clicks(
    page: Page, farm: RunningFarm
) -> None:
    yesterday = farm.partitions(REPORT)[-1]
    catalog, asset, card = clicks_of("README.md")
    assert clicks_of("README.zh.md") == [catalog, asset, card]
    page.get_by_text(*catalog, exact=True).locator("visible=true").first.click()
    page.get_by_text(*asset, exact=True).locator("visible=true").first.click()
    button, name = card
    entry = page.get_by_role("row").filter(has=page.get_by_text(name, exact=True))
    entry.get_by_text(button).click()
    answer = page.get_by_role("heading", name=re.compile("Room 611"))
    answer.wait_for()
    # Nothing has scrolled since: the dialog opens on the verdict, whichever end of it that is
    expect(answer).to_be_in_viewport(ratio=1)
    (report,) = of_room_611(farm, REPORT, "stat_date", yesterday)
    assert re.search(f"{yesterday}.* {report['verdict'].replace('_', ' ')}$", answer.inner_text())
    shown = page.get_by_role("dialog").inner_text()
    for reason in report["reasons"]:
        assert reason["text"] in shown
    for row in of_room_611(farm, "daily_env_stats", "stat_date", yesterday):
        assert row["in_range"] is None or f"{row['in_range']:.0%}" in shown
    changes = of_room_611(farm, "hourly_setpoint_changes", "changed_at", yesterday)
    assert changes, "of a simulated day"
    for row in changes[:3]:
        assert f"{row['changed_at'].astimezone(farm.zone):%H:%M}" in shown
    picture(page, "report", page.get_by_role("dialog").locator("img").first)


def clicks_of(readme: str) -> list[list[str]]:
    """What each line of its list says in bold: where to click, and in which row."""
    lines = re.findall(r"^\d\. .+", (ROOT / readme).read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [re.findall(r"\*\*(.+?)\*\*", line) for line in lines]


def of_room_611(farm: RunningFarm, table: str, when: str, day: str) -> list[dict[str, Any]]:
    """A day's rows of the room, oldest first."""
    rows = [row for row in farm.rows(table) if row["room_id"] == "611"]
    if when == "changed_at":
        return sorted(
            (row for row in rows if f"{row[when].astimezone(farm.zone):%F}" == day),
            key=lambda row: row[when],
        )
    return [row for row in rows if f"{row[when]}" == day]


@pytest.mark.parametrize(
    ("asset", "name"), [("daily_env_stats", "partition"), ("daily_clip_inference", "contact_sheet")]
)
def test_a_materialization_shows_its_picture(
    page: Page, farm: RunningFarm, asset: str, name: str
) -> None:
    open_partition(page, asset, farm.partitions(asset)[-1])
    page.get_by_text("[Show Markdown]").first.click()
    image = page.get_by_role("dialog").locator("img").first  # by its role it would be an icon, too
    image.wait_for()
    assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") >= 100
    picture(page, name, image)

"""Links between the UI's pages, behind a proxy too."""

import datetime as dt

import pytest

from mushroom_assets.metadata.links import link, room_link


@pytest.mark.parametrize("prefix", ["", "/farm"])
def test_a_link_leads_to_an_assets_page_or_to_one_of_its_partitions(
    monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    monkeypatch.setenv("MUSHROOM_PATH_PREFIX", prefix)
    assert link("the day", "daily_room_report") == f"[the day]({prefix}/assets/daily_room_report)"
    assert link("5", "daily_env_stats", "2026-01-05") == (
        f"[5]({prefix}/assets/daily_env_stats?view=partitions&partition=2026-01-05)"
    )


def test_a_room_leads_to_the_farms_page_where_that_has_an_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    day = dt.date(2026, 1, 5)
    assert room_link("**", "6/1)", day) == "**"
    monkeypatch.setenv("MUSHROOM_PAGE_URL", "https://farm.example.com/")
    address = "https://farm.example.com/rooms/6%2F1%29?day=2026-01-05"
    assert room_link("6/1)", "6/1)", day) == f"[6/1)]({address})"

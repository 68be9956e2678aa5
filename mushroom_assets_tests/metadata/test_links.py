"""Links between the UI's pages, behind a proxy too."""

import pytest

from mushroom_assets.metadata.links import link


@pytest.mark.parametrize("prefix", ["", "/farm"])
def test_a_link_leads_to_an_assets_page_or_to_one_of_its_partitions(
    monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    monkeypatch.setenv("MUSHROOM_PATH_PREFIX", prefix)
    assert link("the day", "daily_room_report") == f"[the day]({prefix}/assets/daily_room_report)"
    assert link("5", "daily_env_stats", "2026-01-05") == (
        f"[5]({prefix}/assets/daily_env_stats?view=partitions&partition=2026-01-05)"
    )

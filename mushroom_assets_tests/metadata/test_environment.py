"""What a day of the statistics shows: a line a room, and a picture on the days of a short run."""

import base64
import io
import re

import dagster as dg
from PIL import Image

from mushroom_assets_tests.kit.markdown import tables, texts
from mushroom_assets_tests.kit.small import SmallFarm

ASSET = "daily_env_stats"
DAYS = [f"2026-01-{day:02}" for day in range(1, 10)]


def shown(small: SmallFarm) -> dict[str, dict[str, dg.MetadataValue]]:
    """The metadata of each day's latest materialization."""
    records = small.instance.fetch_materializations(dg.AssetKey(ASSET), limit=100).records
    events = [record.asset_materialization for record in reversed(records)]
    return {str(event.partition): dict(event.metadata) for event in events if event is not None}


def drawn(small: SmallFarm) -> set[str]:
    return {
        day
        for day, metadata in shown(small).items()
        if "data:image/png" in str(metadata["ribbons"].value)
    }


def test_the_days_of_a_short_run_are_drawn_and_of_a_long_one_none(small: SmallFarm) -> None:
    small.put([("A", "t", small.at(DAYS[1], hour), 18.0) for hour in range(24)])
    small.run(ASSET, DAYS[0], DAYS[7])
    assert drawn(small) == set()
    assert "Materialize this day alone" in str(shown(small)[DAYS[0]]["ribbons"].value)
    small.run(ASSET, DAYS[1], DAYS[7])
    assert drawn(small) == set(DAYS[1:8])
    (code,) = re.findall(r"base64,([^)]+)\)", str(shown(small)[DAYS[1]]["ribbons"].value))
    assert Image.open(io.BytesIO(base64.b64decode(code))).width == 980


def test_a_line_a_room_says_mean_extremes_and_share_in_range(small: SmallFarm) -> None:
    small.put(
        [
            ("A", "t", small.at(DAYS[0], tenth / 6), 17.0 if tenth < 36 else 21.0)
            for tenth in range(144)
        ]
    )
    small.run(ASSET, DAYS[0])
    heading, *lines = statistics(small, DAYS[0])
    assert [line[0] for line in lines] == ["A", "B"]
    assert heading[:3] == ["room", "growth day", "temperature °C"]
    # A quarter of the day at 17; no batch, no band
    assert lines[0][1:3] == ["–", "20.0 (17.0–21.0)"]
    assert lines[1][1:3] == ["–", "–"]


def test_a_cell_says_how_much_of_the_day_is_known(small: SmallFarm) -> None:
    small.put([("A", "t", small.at(DAYS[0], tenth / 6), 17.0) for tenth in range(36)])
    small.run(ASSET, DAYS[0])
    assert statistics(small, DAYS[0])[1][2] == "17.0 (17.0–17.0), 25% known"


def statistics(small: SmallFarm, day: str) -> list[list[str]]:
    (table,) = tables(str(shown(small)[day]["statistics"].value))
    return texts(table)

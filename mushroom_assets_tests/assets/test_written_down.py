"""What people write down, through the pipeline: it is in the reports that tell of it, and no other.

What is computed of the samples stays as it is.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import dagster as dg
import pytest

from mushroom_assets.domain.records import Picking
from mushroom_assets.storage.harvest import remove_harvest, write_harvest
from mushroom_assets.storage.notes import correct_note, remove_note, write_note
from mushroom_assets_tests.kit.following import Followed, away_from_ticks
from mushroom_assets_tests.kit.plant import put_batch
from mushroom_assets_tests.kit.small import Build, SmallFarm

REPORT = "daily_room_report"
TODAY = (dt.datetime.now(dt.UTC) + dt.timedelta(hours=8)).date()  # in Shanghai
LANGUAGES = {"en": "", "zh": "language: zh\n"}


def day(back: int) -> dt.date:
    return TODAY - dt.timedelta(days=back)


@pytest.fixture(params=sorted(LANGUAGES))
def followed(
    build: Build, monkeypatch: pytest.MonkeyPatch, unpictured: None, request: Any
) -> Iterator[Followed]:
    """Four days with everything made; rooms A and B have a batch, A another one since yesterday."""
    with away_from_ticks(monkeypatch), dg.instance_for_test() as instance:
        small = replace(build(addition=LANGUAGES[request.param]), instance=instance)
        put_batch(small.database, "A", day(4), 1000)
        put_batch(small.database, "A", day(1), 900)
        put_batch(small.database, "B", day(4))
        small.put([("A", "t", small.at(f"{day(3)}", 8), 18.0)])
        small.run("daily_env_stats", f"{day(4)}", f"{day(1)}")
        small.run("hourly_setpoint_changes", f"{day(4)}-00:00", f"{day(1)}-23:00")
        small.run(REPORT, f"{day(4)}", f"{day(1)}")
        found = Followed(small)
        assert found.settle() == []
        yield found


def said(small: SmallFarm) -> dict[tuple[str, int], str]:
    """What the reports say, by room and day, as days back."""
    rows = small.rows(REPORT)
    return {(row["room_id"], (TODAY - row["stat_date"]).days): row["summary_md"] for row in rows}


def verdicts(small: SmallFarm) -> list[Any]:
    return [(row["verdict"], row["reasons"]) for row in small.rows(REPORT)]


def changed(before: dict[tuple[str, int], str], after: dict[tuple[str, int], str]) -> set[Any]:
    assert before.keys() == after.keys()
    return {key for key, text in after.items() if text != before[key]}


def test_a_note_that_comes_changes_or_goes_makes_its_days_report_anew(followed: Followed) -> None:
    small = followed.small
    before = said(small)
    judged = verdicts(small)
    at = small.at(f"{day(2)}", 9.5)
    with small.database.transaction() as connection:
        number = write_note(connection, small.farm, "A", at, "door <left> open", "Li")
    assert followed.settle() == [(REPORT, f"{day(2)}", f"{day(2)}")]
    with_note = said(small)
    assert changed(before, with_note) == {("A", 2)}
    by = {"en": " (Li)", "zh": "（Li）"}[small.farm.language]
    assert f"- **1** 09:30 door \\<left\\> open{by}" in with_note["A", 2]
    with small.database.transaction() as connection:
        later = at + dt.timedelta(days=1)
        correct_note(connection, small.farm, number, later, "door left open")
    assert followed.settle() == [(REPORT, f"{day(2)}", f"{day(1)}")]
    assert changed(before, said(small)) == {("A", 1)}
    with small.database.transaction() as connection:
        remove_note(connection, number)
    assert followed.settle() == [(REPORT, f"{day(1)}", f"{day(1)}")]
    assert said(small) == before
    assert verdicts(small) == judged


def test_a_picking_makes_the_reports_anew_that_tell_of_it(followed: Followed) -> None:
    small = followed.small
    before = said(small)
    words = {"en": "{} kg so far", "zh": "累计 {} 公斤"}[small.farm.language]
    a_bag = {"en": "{} kg a bag", "zh": "每包 {} 公斤"}[small.farm.language]
    with small.database.transaction() as connection:
        write_harvest(connection, small.farm, Picking("A", day(4), day(3), 150))
        write_harvest(connection, small.farm, Picking("B", day(4), day(1), 90))
    followed.settle()
    after = said(small)
    assert changed(before, after) == {("A", 3), ("A", 2), ("B", 1)}
    for back in (3, 2):
        assert words.format("150.0") in after["A", back]
        assert a_bag.format("0.150") in after["A", back]
    assert words.format("90.0") in after["B", 1]
    assert a_bag.format("0.090") not in after["B", 1]  # nobody knows its bags
    # The rest of the old batch, on the day of the new one: the sum is told, and follows
    with small.database.transaction() as connection:
        write_harvest(connection, small.farm, Picking("A", day(4), day(1), 50))
    assert followed.settle() == [(REPORT, f"{day(1)}", f"{day(1)}")]
    assert words.format("200.0") in said(small)["A", 1]
    with small.database.transaction() as connection:
        write_harvest(connection, small.farm, Picking("A", day(4), day(3), 250), correct=True)
    assert followed.settle() == [(REPORT, f"{day(3)}", f"{day(1)}")]
    assert words.format("300.0") in said(small)["A", 1]
    small.execute("UPDATE farm.batch SET bag_count = 500 WHERE bag_count = 1000")
    assert followed.settle() == [(REPORT, f"{day(3)}", f"{day(1)}")]
    assert a_bag.format("0.500") in said(small)["A", 2]
    assert a_bag.format("0.600") in said(small)["A", 1]
    with small.database.transaction() as connection:
        remove_harvest(connection, "A", day(4), day(3))
        remove_harvest(connection, "A", day(4), day(1))
        remove_harvest(connection, "B", day(4), day(1))
    followed.settle()
    assert said(small) == before

"""Notes and pickings of the simulated plant: the same by seed, and none that could not be."""

import datetime as dt

import pytest

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.markdown import plain
from mushroom_assets.domain.records import Picking, check_picking, note_text
from mushroom_assets.simulation.batch import bag_count
from mushroom_assets.simulation.written_down import note, picking

FIRST = dt.date(2025, 12, 4)  # a batch of room 607 comes in
DAYS = [FIRST + dt.timedelta(days=number) for number in range(54)]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_notes_are_of_working_hours_and_the_same_by_seed(farm: Farm, language: str) -> None:
    speaking = farm.model_copy(update={"language": language})
    found = [note(speaking, "607", day, 1) for day in DAYS]
    assert found == [note(speaking, "607", day, 1) for day in DAYS]
    assert found != [note(speaking, "607", day, 2) for day in DAYS]
    written = [each for each in found if each is not None]
    assert 5 < len(written) < 30
    for each in written:
        assert 8 <= each.noted_at.astimezone(farm.zone).hour < 17
        assert note_text(each.text) == each.text == plain(each.text)
        assert each.text.isascii() == (language == "en")


def test_a_batch_is_picked_on_its_last_days(farm: Farm) -> None:
    found = [picking(farm, "607", day, 1) for day in DAYS]
    pickings = [each for each in found if each is not None]
    ends = [*range(24, 27), *range(51, 54)]
    assert [DAYS.index(each.picked_on) for each in pickings] == ends
    assert {each.in_date for each in pickings[:3]} == {FIRST}
    bags = bag_count("607", FIRST, 1)
    assert 0.379 * bags < sum(each.weight_kg for each in pickings[:3]) < 0.461 * bags
    now = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    for each in pickings:
        assert isinstance(each, Picking)
        check_picking(each, [FIRST, FIRST + dt.timedelta(days=27)], now, farm)

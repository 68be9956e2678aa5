"""Which settings are in force where, and that later ones say nothing of earlier days."""

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mushroom_assets.domain.farm import Farm, Stretch
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.domain.in_force import Setting, Settings, touched_days
from mushroom_assets.domain.names import ENVIRONMENT, REPORT, SETPOINTS, VISION
from mushroom_assets.domain.setpoints import device_text
from mushroom_assets.domain.settable import UnusableSetting, settable, value_in, with_values

FILE = parse_farm("timezone: Asia/Shanghai\nfirst_day: 2026-01-01\nrooms: {A: {}, B: {}}\n")
BAND = "stages.fruiting.bands.co2"
LIMIT = "report.act_below"
STEP = "points.air_cooler.temp_set.threshold"
IN_DATES = {"A": [dt.date(2026, 1, 1), dt.date(2026, 1, 11)]}
RESULTS = (ENVIRONMENT, SETPOINTS, VISION, REPORT)


def day(number: int) -> dt.date:
    """Of January 2026."""
    return dt.date(2026, 1, number)


def setting(version: int, key: str, value: Any, first: int, **scope: Any) -> Setting:
    given = {"room_id": None, "in_date": None} | scope
    return Setting(version, key, value, valid_from=day(first), **given)


def farm_of(*settings: Setting) -> Farm:
    return FILE.with_past(Settings(settings, FILE, IN_DATES))


def band(farm: Farm, room: str, number: int) -> tuple[float, float] | None:
    """Of CO2 in fruiting."""
    return farm.on(room, day(number)).band("co2", 20)


def test_without_settings_the_file_holds_and_is_version_0() -> None:
    farm = farm_of()
    assert farm.on("A", day(5)) == FILE
    assert band(farm, "A", 5) == (1500, 3800)
    assert farm.on("A", day(5)).settings_version(ENVIRONMENT) == 0


def test_a_setting_holds_from_its_day_on_in_its_room_alone() -> None:
    farm = farm_of(setting(1, BAND, [1500, 3500], 5, room_id="A"))
    found = [band(farm, "A", number) for number in (4, 5, 31)]
    assert found == [(1500, 3800), (1500, 3500), (1500, 3500)]
    assert band(farm, "B", 31) == (1500, 3800)


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1)])
def test_the_batch_outdoes_the_room_and_the_room_the_farm(order: tuple[int, int, int]) -> None:
    of_batch, of_room, of_farm = order
    farm = farm_of(
        setting(of_batch, BAND, [1, 2], 1, room_id="A", in_date=day(11)),
        setting(of_room, BAND, [3, 4], 1, room_id="A"),
        setting(of_farm, BAND, [5, 6], 1),
    )
    assert band(farm, "A", 10) == (3, 4)
    assert band(farm, "A", 11) == (1, 2)
    assert band(farm, "B", 11) == (5, 6)


def test_of_one_scope_what_begins_last_holds_and_of_one_day_the_newest() -> None:
    farm = farm_of(
        setting(1, BAND, [1, 2], 10),
        setting(2, BAND, [3, 4], 5),  # back-dated: what was planned for the 10th stands
        setting(3, BAND, [5, 6], 5),
    )
    assert [band(farm, "A", number) for number in (4, 5, 9, 10)] == [
        (1500, 3800), (5, 6), (5, 6), (1, 2)
    ]  # fmt: skip


def test_without_a_value_a_key_is_left_to_what_applies_more_widely() -> None:
    farm = farm_of(
        setting(1, BAND, [1, 2], 3),
        setting(2, BAND, [3, 4], 3, room_id="A"),
        setting(3, BAND, None, 6, room_id="A"),
    )
    assert [band(farm, "A", number) for number in (2, 3, 5, 6)] == [
        (1500, 3800), (3, 4), (3, 4), (1, 2)
    ]  # fmt: skip


def test_what_is_undone_is_as_if_it_had_never_been_and_can_come_back() -> None:
    first = setting(1, BAND, [1, 2], 3)
    second = setting(2, BAND, [3, 4], 5)
    undoing = setting(3, BAND, [1, 2], 5)._replace(undoes=2)
    redoing = setting(4, BAND, [3, 4], 5)._replace(undoes=3)
    assert band(farm_of(first, second), "A", 5) == (3, 4)
    assert band(farm_of(first, second, undoing), "A", 5) == (1, 2)
    assert band(farm_of(first, second, undoing, redoing), "A", 5) == (3, 4)


def test_none_takes_a_band_away() -> None:
    assert band(farm_of(setting(1, BAND, "none", 3)), "A", 3) is None


def test_a_version_is_the_newest_that_a_result_depends_on() -> None:
    farm = farm_of(
        setting(1, BAND, [1, 2], 3, room_id="A"),
        setting(2, LIMIT, 0.5, 4),
        setting(3, STEP, 0.2, 4, room_id="B"),
        setting(4, "quantities.temperature.spike", 3, 5),
    )

    def versions(room: str, number: int) -> tuple[int, ...]:
        own = farm.on(room, day(number))
        return tuple(own.settings_version(asset) for asset in RESULTS)

    assert versions("A", 2) == (0, 0, 0, 0)
    assert versions("A", 3) == (1, 0, 0, 1)
    assert versions("A", 4) == (1, 0, 0, 2)
    assert versions("B", 4) == (0, 3, 0, 3)
    assert versions("A", 5) == (4, 0, 4, 4)
    assert versions("B", 5) == (4, 3, 4, 4)


def test_what_does_not_fit_the_file_does_not_count_and_the_others_hold() -> None:
    """As after an edit of the file, or where somebody wrote into the table by hand."""
    settings = Settings(
        [
            setting(1, "stages.gone.bands.co2", [1, 2], 3),
            setting(2, BAND, [5, 6], 3),
            setting(3, BAND, [9, 1], 3),
            setting(4, LIMIT, 0.5, 3, room_id="Z"),
            setting(5, LIMIT, "much", 3),
            setting(6, LIMIT, 0.4, 3),
        ],
        FILE,
        IN_DATES,
    )
    assert settings.misfits.keys() == {1, 3, 4, 5}
    assert "no key stages.gone.bands.co2" in settings.misfits[1]
    assert "must not exceed" in settings.misfits[3]
    assert settings.misfits[4] == "the farm file has no room Z"
    farm = FILE.with_past(settings).on("A", day(3))
    assert (farm.band("co2", 20), farm.report.act_below) == ((5, 6), 0.4)
    assert farm.settings_version(REPORT) == 6


def test_stretches_name_room_and_days_of_another_value() -> None:
    farm = farm_of(
        setting(1, LIMIT, 0.5, 3, room_id="A"),
        setting(2, LIMIT, 0.4, 6, room_id="A"),
    )
    assert farm.stretches(LIMIT, day(1), day(8)) == [
        Stretch("A", day(3), day(5), 0.5), Stretch("A", day(6), day(8), 0.4)
    ]  # fmt: skip
    assert FILE.stretches(LIMIT, day(1), day(8)) == ()


def test_every_key_that_can_be_set_is_in_the_farm_and_can_be_set_to_what_it_is() -> None:
    keys = settable(FILE)
    values = {key: value_in(FILE, own) for key, own in keys.items()}
    there = {key: value for key, value in values.items() if value is not None}
    assert {BAND, LIMIT, STEP} <= there.keys()
    assert with_values(FILE, there) == FILE
    for key, value in there.items():
        assert with_values(FILE, {key: value}) == FILE, key


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        (BAND, [3500, 1500], "must not exceed"),
        (LIMIT, 1.5, "less than or equal to 1"),
        (LIMIT, "many", "valid number"),
        ("timezone", "UTC", "no key of the farm file that can be set"),
        ("quantities.temperature.stuck_s", 60, "no key"),  # days would look back otherwise
    ],
)
def test_what_makes_no_valid_farm_is_refused(key: str, value: Any, told: str) -> None:
    with pytest.raises(UnusableSetting, match=told):
        with_values(FILE, {key: value})


Scope = tuple[str | None, dt.date | None]
SCOPE_KINDS: list[Scope] = [
    (None, None), ("A", None), ("B", None), ("A", day(1)), ("A", day(11)), ("A", day(9))
]  # fmt: skip
SCOPES: st.SearchStrategy[Scope] = st.sampled_from(SCOPE_KINDS)
VALUES: dict[str, list[Any]] = {
    BAND: [[1, 2], [3, 4], "none", None],
    LIMIT: [0.1, 0.2, None],
    STEP: [0.5, None],
    "quantities.humidity.plausible": [[0, 50], None],
}


@st.composite
def histories(draw: st.DrawFn) -> list[Setting]:
    """Up to ten settings of any key, scope and day, some of which undo others."""
    made: list[Setting] = []
    for version in range(1, draw(st.integers(1, 10)) + 1):
        if made and draw(st.integers(0, 3)) == 0:
            undone = draw(st.sampled_from(made))
            made.append(undone._replace(version=version, undoes=undone.version))
        else:
            key = draw(st.sampled_from(list(VALUES)))
            room, in_date = draw(SCOPES)
            value = draw(st.sampled_from(VALUES[key]))
            first = draw(st.integers(1, 20))
            made.append(setting(version, key, value, first, room_id=room, in_date=in_date))
    return made


def state(farm: Farm, room: str, number: int) -> tuple[Any, ...]:
    """All that a day's rows depend on, and their versions."""
    own = farm.on(room, day(number))
    return own, [own.settings_version(asset) for asset in RESULTS]


@given(histories(), st.integers(1, 20), st.data())
def test_a_day_is_as_it_was_under_any_later_settings(
    earlier: list[Setting], number: int, data: st.DataObject
) -> None:
    later = []
    for more in data.draw(histories()):
        first = data.draw(st.integers(number + 1, 25))
        version = len(earlier) + more.version
        undoes = None if more.undoes is None else len(earlier) + more.undoes
        later.append(more._replace(version=version, valid_from=day(first), undoes=undoes))
    before = farm_of(*earlier)
    after = farm_of(*earlier, *later)
    for room in "AB":
        assert state(after, room, number) == state(before, room, number)


@given(histories())
def test_exactly_the_days_are_touched_on_which_something_else_is_in_force(
    settings: list[Setting],
) -> None:
    *known, last = settings
    before = Settings(known, FILE, IN_DATES)
    after = before.plus(last)
    days = [day(number) for number in range(1, 26)]
    touched = set(touched_days(before, after, last, FILE, days))
    for each in days:
        same = all(before.in_force(room, each) == after.in_force(room, each) for room in "AB")
        assert (each not in touched) == same, each


@given(histories())
def test_what_is_undone_leaves_no_trace(settings: list[Setting]) -> None:
    values = [each for each in settings if each.undoes is None]
    count = len(settings)
    undoing = [
        each._replace(version=count + number, undoes=each.version)
        for number, each in enumerate(values, 1)
    ]
    farm = farm_of(*values, *undoing)
    for room in "AB":
        for number in (1, 11, 25):
            assert farm.on(room, day(number)) == FILE


def test_what_people_call_a_device_is_told_as_it_was_when_it_was_moved() -> None:
    farm = farm_of(setting(1, "devices.air_cooler", {"en": "chiller", "zh": "冷机"}, 6))

    def told(number: int) -> str:
        change = {
            "room_id": "A",
            "device_type": "air_cooler",
            "device_alias": "air_cooler_A",
            "changed_at": dt.datetime(2026, 1, number, 1, tzinfo=dt.UTC),
        }
        return device_text(change, farm)

    assert [told(5), told(6)] == ["air cooler", "chiller"]

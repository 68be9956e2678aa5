"""Settings on a room's page: what is in force, another value from a day on, history and undo."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from mushroom_assets.domain.in_force import Setting
from mushroom_assets.ingestion.setting import Change, set_value
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.schema import setting as table
from mushroom_assets.storage.setting import read_settings
from mushroom_assets_tests.kit.plant import put_batch
from mushroom_assets_tests.kit.web import BATCH, NOW, Served, Text

TODAY = dt.date(2026, 1, 20)
TOMORROW = dt.date(2026, 1, 21)
CO2 = "stages.fruiting.bands.co2"  # 1500 to 3800 ppm in the file
PAGE = "/rooms/611/settings"


@pytest.fixture
def served(tmp_path: Path, database: Database) -> Served:
    """Room 611 on growth day 11; growth day 12 of tomorrow is of the stage `fruiting`."""
    served = Served(tmp_path, database)
    put_batch(database, "611", BATCH)
    return served


def fields(page: str) -> dict[str, Any]:
    """What a browser sends of the form that sets, but the token."""
    form: dict[str, Any] = {}
    for tags in Text(page).attributes("input"):
        name, value = tags.get("name"), tags.get("value", "")
        if name not in (None, "csrf_token", "version"):
            form.setdefault(name, []).append(value)
    return form


def saved(
    served: Served, low: str = "1500", high: str = "4000", status: int = 200, **more: Any
) -> str:
    """The page after a band of CO2 was typed and saved."""
    form = fields(served.get(PAGE)) | {"author": "Li", "because": "crop"}
    return served.post(PAGE, form | {f"value.{CO2}": [low, high]} | more, status)


def stored(served: Served) -> list[Setting]:
    with served.database.transaction() as connection:
        return list(read_settings(connection, served.farm).all)


def test_the_bands_of_the_stage_are_shown_with_where_they_come_from(served: Served) -> None:
    told = str(Text(served.get(PAGE)))
    assert "Settings of room 611 day 12 · in since 10 Jan" in told
    assert "CO2 ppm from to Farm file: 1500–3800 ppm." in told
    assert fields(served.get(PAGE))[f"value.{CO2}"] == ["1500", "3800"]
    (day,) = Text(served.get(PAGE)).attributes("input", name="valid_from")
    assert day["value"] == f"{TOMORROW}"
    assert 'href="/rooms/611/settings"' in served.get("/rooms/611")
    for part in ("limits", "sensors", "words", "history"):
        for language in ("en", "zh"):
            served.get(f"{PAGE}?part={part}&lang={language}")


def test_a_limit_is_raised_from_tomorrow_on_and_the_past_is_as_it_was(served: Served) -> None:
    told = str(Text(saved(served)))
    assert f"4000 ppm from {TOMORROW} on." in told
    assert "No day that has begun is computed anew." in told
    assert "Li: the crop needs it · from 2026-01-21 on · Room 611 Today: 1500–3800 ppm." in told
    (made,) = stored(served)
    assert (made.key, made.value, made.room_id, made.in_date, made.valid_from) == (
        CO2, [1500.0, 4000.0], "611", None, TOMORROW
    )  # fmt: skip
    with served.database.transaction() as connection:
        found = read_settings(connection, served.farm)
    bands = [found.farm("611", day).band("co2", 12) for day in (TODAY, TOMORROW)]
    assert bands == [(1500, 3800), (1500, 4000)]
    assert found.farm("607", TOMORROW).band("co2", 12) == (1500, 3800)


@pytest.mark.parametrize(("scope", "place"), [("farm", (None, None)), (f"{BATCH}", ("611", BATCH))])
def test_it_may_be_meant_for_all_rooms_or_one_batch(
    scope: str, place: tuple[str | None, dt.date | None], served: Served
) -> None:
    saved(served, scope=scope)
    assert [each.scope for each in stored(served)] == [place]


def test_what_reaches_back_says_first_which_days_it_computes_anew(served: Served) -> None:
    asked = saved(served, valid_from="2026-01-18")
    assert "This reaches back. Is it meant?" in asked
    days = "climate of the day: 3, from 2026-01-18 to 2026-01-20"
    assert days in str(Text(asked))
    assert stored(served) == []
    form = fields(asked) | {"confirmed": "yes"}
    told = str(Text(served.post(PAGE, form)))
    assert days in told
    assert [each.valid_from for each in stored(served)] == [dt.date(2026, 1, 18)]


def test_two_who_change_the_same_get_a_clear_answer(served: Served) -> None:
    form = fields(served.get(PAGE)) | {"author": "Li", "because": "crop"}
    meanwhile = Change(CO2, "[1400, 3900]", None, None, TOMORROW, "Wei", "winter")
    with served.database.transaction() as connection:
        set_value(connection, meanwhile, served.farm, TODAY)
    form |= {f"value.{CO2}": ["1500", "4000"]}
    answer = served.post(PAGE, form, 409)
    told = str(Text(answer))
    assert "Wei has set the same meanwhile:" in told
    assert "1400–3900 ppm from 2026-01-21 on (winter). Nothing was changed." in told
    assert [each.author for each in stored(served)] == ["Wei"]
    again = fields(answer)
    assert again[f"value.{CO2}"] == ["1500", "4000"]  # what was typed stands there still
    served.post(PAGE, again | {"because": "crop"})
    assert [each.author for each in stored(served)] == ["Wei", "Li"]


def test_several_bands_are_set_together_or_none_is(served: Served) -> None:
    temperature = "stages.fruiting.bands.temperature"
    wrong: dict[str, Any] = {f"value.{temperature}": ["20", "10"]}
    assert temperature in saved(served, status=422, **wrong).split('role="alert"')[1]
    assert stored(served) == []
    right: dict[str, Any] = {f"value.{temperature}": ["16.5", "19"]}
    saved(served, **right)
    assert {each.key: each.value for each in stored(served)} == {
        CO2: [1500.0, 4000.0], temperature: [16.5, 19.0]
    }  # fmt: skip


def test_a_band_is_taken_away_by_emptying_it(served: Served) -> None:
    saved(served, "", "")
    assert [each.value for each in stored(served)] == ["none"]
    assert fields(served.get(PAGE))[f"value.{CO2}"] == ["", ""]


@pytest.mark.parametrize(
    ("typed", "more"),
    [
        (("", "4000"), {}),
        (("nan", "inf"), {}),
        (("1500", "9" * 10_000), {}),
        (("[1", "2]"), {}),
        (("4000", "1500"), {}),
        (("1500", "4000"), {"because": "", "reason": " \n "}),
        (("1500", "4000"), {"because": "no such"}),
        (("1500", "4000"), {"reason": "x" * 501}),
        (("1500", "4000"), {"author": "\u200f \u202e"}),
        (("1500", "4000"), {"scope": "607"}),
        (("1500", "4000"), {"scope": "2026-01-11"}),
        (("1500", "4000"), {"valid_from": "2025-12-31"}),
        (("1500", "4000"), {"valid_from": "9999-12-31"}),
        (("1500", "3800"), {}),  # as it is
    ],
)
def test_what_cannot_be_set_is_told_and_changes_nothing(
    typed: tuple[str, str], more: dict[str, str], served: Served
) -> None:
    page = saved(served, *typed, status=422, **more)
    assert 'role="alert"' in page
    assert stored(served) == []


@pytest.mark.parametrize(
    "more",
    [{"valid_from": "x"}, {"seen": "-1"}, {"part": "history"}, {"part": "x"}],
)
def test_a_form_that_is_none_changes_nothing(more: dict[str, str], served: Served) -> None:
    saved(served, status=404, **more)
    assert stored(served) == []


def test_only_keys_that_can_be_set_are_read(served: Served) -> None:
    others: dict[str, Any] = {"value.rooms": "x", "shown.rooms": "y", "value.timezone": "UTC"}
    saved(served, **others)
    assert [each.key for each in stored(served)] == [CO2]


def test_words_and_limits_are_set_too(served: Served) -> None:
    form = fields(served.get(f"{PAGE}?part=limits")) | {"because": "trial", "author": "Li"}
    served.post(PAGE, form | {"value.report.watch_below": "0.85"})
    form = fields(served.get(f"{PAGE}?part=words")) | {"because": "trial", "author": "Li"}
    hostile = '"CO2": {{ 7*7 }} <b>'
    served.post(PAGE, form | {"value.quantities.co2.text": [hostile, "二氧化碳"]})
    assert {each.key: each.value for each in stored(served)} == {
        "report.watch_below": 0.85,
        "quantities.co2.text": {"en": hostile, "zh": "二氧化碳"},
    }
    page = served.get(f"{PAGE}?part=words")
    assert "<b>" not in page.split("quantities.co2.text", 1)[1].split("</fieldset>")[0]
    assert fields(page)["value.quantities.co2.text"] == [hostile, "二氧化碳"]


def test_history_and_undo(served: Served) -> None:
    saved(served, reason="as agreed with <Wei>")
    page = served.get(f"{PAGE}?part=history")
    told = str(Text(page))
    assert "1500–4000 ppm Version 1 · Room 611 · from 2026-01-21 on" in told
    assert "as agreed with <Wei>" in told and "<Wei>" not in page
    undone = {"version": "1", "because": "mistake", "author": "Wei"}
    told = str(Text(served.post(f"{PAGE}/undo", undone)))
    assert "Version 1 is undone:" in told
    assert [(each.undoes, each.reason) for each in stored(served)] == [
        (None, "as agreed with <Wei>"), (1, "it was a mistake")
    ]  # fmt: skip
    assert fields(served.get(PAGE))[f"value.{CO2}"] == ["1500", "3800"]
    assert "is undone already" in served.post(f"{PAGE}/undo", undone, 422)
    served.post(f"{PAGE}/undo", undone | {"version": "99"}, 422)


def test_to_undo_what_reaches_back_is_asked_about_too(served: Served) -> None:
    saved(served, valid_from="2026-01-19", confirmed="yes")
    undone = {"version": "1", "because": "mistake", "author": "Wei"}
    asked = served.post(f"{PAGE}/undo", undone)
    assert "climate of the day: 2, from 2026-01-19 to 2026-01-20" in str(Text(asked))
    assert len(stored(served)) == 1
    served.post(f"{PAGE}/undo", fields(asked) | undone | {"confirmed": "yes"})
    assert [each.undoes for each in stored(served)] == [None, 1]


def test_what_something_narrower_hides_is_said(served: Served) -> None:
    saved(served)
    told = str(Text(saved(served, high="4200", scope="farm")))
    assert "In room 611 something narrower is in force" in told


def test_a_room_that_is_none_has_no_settings(served: Served) -> None:
    for path in ("/rooms/999/settings", "/rooms/settings", "/rooms/611/settings/"):
        assert served.client.get(path, follow_redirects=False).status_code == 404
    served.post("/rooms/999/settings", fields(served.get(PAGE)), 404)


def test_a_key_that_is_none_any_more_and_hostile_words_are_shown_as_they_are(
    served: Served,
) -> None:
    row = {
        "key": "stages.gone.bands.co2", "value": [1, 2], "room_id": None, "in_date": None,
        "valid_from": TODAY, "author": "<i>", "reason": "\u202eevil", "set_at": NOW,
    }  # fmt: skip
    with served.database.transaction() as connection:
        connection.execute(sa.insert(table), row)
    page = served.get(f"{PAGE}?part=history")
    assert "stages.gone.bands.co2" in page and "<i>" not in page
    assert "<bdi>\u202eevil</bdi>" in page  # turns no sign around outside of it

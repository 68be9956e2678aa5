"""Notes and harvest, written and taken away by the forms of a room's page."""

import datetime as dt
import json
from pathlib import Path

import pytest

from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.notes import read_notes
from mushroom_assets_tests.kit.plant import put_batch
from mushroom_assets_tests.kit.web import BATCH, NOW, Served, Text

NOTE = {"room": "611", "text": "fan repaired", "at": "2026-01-19T10:00", "author": "Li 李"}
PICKED = {"room": "611", "batch": f"{BATCH}", "picked": "2026-01-19", "weight": "812.5"}
TEN = dt.datetime(2026, 1, 19, 2, tzinfo=dt.UTC)  # in Shanghai


@pytest.fixture
def served(tmp_path: Path, database: Database) -> Served:
    served = Served(tmp_path, database)
    put_batch(database, "611", BATCH, 100)
    return served


def post(served: Served, path: str, form: dict[str, str], status: int = 200) -> str:
    return served.post(path, form, status)


def notes(served: Served) -> list[tuple[str, str]]:
    with served.database.transaction() as connection:
        found = read_notes(connection, NOW - dt.timedelta(days=9), NOW + dt.timedelta(days=9))
    return [(note.text, note.author) for note in found]


def test_a_note_stands_at_its_hour_on_the_page_and_in_the_picture(served: Served) -> None:
    page = post(served, "/notes", NOTE | {"day": "2026-01-19"})
    assert "10:00 fan repaired Li 李" in str(Text(page))
    (charts,) = Text(page).attributes("div", **{"class": "charts"})
    assert json.loads(charts["data-moves"]) == [[TEN.timestamp(), "fan repaired", "note"]]
    # Who wrote need not be typed again, and the day's form begins at its noon
    (author,) = Text(page).attributes("input", name="author")
    (at,) = Text(page).attributes("input", name="at")
    assert (author["value"], at["value"]) == ("Li 李", "2026-01-19T12:00")
    (gone,) = Text(page).attributes("input", name="note")
    page = post(served, "/notes/remove", {"room": "611", "day": "", "note": gone["value"]})
    assert notes(served) == []
    assert "No note of this while." in page


def test_a_hostile_note_is_text(served: Served) -> None:
    text = "<img src=x onerror=alert(1)>\"'</textarea> {{ 7*7 }} 甲"
    page = post(served, "/notes", NOTE | {"text": text, "author": "<b>", "day": "2026-01-19"})
    assert "<img src=x" not in page
    assert "{{ 7*7 }}" in str(Text(page))
    assert notes(served) == [(text, "<b>")]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"text": "  "}, "the note is empty"),
        ({"text": "x" * 501}, "the note has 501 characters"),
        ({"room": "999"}, "the farm has no room"),
        ({"at": "yesterday"}, "is no time"),
        ({"at": "2099-01-01T00:00"}, "is still to come"),
        ({"at": "2025-12-31T23:59"}, "before the farm"),
    ],
)
def test_a_note_that_is_not_taken_is_told_why(
    changed: dict[str, str], told: str, served: Served
) -> None:
    page = post(served, "/notes", NOTE | changed, 422)
    assert told in str(Text(page))
    assert notes(served) == []


def test_a_picking_is_stored_corrected_and_taken_away(served: Served) -> None:
    page = post(served, "/harvest", PICKED)
    assert "812.5 kg in all, 8.125 kg a bag" in str(Text(page))  # of 100 bags
    refused = post(served, "/harvest", PICKED | {"weight": "900"}, 422)
    assert "812.5 kg are stored already, not 900" in str(Text(refused))
    page = post(served, "/harvest", PICKED | {"weight": "900", "correct": "yes"})
    assert "19 Jan 900.0 kg" in str(Text(page))
    removed = {name: PICKED[name] for name in ("room", "batch", "picked")}
    page = post(served, "/harvest/remove", removed)
    assert "Nothing was picked of this batch yet." in page
    post(served, "/harvest/remove", removed, 422)


@pytest.mark.parametrize(
    "changed", [{"weight": "nan"}, {"weight": "-1"}, {"batch": "2026-01-11"}, {"room": "6/../7"}]
)
def test_a_picking_that_cannot_be_is_refused(changed: dict[str, str], served: Served) -> None:
    post(served, "/harvest", PICKED | changed, 422)


def test_the_way_back_leads_nowhere_else(served: Served) -> None:
    form = NOTE | {"day": "//evil.example/"}
    assert served.where("/notes", form) == "/rooms/611?day=2026-01-19#notes"
    form = {"room": "//evil.example", "batch": f"{BATCH}", "picked": f"{BATCH}"}
    served.post("/harvest/remove", form, 422)


def test_changes_are_posts(served: Served) -> None:
    for path in ("/notes", "/notes/remove", "/harvest", "/harvest/remove", "/labels/undo"):
        assert served.client.get(path).status_code in (404, 405)

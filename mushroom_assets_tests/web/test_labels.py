"""Labels by thumb: a picture, one tap, the next; and a tap can be taken back."""

import datetime as dt
import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.schema import daily_clip_inference, image_label
from mushroom_assets_tests.kit.web import NOW, YESTERDAY, Served, Text

MODEL = "mushroom-tiny/renders-9d437a11/prompts-117ed1b8"


@pytest.fixture
def served(tmp_path: Path, database: Database) -> Served:
    return Served(tmp_path, database)


def judged(served: Served, camera: str, margin: float, day: dt.date = YESTERDAY) -> str:
    """A picture that a model has judged; its path."""
    path = f"611/{day:%Y%m%d}/611_{camera}_20260110_{day:%Y%m%d}120000.jpg"
    row: dict[str, Any] = {
        "image_path": path,
        "model_id": MODEL,
        "room_id": "611",
        "image_date": day,
        "camera": camera,
        "captured_at": dt.datetime.combine(day, dt.time(4), dt.UTC),
        "status": "ok",
        "content_sha256": hashlib.sha256(path.encode()).hexdigest(),
        "stage": "fruiting",
        "condition": "healthy",
        "stage_margin": margin,
        "embedding": [1.0, 0.0],
        "run_id": "r",
        "computed_at": NOW,
    }
    with served.database.transaction() as connection:
        connection.execute(sa.insert(daily_clip_inference), row)
    return path


def stored(served: Served) -> dict[str, tuple[str | None, str | None, str | None]]:
    """Stage, condition and author of each label by path."""
    label = image_label.c
    asked = sa.select(label.image_path, label.stage, label.condition, label.labelled_by)
    with served.database.transaction() as connection:
        return {row[0]: tuple(row[1:]) for row in connection.execute(asked)}


def shown(page: str) -> str:
    """The path of the picture that is asked about."""
    found = re.search('src="/pictures/large/([^"]*)"', page)
    return found[1] if found else ""


def tap(served: Served, page: str, label: str) -> str:
    """Tap a label; the page that follows."""
    form = {"name": label}
    fields = Text(page).attributes("input", type="hidden")
    kept = [field for field in fields if field["name"] in ("path", "kind")]
    form |= {field["name"]: field["value"] for field in kept[-2:]}
    form["skip"] = [field["value"] for field in fields if field["name"] == "skip"]  # type: ignore[assignment]
    return served.post("/labels", form)


def test_the_least_certain_picture_comes_first_and_each_tap_brings_the_next(
    served: Served,
) -> None:
    sure = judged(served, "low", 0.9)
    unsure = judged(served, "top", 0.1)
    page = served.get("/labels")
    assert shown(page) == unsure
    assert "Which stage is this?" in page
    page = tap(served, page, "primordia")
    assert (shown(page), "And its condition?" in page) == (unsure, True)
    assert "Stored: primordia" in str(Text(page))
    page = tap(served, page, "green_mould")
    assert "Stored: green mould" in str(Text(page))
    assert shown(page) == sure
    assert stored(served) == {unsure: ("primordia", "green_mould", "page")}
    served.forget()
    assert shown(served.get("/labels")) == sure  # it is in the queue no more


def test_a_tap_can_be_taken_back_and_what_others_said_stays(served: Served) -> None:
    path = judged(served, "top", 0.1)
    served.now = dt.datetime.now(dt.UTC)  # the database's clock says when a label was given
    tap(served, tap(served, served.get("/labels"), "primordia"), "green_mould")
    back = {"path": path, "kind": "condition"}
    page = served.post("/labels/undo", back)
    assert stored(served) == {path: ("primordia", None, "page")}
    assert "And its condition?" in page
    served.post("/labels/undo", back | {"kind": "stage"})
    assert stored(served) == {}
    tap(served, served.get("/labels"), "primordia")
    with served.database.transaction() as connection:
        connection.execute(sa.update(image_label).values(labelled_by="Li"))
    served.post("/labels/undo", back | {"kind": "stage"})
    assert stored(served) == {path: ("primordia", None, "Li")}


def test_what_was_told_long_ago_is_not_taken_back(served: Served) -> None:
    path = judged(served, "top", 0.1)
    tap(served, served.get("/labels"), "primordia")
    served.now = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=31)
    served.post("/labels/undo", {"path": path, "kind": "stage"})
    assert stored(served) == {path: ("primordia", None, "page")}


def test_a_picture_that_nobody_is_sure_of_is_left_out(served: Served) -> None:
    sure = judged(served, "low", 0.9)
    judged(served, "top", 0.1)
    page = served.get("/labels")
    (skip,) = (tags["href"] for tags in Text(page).attributes("a", **{"class": "button"}))
    page = served.get(skip)
    assert shown(page) == sure
    assert stored(served) == {}


def test_pictures_of_long_ago_are_not_asked_about(served: Served) -> None:
    judged(served, "top", 0.1, YESTERDAY - dt.timedelta(days=15))
    recent = judged(served, "low", 0.9)
    page = served.get("/labels")
    assert shown(page) == recent
    assert shown(served.get(f"/labels?skip={recent}")) == ""


def test_a_farm_without_judged_pictures_says_so(served: Served) -> None:
    assert "No picture to label now" in served.get("/labels")
    assert "目前没有需要标注的图片" in served.get("/labels?lang=zh")


@pytest.mark.parametrize(
    "form",
    [
        {"kind": "stage", "name": "no such stage"},
        {"kind": "stage", "name": "healthy"},
        {"kind": "labelled_by", "name": "primordia"},
        {"kind": "stage"},
        {"kind": "stage", "name": "primordia", "path": "611/20260119/never_seen.jpg"},
    ],
)
def test_a_label_that_cannot_be_is_refused(form: dict[str, str], served: Served) -> None:
    path = judged(served, "top", 0.1)
    served.post("/labels", {"path": path} | form, 404)
    assert stored(served) == {}

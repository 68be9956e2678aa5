"""Rules of `daily_clip_inference`: queries and severities; their words are in rules/vision.yaml.

Drift is measured against the same room, camera and model in the `WEEK` before. In 34 days of two
simulated rooms a room's mean confidence came to 0.90 to 1.05 times the week's, and a camera's
median sharpness to 0.33 to 4 times; through a fogged or defocused lens the same pictures had 0.03
to 0.25 times.

A camera's sensor is never still: two shots differ in their bytes, unless they are black. Of 6,126
shots of the simulated plant, 34 days drawn as small as 96x54 px, no two were equal.
"""

import datetime as dt
from typing import Any

import sqlalchemy as sa

from mushroom_assets.checks.rule import ERROR, WARN, Rule, days_of, of_days, pairs, rows_missing
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.image_key import names_of_rooms
from mushroom_assets.domain.texts import say
from mushroom_assets.domain.windows import Window
from mushroom_assets.storage.schema import daily_clip_inference as table

WEEK = 7  # days before
CONFIDENCE_FROM = 0.75  # of the week's mean
SHARPNESS_FROM = 0.25  # of the week's median
DARK_BELOW = 0.1  # brightness of the day's brightest image; it was at least 0.48
FEW = 6  # fewer images of a day, or of the week, say nothing of either
ALIKE = 3  # so many shots with the same bytes: an upload that is sent again makes two
UNIT = 1e-3  # how far a vector's length may be from 1
row = table.c
there = table.alias("there").c
usable = row.status == "ok"


def _since(window: Window) -> dt.date:
    return window.start.date() - dt.timedelta(days=WEEK)


def _recent(window: Window) -> sa.ColumnElement[bool]:
    """Whether a row is of the window or the week before it."""
    return sa.and_(row.image_date >= _since(window), row.image_date < window.end.date())


def _images_not_ok(window: Window, farm: Farm) -> sa.Select[Any]:
    found = sa.select(row.image_date, row.image_path, row.status, row.error)
    return found.where(of_days(row.image_date, window), ~usable).order_by(row.image_path)


def _labels_missing(window: Window, farm: Farm) -> sa.Select[Any]:
    labelled = [row.stage.is_not(None), row.condition.is_not(None)]
    shares = [
        share.between(0, 1)
        for share in (row.stage_probability, row.stage_margin, row.condition_probability)
    ]
    unit = sa.func.vector_norm(row.embedding).between(1 - UNIT, 1 + UNIT)
    complete = sa.and_(*labelled, *shares, unit)
    found = sa.select(row.image_date, row.image_path, row.model_id)
    return found.where(of_days(row.image_date, window), usable, complete.is_not(sa.true()))


def _cameras_silent(window: Window, farm: Farm) -> sa.CompoundSelect[Any]:
    """Cameras of the week before without an image, and rooms without any."""
    empty = rows_missing(table, row.image_date, window, room_id=farm.rooms).subquery()
    # A farm without cameras is not told so every day
    begun = sa.exists().where(there.image_date <= empty.c.day)
    every = sa.literal(say("every_camera", farm))
    rooms = sa.select(empty, every).where(begun)
    return sa.union_all(_single_cameras_silent(window), rooms).order_by(sa.text("1, 2, 3"))


def _single_cameras_silent(window: Window) -> sa.Select[Any]:
    """Cameras of the week before without an image, of rooms that have some."""
    cameras = _cameras_of_the_week_before(window)
    of_room = sa.and_(there.image_date == cameras.c.day, there.room_id == cameras.c.room_id)
    of_camera = sa.and_(of_room, there.camera == cameras.c.camera)
    found = sa.select(cameras)
    return found.where(sa.exists().where(of_room), ~sa.exists().where(of_camera))


def _cameras_of_the_week_before(window: Window) -> sa.Subquery:
    """For each day of the window the cameras that delivered in the week before it."""
    days = days_of(window)
    before = table.alias("before")
    ago = days.c.day - before.c.image_date
    recent = sa.and_(
        before.c.image_date >= _since(window), ago.between(1, WEEK), before.c.camera.is_not(None)
    )
    found = sa.select(days.c.day, before.c.room_id, before.c.camera).distinct()
    return found.join_from(days, before, recent).subquery()


def _confidence_collapsed(window: Window, farm: Farm) -> sa.Select[Any]:
    place = (row.image_date, row.room_id, row.model_id)
    mean = sa.func.avg(row.stage_probability, type_=sa.Double).label("mean")
    images = sa.func.count().label("images")
    means = sa.select(*place, mean, images).where(_recent(window), usable).group_by(*place)
    daily = means.cte("daily")
    day = daily.alias("day").c
    past = daily.alias("past").c
    ago = (day.image_date - past.image_date).between(1, WEEK)
    same = sa.and_(day.room_id == past.room_id, day.model_id == past.model_id, ago)
    week = sa.func.sum(past.mean * past.images, type_=sa.Double) / sa.func.sum(past.images)
    return (
        sa.select(day.image_date, day.room_id, day.mean, week.label("week"))
        .where(same, of_days(day.image_date, window), day.images >= FEW)
        .group_by(day.image_date, day.room_id, day.model_id, day.mean)
        .having(sa.func.sum(past.images) >= FEW, day.mean < CONFIDENCE_FROM * week)
        .order_by(day.image_date, day.room_id)
    )


def _lenses_dim(window: Window, farm: Farm) -> sa.Select[Any]:
    days = _sight(window).cte("daily")
    day = days.alias("day").c
    past = days.alias("past").c
    ago = (day.image_date - past.image_date).between(1, WEEK)
    same = sa.and_(day.room_id == past.room_id, day.camera == past.camera, ago)
    week = sa.select(_median(past.sharp)).where(same).scalar_subquery()
    blurred = day.sharp < SHARPNESS_FROM * week
    dark = day.bright < DARK_BELOW
    reason = sa.case((dark, say("dark_all_day", farm)), else_=say("blurred", farm))
    return (
        sa.select(day.image_date, day.room_id, day.camera, reason.label("reason"))
        .where(of_days(day.image_date, window), sa.or_(dark, blurred))
        .order_by(day.image_date, day.room_id, day.camera)
    )


def _sight(window: Window) -> sa.Select[Any]:
    """How sharp and how bright each camera saw, on each day that has images enough."""
    place = (row.image_date, row.room_id, row.camera)
    sharp = _median(row.sharpness).label("sharp")
    bright = sa.func.max(row.brightness).label("bright")
    seen = sa.select(*place, sharp, bright).where(_recent(window), row.camera.is_not(None), usable)
    return seen.group_by(*place).having(sa.func.count() >= FEW)


def _median(column: sa.ColumnElement[float]) -> sa.ColumnElement[float]:
    return sa.func.percentile_cont(0.5).within_group(column)


def _cameras_frozen(window: Window, farm: Farm) -> sa.Select[Any]:
    """Cameras with a picture that they have sent again and again, to the byte, and since when.

    Within the day, or on the day and in the week before it.
    """
    place = (row.image_date, row.room_id, row.camera, row.content_sha256)
    shots = sa.func.count(row.captured_at.distinct()).label("shots")
    since = sa.func.min(row.captured_at).label("since")
    lit = sa.and_(usable, row.camera.is_not(None), row.brightness >= DARK_BELOW)
    counted = sa.select(*place, shots, since).where(_recent(window), lit).group_by(*place)
    daily = counted.cte("daily")
    day = daily.alias("day").c
    seen = daily.alias("seen").c
    ago = (day.image_date - seen.image_date).between(0, WEEK)
    alike = (day[name] == seen[name] for name in ("room_id", "camera", "content_sha256"))
    total = sa.func.sum(seen.shots)
    return (
        sa.select(day.image_date, day.room_id, day.camera, total, sa.func.min(seen.since))
        .where(ago, *alike, of_days(day.image_date, window))
        .group_by(day.image_date, day.room_id, day.camera, day.content_sha256)
        .having(total >= ALIKE)
        .order_by(day.image_date, day.room_id, day.camera, day.content_sha256)
    )


def _rooms_differ(window: Window, farm: Farm) -> sa.Select[Any]:
    """Cameras whose files are named after another room than the one in whose folder they lie."""
    rooms = pairs("name", "room_id", names_of_rooms(farm))
    file = sa.func.regexp_replace(row.image_path, "^.*/", "")
    named = rooms.c.name == sa.func.split_part(file, "_", 1)
    images = sa.func.count(row.image_path.distinct())
    return (
        sa.select(row.image_date, row.room_id, rooms.c.room_id.label("named"), row.camera, images)
        .join_from(table, rooms, named)
        .where(
            of_days(row.image_date, window), row.camera.is_not(None), rooms.c.room_id != row.room_id
        )
        .group_by(row.image_date, row.room_id, rooms.c.room_id, row.camera)
        .order_by(row.image_date, row.room_id, rooms.c.room_id, row.camera)
    )


RULES = (
    Rule("images_readable", table, WARN, _images_not_ok),
    Rule("labels_complete", table, ERROR, _labels_missing),
    Rule("cameras_deliver", table, WARN, _cameras_silent, {"days": WEEK}),
    Rule(
        "confidence_steady",
        table,
        WARN,
        _confidence_collapsed,
        {"share": CONFIDENCE_FROM, "days": WEEK},
    ),
    Rule("lenses_clear", table, WARN, _lenses_dim, {"share": SHARPNESS_FROM, "days": WEEK}),
    Rule("cameras_live", table, WARN, _cameras_frozen, {"count": ALIKE, "days": WEEK}),
    Rule("rooms_agree", table, WARN, _rooms_differ),
)

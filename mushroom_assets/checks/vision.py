"""Rules of `daily_clip_inference`.

Drift is measured against the same room, camera and model in the `WEEK` before. In 34 days of two
simulated rooms a room's mean confidence came to 0.90 to 1.05 times the week's, and a camera's
median sharpness to 0.33 to 4 times; of the same pictures through a fogged or defocused lens it was
0.03 to 0.25 times.
"""

import datetime as dt
from typing import Any

import sqlalchemy as sa

from mushroom_assets.checks.rule import ERROR, WARN, Rule, days_of, of_days, rows_missing
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.windows import Window
from mushroom_assets.storage.schema import daily_clip_inference as table

WEEK = 7  # days before
CONFIDENCE_FROM = 0.75  # of the week's mean
SHARPNESS_FROM = 0.25  # of the week's median
DARK_BELOW = 0.1  # brightness of the day's brightest image; it was at least 0.48
FEW = 6  # images of a day, or of the week, that say nothing of either
UNIT = 1e-3  # how far a vector's length may be from 1
row = table.c
usable = row.status == "ok"


def _since(window: Window) -> dt.date:
    return window.start.date() - dt.timedelta(days=WEEK)


def _images_not_ok(window: Window, farm: Farm) -> sa.Select[Any]:
    columns = (row.image_date, row.image_path, row.status, row.error)
    return (
        sa.select(*columns).where(of_days(row.image_date, window), ~usable).order_by(row.image_path)
    )


def _labels_missing(window: Window, farm: Farm) -> sa.Select[Any]:
    labelled = [row.stage.is_not(None), row.condition.is_not(None)]
    shares = [
        share.between(0, 1)
        for share in (row.stage_probability, row.stage_margin, row.condition_probability)
    ]
    unit = sa.func.vector_norm(row.embedding).between(1 - UNIT, 1 + UNIT)
    complete = sa.and_(*labelled, *shares, unit)
    columns = (row.image_date, row.image_path, row.model_id)
    return sa.select(*columns).where(
        of_days(row.image_date, window), usable, complete.is_not(sa.true())
    )


def _cameras_silent(window: Window, farm: Farm) -> sa.CompoundSelect[Any]:
    """Cameras of the week before without an image, of rooms that have some; and rooms without any."""
    days, before, there = days_of(window), table.alias("before"), table.alias("there").c
    ago = days.c.day - before.c.image_date
    recent = sa.and_(
        before.c.image_date >= _since(window), ago.between(1, WEEK), before.c.camera.is_not(None)
    )
    cameras = (
        sa.select(days.c.day, before.c.room_id, before.c.camera)
        .distinct()
        .join_from(days, before, recent)
        .subquery()
    )
    of_room = sa.and_(there.image_date == cameras.c.day, there.room_id == cameras.c.room_id)
    of_camera = sa.and_(of_room, there.camera == cameras.c.camera)
    silent = sa.select(cameras).where(sa.exists().where(of_room), ~sa.exists().where(of_camera))
    empty = rows_missing(table, row.image_date, window, room_id=farm.rooms).subquery()
    # A farm without cameras is not told so every day
    begun = sa.exists().where(there.image_date <= empty.c.day)
    every = sa.literal(farm.say({"en": "every camera", "zh": "全部相机"}))
    return sa.union_all(silent, sa.select(empty, every).where(begun)).order_by(sa.text("1, 2, 3"))


def _confidence_collapsed(window: Window, farm: Farm) -> sa.Select[Any]:
    place = (row.image_date, row.room_id, row.model_id)
    mean, images = (
        sa.func.avg(row.stage_probability, type_=sa.Double).label("mean"),
        sa.func.count().label("images"),
    )
    recent = sa.and_(row.image_date >= _since(window), row.image_date < window.end.date())
    daily = sa.select(*place, mean, images).where(recent, usable).group_by(*place).cte("daily")
    day, past = daily.alias("day").c, daily.alias("past").c
    same = sa.and_(day.room_id == past.room_id, day.model_id == past.model_id)
    week = sa.func.sum(past.mean * past.images, type_=sa.Double) / sa.func.sum(past.images)
    return (
        sa.select(day.image_date, day.room_id, day.mean, week.label("week"))
        .where(
            same,
            (day.image_date - past.image_date).between(1, WEEK),
            of_days(day.image_date, window),
        )
        .where(day.images >= FEW)
        .group_by(day.image_date, day.room_id, day.model_id, day.mean)
        .having(sa.func.sum(past.images) >= FEW, day.mean < CONFIDENCE_FROM * week)
        .order_by(day.image_date, day.room_id)
    )


def _lenses_dim(window: Window, farm: Farm) -> sa.Select[Any]:
    place = (row.image_date, row.room_id, row.camera)
    sharp, bright = (
        _median(row.sharpness).label("sharp"),
        sa.func.max(row.brightness).label("bright"),
    )
    recent = sa.and_(
        row.image_date >= _since(window),
        row.image_date < window.end.date(),
        row.camera.is_not(None),
    )
    daily = (
        sa.select(*place, sharp, bright)
        .where(recent, usable)
        .group_by(*place)
        .having(sa.func.count() >= FEW)
    )
    days = daily.cte("daily")
    day, past = days.alias("day").c, days.alias("past").c
    ago = (day.image_date - past.image_date).between(1, WEEK)
    same = sa.and_(day.room_id == past.room_id, day.camera == past.camera, ago)
    week = sa.select(_median(past.sharp)).where(same).scalar_subquery()
    blurred, dark = day.sharp < SHARPNESS_FROM * week, day.bright < DARK_BELOW
    reason = sa.case(
        (dark, farm.say({"en": "dark all day", "zh": "全天过暗"})),
        else_=farm.say({"en": "blurred or fogged", "zh": "模糊或起雾"}),
    )
    return (
        sa.select(day.image_date, day.room_id, day.camera, reason.label("reason"))
        .where(of_days(day.image_date, window), sa.or_(dark, blurred))
        .order_by(day.image_date, day.room_id, day.camera)
    )


def _median(column: sa.ColumnElement[float]) -> sa.ColumnElement[float]:
    return sa.func.percentile_cont(0.5).within_group(column)


RULES = (
    Rule(
        "images_readable",
        table,
        WARN,
        holds={"en": "every image could be used", "zh": "每张图像都可用"},
        fault={"en": "images that are not ok", "zh": "张图像不可用"},
        remedy={
            "en": "check the camera and its upload; a file sent again is picked up when its day is materialized again",
            "zh": "检查相机及其上传；补传的文件在重新物化当天时会被读取",
        },
        offenders=_images_not_ok,
    ),
    Rule(
        "labels_complete",
        table,
        ERROR,
        holds={
            "en": "a usable image has its labels, probabilities from 0 to 1, and a vector of length 1; the primary key "
            "keeps image and model unique",
            "zh": "可用的图像都有标签、0 到 1 之间的概率和长度为 1 的向量；图像与模型的唯一性由主键保证",
        },
        fault={"en": "images with broken labels or vectors", "zh": "张图像的标签或向量有误"},
        remedy={
            "en": "materialize the day again with `recompute: true` in its config; if it stays so, the model's weights "
            "are damaged: see `mushroom doctor`",
            "zh": "在运行配置中设 recompute: true 后重新物化当天；若仍如此，模型权重已损坏，请看 mushroom doctor",
        },
        offenders=_labels_missing,
    ),
    Rule(
        "cameras_deliver",
        table,
        WARN,
        holds={
            "en": f"every camera of the {WEEK} days before has delivered, and every room has images",
            "zh": f"前 {WEEK} 天有图像的相机当天都有图像，每个库房都有图像",
        },
        fault={"en": "cameras or rooms without an image", "zh": "台相机或库房没有图像"},
        remedy={
            "en": "check power, network and upload of the camera, and the room's `folder` in the farm file; images "
            "that come late are picked up when the day is materialized again",
            "zh": "检查相机的电源、网络和上传，以及农场文件中该库房的 folder；迟到的图像在重新物化当天时会被读取",
        },
        offenders=_cameras_silent,
    ),
    Rule(
        "confidence_steady",
        table,
        WARN,
        holds={
            "en": f"a room's mean stage probability is at least {CONFIDENCE_FROM} times that of the {WEEK} days before",
            "zh": f"库房阶段概率的均值不低于前 {WEEK} 天的 {CONFIDENCE_FROM} 倍",
        },
        fault={
            "en": "rooms of which the model is far less sure than in the week before",
            "zh": "个库房的模型置信度比前一周大幅下降",
        },
        remedy={
            "en": "look at the day's images: a moved camera, a dirty lens, other light, or something that the model "
            "has not learned; until then do not rely on the labels",
            "zh": "查看当天图像：相机移位、镜头脏污、光照变化，或出现模型没学过的情况；查明之前不要依赖标签",
        },
        offenders=_confidence_collapsed,
    ),
    Rule(
        "lenses_clear",
        table,
        WARN,
        holds={
            "en": f"a camera's images are not all dark, and at least {SHARPNESS_FROM} times as sharp as in the {WEEK} "
            "days before",
            "zh": f"相机的图像并非全天过暗，清晰度不低于前 {WEEK} 天的 {SHARPNESS_FROM} 倍",
        },
        fault={"en": "cameras that see little", "zh": "台相机看不清"},
        remedy={
            "en": "wipe fog or dirt off the lens, refocus, check the room's light",
            "zh": "擦净镜头上的雾气或污渍，重新对焦，检查库房灯光",
        },
        offenders=_lenses_dim,
    ),
)

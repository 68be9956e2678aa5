"""Camera images that a day has judged, for the farm's page: without their vectors."""

import datetime as dt
from typing import NamedTuple

import sqlalchemy as sa

from mushroom_assets.storage.schema import daily_clip_inference

_image = daily_clip_inference.c


class Judgement(NamedTuple):
    """An image and what a model makes of it; stage and condition are keys of the farm file."""

    image_path: str
    camera: str
    captured_at: dt.datetime
    image_date: dt.date
    stage: str | None
    condition: str | None
    model_id: str


def images_between(
    connection: sa.Connection, room: str, start: dt.datetime, end: dt.datetime
) -> list[Judgement]:
    """A room's usable images that were taken in [start, end), as last judged, in time."""
    columns = [_image[name] for name in Judgement._fields]
    latest = (
        sa.select(*columns)
        .distinct(_image.image_path)
        .where(
            _image.room_id == room,
            _image.captured_at >= start,
            _image.captured_at < end,
            _image.status == "ok",
            _image.camera.is_not(None),
        )
        .order_by(_image.image_path, _image.computed_at.desc(), _image.model_id)
        .subquery()
    )
    ordered = sa.select(latest).order_by(latest.c.captured_at, latest.c.camera)
    return [Judgement(*row) for row in connection.execute(ordered)]

"""Camera images that a day has judged, for the farm's page: without their vectors."""

import datetime as dt
from typing import NamedTuple

import sqlalchemy as sa

from mushroom_assets.storage.results import latest_model
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


class NewestModel(NamedTuple):
    """The model that judged the newest day's images last: its encoder, and that day."""

    encoder: str
    day: dt.date


def newest_model(connection: sa.Connection) -> NewestModel | None:
    """The model in use, as the newest rows tell it; None where no image was judged."""
    day = connection.scalar(sa.select(sa.func.max(_image.image_date)))
    model = None if day is None else latest_model(connection, day)
    if day is None or model is None:
        return None
    return NewestModel(model.rsplit("/", 1)[0], day)  # its prompts have no part in a vector


class PictureFacts(NamedTuple):
    """What the page tells of an image that is to be labelled."""

    image_path: str
    room_id: str
    camera: str | None
    captured_at: dt.datetime | None


def picture_facts(connection: sa.Connection, path: str) -> PictureFacts | None:
    """What a day knows of an image; None where none has seen it."""
    columns = [_image[name] for name in PictureFacts._fields]
    row = connection.execute(sa.select(*columns).where(_image.image_path == path).limit(1)).first()
    return None if row is None else PictureFacts(*row)

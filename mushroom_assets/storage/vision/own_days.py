"""A room's latest pictures as vectors, day by day. What they are compared for is not known here."""

import datetime as dt
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from mushroom_assets.storage.schema import daily_clip_inference

# One binary value a row, as in `relabel`. Prompts have no part in a vector: where several
# judged an image, any row will do.
_READ = """
    SELECT DISTINCT ON (image_date, image_path)
           image_date, image_path, camera, vector_send(embedding)
    FROM farm.daily_clip_inference
    WHERE room_id = %s AND starts_with(model_id, %s) AND status = 'ok'
      AND image_date BETWEEN %s AND %s
    ORDER BY image_date, image_path, computed_at DESC"""
_HEADER = 4  # bytes before the numbers: how many there are


class Picture(NamedTuple):
    """A picture of a day; `vector` has shape (d,)."""

    day: dt.date
    image_path: str
    camera: str
    vector: npt.NDArray[np.float32]


def newest_pictured(connection: sa.Connection) -> tuple[dt.date, str] | None:
    """The newest day with a vector and the encoder that made it last; None without any."""
    image = daily_clip_inference.c
    newest = (
        sa.select(image.image_date, image.model_id)
        .where(image.status == "ok")
        .order_by(image.image_date.desc(), image.computed_at.desc(), image.model_id)
        .limit(1)
    )
    found = connection.execute(newest).one_or_none()
    return None if found is None else (found.image_date, found.model_id.rsplit("/prompts-", 1)[0])


def read_pictures(
    connection: sa.Connection, room: str, encoder: str, since: dt.date, until: dt.date
) -> list[Picture]:
    """A room's pictures by an encoder from one day to another, both included, in order."""
    cursor: Any = connection.connection.cursor()
    rows = cursor.execute(
        _READ, (room, f"{encoder}/prompts-", since, until), binary=True
    ).fetchall()
    return [
        Picture(day, path, camera, np.frombuffer(packed, ">f4", offset=_HEADER))
        for day, path, camera, packed in rows
    ]

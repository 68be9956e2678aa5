"""Images to label: of each camera and day without a label the least familiar, the least certain.

A camera's images of a day are nearly the same, so one label is enough. `domain.label_queue` chooses
among the images.
"""

import datetime as dt
from typing import Any

import sqlalchemy as sa

from mushroom_assets.domain.label_queue import Candidate
from mushroom_assets.storage.schema import daily_clip_inference, image_label


def unfamiliar(
    connection: sa.Connection, encoder: str, since: dt.date | None = None
) -> list[Candidate]:
    """The least familiar image of each camera and day, by a model, the least familiar first.

    None where the model's weights do not say what they learned. What is unlike all of that has one
    familiarity, the least there is: such images come from all cameras by turns. With `since` only
    the images from that day on.
    """
    return _firsts(connection, _open(encoder, since), "familiarity")


def uncertain(
    connection: sa.Connection, encoder: str, known_from: float, since: dt.date | None = None
) -> list[Candidate]:
    """The image of each camera and day whose stage is least certain, the least certain first.

    Those with a familiarity below `known_from` are left out: the lead of what the model does not
    know is a guess. `since` is as in `unfamiliar`.
    """
    image = _open(encoder, since)
    of = image.c.familiarity
    known = sa.select(image).where(of.is_(None) | (of >= known_from)).subquery()
    return _firsts(connection, known, "margin")


def _firsts(connection: sa.Connection, image: sa.Subquery, by: str) -> list[Candidate]:
    first = (
        sa.select(image)
        .distinct(image.c.room_id, image.c.camera, image.c.image_date)
        .where(image.c[by].is_not(None))
        .order_by(
            image.c.room_id, image.c.camera, image.c.image_date, image.c[by], image.c.image_path
        )
        .subquery()
    )
    own = [first.c.room_id, first.c.camera, first.c[by]]
    turn = sa.func.row_number().over(partition_by=own, order_by=first.c.image_date.desc())
    statement = sa.select(first).order_by(first.c[by], turn, first.c.image_path)
    return [Candidate(*row) for row in connection.execute(statement)]


def _open(encoder: str, since: dt.date | None) -> Any:
    """The usable images of cameras' days without a label, as the latest prompts judged them."""
    image = daily_clip_inference.c
    latest = (
        sa.select(
            image.image_path,
            image.room_id,
            image.camera,
            image.image_date,
            image.content_sha256,
            image.familiarity,
            image.stage_margin.label("margin"),
            image.status,
        )
        .distinct(image.image_path)
        .where(image.model_id.startswith(f"{encoder}/prompts-", autoescape=True))
        .where(sa.true() if since is None else image.image_date >= since)
        .order_by(image.image_path, image.computed_at.desc(), image.model_id.desc())
        .cte("latest")
    )
    is_labelled = sa.exists().where(image_label.c.content_sha256 == latest.c.content_sha256)
    day = (latest.c.room_id, latest.c.camera, latest.c.image_date)
    labelled = sa.func.bool_or(is_labelled).over(partition_by=day).label("labelled")
    judged = sa.select(latest, labelled).subquery()
    columns = [judged.c[name] for name in Candidate._fields]
    return sa.select(*columns).where(judged.c.status == "ok", ~judged.c.labelled).subquery()

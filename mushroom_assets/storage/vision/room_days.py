"""Room days as vectors, and the past days that looked most like one.

Similarity is the cosine, -1 to 1. Only vectors of one model are ever compared. Single images are
found by `search`.
"""

import datetime as dt
from typing import Any, NamedTuple

import sqlalchemy as sa

from mushroom_assets.storage.schema import (
    daily_clip_inference,
    daily_room_report,
    room_day_embedding,
)

TRIVIAL_DAYS = 3  # of its own room: yesterday always looks alike, and says nothing


class NearRoomDay(NamedTuple):
    """A room's day and its similarity; `verdict` is its report's, None where none was written."""

    room_id: str
    day: dt.date
    similarity: float
    growth_day: int | None
    image_count: int
    verdict: str | None


def replace_room_days(
    connection: sa.Connection, encoder: str, model_id: str, day: dt.date, run_id: str
) -> int:
    """Replace a day's rows of `room_day_embedding`, inside the caller's transaction.

    A room's vector is the mean of its images' vectors, scaled to length 1, from the day's `ok` rows
    of `model_id` in `daily_clip_inference`; its growth day is that of most images (the earlier one
    if two have as many).

    Returns:
        How many rooms have one.
    """
    image = daily_clip_inference.c
    table = room_day_embedding
    connection.execute(
        sa.delete(table).where(table.c.image_date == day, table.c.encoder == encoder)
    )
    mean = sa.func.avg(image.embedding)
    days = (
        sa.select(
            image.image_date, image.room_id, sa.literal(encoder),
            sa.func.l2_normalize(mean), sa.func.count(),
            sa.func.mode().within_group(image.growth_day),
            sa.literal(run_id), sa.func.now(),
        )
        .where(image.image_date == day, image.model_id == model_id, image.status == "ok")
        .group_by(image.image_date, image.room_id)
        .having(sa.func.vector_norm(mean) > 0)
    )  # fmt: skip
    insert = sa.insert(table).from_select([column.name for column in table.columns], days)
    return len(connection.execute(insert.returning(table.c.room_id)).all())


class Nearest(NamedTuple):
    """A room's day, and what looked most like it: room, day, similarity and growth day."""

    room_id: str
    day: dt.date
    like: tuple[Any, ...]


def later_likenesses(connection: sa.Connection, encoder: str, day: dt.date) -> set[Nearest]:
    """What looks most like each room day after a day; for the run that replaces that day's."""
    later = sa.select(room_day_embedding.c.room_id, room_day_embedding.c.image_date).where(
        room_day_embedding.c.encoder == encoder, room_day_embedding.c.image_date > day
    )
    found = set()
    for room_id, other in connection.execute(later).all():
        for near in similar_room_days(connection, encoder, room_id, other, 1):
            like = (near.room_id, near.day, near.similarity, near.growth_day)
            found.add(Nearest(room_id, other, like))
    return found


def similar_room_days(
    connection: sa.Connection, encoder: str, room_id: str, day: dt.date, k: int
) -> list[NearRoomDay]:
    """The k past days of any room that looked most like a room's day, the most similar first.

    There are none without the day's own vector. Days after it, the same day elsewhere, and the
    `TRIVIAL_DAYS` before it in the same room are left out. Exact: a farm of 100 rooms has 36,500
    room days a year.
    """
    own_days = room_day_embedding.alias("own")
    past_days = room_day_embedding.alias("past")
    own = own_days.c
    past = past_days.c
    report = daily_room_report.c
    distance = past.embedding.cosine_distance(own.embedding)
    trivial = sa.and_(past.room_id == own.room_id, past.image_date >= own.image_date - TRIVIAL_DAYS)
    written = sa.and_(report.room_id == past.room_id, report.stat_date == past.image_date)
    columns = [past.room_id, past.image_date, 1 - distance]
    columns += [past.growth_day, past.image_count, report.verdict]
    statement = (
        sa.select(*columns)
        .select_from(sa.join(own_days, past_days, own.encoder == past.encoder))
        .outerjoin(daily_room_report, written)
        .where(own.encoder == encoder, own.room_id == room_id, own.image_date == day)
        .where(past.image_date < own.image_date, ~trivial)
        .order_by(distance, past.image_date.desc(), past.room_id)
        .limit(k)
    )
    return [NearRoomDay(*row) for row in connection.execute(statement)]

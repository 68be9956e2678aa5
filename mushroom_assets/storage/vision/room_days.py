"""Room days as vectors, and the past days that looked most like one.

Similarity is the cosine, -1 to 1. Only vectors of one model are ever compared. Single images are
found by `search`.
"""

import datetime as dt
from typing import Any, NamedTuple

import sqlalchemy as sa

from mushroom_assets.storage.schema import daily_clip_inference, room_day_embedding

TRIVIAL_DAYS = 3  # of its own room: yesterday always looks alike, and says nothing


class NearRoomDay(NamedTuple):
    """A room's day and its similarity to another."""

    room_id: str
    day: dt.date
    similarity: float
    growth_day: int | None
    image_count: int


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


class Likened(NamedTuple):
    """A room's day, and the past room day that looked most like it."""

    room_id: str
    day: dt.date
    like_room: str
    similarity: float
    growth_day: int | None


def likened_to(connection: sa.Connection, encoder: str, day: dt.date) -> set[Likened]:
    """The later room days that look more like one of a day's than like any other of their past.

    What a run finds before and not after it replaced the day, or the other way round, has another
    nearest day by it. A farm's year in 0.3 s: of most pairs a few others tell that they are nearer.
    """
    own_days = room_day_embedding.alias("own")
    past_days = room_day_embedding.alias("past")
    other_days = room_day_embedding.alias("other")
    own = own_days.c
    past = past_days.c
    nearer = sa.tuple_(*_rank(other_days, own_days)) < sa.tuple_(*_rank(past_days, own_days))
    is_beaten = sa.exists().where(_is_past(other_days, own_days), nearer)
    statement = sa.select(
        own.room_id, own.image_date, past.room_id, _similarity(past_days, own_days), past.growth_day
    ).where(
        own.encoder == encoder,
        own.image_date > day,
        past.image_date == day,
        _is_past(past_days, own_days),
        ~is_beaten,
    )
    return {Likened(*row) for row in connection.execute(statement)}


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
    similarity = _similarity(past_days, own_days)
    statement = (
        sa.select(past.room_id, past.image_date, similarity, past.growth_day, past.image_count)
        .where(own.encoder == encoder, own.room_id == room_id, own.image_date == day)
        .where(_is_past(past_days, own_days))
        .order_by(*_rank(past_days, own_days))
        .limit(k)
    )
    return [NearRoomDay(*row) for row in connection.execute(statement)]


def _is_past(past_days: sa.FromClause, own_days: sa.FromClause) -> sa.ColumnElement[bool]:
    """Whether a room day is compared with a later one."""
    past = past_days.c
    own = own_days.c
    trivial = sa.and_(past.room_id == own.room_id, past.image_date >= own.image_date - TRIVIAL_DAYS)
    return sa.and_(past.encoder == own.encoder, past.image_date < own.image_date, ~trivial)


def _rank(past_days: sa.FromClause, own_days: sa.FromClause) -> list[sa.ColumnElement[Any]]:
    """By what past room days are ordered: the nearest first, then the latest."""
    past = past_days.c
    own = own_days.c
    distance = past.embedding.cosine_distance(own.embedding)
    return [distance, own.image_date - past.image_date, past.room_id]


def _similarity(past_days: sa.FromClause, own_days: sa.FromClause) -> sa.ColumnElement[Any]:
    similarity: sa.ColumnElement[Any] = 1 - _rank(past_days, own_days)[0]
    return similarity

"""What looks alike: the images nearest to a vector, room days as vectors, and the past days most
like one.

Similarity is the cosine, -1 to 1. Only vectors of one model are ever compared. How vectors come
about is the business of inference, the index that makes the search quick that of `vector_index`.
"""

import datetime as dt
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from mushroom_assets.storage.schema import (
    daily_clip_inference,
    daily_room_report,
    image_embedding,
    room_day_embedding,
)
from mushroom_assets.storage.vision.index import (
    INDEX_FROM,
    distances,
    through_index,
    usable_ef_search,
)

TRIVIAL_DAYS = 3  # of its own room: yesterday always looks alike, and says nothing
MAX_EF_SEARCH = 1_000  # pgvector's


class NearImage(NamedTuple):
    """An image and how like it is; stage and condition are those of the latest prompt set, None
    where not judged.
    """

    image_path: str
    similarity: float
    room_id: str
    captured_at: dt.datetime
    growth_day: int | None
    stage: str | None
    stage_probability: float | None
    condition: str | None
    condition_probability: float | None
    model_id: str


class NearRoomDay(NamedTuple):
    """A room's day and how like it is; `verdict` is its report's, None where none was written."""

    room_id: str
    day: dt.date
    similarity: float
    growth_day: int | None
    image_count: int
    verdict: str | None


def stored_vector(
    connection: sa.Connection,
    encoder: str,
    *,
    content_sha256: str | None = None,
    image_path: str | None = None,
) -> npt.NDArray[np.float32] | None:
    """A model's vector of an image, by its bytes or by the path at which a day saw it last.

    None without one.
    """
    stored = image_embedding.c
    wanted = [stored.encoder == encoder]
    if content_sha256 is not None:
        wanted.append(stored.content_sha256 == content_sha256)
    if image_path is not None:
        here = sa.select(daily_clip_inference.c.content_sha256).where(
            daily_clip_inference.c.image_path == image_path, *_in_force(encoder)
        )
        wanted.append(stored.content_sha256.in_(here))
    vector = connection.scalar(sa.select(stored.embedding).where(*wanted).limit(1))
    return None if vector is None else np.asarray(vector, dtype=np.float32)


def has_vectors(connection: sa.Connection, encoder: str) -> bool:
    """Whether anything of a model is stored."""
    return bool(
        connection.scalar(sa.select(sa.exists().where(image_embedding.c.encoder == encoder)))
    )


def nearest_images(
    connection: sa.Connection,
    encoder: str,
    vector: npt.ArrayLike,
    k: int,
    *,
    rooms: Collection[str] | None = None,
    since: dt.date | None = None,
    until: dt.date | None = None,
    exact: bool = False,
) -> list[NearImage]:
    """The k images most like a vector, the most like first; fewer only where there are no more.

    Several paths with the same bytes are several images. Vectors whose image is gone, or was
    replaced, do not count.

    Args:
        connection: a connection in a transaction.
        encoder: the model's name.
        vector: shape (d,), of that model.
        k: how many.
        rooms: only these rooms.
        since: from this farm day on.
        until: up to this farm day, included.
        exact: scan all vectors also where there is an index. For vectors unlike any image, of texts
            say: the index was measured with images.
    """
    image = daily_clip_inference.c
    filters: list[sa.ColumnElement[bool]] = [] if rooms is None else [image.room_id.in_(rooms)]
    filters += [] if since is None else [image.image_date >= since]
    filters += [] if until is None else [image.image_date <= until]
    wanted = [*filters, *_in_force(encoder)]
    ef_search = None if exact else usable_ef_search(connection, encoder)
    if ef_search is not None and _many(connection, filters):
        with through_index(connection, min(max(ef_search, 2 * k), MAX_EF_SEARCH)):
            found = _nearest(connection, encoder, vector, k, wanted, exact=False)
        # Else the scan of the index ended before its 20,000 tuples gave as many
        if len(found) == k:
            return found
    return _nearest(connection, encoder, vector, k, wanted, exact=True)


def _in_force(encoder: str) -> Sequence[sa.ColumnElement[bool]]:
    """Of each path the row of the latest prompt set, if it has a vector: only that says what lies
    there.
    """
    image, newer = daily_clip_inference.c, daily_clip_inference.alias("newer")
    prompts = f"{encoder}/prompts-"
    later = sa.tuple_(newer.c.computed_at, newer.c.model_id) > sa.tuple_(
        image.computed_at, image.model_id
    )
    replaced = sa.exists().where(
        newer.c.image_path == image.image_path,
        newer.c.model_id.startswith(prompts, autoescape=True),
        later,
    )
    return image.model_id.startswith(prompts, autoescape=True), image.status == "ok", ~replaced


def _many(connection: sa.Connection, filters: Sequence[sa.ColumnElement[bool]]) -> bool:
    """Whether the filters leave so many images that to look at each would take longer than the
    index.
    """
    if not filters:
        return True  # or there would be no index
    some = (
        sa.select(sa.literal(1))
        .select_from(daily_clip_inference)
        .where(*filters)
        .limit(INDEX_FROM)
        .subquery()
    )
    return connection.scalar(sa.select(sa.func.count()).select_from(some)) == INDEX_FROM


def _nearest(
    connection: sa.Connection,
    encoder: str,
    vector: npt.ArrayLike,
    k: int,
    wanted: Sequence[sa.ColumnElement[bool]],
    *,
    exact: bool,
) -> list[NearImage]:
    image = daily_clip_inference.c
    there = sa.exists().where(image.content_sha256 == image_embedding.c.content_sha256, *wanted)
    near = (
        distances(encoder, vector, exact=exact)
        .where(there)
        .limit(k)
        .cte("near")
        .prefix_with("MATERIALIZED")
    )
    similarity = (1 - near.c.distance).label("similarity")
    columns = [similarity if name == "similarity" else image[name] for name in NearImage._fields]
    statement = (
        sa.select(*columns)
        .join(near, near.c.content_sha256 == image.content_sha256)
        .where(*wanted)
        .order_by(near.c.distance, image.image_path)
        .limit(k)
    )
    return [NearImage(*row) for row in connection.execute(statement)]


def replace_room_days(
    connection: sa.Connection, encoder: str, model_id: str, day: dt.date, run_id: str
) -> int:
    """Replace a day's rows of `room_day_embedding`, inside the caller's transaction; returns how
    many rooms have one.

    A room's vector is the mean of its images' vectors, scaled to length 1, from the day's `ok` rows
    of `model_id` in `daily_clip_inference`; its growth day is that of most images (the earlier of
    two with as many).
    """
    image, table = daily_clip_inference.c, room_day_embedding
    connection.execute(
        sa.delete(table).where(table.c.image_date == day, table.c.encoder == encoder)
    )
    mean = sa.func.avg(image.embedding)
    days = (
        sa.select(
            image.image_date, image.room_id, sa.literal(encoder), sa.func.l2_normalize(mean), sa.func.count(),
            sa.func.mode().within_group(image.growth_day), sa.literal(run_id), sa.func.now(),
        )
        .where(image.image_date == day, image.model_id == model_id, image.status == "ok")
        .group_by(image.image_date, image.room_id)
        .having(sa.func.vector_norm(mean) > 0)
    )  # fmt: skip
    insert = sa.insert(table).from_select([column.name for column in table.columns], days)
    return len(connection.execute(insert.returning(table.c.room_id)).all())


def similar_room_days(
    connection: sa.Connection, encoder: str, room_id: str, day: dt.date, k: int
) -> list[NearRoomDay]:
    """The k past days, of any room, that looked most like a room's day, the most like first; none
    without its vector.

    Days after it, the same day elsewhere, and the `TRIVIAL_DAYS` before it in the same room are
    left out. Exact: a farm of 100 rooms has 36,500 room days a year.
    """
    own, past, report = (
        room_day_embedding.alias("own").c,
        room_day_embedding.alias("past").c,
        daily_room_report.c,
    )
    distance = past.embedding.cosine_distance(own.embedding)
    trivial = sa.and_(past.room_id == own.room_id, past.image_date >= own.image_date - TRIVIAL_DAYS)
    written = sa.and_(report.room_id == past.room_id, report.stat_date == past.image_date)
    statement = (
        sa.select(
            past.room_id,
            past.image_date,
            1 - distance,
            past.growth_day,
            past.image_count,
            report.verdict,
        )
        .select_from(
            sa.join(own.embedding.table, past.embedding.table, own.encoder == past.encoder)
        )
        .outerjoin(daily_room_report, written)
        .where(own.encoder == encoder, own.room_id == room_id, own.image_date == day)
        .where(past.image_date < own.image_date, ~trivial)
        .order_by(distance, past.image_date.desc(), past.room_id)
        .limit(k)
    )
    return [NearRoomDay(*row) for row in connection.execute(statement)]

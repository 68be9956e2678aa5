"""What looks alike: the images nearest to a vector.

Similarity is the cosine, -1 to 1. Only vectors of one model are ever compared. Inference makes the
vectors; the index of `index` makes the search quick. Days that look alike are in `room_days`.
"""

import datetime as dt
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from mushroom_assets.storage.schema import daily_clip_inference, image_embedding
from mushroom_assets.storage.vision.index import (
    INDEX_FROM,
    distances,
    through_index,
    usable_ef_search,
)

MAX_EF_SEARCH = 1_000  # pgvector's


class NearImage(NamedTuple):
    """An image and how similar it is.

    Stage and condition are those of the latest prompt set, None where there is none.
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
    """The k images most similar to a vector, in that order; fewer only if there are no more.

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
        exact: scan all vectors even if there is an index. Use it for vectors unlike any image, such
            as those of texts: the index was measured with images.
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
        # Otherwise the index scan ended, after its 20,000 tuples, with fewer rows
        if len(found) == k:
            return found
    return _nearest(connection, encoder, vector, k, wanted, exact=True)


def _in_force(encoder: str) -> Sequence[sa.ColumnElement[bool]]:
    """Conditions: for each path the row of the latest prompt set, if it has a vector.

    Only that row says what lies there.
    """
    image = daily_clip_inference.c
    newer = daily_clip_inference.alias("newer").c
    prompts = f"{encoder}/prompts-"
    this = sa.tuple_(image.computed_at, image.model_id)
    other = sa.tuple_(newer.computed_at, newer.model_id)
    replaced = sa.exists().where(
        newer.image_path == image.image_path,
        newer.model_id.startswith(prompts, autoescape=True),
        other > this,
    )
    return image.model_id.startswith(prompts, autoescape=True), image.status == "ok", ~replaced


def _many(connection: sa.Connection, filters: Sequence[sa.ColumnElement[bool]]) -> bool:
    """Whether the filters leave so many images that a look at each takes longer than the index."""
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

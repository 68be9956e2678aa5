"""What looks alike: the images nearest to a vector.

Similarity is the cosine, -1 to 1. Only vectors of one model are ever compared. Inference makes the
vectors; the index of `index` makes the search quick. Days that look alike are in `room_days`.
"""

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from mushroom_assets.storage.schema import daily_clip_inference, image_embedding
from mushroom_assets.storage.vision.index import (
    NEAREST,
    configured,
    distances,
    finds_itself,
    through_index,
    usable_ef_search,
)

# Of so many times k nearest those in force are looked for first: a path has a row for each prompt
# set, and a few vectors are of images that are gone. Then of MORE times as many
CANDIDATES = 4
MORE = 8
# A scan reads each page that has rows which pass, once and in the order of the pages, where the
# planner would rather read all or, along an index, one page again for each prompt set: of a room
# with a quarter of 100,000 images, twice labelled, 53 ms of processor time in place of 110. To
# compile its expressions takes PostgreSQL longer than they do.
SCAN = {"random_page_cost": "1", "enable_indexscan": "off", "jit": "off"}


class NearImage(NamedTuple):
    """An image and how similar it is: columns of its row in `daily_clip_inference`.

    The row is that of the latest prompt set; labels are None where there are none.
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
    camera: str | None
    familiarity: float | None
    scores: dict[str, dict[str, float]] | None
    probe_stage: str | None
    probe_stage_probability: float | None
    probe_condition: str | None
    probe_condition_probability: float | None
    probe_id: str | None


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
) -> list[NearImage]:
    """The k images most similar to a vector, in that order; fewer only if there are no more.

    Several paths with the same bytes are several images. Vectors whose image is gone, or was
    replaced, do not count. The index answers only what it was measured with: up to `NEAREST` of all
    images, for a vector that is itself stored. All else is a scan of all images that pass.

    Args:
        connection: a connection in a transaction.
        encoder: the model's name.
        vector: shape (d,), of that model.
        k: how many.
        rooms: only these rooms.
        since: from this farm day on.
        until: up to this farm day, included.
    """
    image = daily_clip_inference.c
    filters: list[sa.ColumnElement[bool]] = [] if rooms is None else [image.room_id.in_(rooms)]
    filters += [] if since is None else [image.image_date >= since]
    filters += [] if until is None else [image.image_date <= until]

    if not filters and k <= NEAREST:
        contents = _by_index(connection, encoder, vector, CANDIDATES * k)
        found = _images(connection, encoder, vector, k, contents, filters)
        if len(found) == k:
            return found
    return _by_scan(connection, encoder, vector, k, filters)


def _in_force(encoder: str) -> Sequence[sa.ColumnElement[bool]]:
    """Conditions: for each path the row of the latest prompt set, if it has a vector.

    Only that row says what lies there.
    """
    image = daily_clip_inference.c
    newer = daily_clip_inference.alias("newer").c
    this = sa.tuple_(image.computed_at, image.model_id)
    other = sa.tuple_(newer.computed_at, newer.model_id)
    replaced = sa.exists().where(
        newer.image_path == image.image_path,
        _by_model(newer, encoder),
        other > this,
    )
    return _by_model(image, encoder), image.status == "ok", ~replaced


def _by_model(image: sa.ColumnCollection[str, Any], encoder: str) -> sa.ColumnElement[bool]:
    """Whether a row is of a model, whatever the prompts."""
    prompts = f"{encoder}/prompts-"
    is_own: sa.ColumnElement[bool] = image["model_id"].startswith(prompts, autoescape=True)
    return is_own


def _by_index(
    connection: sa.Connection, encoder: str, vector: npt.ArrayLike, count: int
) -> Sequence[str]:
    """The contents nearest to a stored vector through the index; none where it is not to be used.

    It was measured with stored vectors. A vector that does not find itself is unlike all of them,
    as texts and new pictures are, of whose nearest the index found 0.4, or the index does not lead
    to it.
    """
    ef_search = usable_ef_search(connection, encoder)
    if ef_search is None:
        return []
    with through_index(connection, ef_search):
        near = connection.execute(distances(encoder, vector, exact=False).limit(count)).all()
    is_there = finds_itself([row.distance for row in near])
    return [row.content_sha256 for row in near] if is_there else []


def _by_scan(
    connection: sa.Connection,
    encoder: str,
    vector: npt.ArrayLike,
    k: int,
    filters: Sequence[sa.ColumnElement[bool]],
) -> list[NearImage]:
    """As `nearest_images`, by comparing the vector with that of each image that passes."""
    nearest: sa.Select[Any] = distances(encoder, vector, exact=True)
    if filters:
        nearest = _of_images(encoder, vector, filters)
    count = CANDIDATES * k
    while True:
        with configured(connection, SCAN):
            contents = connection.scalars(nearest.limit(count)).all()
        found = _images(connection, encoder, vector, k, contents, filters)
        if len(found) == k or len(contents) < count:
            return found
        count *= MORE


def _of_images(
    encoder: str, vector: npt.ArrayLike, filters: Sequence[sa.ColumnElement[bool]]
) -> sa.Select[tuple[str]]:
    """The contents of images that pass, of any prompt set, nearest first; one may come repeatedly.

    The vectors are those in the images' own rows: one pass, without a join. What is in force is
    asked of the few nearest only: for each row it takes longer than its distance.
    """
    image = daily_clip_inference.c
    distance = image.embedding.cosine_distance(np.asarray(vector, dtype=np.float32))
    usable = (_by_model(image, encoder), image.status == "ok")
    return sa.select(image.content_sha256).where(*filters, *usable).order_by(distance)


def _images(
    connection: sa.Connection,
    encoder: str,
    vector: npt.ArrayLike,
    k: int,
    contents: Sequence[str],
    filters: Sequence[sa.ColumnElement[bool]],
) -> list[NearImage]:
    """Of the images with these contents that pass and are in force the k nearest, then by path."""
    image = daily_clip_inference.c
    distance = image.embedding.cosine_distance(np.asarray(vector, dtype=np.float32))
    names = [name for name in NearImage._fields if name != "similarity"]
    among = image.content_sha256 == sa.any_(sa.literal(list(contents), ARRAY(sa.Text)))
    statement = (
        sa.select((1 - distance).label("similarity"), *(image[name] for name in names))
        .where(among, *filters, *_in_force(encoder))
        .order_by(distance, image.image_path)
        .limit(k)
    )
    return [NearImage(**row) for row in connection.execute(statement).mappings()]

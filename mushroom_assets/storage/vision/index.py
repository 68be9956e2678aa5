"""The HNSW index of a model's vectors, as searches use it: its name, its state, a way through it.

The vectors are those of `image_embedding`. Each model has a partial index of its own, because each
has its own number of dimensions; they come and go with the models and are not part of the schema
(`migrations.include`). Here are the statements of searches. `search` decides what to ask of the
vectors; `index_build` builds and measures an index.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from pgvector.sqlalchemy import VECTOR

from mushroom_assets.storage.schema import SCHEMA, image_embedding

# An index is measured by what it finds of so many nearest, and asked for no more
NEAREST = 10
# Cosine distance of a vector to itself: 1e-7 in single precision
SAME = 1e-6


def index_name(encoder: str) -> str:
    """The name of a model's index: 37 bytes of PostgreSQL's 63, whatever the model is called."""
    return f"hnsw_image_embedding_{hashlib.sha256(encoder.encode()).hexdigest()[:16]}"


def index_state(connection: sa.Connection, encoder: str) -> tuple[bool, dict[str, Any]]:
    """Whether the index is there and whole, and what was measured of it.

    The measurements are kept as the index's comment.
    """
    statement = sa.text(
        "SELECT indisvalid, obj_description(indexrelid, 'pg_class') FROM pg_index "
        "WHERE indexrelid = to_regclass(:name)"
    )
    row = connection.execute(statement, {"name": f"{SCHEMA}.{index_name(encoder)}"}).one_or_none()
    return (row[0], json.loads(row[1] or "{}")) if row else (False, {})


def usable_ef_search(connection: sa.Connection, encoder: str) -> int | None:
    """The ef_search with which a model's index was measured to find `RECALL`.

    None: search exactly.
    """
    valid, measured = index_state(connection, encoder)
    return measured.get("ef_search") if valid else None


def distances(encoder: str, vector: npt.ArrayLike, *, exact: bool) -> sa.Select[tuple[str, float]]:
    """Content and cosine distance of a model's vectors, nearest first.

    Args:
        encoder: the model's name; it goes into the statement as a literal, or else the planner
            could not tell that the partial index holds what is asked for.
        vector: shape (d,).
        exact: use no index, even if there is one. The index is of `embedding::vector(d)`: without
            the cast the order is another expression than the index's.
    """
    probe = np.asarray(vector, dtype=np.float32)
    stored = image_embedding.c
    own = stored.embedding if exact else sa.cast(stored.embedding, VECTOR(len(probe)))
    distance = own.cosine_distance(probe).label("distance")
    model = stored.encoder == sa.bindparam(None, encoder, sa.Text, literal_execute=True)
    return sa.select(stored.content_sha256, distance).where(model).order_by(distance)


def finds_itself(near: Sequence[float]) -> bool:
    """Whether a vector is the nearest to itself, by the distances that the index found, in order.

    If not, it is not stored, or the way through the index does not lead to where it lies: among
    100,000 vectors of cameras far apart that happened to 3 of 100. What the index found is then
    nothing to go by.
    """
    return bool(near) and near[0] < SAME


@contextmanager
def through_index(connection: sa.Connection, ef_search: int) -> Iterator[None]:
    """Statements inside go through the HNSW index, which returns `ef_search` rows at most.

    The planner has no choice: it takes a distance for cheap and would compute them all. No filter
    belongs inside: pgvector filters what the index returned. Where too little of it passes,
    `hnsw.iterative_scan` goes on batch by batch until there are enough rows, which are the first
    that were met and not the nearest: of a quarter of 20,000 vectors, those of one room, it found
    0.09 of the ten nearest to another room's image.
    """
    settings = {
        "enable_seqscan": "off", "enable_bitmapscan": "off", "enable_sort": "off",
        "hnsw.ef_search": str(ef_search), "hnsw.iterative_scan": "off",
    }  # fmt: skip
    with configured(connection, settings):
        yield


@contextmanager
def configured(connection: sa.Connection, settings: dict[str, str]) -> Iterator[None]:
    """Statements inside have these parameters of the server.

    They end with the block, by a savepoint that is rolled back.
    """
    with connection.begin_nested() as savepoint:
        configure(connection, settings, local=True)
        yield
        savepoint.rollback()


def configure(connection: sa.Connection, settings: dict[str, str], *, local: bool) -> None:
    """Set parameters of the server until the transaction (`local`) or the session ends."""
    calls = [sa.func.set_config(name, value, local) for name, value in settings.items()]
    connection.execute(sa.select(*calls))

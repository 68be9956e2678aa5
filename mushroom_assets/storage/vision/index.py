"""The HNSW index of a model's vectors, as searches use it: its name, its state, a way through it.

The vectors are those of `image_embedding`. Each model has a partial index of its own, because each
has its own number of dimensions; they come and go with the models and are not part of the schema
(`migrations.include`). Here are the statements of searches. `search` decides what to ask of the
vectors; `index_build` builds and measures an index.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from pgvector.sqlalchemy import VECTOR

from mushroom_assets.storage.schema import SCHEMA, image_embedding

# Medians for 512 dimensions on two busy cores: at 1,000 vectors an exact scan takes 15 ms and the
# index 22, at 2,000 24 and 28, at 3,000 36 and 9, at 10,000 127 and 10. They were measured while
# vectors still lay in TOAST instead of in their rows.
INDEX_FROM = 2_000


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
        exact: use no index, even if there is one: `+ 0` makes the order another expression than the
            index's.
    """
    probe = np.asarray(vector, dtype=np.float32)
    stored = image_embedding.c
    distance = sa.cast(stored.embedding, VECTOR(len(probe))).cosine_distance(probe)
    order = distance + sa.literal_column("0") if exact else distance
    model = stored.encoder == sa.bindparam(None, encoder, sa.Text, literal_execute=True)
    return sa.select(stored.content_sha256, distance.label("distance")).where(model).order_by(order)


@contextmanager
def through_index(connection: sa.Connection, ef_search: int) -> Iterator[None]:
    """Statements inside go through the HNSW index.

    They continue in it until enough rows pass their filters. The planner has no choice: it counts
    vectors in TOAST as free and would scan them all, or all of a room. The settings end with the
    block, by a savepoint that is rolled back.
    """
    settings = {
        "enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off",
        "enable_bitmapscan": "off", "enable_sort": "off",
        "hnsw.ef_search": str(ef_search), "hnsw.iterative_scan": "strict_order",
    }  # fmt: skip
    with connection.begin_nested() as savepoint:
        configure(connection, settings, local=True)
        yield
        savepoint.rollback()


def configure(connection: sa.Connection, settings: dict[str, str], *, local: bool) -> None:
    """Set parameters of the server until the transaction (`local`) or the session ends."""
    calls = [sa.func.set_config(name, value, local) for name, value in settings.items()]
    connection.execute(sa.select(*calls))

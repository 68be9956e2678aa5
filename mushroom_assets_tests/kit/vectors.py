"""Images with vectors, straight into the tables: as inference leaves them, without a model."""

import datetime as dt
import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.schema import daily_clip_inference, image_embedding

Floats = npt.NDArray[np.float32]
ENCODER = "ViT-T/test-weights"
DAY = dt.date(2026, 1, 10)
NOON = dt.datetime(2026, 1, 10, 4, tzinfo=dt.UTC)


def unit(vectors: npt.ArrayLike) -> Floats:
    found = np.asarray(vectors, dtype=np.float32)
    scaled: Floats = (found / np.linalg.norm(found, axis=-1, keepdims=True)).astype(np.float32)
    return scaled


def clusters(count: int, dimensions: int, seed: int = 0) -> Floats:
    """Unit vectors around eight middles, as cameras make them."""
    random = np.random.default_rng(seed)
    middles = np.random.default_rng(99).standard_normal((8, dimensions))
    return unit(
        middles[random.integers(0, 8, count)] + 0.5 * random.standard_normal((count, dimensions))
    )


def cameras_apart(count: int, dimensions: int, seed: int = 0) -> Floats:
    """Unit vectors of eight cameras in turn, far apart, that drift from day to day (192 a day)."""
    random = np.random.default_rng(seed)
    fixed = np.random.default_rng(98)
    middles = fixed.standard_normal((8, dimensions))
    drift = fixed.standard_normal((8, dimensions))
    number = np.arange(count)
    days = (number // 192)[:, None]
    camera = number % 8
    own = 0.3 * random.standard_normal((count, dimensions))
    return unit(middles[camera] + 0.05 * days * drift[camera] + own)


def content(number: int | str) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def path(number: int | str) -> str:
    return f"611/20260110/{number}.jpg"


def put_vectors(
    database: Database, vectors: npt.ArrayLike, encoder: str = ENCODER, first: int = 0
) -> None:
    """`image_embedding`: contents first, first + 1, ..."""
    rows = [
        {
            "content_sha256": content(number), "encoder": encoder, "embedding": vector,
            "width": 8, "height": 8, "sharpness": 1.0, "brightness": 0.5,
        }
        for number, vector in enumerate(np.asarray(vectors, dtype=np.float32), first)
    ]  # fmt: skip
    with database.transaction() as connection:
        connection.execute(sa.insert(image_embedding), rows)


def image(number: int | str, vector: npt.ArrayLike | None, **changed: Any) -> dict[str, Any]:
    """A row of `daily_clip_inference`."""
    row: dict[str, Any] = dict.fromkeys(column.name for column in daily_clip_inference.columns)
    status = "unreadable" if vector is None else "ok"
    row |= {
        "image_path": path(number), "model_id": f"{ENCODER}/prompts-0000000a", "room_id": "611",
        "image_date": DAY, "captured_at": NOON, "status": status, "content_sha256": content(number),
        "embedding": vector, "stage": "fruiting", "stage_probability": 0.75, "condition": "healthy",
        "condition_probability": 0.5, "growth_day": 6, "settings_version": 0,
        "run_id": "run-1", "computed_at": NOON,
    }  # fmt: skip
    return row | changed


def put_images(database: Database, rows: Sequence[dict[str, Any]]) -> None:
    with database.transaction() as connection:
        connection.execute(sa.insert(daily_clip_inference), list(rows))


def put(database: Database, vectors: npt.ArrayLike, **changed: Any) -> None:
    """Vectors and an image of each."""
    put_vectors(database, vectors)
    exact = np.asarray(vectors, np.float32)
    put_images(database, [image(number, vector, **changed) for number, vector in enumerate(exact)])

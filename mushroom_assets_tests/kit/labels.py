"""Helpers of the tests about labels: images that a day has seen, their vectors and labels."""

import datetime as dt
import hashlib
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.schema import daily_clip_inference, image_embedding
from mushroom_assets.storage.vision.labels import seen_contents, store_labels

ENCODER = "tiny/weights-1"
NOON = dt.datetime(2026, 1, 10, 4, tzinfo=dt.UTC)


def sha(content: str) -> str:
    """The SHA-256 that an image of this name has here."""
    return hashlib.sha256(content.encode()).hexdigest()


def image_path(room: str, day: int, hour: int) -> str:
    """The path of camera 1's image of an hour of a day in January 2026."""
    return f"{room}/202601{day:02}/{room}_cam1_202615_202601{day:02}{hour:02}0000.jpg"


def see(
    database: Database,
    path: str,
    content: str,
    *,
    vector: Sequence[float] | None = (1.0, 0.0),
    encoder: str = ENCODER,
    prompts: str = "p1",
    at: dt.datetime = NOON,
    **judged: Any,
) -> None:
    """Let a day have seen an image: its row of `daily_clip_inference`, and its vector if given."""
    room, day, _ = path.split("/")
    row = {
        "image_path": path,
        "model_id": f"{encoder}/prompts-{prompts}",
        "room_id": room,
        "image_date": dt.datetime.strptime(day, "%Y%m%d").date(),  # noqa: DTZ007
        "status": "ok",
        "content_sha256": sha(content),
        "embedding": [1.0, 0.0],
        "run_id": "run",
        "computed_at": at,
    } | judged
    with database.transaction() as connection:
        table = daily_clip_inference.c
        connection.execute(
            sa.delete(daily_clip_inference).where(
                table.image_path == path, table.model_id == row["model_id"]
            )
        )
        connection.execute(sa.insert(daily_clip_inference).values(**row))
    if vector is not None:
        keep_vector(database, content, vector, encoder=encoder, at=at)


def keep_vector(
    database: Database,
    content: str,
    vector: Sequence[float],
    *,
    encoder: str = ENCODER,
    at: dt.datetime = NOON,
) -> None:
    """Let a model have a vector of an image's bytes."""
    row = {
        "content_sha256": sha(content),
        "encoder": encoder,
        "embedding": list(vector),
        "computed_at": at,
    }
    measures = {"width": 160, "height": 120, "sharpness": 1.0, "brightness": 0.5}
    with database.transaction() as connection:
        table = image_embedding.c
        connection.execute(
            sa.delete(image_embedding).where(
                table.content_sha256 == sha(content), table.encoder == encoder
            )
        )
        connection.execute(sa.insert(image_embedding).values(**row, **measures))


def say(
    database: Database,
    path: str,
    stage: str | None = None,
    condition: str | None = None,
    by: str | None = None,
) -> int:
    """Store a label of an image as a day last saw it; returns how many rows changed."""
    with database.transaction() as connection:
        content = seen_contents(connection, [path])[path]
        row = {
            "image_path": path,
            "content_sha256": content,
            "stage": stage,
            "condition": condition,
            "labelled_by": by,
        }
        return store_labels(connection, [row])

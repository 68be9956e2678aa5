"""Images that nobody has labelled: of each camera and day the least familiar, the least certain.

`domain.label_queue` chooses among them.
"""

from typing import Any

import sqlalchemy as sa

from mushroom_assets.domain.label_queue import Candidate
from mushroom_assets.storage.schema import daily_clip_inference, image_label


def unfamiliar(connection: sa.Connection, encoder: str) -> list[Candidate]:
    """The least familiar image of each camera and day, by a model, the least familiar first.

    None where the model's weights do not say what they learned.
    """
    return _firsts(connection, encoder, "familiarity")


def uncertain(connection: sa.Connection, encoder: str) -> list[Candidate]:
    """The image of each camera and day whose stage is least certain, the least certain first."""
    return _firsts(connection, encoder, "margin")


def _firsts(connection: sa.Connection, encoder: str, by: str) -> list[Candidate]:
    image = _open(encoder)
    first = (
        sa.select(image)
        .distinct(image.c.room_id, image.c.camera, image.c.image_date)
        .where(image.c[by].is_not(None))
        .order_by(
            image.c.room_id, image.c.camera, image.c.image_date, image.c[by], image.c.image_path
        )
        .subquery()
    )
    statement = sa.select(first).order_by(first.c[by], first.c.image_path)
    return [Candidate(*row) for row in connection.execute(statement)]


def _open(encoder: str) -> Any:
    """The usable images whose bytes have no label, as the model's latest prompts judged them."""
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
        .order_by(image.image_path, image.computed_at.desc(), image.model_id.desc())
        .subquery()
    )
    labelled = sa.exists().where(image_label.c.content_sha256 == latest.c.content_sha256)
    columns = [latest.c[name] for name in Candidate._fields]
    return sa.select(*columns).where(latest.c.status == "ok", ~labelled).subquery()

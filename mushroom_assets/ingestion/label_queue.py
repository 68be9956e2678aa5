"""A file of images to be labelled next, to be filled in and loaded by `labels`.

Which images they are is the business of `domain.label_queue`. The model's own labels are left out:
they would be copied.
"""

import csv
import io
from collections.abc import Sequence

import sqlalchemy as sa

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.label_queue import Queued, queue
from mushroom_assets.domain.texts import say
from mushroom_assets.ingestion.report import LoadError
from mushroom_assets.storage.vision.label_queue import uncertain, unfamiliar

HEADER = (
    "image_path",
    "stage",
    "condition",
    "labelled_by",
    "reason",
    "familiarity",
    "margin",
)


def label_queue(connection: sa.Connection, encoder: str, count: int, farm: Farm) -> list[Queued]:
    """The images that people should label next, as a model judged them.

    Raises:
        LoadError: there is none.
    """
    odd = unfamiliar(connection, encoder)
    unsure = uncertain(connection, encoder, farm.vision.unfamiliar_below)
    found = queue(odd, unsure, count)
    if not found:
        remedy = "materialize daily_clip_inference, for a day with images"
        raise LoadError(f"no image without a label was judged by {encoder}. Remedy: {remedy}")
    return found


def queue_text(found: Sequence[Queued], farm: Farm) -> str:
    """The images as CSV, with empty cells for what people see."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for image, reason in found:
        familiarity = "" if image.familiarity is None else f"{image.familiarity:.4f}"
        why = [say(f"queue_{reason}", farm), familiarity, f"{image.margin:.4f}"]
        writer.writerow([image.image_path, "", "", "", *why])
    return text.getvalue()

"""How `mushroom similar` shows what it found: a table, a JSON document, a page for a browser.

What is searched for and found is in `similar`; what the page looks like in `metadata.alike`.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from mushroom_assets.cli.similar import Answer, Filters, SimilarError
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.origin import origin
from mushroom_assets.domain.texts import say
from mushroom_assets.domain.vision import UNKNOWN
from mushroom_assets.inference.thumbnails import thumbnails
from mushroom_assets.metadata.alike import Asked, alike_page
from mushroom_assets.resources import ImageStore
from mushroom_assets.storage.vision.search import NearImage

COLUMNS: tuple[str, ...] = (
    "rank",
    "similarity",
    "room",
    "captured",
    "growth day",
    "stage",
    "condition",
    "path",
)


def as_lines(answer: Answer, farm: Farm) -> list[str]:
    """What the argument is, then the images as a table."""
    is_random = origin(answer.encoder) == "random"
    note = ["random weights: stages and conditions mean nothing"] if is_random else []
    told = f"{answer.argument}: {answer.query.taken_for}, by {answer.encoder}"
    return [told, *note, *table(answer.images, farm)]


def as_json(answer: Answer, farm: Farm) -> str:
    """One document: `query`, `filters` and `images`, whose keys the README explains."""
    query = {
        "text": answer.argument,
        "kind": answer.query.kind,
        "encoder": answer.encoder,
        "labels_from": origin(answer.images[0].model_id),
    }
    images = []
    for rank, image in enumerate(answer.images, start=1):
        captured = image.captured_at.astimezone(farm.zone).isoformat()
        images.append({"rank": rank, **image._asdict(), "captured_at": captured})
    days = {name: str(day) if day else None for name, day in _days(answer.filters).items()}
    filters = {"k": answer.k, "rooms": list(answer.filters.rooms), **days}
    document = {"query": query, "filters": filters, "images": images}
    return json.dumps(document, ensure_ascii=False, indent=2)


def write_page(answer: Answer, farm: Farm, file: Path) -> None:
    """A page that needs no other file, with pictures as far as they can be read.

    Raises:
        SimilarError: the file cannot be written.
        ImageStoreUnavailable, ImageStoreRefused: the store is away, or does not let us in.
    """
    argument = answer.argument
    store = ImageStore().images()
    pictures = thumbnails([image.image_path for image in answer.images], store.read)
    read = _read_disk if answer.query.kind == "file" else store.read
    own = {} if answer.query.kind == "words" else thumbnails([argument], read)
    asked = Asked(
        text=argument,
        is_words=answer.query.kind == "words",
        encoder=answer.encoder,
        filters=_filters_text(answer.filters, farm),
        picture=own.get(argument),
    )
    page = alike_page(asked, answer.images, pictures, farm)
    try:
        file.write_text(page, encoding="utf-8")
    except OSError as error:
        remedy = "name a file in a folder that you may write to"
        raise SimilarError(f"the page cannot be written: {error}. Remedy: {remedy}") from error


def _read_disk(path: str) -> bytes:
    return Path(path).read_bytes()


def _days(filters: Filters) -> dict[str, object]:
    return {"since": filters.since, "until": filters.until}


def _filters_text(filters: Filters, farm: Farm) -> str:
    """Rooms and days that were searched, in words; nothing where all were."""
    comma = say("comma", farm)
    parts = []
    if filters.rooms:
        parts.append(say("alike_rooms", farm, rooms=comma.join(filters.rooms)))
    parts += [say(f"alike_{key}", farm, day=day) for key, day in _days(filters).items() if day]
    return comma.join(parts)


def table(images: Sequence[NearImage], farm: Farm) -> list[str]:
    """The images as lines with aligned columns; captures in the farm's time."""
    rows = [COLUMNS]
    rows += [_cells(rank, image, farm) for rank, image in enumerate(images, start=1)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [_aligned(row, widths) for row in rows]


def _cells(rank: int, image: NearImage, farm: Farm) -> tuple[str, ...]:
    """One image, in the order of `COLUMNS`."""
    return (
        str(rank),
        f"{image.similarity:.4f}",
        image.room_id,
        f"{image.captured_at.astimezone(farm.zone):%Y-%m-%d %H:%M}",
        str(image.growth_day or "-"),
        _label(image.stage, image.stage_probability),
        _label(image.condition, image.condition_probability),
        image.image_path,
    )


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
    return "  ".join(padded).rstrip()


def _label(name: str | None, probability: float | None) -> str:
    if name is None or probability is None:
        return "-"
    # The probability is that of the label which would have been named
    return name if name == UNKNOWN else f"{name} {probability:.0%}"

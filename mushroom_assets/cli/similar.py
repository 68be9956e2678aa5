"""`mushroom similar`: what its argument stands for, the vector of that, and the images like it as a
table for people.

The search itself is the business of `storage.search`. A model is loaded only where no vector is
stored: for words, and for pictures that no day has seen.
"""

import datetime as dt
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from mushroom_assets.domain.farm import Farm, Label
from mushroom_assets.domain.vision import label_vectors
from mushroom_assets.resources import ClipResource, ImageStore
from mushroom_assets.settings import Settings
from mushroom_assets.storage.vision.search import (
    NearImage,
    has_vectors,
    nearest_images,
    stored_vector,
)

if TYPE_CHECKING:
    from mushroom_assets.inference.encoder import ClipEncoder

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif")
COLUMNS = ("rank", "similarity", "room", "captured", "growth day", "stage", "condition", "path")


class SimilarError(RuntimeError):
    """Nothing to search with or in; the message says why and what to do."""


class Query(NamedTuple):
    """What is looked for: the argument in words, its vector, and whether that is of words and not
    of a picture.
    """

    taken_for: str
    vector: npt.NDArray[np.float32]
    of_words: bool = False


def similar(
    connection: sa.Connection,
    settings: Settings,
    farm: Farm,
    argument: str,
    k: int,
    rooms: Sequence[str] = (),
    since: dt.date | None = None,
    until: dt.date | None = None,
) -> list[str]:
    """The k images most like a picture or words, as lines of a table after one that says what the
    argument is.

    Raises:
        SimilarError: nothing is stored for the model, the picture cannot be used, or no image
            passes the filters.
    """
    name = encoder_name(settings)
    if not has_vectors(connection, name):
        raise SimilarError(
            f"no image has a vector of {name} yet. Remedy: materialize daily_clip_inference, for a day with images"
        )
    query = find_query(connection, name, farm, argument)
    # Words are like no image: an index that finds 0.99 of what is nearest to images found 0.43 for
    # them.
    found = nearest_images(
        connection,
        name,
        query.vector,
        k,
        rooms=rooms or None,
        since=since,
        until=until,
        exact=query.of_words,
    )
    if not found:
        raise SimilarError(f"no image with a vector of {name} is in these rooms and days")
    note = ["random weights: stages and conditions mean nothing"] if "/random-" in name else []
    return [f"{argument}: {query.taken_for}, by {name}", *note, *table(found, farm)]


def encoder_name(settings: Settings) -> str:
    """The name that `ClipEncoder` has, without loading it.

    Raises:
        SimilarError: no such model or weights.
    """
    from mushroom_assets.inference.weights import UnknownModel, WeightsUnavailable, find_weights

    try:
        weights = find_weights(settings.clip_model, settings.clip_pretrained)
    except (UnknownModel, WeightsUnavailable) as error:
        raise SimilarError(str(error)) from error
    return f"{weights.model}/{weights.name}"


def find_query(connection: sa.Connection, name: str, farm: Farm, argument: str) -> Query:
    """A file on disk, else a path in the image store, else words.

    Raises:
        SimilarError: a picture's name that is nowhere, or a picture that cannot be used.
    """
    if os.path.isfile(argument):  # noqa: PTH113 - Path.is_file raises where words are longer than a file's name may be
        return Query(
            "a file on disk", _of_picture(connection, name, lambda: Path(argument).read_bytes())
        )
    vector = stored_vector(connection, name, image_path=argument)
    if vector is not None:
        return Query("an image of the store, by its stored vector", vector)
    if argument.lower().endswith(PICTURES):
        try:
            return Query(
                "an image of the store",
                _of_picture(connection, name, lambda: ImageStore().read(argument)),
            )
        except FileNotFoundError as error:
            raise SimilarError(
                f"{argument} is neither a file on disk nor in the image store"
            ) from error
    encoder = _loaded()
    words = {argument: Label(prompts=[argument])}  # in the templates that labels are asked in
    vector = label_vectors(words, farm.vision.templates, encoder.encode_texts)[0].astype(np.float32)
    return Query("words (no such file or image)", vector, of_words=True)


def _of_picture(
    connection: sa.Connection, name: str, read: Callable[[], bytes]
) -> npt.NDArray[np.float32]:
    """The vector of a picture: the stored one of its bytes, else the model's."""
    from mushroom_assets.inference.images import ImageFault, content_sha256, read_photo

    try:
        data = read()
        vector = stored_vector(connection, name, content_sha256=content_sha256(data))
        if vector is not None:
            return vector
        encoder = _loaded()
        photo = read_photo(data, min_side=encoder.min_side)
    except FileNotFoundError:
        raise
    except (OSError, ImageFault) as error:
        raise SimilarError(f"the picture cannot be used: {error}") from error
    return encoder.encode_images(encoder.preprocess(photo.image)[None])[0]


def _loaded() -> "ClipEncoder":
    from mushroom_assets.inference.weights import UnknownModel, WeightsUnavailable

    try:
        return ClipResource().encoder()
    except (UnknownModel, WeightsUnavailable) as error:
        raise SimilarError(str(error)) from error


def table(images: Sequence[NearImage], farm: Farm) -> list[str]:
    """The images as lines with aligned columns; captures in the farm's time."""
    rows = [
        (
            str(rank),
            f"{image.similarity:.4f}",
            image.room_id,
            f"{image.captured_at.astimezone(farm.zone):%Y-%m-%d %H:%M}",
            str(image.growth_day or "-"),
            _label(image.stage, image.stage_probability),
            _label(image.condition, image.condition_probability),
            image.image_path,
        )
        for rank, image in enumerate(images, start=1)
    ]
    widths = [max(map(len, column)) for column in zip(COLUMNS, *rows, strict=True)]
    padded = (
        [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        for row in (COLUMNS, *rows)
    )
    return ["  ".join(row).rstrip() for row in padded]


def _label(name: str | None, probability: float | None) -> str:
    return "-" if name is None or probability is None else f"{name} {probability:.0%}"

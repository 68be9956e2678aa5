"""`mushroom similar`: what its argument stands for, its vector, and the images like it.

The search itself lives in `storage.vision.search`, how its answer is shown in `alike`. A model is
loaded only where no vector is stored: for words, and for pictures that no day has seen.
"""

import datetime as dt
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_parts import Label
from mushroom_assets.domain.image_row import MAX_BYTES
from mushroom_assets.domain.label_names import LabelNames
from mushroom_assets.domain.prompts import label_vectors
from mushroom_assets.resources import ClipResource, ImageStore
from mushroom_assets.service.doctor import model_fault
from mushroom_assets.settings import Settings
from mushroom_assets.storage.vision.search import (
    NearImage,
    has_vectors,
    nearest_images,
    stored_vector,
)

if TYPE_CHECKING:
    from mushroom_assets.inference.encoder import ClipEncoder

Vector = npt.NDArray[np.float32]  # of length 1

ENOUGH = MAX_BYTES + 1  # bytes: what has so many is too large to be looked at
# What words are not: begun as a path, ended as a picture's, or without a blank and with a folder or
# an ending
PATH = re.compile(
    r"(/|~|[A-Za-z]:\\).*|.*\.(jpe?g|png|webp|tiff?|bmp|gif)|\S*(/\S*|\.[A-Za-z][A-Za-z0-9]{1,4})",
    re.IGNORECASE,
)


class SimilarError(RuntimeError):
    """Nothing to search with or in; the message says why and what to do."""


class Filters(NamedTuple):
    """Which images are searched: of which rooms (empty: all), from which farm day to which."""

    rooms: Sequence[str] = ()
    since: dt.date | None = None
    until: dt.date | None = None


class Query(NamedTuple):
    """What the argument stands for, in words for people and for programs, and its vector."""

    taken_for: str
    kind: Literal["file", "image", "words"]
    vector: Vector


class Answer(NamedTuple):
    """What was asked, of which model, and the images found; there is at least one."""

    argument: str
    query: Query
    encoder: str
    k: int
    filters: Filters
    images: Sequence[NearImage]


def similar(
    connection: sa.Connection,
    settings: Settings,
    farm: Farm,
    argument: str,
    k: int,
    filters: Filters,
) -> Answer:
    """The k images most like a picture or words.

    Raises:
        SimilarError: nothing is stored for the model, the picture cannot be used, or no image
            passes the filters.
    """
    name = encoder_name(settings)
    if not has_vectors(connection, name):
        remedy = "materialize daily_clip_inference, for a day with images"
        raise SimilarError(f"no image has a vector of {name} yet. Remedy: {remedy}")
    query = find_query(connection, name, farm, argument)
    found = nearest_images(
        connection,
        name,
        query.vector,
        k,
        rooms=filters.rooms or None,
        since=filters.since,
        until=filters.until,
    )
    if not found:
        fault = f"no image with a vector of {name} is in these rooms and days"
        raise SimilarError(f"{fault}. Remedy: more with --room, or wider --since and --until")
    return Answer(argument, query, name, k, filters, found)


def encoder_name(settings: Settings) -> str:
    """The name that `ClipEncoder` has, without loading it.

    Raises:
        SimilarError: no such model or weights.
    """
    from mushroom_assets.inference.weights import UnknownModel, WeightsUnavailable, find_weights

    try:
        weights = find_weights(settings.clip_model, settings.clip_pretrained)
    except (UnknownModel, WeightsUnavailable) as error:
        raise SimilarError(model_fault(error)) from error
    return f"{weights.model}/{weights.name}"


def find_query(connection: sa.Connection, name: str, farm: Farm, argument: str) -> Query:
    """The argument as a file on disk, else as a path in the image store, else as words.

    What stands for a label of the farm file, in any language, is that label's prompts.

    Raises:
        SimilarError: nothing, a path that leads nowhere, or a picture that cannot be used.
    """
    if not argument.strip():
        remedy = "give a picture's path, or words"
        raise SimilarError(f"there is nothing to look for. Remedy: {remedy}")
    # Path.is_file would raise where words are longer than a file's name may be
    if os.path.isfile(argument):  # noqa: PTH113
        vector = _of_picture(connection, name, lambda: _start_of(Path(argument)))
        return Query("a file on disk", "file", vector)
    stored = stored_vector(connection, name, image_path=argument)
    if stored is not None:
        return Query("an image of the store, by its stored vector", "image", stored)
    meant = _label(farm, argument)
    if meant is not None:
        return Query(meant.taken_for, "words", _of_words(farm, meant.label))
    if not PATH.fullmatch(argument):
        words = Label(prompts=[argument])
        return Query("words (no such file or image)", "words", _of_words(farm, words))
    try:
        vector = _of_picture(connection, name, lambda: ImageStore().read_start(argument, ENOUGH))
    except FileNotFoundError as error:
        fault = f"{argument} is neither a file on disk nor in the image store"
        remedy = (
            "correct the path; the store's are FOLDER/YYYYMMDD/FILE, without its URL. "
            "Words have a blank in them, or around them in quotes"
        )
        raise SimilarError(f"{fault}. Remedy: {remedy}") from error
    return Query("an image of the store", "image", vector)


def _start_of(file: Path) -> bytes:
    """A file's bytes, or of a video or a disk image no more than shows that it is too large."""
    with file.open("rb") as opened:
        return opened.read(ENOUGH)


class _Meant(NamedTuple):
    """A label of the farm file, and what the argument was taken for."""

    taken_for: str
    label: Label


def _label(farm: Farm, words: str) -> _Meant | None:
    """The label that words stand for: the first, where a stage and a condition have one name."""
    for kind, labels in (("stage", farm.vision.stages), ("condition", farm.vision.conditions)):
        for name in LabelNames(labels).meant(words):
            return _Meant(f"the {kind} {name}, by its prompts", labels[name])
    return None


def _of_words(farm: Farm, label: Label) -> Vector:
    """The model's vector of words, put into the templates that labels are asked in."""
    encoder = _loaded()
    vectors = label_vectors({"words": label}, farm.vision.templates, encoder.encode_texts)
    vector: Vector = vectors[0].astype(np.float32)
    return vector


def _of_picture(connection: sa.Connection, name: str, read: Callable[[], bytes]) -> Vector:
    """The vector of a picture: the stored one of its bytes, else the model's.

    Raises:
        FileNotFoundError: `read` found nothing.
        SimilarError: the picture cannot be read or decoded.
    """
    from mushroom_assets.inference.images import ImageFault, content_sha256, read_photo

    try:
        data = read()
        stored = stored_vector(connection, name, content_sha256=content_sha256(data))
        if stored is not None:
            return stored
        encoder = _loaded()
        photo = read_photo(data, min_side=encoder.min_side)
    except FileNotFoundError:
        raise
    except (OSError, ImageFault) as error:
        remedy = "give another picture, or one that other programs can open"
        raise SimilarError(f"the picture cannot be used: {error}. Remedy: {remedy}") from error
    vector: Vector = encoder.encode_images(encoder.preprocess(photo.image)[None])[0]
    return vector


def _loaded() -> "ClipEncoder":
    from mushroom_assets.inference.weights import UnknownModel, WeightsUnavailable

    try:
        return ClipResource().encoder()
    except (UnknownModel, WeightsUnavailable) as error:
        raise SimilarError(model_fault(error)) from error

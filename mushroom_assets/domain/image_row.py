"""A row of `daily_clip_inference`: what the file, its name, the batch and the climate say.

This module builds rows from what was read elsewhere. `vision` defines what the labels mean,
`image_key` what a path says.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NotRequired, Protocol, TypedDict, cast

import numpy as np
import numpy.typing as npt

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.growth import growth_on
from mushroom_assets.domain.image_key import ImageKeyError, parse_image_key
from mushroom_assets.domain.marks import neighbour_s
from mushroom_assets.domain.names import VISION
from mushroom_assets.domain.probe import Probe, ProbeColumns, probe_columns
from mushroom_assets.domain.sensors import SPIKE_REACH, Around, RoomQuantity
from mushroom_assets.domain.series import Series, last_known
from mushroom_assets.domain.vision import (
    CLIMATE_COLUMNS,
    CLIMATE_MAX_AGE_S,
    EncodedImage,
    ImageScores,
    Labeller,
)
from mushroom_assets.domain.windows import to_us

Status = Literal["ok", "unreadable", "rejected"]
# Of a file that is read: a 2880x1616 frame has 0.5 MB as a JPEG and 8 as a PNG
MAX_BYTES = 64_000_000


class DailyClipInference(ProbeColumns):
    """A row of `daily_clip_inference`; what writes it adds `model_id`, `run_id`, `computed_at`."""

    image_path: str
    room_id: str
    image_date: dt.date
    status: Status
    error: str | None
    camera: str | None
    captured_at: dt.datetime | None
    growth_day: int | None
    batch_date: dt.date | None
    content_sha256: str | None
    width: int | None
    height: int | None
    embedding: npt.NDArray[np.float32] | None
    precision: str | None
    sharpness: float | None
    brightness: float | None
    stage: str | None
    stage_probability: float | None
    stage_margin: float | None
    condition: str | None
    condition_probability: float | None
    scores: dict[str, dict[str, float]] | None
    familiarity: float | None
    temperature_c: float | None
    humidity_pct: float | None
    co2_ppm: float | None
    settings_version: int
    model_id: NotRequired[str]
    run_id: NotRequired[str]
    computed_at: NotRequired[dt.datetime]


class JudgedImage(DailyClipInference):
    """A row as the file alone gives it, and whether the model worked on the file in this run."""

    computed: bool


class Circumstances(TypedDict, total=False):
    """Batch, growth day and climate at the capture."""

    batch_date: dt.date | None
    growth_day: int | None
    temperature_c: float | None
    humidity_pct: float | None
    co2_ppm: float | None
    settings_version: int


class ImageLabels(ProbeColumns):
    """What zero-shot and the farm's probes say of an image."""

    stage: str
    stage_probability: float
    stage_margin: float
    condition: str
    condition_probability: float
    scores: dict[str, dict[str, float]]
    familiarity: float | None


class Fault(Protocol):
    """Why a file has no vector, and what is known of it all the same."""

    status: Literal["unreadable", "rejected"]
    reason: str
    content_sha256: str | None
    width: int | None
    height: int | None


@dataclass(frozen=True)
class Outcome:
    """The outcome for one file: a vector with the picture's facts, or a fault.

    `computed` says whether the model worked on it just now; otherwise the result was remembered.
    """

    path: str
    encoded: EncodedImage | None = None
    fault: Fault | None = None
    computed: bool = False


@dataclass
class Refusal:
    """A fault of a file that was not read, so that nothing else is known of it."""

    reason: str
    status: Literal["unreadable", "rejected"] = "rejected"
    content_sha256: str | None = None
    width: int | None = None
    height: int | None = None


def refused_unread(path: str, size: int | None, farm: Farm) -> Outcome | None:
    """The outcome of a file that need not be read: its name cannot be, or it is too large.

    None of one that is to be read. What its folder's camera wrote is a picture: a video or a
    backup beside it costs neither memory nor time.

    Args:
        path: in the store.
        size: bytes, as the store lists them, None where it does not.
        farm: its rooms.
    """
    try:
        parse_image_key(path, farm)
    except ImageKeyError as error:
        return Outcome(path, fault=Refusal(str(error)))
    if size is not None and size > MAX_BYTES:
        return Outcome(path, fault=Refusal(too_large(size)))
    return None


def too_large(size: int | None = None) -> str:
    """Why a file of so many bytes is not looked at; without them of one of unknown size."""
    limit = f"more than {MAX_BYTES // 1_000_000} MB"
    return limit if size is None else f"{-(-size // 1_000_000)} MB, {limit}"


def judged_image(outcome: Outcome, room: str, day: dt.date, farm: Farm) -> JudgedImage:
    """The row of a file in a day's folder, as far as the file tells it; the rest is None.

    A file whose name cannot be read is rejected, whatever it shows.
    """
    row = cast("JudgedImage", dict.fromkeys(DailyClipInference.__annotations__))
    row |= {"image_path": outcome.path, "room_id": room, "image_date": day, "status": "ok"}
    row["computed"] = outcome.computed
    row["settings_version"] = 0  # what the file alone tells depends on none
    if outcome.fault is not None:
        _put_fault(row, outcome.fault)
    if outcome.encoded is not None:
        _put_encoded(row, outcome.encoded)
    try:
        key = parse_image_key(outcome.path, farm)
    except ImageKeyError as error:
        row |= {"status": "rejected", "error": str(error), "embedding": None, "precision": None}
    else:
        row |= {"camera": key.camera, "captured_at": key.captured_at, "batch_date": key.in_date}
    return row


def _put_fault(row: JudgedImage, fault: Fault) -> None:
    row["status"] = fault.status
    row["error"] = fault.reason
    row["content_sha256"] = fault.content_sha256
    row["width"] = fault.width
    row["height"] = fault.height


def _put_encoded(row: JudgedImage, encoded: EncodedImage) -> None:
    row["content_sha256"] = encoded.content_sha256
    row["embedding"] = encoded.embedding
    row["precision"] = encoded.precision
    row["width"] = encoded.width
    row["height"] = encoded.height
    row["sharpness"] = encoded.sharpness
    row["brightness"] = encoded.brightness


def climate_span(farm: Farm) -> Around:
    """Seconds around a day that tell the climate at its captures.

    The sample at the capture, and what tells that it is no spike.
    """
    neighbours = SPIKE_REACH * neighbour_s(farm.max_hold_s)
    return Around(CLIMATE_MAX_AGE_S + neighbours, neighbours)


def circumstances(
    row: DailyClipInference,
    climate: Mapping[RoomQuantity, Sequence[Series]],
    farm: Farm,
    in_dates: Mapping[str, Sequence[dt.date]],
) -> Circumstances:
    """Batch, growth day and climate at the capture; nothing where the capture is not known.

    The batch table decides, the file's name is the fallback.

    Args:
        row: as `judged_image` makes it.
        climate: as `sensors.climate` returns it, of the day and the `climate_span` around it.
        farm: length of a cycle, and the settings in force.
        in_dates: ascending in-dates by room, as the batch table has them.
    """
    captured_at = row["captured_at"]
    if captured_at is None:
        return {}
    room = row["room_id"]
    captured_on = captured_at.date()
    growth = growth_on(captured_on, in_dates.get(room, ()), farm.cycle_days)
    if growth.batch_date is None and row["batch_date"]:
        growth = growth_on(captured_on, [row["batch_date"]], farm.cycle_days)
    found: Circumstances = {"batch_date": growth.batch_date, "growth_day": growth.growth_day}
    for quantity, column in CLIMATE_COLUMNS.items():
        if (room, quantity) in climate:
            sensors = climate[room, quantity]
            found[column] = last_known(sensors, to_us(captured_at), CLIMATE_MAX_AGE_S)
    found["settings_version"] = farm.on(room, row["image_date"]).settings_version(VISION)
    return found


def image_labels(
    rows: Iterable[DailyClipInference], labeller: Labeller, probes: Mapping[str, Probe]
) -> dict[str, ImageLabels]:
    """Zero-shot labels and the probes' labels of all images that have a vector, by path."""
    vectors = {row["image_path"]: row["embedding"] for row in rows if row["embedding"] is not None}
    if not vectors:
        return {}
    embeddings = np.stack(list(vectors.values()))
    scores = labeller.score(embeddings)
    own = probe_columns(probes, embeddings)
    return {
        path: _labels(score, columns)
        for path, score, columns in zip(vectors, scores, own, strict=True)
    }


def _labels(score: ImageScores, columns: ProbeColumns) -> ImageLabels:
    return {
        "stage": score.stage,
        "stage_probability": score.stage_probability,
        "stage_margin": score.stage_margin,
        "condition": score.condition,
        "condition_probability": score.condition_probability,
        "scores": score.scores,
        "familiarity": score.familiarity,
        **columns,
    }

"""The cameras: which shots a day has, where each lies in the store, and what it shows.

Here lives the truth about the images. How a shot looks lives in `render`; nothing here writes to a
store.
"""

import datetime as dt
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_parts import Label
from mushroom_assets.simulation.batch import Changeover, changeover, growth_day, in_date
from mushroom_assets.simulation.clock import Purpose, chance
from mushroom_assets.simulation.devices import wiring_number
from mushroom_assets.simulation.render import draw
from mushroom_assets.simulation.scene import Scene, view

MINUTE = 1  # of the hour, and
SECOND = 30  # of the minute: when the cameras shoot
# Pictures are drawn this much smaller and enlarged: the softness of a cheap lens, and half the time
DRAWN = 0.65
# The last number of the cameras' addresses 192.168.1.x; the names in the store are the digits
# without the dots.
ADDRESSES = {"607": (233, 234), "608": (231, 232), "611": (237, 238), "612": (235, 236)}
# What a batch can suffer from, and from which growth day on it shows.
DISEASES = {"green_mould": 3, "blotch": 11, "dry_caps": 12, "long_stems": 11}


@dataclass(frozen=True)
class Shot:
    """One picture.

    Attributes:
        room_id: the room.
        camera: digits of the camera's address, "1921681235" for 192.168.1.235.
        captured_at: aware, in the farm's zone.
        key: path in the store, `<folder>/<YYYYMMDD>/<room>_<camera>_<inDate>_<YYYYMMDDHHMMSS>.jpg`.
        in_date: in-date of the batch in force that day, as in `batches`.
        growth_day: age of that batch, 1 on its in-date.
        stage: key of the farm's stage labels that fits what is seen.
        condition: key of the farm's condition labels that fits what is seen.
        fault: None, "truncated" (the file ends early) or "empty" (a file of no bytes).
    """

    room_id: str
    camera: str
    captured_at: dt.datetime
    key: str
    in_date: dt.date
    growth_day: int
    stage: str
    condition: str
    fault: str | None


def shots(farm: Farm, rooms: Sequence[str], day: dt.date, *, seed: int) -> list[Shot]:
    """The shots of a farm-local day, by room, camera and time.

    Two cameras a room, a shot an hour each, minus drop-outs.
    """
    found: list[Shot] = []
    for room in rooms:
        for camera in cameras(farm, room):
            found += _camera_day(farm, room, camera, day, seed)
    return found


def cameras(farm: Farm, room: str) -> tuple[str, str]:
    """The names of a room's two cameras."""
    if room in ADDRESSES:
        first, second = ADDRESSES[room]
        return f"1921681{first}", f"1921681{second}"
    # The rooms added later have a network of their own, 192.168.2.x
    number = 2 * wiring_number(farm, room)
    return f"1921682{number - 1}", f"1921682{number}"


def _camera_day(farm: Farm, room: str, camera: str, day: dt.date, seed: int) -> Iterator[Shot]:
    random = chance(seed, f"{room}/{camera}", day, Purpose.CAMERAS)
    lost = _drop_out(random)
    batch = in_date(farm, room, day)
    age = growth_day(farm, room, day)
    hours = changeover(room, day, seed) if age == 1 else None
    folder = f"{farm.folder(room)}/{day:%Y%m%d}"
    begins = f"{room}_{camera}_{_written(room, batch, seed)}"
    disease = _disease(seed, room, batch, age)
    chances = random.random((24, 2))
    for hour in range(24):
        captured = dt.datetime.combine(day, dt.time(hour, MINUTE, SECOND), tzinfo=farm.zone)
        # An hour that the clocks skip has no shot; for an hour that they repeat, the store keeps
        # one shot, under one name.
        if hour in lost or captured.astimezone(dt.UTC).astimezone(farm.zone).hour != hour:
            continue
        stage, condition = _seen(hour, age, hours, disease, float(chances[hour, 0]))
        yield Shot(
            room_id=room,
            camera=camera,
            captured_at=captured,
            key=f"{folder}/{begins}_{captured:%Y%m%d%H%M%S}.jpg",
            in_date=batch,
            growth_day=age,
            stage=_known(stage, farm.vision.stages),
            condition=_known(condition, farm.vision.conditions),
            fault=_file_fault(float(chances[hour, 1])),
        )


def _written(room: str, batch: dt.date, seed: int) -> str:
    """The in-date as a batch's names have it: mostly without zeros in front of month and day."""
    padded = chance(seed, room, batch, Purpose.CAMERAS).random() < 0.3
    return f"{batch:%Y%m%d}" if padded else f"{batch.year}{batch.month}{batch.day}"


def _drop_out(random: np.random.Generator) -> set[int]:
    """Hours without a shot: single ones, and at times a camera that is gone for hours."""
    lost = set(np.flatnonzero(random.random(24) < 0.02).tolist())
    first = int(random.integers(0, 24))
    length = int(random.integers(2, 11))
    if random.random() < 0.15:
        lost |= set(range(first, first + length))
    return lost


def _file_fault(chance_of_shot: float) -> str | None:
    """One file in 250 ends early, one in 400 has no bytes: one a day on a farm of four rooms."""
    if chance_of_shot < 0.004:
        return "truncated"
    return "empty" if chance_of_shot < 0.0065 else None


def _disease(seed: int, room: str, batch: dt.date, age: int) -> str | None:
    """One batch in four has some days with a visible disease or disorder."""
    random = chance(seed, room, batch, Purpose.DISEASE)
    name = str(random.choice(list(DISEASES)))
    first = DISEASES[name] + int(random.integers(0, 10))
    struck = random.random() < 0.25
    lasts = int(random.integers(2, 6))
    return name if struck and first <= age < first + lasts else None


def _seen(
    hour: int, age: int, hours: Changeover | None, disease: str | None, luck: float
) -> tuple[str, str]:
    """Stage and condition that a picture shows."""
    stage = _stage(age)
    minute = hour * 60 + MINUTE
    if hours and minute < hours.filling + 60:
        stage = "harvested"
        if minute > hours.emptied:
            return stage, "empty_room"
    if (hour >= 21 or hour < 6) and luck < 0.15:
        return stage, "dark_frame"
    return stage, disease or "healthy"


def _stage(age: int) -> str:
    """The stage by growth day; the last days of a longer cycle belong to the harvest."""
    if age <= 4:
        return "substrate"
    if age <= 7:
        return "primordia"
    return "fruiting" if age <= 23 else "harvest"


def _known(label: str, labels: Mapping[str, Label]) -> str:
    """The label, or the farm's first one where its file has other labels."""
    return label if label in labels else next(iter(labels))


def render(shot: Shot, *, seed: int, size: tuple[int, int] = (960, 540)) -> bytes:
    """The file of a shot: a JPEG of `size` (width, height) pixels, or what its fault left of it.

    A camera always sees its room from the same place; everything else is the shot's own.
    """
    if shot.fault == "empty":
        return b""
    width, height = (max(1, round(side * DRAWN)) for side in size)
    place = chance(seed, f"{shot.room_id}/{shot.camera}", dt.date(2000, 1, 1), Purpose.SCENE)
    random = chance(seed, shot.key, shot.captured_at.date(), Purpose.SCENE)
    light = _light(shot, float(random.random()))
    scene = Scene(shot.growth_day, shot.stage, shot.condition, light)
    picture = draw(scene, view(width, height, place), random)
    file = io.BytesIO()
    picture.resize(size, Image.Resampling.BILINEAR).save(file, "JPEG", quality=80)
    data = file.getvalue()
    return data[: len(data) * 2 // 5] if shot.fault == "truncated" else data


def _light(shot: Shot, luck: float) -> str:
    """White by day, from budding on often blue, dim at night and during the dark recovery."""
    if shot.stage == "harvested" or shot.growth_day == 1:
        return "white" if 6 <= shot.captured_at.hour < 20 else "dim"
    if shot.captured_at.hour >= 20 or shot.captured_at.hour < 7:
        return "dim"
    if shot.growth_day < 5:
        return "white" if luck < 0.5 else "dim"
    return "blue" if luck < 0.25 else "white"

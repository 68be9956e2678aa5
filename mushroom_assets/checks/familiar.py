"""`pictures_familiar`: are the newest pictures like those of their room's own past?

A check without a partition, as `morning`: its light is today's. How days are compared is the
business of `domain.own_days`.
"""

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import dagster as dg
import numpy as np
import numpy.typing as npt

from mushroom_assets.checks.rule import WARN
from mushroom_assets.checks.standing import Told, Watched, unpartitioned_check
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.own_days import DAYS_BEFORE, FEWEST_DAYS, UNFAMILIAR_BELOW, own_day
from mushroom_assets.domain.texts import say
from mushroom_assets.faults.run import permanent_faults_fail_at_once
from mushroom_assets.resources import PostgresResource
from mushroom_assets.storage.schema import daily_clip_inference as table
from mushroom_assets.storage.vision.own_days import Picture, newest_pictured, read_pictures

Vector = npt.NDArray[np.float32]

NAME = "pictures_familiar"
ASSET = table.name
# Of a camera's pictures of a day, above which the check warns: a person in front of it is a few
SHARE = 0.5
EXAMPLES = 8


class RoomLook(NamedTuple):
    """A room's newest pictures.

    Attributes:
        room_id: whose.
        days: how many days before could be compared.
        odd: the unfamiliar pictures of each camera, the oddest first; None where it is not
            calibrated yet.
        pictures: how many each camera has.
    """

    room_id: str
    days: int
    odd: dict[str, list[str]] | None
    pictures: Mapping[str, int]


def familiar_check(
    watched: Watched, farm: Farm, retry_policy: dg.RetryPolicy
) -> dg.AssetChecksDefinition:
    """The check of `daily_clip_inference`; its description is in the farm's language."""

    def judge(_: dg.DagsterInstance, postgres: PostgresResource, farm: Farm) -> Told:
        with permanent_faults_fail_at_once(), postgres.transaction() as connection:
            newest = newest_pictured(connection)
            if newest is None:
                return {"passed": True, "description": say("pictures_familiar.nothing", farm)}
            day, encoder = newest
            since = day - dt.timedelta(days=DAYS_BEFORE)
            looks = []
            for room in farm.rooms:
                pictures = read_pictures(connection, room, encoder, since, day)
                if pictures and pictures[-1].day == day:
                    looks.append(look(room, day, pictures))
        return told(looks, day, farm)

    holds = say("pictures_familiar.holds", farm, share=SHARE)
    return unpartitioned_check(NAME, watched, holds, retry_policy, judge)


def look(room: str, day: dt.date, pictures: Sequence[Picture]) -> RoomLook:
    """Compare a room's pictures of a day with those before it; `pictures` are in order of days."""
    by_day: dict[dt.date, list[Vector]] = {}
    for picture in pictures:
        by_day.setdefault(picture.day, []).append(picture.vector)
    found = own_day(day, {of: np.stack(vectors) for of, vectors in by_day.items()})
    new = [picture for picture in pictures if picture.day == day]
    counts = Counter(sorted(picture.camera for picture in new))
    if found.familiarity is None:
        return RoomLook(room, found.days, None, counts)
    odd: dict[str, list[str]] = {camera: [] for camera in counts}
    for number in np.argsort(found.familiarity, kind="stable"):
        if found.familiarity[number] < UNFAMILIAR_BELOW:
            odd[new[number].camera].append(new[number].image_path)
    return RoomLook(room, found.days, odd, counts)


def told(looks: Sequence[RoomLook], day: dt.date, farm: Farm) -> Told:
    """What the check says: cameras of which most pictures are odd, and how many others are."""
    lines = []
    strange = 0
    for of in looks:
        if of.odd is None:
            about = {"room": of.room_id, "days": of.days, "needed": FEWEST_DAYS}
            lines.append(f"- {say('pictures_familiar.early', farm, **about)}")
            continue
        for camera, paths in of.odd.items():
            strange += len(paths) > SHARE * of.pictures[camera]
            if paths:
                about = {"room": of.room_id, "camera": camera, "count": len(paths)}
                about["total"] = of.pictures[camera]
                lines.append(f"- {say('pictures_familiar.odd', farm, **about)}")
                lines += [f"    - {path}" for path in paths[:EXAMPLES]]
    key = "pictures_familiar.fault" if strange else "pictures_familiar.well"
    return {
        "passed": not strange,
        "severity": WARN,
        "description": say(key, farm, day=day, count=strange),
        "metadata": {"cameras": dg.MetadataValue.md("\n".join(lines) or say("good", farm))},
    }

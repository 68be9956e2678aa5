"""`daily_room_report`: what is known of a room's day, and what followed each change.

Rows come in as the result tables have them; nothing is read or written here. `verdict` judges the
day, `card` puts it into words.
"""

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Literal, NotRequired, TypedDict

from mushroom_assets.domain.environment import DailyEnvStats
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_parts import Quantity
from mushroom_assets.domain.image_row import DailyClipInference
from mushroom_assets.domain.origin import origin
from mushroom_assets.domain.records import Harvest, Note
from mushroom_assets.domain.sensors import Around, neighbourhood
from mushroom_assets.domain.series import SECOND, Series
from mushroom_assets.domain.setpoints import HourlySetpointChanges
from mushroom_assets.domain.statistics import mean_between
from mushroom_assets.domain.texts import (
    decimals,
    default_decimals,
    default_name,
    quantity_name,
    say,
)
from mushroom_assets.domain.versions import Parts
from mushroom_assets.domain.windows import to_us

VERSION = 4  # of the code: raise it when the rows' meaning changes, see `versions`
Verdict = Literal["good", "watch", "act", "insufficient_data"]
# The worst reason decides: what is known to be wrong is said even if something else is unknown
SEVERITY: tuple[Verdict, ...] = ("good", "watch", "insufficient_data", "act")
EVENTS_SHOWN = 12  # setpoint moves; 5-10 a room and day are usual
EFFECT_S = 3600  # before and after a move
EFFECT_COVERAGE = 0.5  # share of each hour; below it, the report says nothing of the hour
# Two days are called alike from this cosine of their mean vectors on. In the simulated plant, a
# room in a stage that no other room was in had its nearest past day at 0.27 to 0.31, with growth
# days 11 to 21 apart.
ALIKE_FROM = 0.5

Means = tuple[float | None, float | None]  # of a quantity, before and after a move
Effect = Mapping[str, Means]  # by quantity


class Reason(TypedDict):
    """What speaks against a day, with its numbers and its text in the farm's language.

    `code` is a text's key; the optional keys are the values that this text tells.
    """

    severity: Verdict
    code: str
    quantity: NotRequired[str]
    share: NotRequired[float]
    limit: NotRequired[float]
    low: NotRequired[float]
    high: NotRequired[float]
    unit: NotRequired[str]
    growth: NotRequired[str]
    condition: NotRequired[str]
    count: NotRequired[int]
    total: NotRequired[int]
    below: NotRequired[float]
    above: NotRequired[float]
    longest_out_s: NotRequired[float]
    out_integral: NotRequired[float]
    text: str


class DailyRoomReport(TypedDict):
    """A row of `daily_room_report`; what writes it adds `run_id` and `computed_at`."""

    stat_date: dt.date
    room_id: str
    verdict: Verdict
    reasons: Sequence[Reason]
    summary_md: str
    settings_version: int
    run_id: NotRequired[str]
    computed_at: NotRequired[dt.datetime]


@dataclass(frozen=True)
class Likeness:
    """The past room day whose images looked most like a day's; `similarity` is a cosine.

    A report quotes no other report: it would depend on which of the two was written first.
    """

    room_id: str
    day: dt.date
    similarity: float
    growth_day: int | None = None


@dataclass(frozen=True)
class RoomDay:
    """What is known of one room and day.

    Attributes:
        statistics, changes, images: rows of the three result tables, in key order; images are those
            of one model, and their vectors may be left out.
        model_id: of the images; None without any.
        alike: the past day that looked most like it.
        effects: what followed each of the `first_moves`.
        peers: rows of earlier days at the same growth day, of any room.
        conditions_before: shares of the images of the day before, by condition.
        notes: of the day, in time.
        harvests: of the batch in force and of those picked on the day, each up to this day; only
            those with a picking.
    """

    room_id: str
    day: dt.date
    statistics: Sequence[DailyEnvStats]
    changes: Sequence[HourlySetpointChanges]
    images: Sequence[DailyClipInference]
    model_id: str | None
    alike: Likeness | None = None
    effects: Sequence[Effect] = ()
    peers: Sequence[DailyEnvStats] = ()
    conditions_before: Mapping[str, float] = field(default_factory=dict)
    notes: Sequence[Note] = ()
    harvests: Sequence[Harvest] = ()

    @property
    def picked_kg(self) -> float | None:
        """What was picked on the day, of whatever batch."""
        pickings = chain.from_iterable(harvest.pickings for harvest in self.harvests)
        today = [picking.weight_kg for picking in pickings if picking.picked_on == self.day]
        return math.fsum(today) if today else None


def is_trained(room_day: RoomDay) -> bool:
    """Whether a model that has learned something looked at the day's images."""
    return room_day.model_id is not None and origin(room_day.model_id) != "random"


def climate_span(farm: Farm) -> Around:
    """Seconds around a day that its effects and its ribbons are computed from."""
    before, after = neighbourhood(farm)
    return Around(before + EFFECT_S, max(after, EFFECT_S))


def first_moves(changes: Sequence[HourlySetpointChanges]) -> list[HourlySetpointChanges]:
    """The changes of a day that are shown, in time: of a relay that flaps there are thousands."""
    return sorted(changes, key=lambda change: change["changed_at"])[:EVENTS_SHOWN]


def effects(
    changes: Sequence[HourlySetpointChanges], climate: Mapping[str, Sequence[Series]], farm: Farm
) -> list[Effect]:
    """What followed each change: the time-weighted means of `EFFECT_S` before and after it.

    Args:
        changes: those of one room.
        climate: the room's sensors by quantity, from `EFFECT_S` before the first change to
            `EFFECT_S` after the last.
        farm: how long a value holds.
    """
    span = EFFECT_S * SECOND

    def mean(sensors: Sequence[Series], start: int) -> float | None:
        return mean_between(sensors, start, start + span, farm.max_hold_s, EFFECT_COVERAGE)

    found: list[Effect] = []
    for change in changes:
        at = to_us(change["changed_at"])
        found.append({name: (mean(own, at - span), mean(own, at)) for name, own in climate.items()})
    return found


def growth_text(room_day: RoomDay, farm: Farm) -> str:
    """Growth day and batch in words."""
    first = next(iter(room_day.statistics), None)
    if first is None or first["growth_day"] is None:
        return say("no_batch", farm)
    return say("growth", farm, day=first["growth_day"], batch=first["batch_date"])


def depends_on(farm: Farm) -> list[Parts]:
    """The parts of the farm file that the rows of `daily_room_report` depend on."""
    points: Parts = {}
    for device_type, watched in farm.points.items():
        for alias, point in watched.items():
            # A move's unit and decimals; its words are stored.
            points[f"{device_type} {alias}"] = [point.unit, point.threshold]
    stages = {name: farm.say(label.text) for name, label in farm.vision.stages.items()}
    conditions = {name: farm.say(label.text) for name, label in farm.vision.conditions.items()}
    images: Parts = {"stages": stages, "conditions": conditions}
    images["unfamiliar_below"] = farm.vision.unfamiliar_below
    contagious = [name for name, label in farm.vision.conditions.items() if label.contagious]
    if contagious:
        images["contagious"] = sorted(contagious)
    if farm.vision.sound != "healthy":  # the usual one: versions from before the key stay
        images["sound"] = farm.vision.sound
    quantities = {name: _shown(name, quantity, farm) for name, quantity in farm.quantities.items()}
    return [
        {
            "timezone": farm.timezone,
            "rooms": sorted(farm.rooms),
            "language": farm.language,
            "report": farm.report.model_dump(),
            "max_hold_s": farm.max_hold_s,
            "quantities": quantities,
            "points": points,
            "devices": {name: farm.say(device) for name, device in farm.devices.items()},
            "stages": [stage.model_dump() for stage in farm.stages],
            "vision": images,
        }
    ]


def _shown(name: str, quantity: Quantity, farm: Farm) -> Parts:
    """What a report reads of a quantity; name and decimals where they are not the usual ones."""
    shown = quantity.model_dump(exclude={"setpoints", "text", "decimals"})
    if quantity_name(name, farm) != default_name(name, farm):
        shown["name"] = quantity_name(name, farm)
    if decimals(name, quantity.unit, farm) != default_decimals(quantity.unit):
        shown["decimals"] = quantity.decimals
    return shown

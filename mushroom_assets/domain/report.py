"""`daily_room_report`: the room's day with a verdict, and how far to trust it.

It weighs what was in range, what the cameras saw, and what followed each change. Rows come in as
the result tables have them; nothing is read or written here. `card` puts the verdict into words.
"""

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NotRequired, TypedDict, cast

from mushroom_assets.domain.environment import DailyEnvStats
from mushroom_assets.domain.farm import Band, Farm, Quantity
from mushroom_assets.domain.image_row import DailyClipInference
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
from mushroom_assets.domain.vision import UNKNOWN
from mushroom_assets.domain.windows import to_us

VERSION = 2  # of the code: raise it when the rows' meaning changes, see `versions`
Verdict = Literal["good", "watch", "act", "insufficient_data"]
# The worst reason decides
SEVERITY: tuple[Verdict, ...] = ("good", "watch", "act", "insufficient_data")
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
    text: str


class DailyRoomReport(TypedDict):
    """A row of `daily_room_report`; what writes it adds `run_id` and `computed_at`."""

    stat_date: dt.date
    room_id: str
    verdict: Verdict
    reasons: Sequence[Reason]
    summary_md: str
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
        images_trained: whether the model's labels and vectors mean anything.
        alike: the past day that looked most like it.
        effects: what followed each of the changes.
        peers: rows of earlier days at the same growth day, of any room.
    """

    room_id: str
    day: dt.date
    statistics: Sequence[DailyEnvStats]
    changes: Sequence[HourlySetpointChanges]
    images: Sequence[DailyClipInference]
    images_trained: bool
    alike: Likeness | None = None
    effects: Sequence[Effect] = ()
    peers: Sequence[DailyEnvStats] = ()


def assess(room_day: RoomDay, farm: Farm) -> tuple[Verdict, list[Reason]]:
    """The verdict and its reasons, the most serious first.

    The verdict is `insufficient_data` if a quantity with a target is known for less than
    `min_coverage` of the day, or if there is no target to judge by; otherwise it is that of the
    worst reason.
    """
    reasons = [*_climate_reasons(room_day, farm), *_image_reasons(room_day, farm)]
    reasons.sort(key=lambda reason: -SEVERITY.index(reason["severity"]))
    verdict = reasons[0]["severity"] if reasons else "good"
    return verdict, reasons


def climate_span(farm: Farm) -> Around:
    """Seconds around a day that its effects and its ribbons are computed from."""
    before, after = neighbourhood(farm)
    return Around(before + EFFECT_S, max(after, EFFECT_S))


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


def _climate_reasons(room_day: RoomDay, farm: Farm) -> list[Reason]:
    found: list[Reason] = []
    has_target = False
    for row in room_day.statistics:
        band = _target(row, farm)
        if band is None and row["quantity"] not in farm.quantities:
            continue
        has_target = has_target or band is not None
        found += _quantity_reasons(row, band, farm)
    if not has_target:
        growth = growth_text(room_day, farm)
        found.append(_reason(farm, "insufficient_data", "no_target", growth=growth))
    return found


def _target(row: DailyEnvStats, farm: Farm) -> Band | None:
    """The band that a row can be judged by: none where its statistics were made without one."""
    if row["sample_count"] and row["in_range"] is None:
        return None
    return farm.band(row["quantity"], row["growth_day"])


def _quantity_reasons(row: DailyEnvStats, band: Band | None, farm: Farm) -> list[Reason]:
    rules = farm.report
    quantity = row["quantity"]
    lacking: Verdict = "watch" if band is None else "insufficient_data"
    if row["sample_count"] == 0:
        return [_reason(farm, lacking, "no_samples", quantity=quantity)]
    found = []
    share = row["coverage"]
    in_range = row["in_range"]
    if share < rules.min_coverage:
        values = {"quantity": quantity, "share": share, "limit": rules.min_coverage}
        found.append(_reason(farm, lacking, "coverage", **values))
    elif band is not None and in_range is not None and in_range < rules.watch_below:
        severity: Verdict = "act" if in_range < rules.act_below else "watch"
        target = {"low": band[0], "high": band[1], "unit": row["unit"]}
        found.append(
            _reason(farm, severity, "in_range", quantity=quantity, share=in_range, **target)
        )
    suspect = row["suspect_count"] / row["sample_count"]
    if suspect > rules.watch_suspect_share:
        found.append(_reason(farm, "watch", "suspect", quantity=quantity, share=suspect))
    return found


def _image_reasons(room_day: RoomDay, farm: Farm) -> list[Reason]:
    images = room_day.images
    if not images:
        return []
    found = []
    usable = [image for image in images if image["status"] == "ok"]
    broken = len(images) - len(usable)
    if broken / len(images) > farm.report.watch_unreadable_share:
        found.append(_reason(farm, "watch", "unreadable", count=broken, total=len(images)))
    if room_day.images_trained:
        found += _condition_reasons([image["condition"] for image in usable], farm)
    return found


def _condition_reasons(conditions: Sequence[str | None], farm: Farm) -> list[Reason]:
    """Conditions that too many images show, the commonest first."""
    found = []
    for condition, count in Counter(conditions).most_common():
        share = count / len(conditions)
        if condition is None or condition in (farm.vision.sound, UNKNOWN):
            continue
        if share <= farm.report.watch_condition_share:
            continue
        label = farm.vision.conditions.get(condition)
        name = farm.say(label.text) if label else None
        found.append(_reason(farm, "watch", "condition", condition=name or condition, share=share))
    return found


def _reason(farm: Farm, severity: Verdict, code: str, **values: Any) -> Reason:
    shown = {**values, "quantity": quantity_name(values.get("quantity", ""), farm)}
    told = say(code, farm, **shown)
    return cast("Reason", {"severity": severity, "code": code, **values, "text": told})


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

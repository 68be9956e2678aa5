"""The room's day with a verdict: what was in range, what changed and what followed, how far to
trust it.

Rows come in as those of the result tables; nothing is read or written here. How a verdict reads is
the business of `card`.
"""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mushroom_assets.domain.environment import mean_between
from mushroom_assets.domain.farm import Farm, Quantity
from mushroom_assets.domain.series import SECOND, Series
from mushroom_assets.domain.texts import (
    decimals,
    default_decimals,
    default_name,
    quantity_name,
    say,
)
from mushroom_assets.domain.versions import Parts
from mushroom_assets.domain.windows import to_us

VERSION = 1  # of the code: raised with what the rows mean, see `versions`
Verdict = Literal["good", "watch", "act", "insufficient_data"]
# The worst reason decides
SEVERITY: tuple[Verdict, ...] = ("good", "watch", "act", "insufficient_data")
EFFECT_S = 3600  # before and after a move
EFFECT_COVERAGE = 0.5  # of each hour, or nothing is said of it

Rows = Sequence[dict[str, Any]]
Effect = Mapping[str, tuple[float | None, float | None]]  # means before and after, by quantity
# Cosine of two days' mean vectors from which they are called alike. The nearest past day of a room
# in a stage that no other room was in lay at 0.27 to 0.31 in the simulated plant, with growth days
# 11 to 21 apart.
ALIKE_FROM = 0.5


@dataclass(frozen=True)
class Likeness:
    """The past room day whose images looked most like a day's.

    `similarity` is a cosine, `verdict` its report's.
    """

    room_id: str
    day: dt.date
    similarity: float
    growth_day: int | None = None
    verdict: str | None = None


@dataclass(frozen=True)
class RoomDay:
    """What is known of one room and day.

    Attributes:
        statistics, changes, images: rows of the three result tables, in key order; images are those
            of one model.
        images_trained: whether the model's labels and vectors mean anything.
        alike: the past day that looked most like it.
        effects: what followed each of the changes.
        peers: rows of `daily_env_stats` of earlier batches at the same growth day, with the
            `verdict` of their report.
    """

    room_id: str
    day: dt.date
    statistics: Rows
    changes: Rows
    images: Rows
    images_trained: bool
    alike: Likeness | None = None
    effects: Sequence[Effect] = ()
    peers: Rows = ()


def judge(room_day: RoomDay, farm: Farm) -> tuple[Verdict, list[dict[str, Any]]]:
    """The verdict and its reasons, the most serious first, each with its text in the farm's
    language.

    `insufficient_data` where a quantity with a target is known for less than `min_coverage` of the
    day, or where there is no target to judge by; else the worst of its reasons.
    """
    reasons = sorted(
        _reasons(room_day, farm), key=lambda reason: -SEVERITY.index(reason["severity"])
    )
    return (reasons[0]["severity"] if reasons else "good"), reasons


def effects(changes: Rows, climate: Mapping[str, Series], farm: Farm) -> list[Effect]:
    """What followed each change: the time-weighted means of `EFFECT_S` before and after it, by
    quantity.

    Args:
        changes: rows of `hourly_setpoint_changes` of one room.
        climate: the room's series by quantity, `EFFECT_S` before the first change to as much after
            the last.
        farm: how long a value holds.
    """
    span, hold = EFFECT_S * SECOND, farm.max_hold_s
    return [
        {
            name: (
                mean_between(series, at - span, at, hold, EFFECT_COVERAGE),
                mean_between(series, at, at + span, hold, EFFECT_COVERAGE),
            )
            for name, series in climate.items()
        }
        for at in (to_us(change["changed_at"]) for change in changes)
    ]


def _reasons(room_day: RoomDay, farm: Farm) -> list[dict[str, Any]]:
    rules = farm.report
    found: list[dict[str, Any]] = []

    def add(severity: Verdict, code: str, **values: Any) -> None:
        shown = {**values, "quantity": quantity_name(values.get("quantity", ""), farm)}
        reason = {"severity": severity, "code": code, **values, "text": say(code, farm, **shown)}
        found.append(reason)

    targets = 0
    for row in room_day.statistics:
        quantity, band = row["quantity"], farm.band(row["quantity"], row["growth_day"])
        if row["sample_count"] and row["in_range"] is None:
            band = None  # the statistics were made without a band: they cannot be judged by one
        if band is None and quantity not in farm.quantities:
            continue
        targets += band is not None
        lacking: Verdict = "insufficient_data" if band is not None else "watch"
        if row["sample_count"] == 0:
            add(lacking, "no_samples", quantity=quantity)
        elif row["coverage"] < rules.min_coverage:
            add(
                lacking,
                "coverage",
                quantity=quantity,
                share=row["coverage"],
                limit=rules.min_coverage,
            )
        elif band is not None and row["in_range"] < rules.watch_below:
            severity: Verdict = "act" if row["in_range"] < rules.act_below else "watch"
            add(
                severity,
                "in_range",
                quantity=quantity,
                share=row["in_range"],
                low=band[0],
                high=band[1],
                unit=row["unit"],
            )
        if (
            row["sample_count"]
            and row["suspect_count"] / row["sample_count"] > rules.watch_suspect_share
        ):
            add(
                "watch",
                "suspect",
                quantity=quantity,
                share=row["suspect_count"] / row["sample_count"],
            )
    if not targets:
        add("insufficient_data", "no_target", growth=growth_text(room_day, farm))
    _image_reasons(room_day, farm, add)
    return found


def _image_reasons(room_day: RoomDay, farm: Farm, add: Callable[..., None]) -> None:
    images = room_day.images
    if not images:
        return
    judged = [image for image in images if image["status"] == "ok"]
    broken = len(images) - len(judged)
    if broken / len(images) > farm.report.watch_unreadable_share:
        add("watch", "unreadable", count=broken, total=len(images))
    if not room_day.images_trained:
        return
    for condition, count in Counter(image["condition"] for image in judged).most_common():
        share = count / len(judged)
        if condition not in ("healthy", "unknown") and share > farm.report.watch_condition_share:
            label = farm.vision.conditions.get(condition)
            name = farm.say(label.text) if label else None
            add("watch", "condition", condition=name or condition, share=share)


def growth_text(room_day: RoomDay, farm: Farm) -> str:
    """Growth day and batch in words."""
    first = next(iter(room_day.statistics), None)
    if first is None or first["growth_day"] is None:
        return say("no_batch", farm)
    return say("growth", farm, day=first["growth_day"], batch=first["batch_date"])


def depends_on(farm: Farm) -> list[Parts]:
    """What of the farm file the rows of `daily_room_report` depend on."""
    points: Parts = {}
    for device_type, watched in farm.points.items():
        for alias, point in watched.items():
            # A move's unit and decimals; its words are stored.
            points[f"{device_type} {alias}"] = [point.unit, point.threshold]
    stages = {name: farm.say(label.text) for name, label in farm.vision.stages.items()}
    conditions = {name: farm.say(label.text) for name, label in farm.vision.conditions.items()}
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
            "vision": {"stages": stages, "conditions": conditions},
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
